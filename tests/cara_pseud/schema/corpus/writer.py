"""Schemas made up by chance, over the whole language: several files that import each other, and now and then a fault.

The same seed writes the same. Nobody knows beforehand whether the compiler takes what is written; most of it it does.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

INTS = {
    "Int8": (-128, 127), "Int16": (-(2**15), 2**15 - 1), "Int32": (-(2**31), 2**31 - 1), "Int64": (-(2**63), 2**63 - 1),
    "UInt8": (0, 255), "UInt16": (0, 2**16 - 1), "UInt32": (0, 2**32 - 1), "UInt64": (0, 2**64 - 1),
}  # fmt: skip
SCALARS = ("Void", "Bool", *INTS, "Float32", "Float64", "Text", "Data")
TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|#[^\n]*|[A-Za-z_]\w*|0x[0-9a-fA-F]+|\d+(?:\.\d+)?|\s+|[^\s\w]')
_ODD = ("Missing", "@7", "@0xffffffffffffffff", "-1", "stream", "List", "AnyStruct", "1e999", '"\\xff"', "()")


@dataclass
class Struct:
    """A struct that others may name.

    Attributes:
        name: within its file.
        members: its fields: a name and a type, or the members of a group; those of its union.
        parameters: its type parameters.
    """

    name: str
    parameters: tuple[str, ...] = ()
    members: list[tuple[str, str | Members]] = field(default_factory=list)
    union: list[tuple[str, str | Members]] = field(default_factory=list)


@dataclass
class Members:
    """A group, or with members that exclude each other a named union."""

    members: list[tuple[str, str | Members]]
    is_union: bool


@dataclass
class File:
    """A file in the making."""

    name: str
    id: int
    imports: list[File] = field(default_factory=list)
    structs: list[Struct] = field(default_factory=list)
    enums: list[tuple[str, list[str]]] = field(default_factory=list)
    interfaces: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    constants: list[tuple[str, str]] = field(default_factory=list)
    annotations: list[tuple[str, str, str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


def write(seed: int) -> dict[str, bytes]:
    """The files of one schema by their names; ``main.capnp`` is the root."""
    return _Writer(random.Random(seed)).files()


class _Writer:
    def __init__(self, chance: random.Random) -> None:
        self._random = chance
        self._number = 0
        self._file = File("", 0)
        self._scope: tuple[str, ...] = ()

    def files(self) -> dict[str, bytes]:
        made: list[File] = []
        names = ["main.capnp", *self._random.sample(["lib.capnp", "sub/deep.capnp", "other.capnp"], self._up_to(3))]
        for name in reversed(names):
            file = File(name, self._random.getrandbits(63) | 1 << 63, [each for each in made if self._often(0.7)])
            self._write(file)
            made.append(file)
        texts = {file.name: "\n".join(file.lines) + "\n" for file in made}
        if self._often(0.4):
            name = self._random.choice(list(texts))
            texts[name] = self._with_a_fault(texts[name])
        written = {name: self._encoded(text) for name, text in texts.items()}
        written["blob.bin"] = bytes(range(200))
        return written

    # Chance.

    def _often(self, part: float) -> bool:
        return self._random.random() < part

    def _up_to(self, most: int, least: int = 0) -> int:
        return self._random.randint(least, most)

    def _name(self, letter: str) -> str:
        self._number += 1
        odd = self._random.choice(["", "", "", "List", "stream", "Stream", "union", "import", "x"])
        return f"{letter}{odd}{self._number}"

    # Files.

    def _write(self, file: File) -> None:
        self._file = file
        lines = file.lines
        lines.append(f"@0x{file.id:016x};")
        for imported in file.imports:
            lines.append(f"using {self._alias(imported)} = import {self._path(imported)};")
        if self._often(0.15):
            lines.append('using Cxx = import "/capnp/c++.capnp"; $Cxx.namespace("a::b");')
        if self._often(0.2):
            lines.append("# Bytes of an old encoding: \udcfc, and a word: -> stream.")
        makers: list[Callable[[], None]] = [
            *[self._enum] * self._up_to(2, 1), *[self._annotation] * self._up_to(2),
            *[self._struct] * self._up_to(4, 1), *[self._interface] * self._up_to(2),
            *[self._constant] * self._up_to(4), *[self._using] * self._up_to(2),
        ]  # fmt: skip
        for make in makers:
            make()
        for make in self._random.sample(makers, min(2, len(makers))):
            make()

    def _alias(self, file: File) -> str:
        return f"File{file.id & 0xFFFFF}"

    def _path(self, file: File) -> str:
        up = "../" if "/" in self._file.name else ""
        return f'"{self._random.choice(["/", up])}{file.name}"'

    def _encoded(self, text: str) -> bytes:
        if self._often(0.1):
            text = text.replace("\n", "\r\n")
        if self._often(0.05):
            text = "\ufeff" + text
        return text.encode("utf-8", "surrogateescape")

    def _with_a_fault(self, text: str) -> str:
        """The text with a token left out, said twice, exchanged with another one or put in another's place."""
        tokens = TOKEN.findall(text)
        places = [at for at, token in enumerate(tokens) if token.strip() and not token.startswith("#")]
        if len(places) < 2:
            return text
        at, other = self._random.sample(places, 2)
        match self._up_to(4):
            case 0:
                tokens[at] = ""
            case 1:
                tokens[at] += f" {tokens[at]}"
            case 2:
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case 3:
                tokens[at] = tokens[other]
            case 4:
                tokens[at] = self._random.choice(_ODD)
        return "".join(tokens)

    # Declarations.

    def _enum(self) -> None:
        name = self._name("E")
        values = [self._name("e") for _ in range(self._up_to(4, 1))]
        order = self._random.sample(range(len(values)), len(values))
        pairs = zip(values, order, strict=True)
        text = " ".join(f"{value} @{ordinal}{self._applied('enumerant')};" for value, ordinal in pairs)
        self._file.lines.append(f"enum {name}{self._applied('enum')} {{ {text} }}")
        self._file.enums.append((name, values))

    def _annotation(self) -> None:
        name = self._name("n")
        target = self._random.choice(["field", "struct", "enum", "enumerant", "interface", "method", "const", "*"])
        type = self._random.choice([*SCALARS, "List(Int32)", "List(Text)", *self._struct_names()])
        self._file.lines.append(f"annotation {name} ({target}) :{type};")
        self._file.annotations.append((name, target, type))

    def _applied(self, target: str) -> str:
        found = [
            (f"{self._prefix(file)}{name}", type) for file in (self._file, *self._file.imports)
            for name, meant, type in file.annotations if meant in (target, "*")
        ]  # fmt: skip
        if not found or not self._often(0.4):
            return ""
        name, type = self._random.choice(found)
        return f" ${name}" if type == "Void" and self._often(0.7) else f" ${name}({self._value(type)})"

    def _using(self) -> None:
        types = [*self._struct_names(), *self._enum_names()]
        if types:
            self._file.lines.append(f"using {self._name('U')} = {self._random.choice(types)};")

    def _constant(self) -> None:
        name, type = self._name("k"), self._type()
        self._file.lines.append(f"const {name} :{type} = {self._value(type)}{self._applied('const')};")
        self._file.constants.append((name, type))

    def _struct(self) -> None:
        parameters = tuple(f"T{number}" for number in range(self._up_to(2))) if self._often(0.3) else ()
        struct = Struct(self._name("S"), parameters)
        self._scope = parameters
        body: list[str] = []
        ordinals = iter(range(1000))
        if self._often(0.2):
            body.append(f"const {self._name('k')} :Int32 = {self._up_to(99)};")
        struct.members = [self._member(body, ordinals, 2) for _ in range(self._up_to(6, 1))]
        if self._often(0.4):
            inner: list[str] = []
            struct.union = [self._member(inner, ordinals, 1) for _ in range(self._up_to(4, 2))]
            body.append(f"union {{ {' '.join(inner)} }}")
        if self._often(0.2):
            body.append(f"struct {self._name('I')} {{ a @0 :Int32 = 5; b @1 :List({struct.name}); }}")
        self._random.shuffle(body)
        said = f"({', '.join(parameters)})" if parameters else ""
        id = f" @0x{self._random.getrandbits(63) | 1 << 63:016x}" if self._often(0.1) else ""
        self._file.lines.append(f"struct {struct.name}{id}{said}{self._applied('struct')} {{ {' '.join(body)} }}")
        if self._often(0.3):
            self._file.lines.append("# A comment.")
        self._scope = ()
        self._file.structs.append(struct)

    def _member(self, body: list[str], ordinals: Iterator[int], depth: int) -> tuple[str, str | Members]:
        name = self._name("f")
        if depth and self._often(0.2):
            inner: list[str] = []
            is_union = self._often(0.5)
            members = [self._member(inner, ordinals, depth - 1) for _ in range(self._up_to(3, 2))]
            body.append(f"{name} :{'union' if is_union else 'group'} {{ {' '.join(inner)} }}")
            return name, Members(members, is_union)
        type = self._random.choice(self._scope) if self._scope and self._often(0.3) else self._type()
        has_default = self._often(0.4) and type not in self._scope and type not in ("AnyPointer", "Capability")
        default = f" = {self._value(type)}" if has_default else ""
        body.append(f"{name} @{next(ordinals)} :{type}{default}{self._applied('field')};")
        return name, type

    def _interface(self) -> None:
        name = self._name("X")
        parameters = ("P",) if self._often(0.25) else ()
        supers = [self._bound(*each) for each in self._interfaces() if self._often(0.2)]
        said = f"({', '.join(parameters)})" if parameters else ""
        said += f" extends({', '.join(supers)})" if supers else ""
        self._scope = parameters
        methods = []
        for ordinal in range(self._up_to(4)):
            own = ("Q",) if self._often(0.15) else ()
            self._scope = (*parameters, *own)
            params = self._random.choice([self._list, self._list, self._list, self._struct_list])()
            results = self._random.choice([self._list, self._list, self._struct_list, lambda: "stream", lambda: ""])()
            arrow = f" -> {results}" if results else ""
            generic = f" [{', '.join(own)}]" if own else ""
            methods.append(f"{self._name('m')} @{ordinal}{generic} {params}{arrow}{self._applied('method')};")
        self._scope = ()
        self._file.lines.append(f"interface {name}{said}{self._applied('interface')} {{ {' '.join(methods)} }}")
        self._file.interfaces.append((name, parameters))

    def _list(self) -> str:
        members = []
        for _ in range(self._up_to(3)):
            type = self._random.choice(self._scope) if self._scope and self._often(0.3) else self._type()
            has_default = self._often(0.2) and type not in (*self._scope, "AnyPointer", "Capability")
            members.append(f"{self._name('p')} :{type}" + (f" = {self._value(type)}" if has_default else ""))
        return f"({', '.join(members)})"

    def _struct_list(self) -> str:
        names = self._struct_names()
        return self._random.choice(names) if names else "()"

    # Types.

    def _prefix(self, file: File) -> str:
        return "" if file is self._file else f"{self._alias(file)}."

    def _struct_names(self) -> list[str]:
        return [
            self._bound(f"{self._prefix(file)}{struct.name}", struct.parameters)
            for file in (self._file, *self._file.imports) for struct in file.structs
        ]  # fmt: skip

    def _enum_names(self) -> list[str]:
        return [f"{self._prefix(file)}{name}" for file in (self._file, *self._file.imports) for name, _ in file.enums]

    def _interfaces(self) -> list[tuple[str, tuple[str, ...]]]:
        return [
            (f"{self._prefix(file)}{name}", parameters)
            for file in (self._file, *self._file.imports) for name, parameters in file.interfaces
        ]  # fmt: skip

    def _bound(self, name: str, parameters: tuple[str, ...]) -> str:
        if not parameters or self._often(0.3):
            return name
        return f"{name}({', '.join(self._random.choice(['Text', 'Data', 'List(Int8)']) for _ in parameters)})"

    def _type(self, depth: int = 2) -> str:
        roll = self._random.random()
        if roll < 0.55:
            return self._random.choice(SCALARS)
        if roll < 0.7 and depth:
            return f"List({self._type(depth - 1)})"
        if roll < 0.8 and self._enum_names():
            return self._random.choice(self._enum_names())
        if roll < 0.95 and self._struct_names():
            return self._random.choice(self._struct_names())
        if roll < 0.98 and self._interfaces() and depth == 2:
            return self._bound(*self._random.choice(self._interfaces()))
        return self._random.choice(["AnyPointer", "Capability"]) if depth == 2 else "Text"

    # Values.

    def _value(self, type: str, depth: int = 3) -> str:
        known = [
            f"{'.' if file is self._file else self._prefix(file)}{name}"
            for file in (self._file, *self._file.imports) for name, of in file.constants if of == type
        ]  # fmt: skip
        if known and self._often(0.2):
            return self._random.choice(known)
        if type in INTS:
            low, high = INTS[type]
            number = self._random.choice([0, 1, low, high, self._random.randint(low, high)])
            if number >= 0 and self._often(0.3):
                return self._random.choice([f"0x{number:x}", f"0{number:o}"])
            return str(number)
        if type in ("Float32", "Float64"):
            return self._random.choice(["0", "1.5", "-2.25", "1e10", "-1.5e-3", "inf", "-inf", "nan", "7", "0x10"])
        if type == "Text":
            return self._random.choice(['""', '"plain"', '"Zoë ☃"', r'"a\n\t\"\\b"', r'"\x41\x00z"', '"one" "two"'])
        if type == "Data":
            return self._random.choice(['0x"00 ff a1"', '"text"', '0x""', r'"\x00\xfe"', 'embed "/blob.bin"'])
        if type == "Bool":
            return self._random.choice(["true", "false"])
        if type == "Void":
            return "void"
        if type.startswith("List("):
            if depth <= 0:
                return "[]"
            return f"[{', '.join(self._value(type[5:-1], depth - 1) for _ in range(self._up_to(3)))}]"
        for file in (self._file, *self._file.imports):
            for name, values in file.enums:
                if type == f"{self._prefix(file)}{name}":
                    return self._random.choice(values)
            for struct in file.structs:
                if type.partition("(")[0] == f"{self._prefix(file)}{struct.name}":
                    return self._literal(struct.members, struct.union, struct.parameters, depth)
        return "void"  # what has no values

    def _literal(
        self,
        members: list[tuple[str, str | Members]],
        union: list[tuple[str, str | Members]],
        parameters: tuple[str, ...],
        depth: int,
    ) -> str:
        chosen = [member for member in members if self._often(0.5)] if depth > 0 else []
        if union and depth > 0 and self._often(0.7):
            chosen.append(self._random.choice(union))
        said = []
        for name, type in chosen:
            if isinstance(type, Members):
                inner: tuple[list[tuple[str, str | Members]], list[tuple[str, str | Members]]]
                inner = ([], type.members) if type.is_union else (type.members, [])
                said.append(f"{name} = {self._literal(*inner, parameters, depth - 1)}")
            elif type not in parameters and not self._has_no_values(type):
                # What a field of another file is said to be there may be called otherwise here.
                said.append(f"{name} = {self._value(type, depth - 1)}")
        self._random.shuffle(said)
        return f"({', '.join(said)})"

    def _has_no_values(self, type: str) -> bool:
        bare = type.removeprefix("List(").removeprefix("List(").rstrip(")").partition("(")[0]
        names = ("AnyPointer", "Capability", *(name for name, _ in self._interfaces()))
        return bare in names or "File" in bare

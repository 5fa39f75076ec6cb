"""Type stubs of schemas, for mypy and pyright: what `load` makes at run time, written down.

A struct is a class with a property for each field, whose setter takes more than its getter gives: a dict where a struct
is, for example. An interface is two classes. ``Calculator`` is what services derive from: its methods take what comes
over the wire and may give a result or an awaitable of one. ``CalculatorClient``, which only type checkers know, is a
proxy: its methods take what may be sent, and give calls. The methods of the second override those of the first, so what
they take is wider and what they give is narrower. What a call gives before its result is there is in ``_PersonCall``:
the objects in the result, which can be called and passed on.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from typing import Final

from cara_pseud.python_names import python_name
from cara_pseud.schema.nodes import (
    ConstNode,
    EnumNode,
    Field,
    FileNode,
    InterfaceNode,
    Kind,
    Method,
    Node,
    Schema,
    StructNode,
    Type,
    substitute,
)
from cara_pseud.stub_lines import INDENT, Lines, doc_lines, indented
from cara_pseud.stub_modules import is_standard, module_name
from cara_pseud.stub_types import BUILTIN, StubTypes, local_name

_MADE: Final = """\
# Made by `cara-gateway stubs`; the schema says more.
# A struct is a dict with other keys and values, and a proxy takes more and gives less than what a service implements.
# mypy: disable-error-code="override, misc, overload-overlap, assignment"
# pyright: reportIncompatibleMethodOverride=false, reportIncompatibleVariableOverride=false
# pyright: reportInconsistentOverload=false, reportOverlappingOverload=false, reportInvalidStubStatement=false
# pyright: reportAssignmentType=false, reportInvalidTypeVarUse=false"""
_HEADER: Final = """\
from collections.abc import Awaitable as _Awaitable
from collections.abc import Callable as _Callable
from collections.abc import Iterable as _Iterable
from collections.abc import Mapping as _Mapping
from typing import Any as _Any
from typing import Final as _Final
from typing import Generic as _Generic
from typing import Literal as _Literal
from typing import Self as _Self
from typing import TypeAlias as _TypeAlias
from typing import TypeVar as _TypeVar
from typing import TypedDict as _TypedDict
from typing import overload as _overload
from typing import type_check_only as _type_check_only
"""
_BUILTINS: Final = frozenset({
    "bool", "bytearray", "bytes", "float", "int", "list", "memoryview", "property", "str", "tuple", "type",
})  # fmt: skip
_DICT: Final = frozenset(dir(dict))
_DECLARED: Final = re.compile(r"^\s*(?:def |class )?(\w+)(?=[(:]| =)")
"""The name that a line declares."""


def stubs(schema: Schema) -> dict[str, str]:
    """The text of each ``.pyi`` that a schema needs, by the name of the module.

    They are those of the roots and of what they import; of what comes with the library only what they refer to.
    """
    waiting = [
        node for node in schema.nodes.values()
        if isinstance(node, FileNode) and (node.id in schema.roots or not is_standard(node))
    ]  # fmt: skip
    texts: dict[str, str] = {}
    for file in waiting:
        stub = _Stub(schema, file)
        texts[module_name(schema, file)] = "\n".join([*stub.lines(), ""])
        waiting += [imported for imported in stub.imported.values() if imported not in waiting]
    return texts


class _Stub(StubTypes):
    def __init__(self, schema: Schema, file: FileNode) -> None:
        super().__init__(schema, file)
        self._dicts: list[str] = []
        self._promised: list[str] = []
        # How many type parameters a declaration has at most.
        self._most_open = 0

    def lines(self) -> Lines:
        body = [line for _, id in self._file.nested for line in self._declaration(self._schema.nodes[id])]
        body += [line for name, target in self._file.aliases for line in self._alias(name, target)]
        body += self._dicts
        # A member's name hides the builtin type within its class.
        names = {name for line in body for name in _DECLARED.findall(line)}
        is_hidden = bool(names & _BUILTINS)
        body += self._promised
        while (bound := self._variants.next()) is not None:
            body += self._variant(*bound)
        body += [f"_top_{name} = {name}" for name in sorted(self._hidden)]
        body = [line.replace(BUILTIN, "_builtins." if is_hidden else "") for line in body]
        yield _MADE
        if is_hidden:
            yield "import builtins as _builtins"
        yield from _HEADER.rstrip().splitlines()
        yield ""
        yield "import cara_pseud as _cara"
        yield "import cara_pseud.typing as _cara_typing"
        yield from (f"import {module} as {local_name(module)}" for module in sorted(self.imported))
        yield from (f'_T{index} = _TypeVar("_T{index}")' for index in range(self._most_open))
        yield from body

    # Declarations.

    def _declaration(self, node: Node) -> Lines:
        if isinstance(node, StructNode):
            yield ""
            yield from self._struct(node, python_name(node.name))
        elif isinstance(node, EnumNode):
            yield ""
            yield from self._enum(node)
        elif isinstance(node, InterfaceNode):
            yield ""
            yield from self._interface(node)
        elif isinstance(node, ConstNode):
            yield f"{python_name(node.name)}: _Final[{self._given(node.type)}]"

    def _alias(self, name: str, target: int | Type) -> Lines:
        """What ``using`` calls by another name."""
        # What a generic type is bound to is nothing that stubs say; lists and builtin types are no classes there.
        node = self._schema.nodes.get(target.node_id if isinstance(target, Type) else target)
        if node is None or (isinstance(node, FileNode) and is_standard(node) and node.id not in self._schema.roots):
            yield f"{python_name(name)}: _Any"
        elif isinstance(node, FileNode):
            yield f"{python_name(name)} = {self._module(node)}"
        elif isinstance(node, ConstNode):
            yield f"{python_name(name)}: _Final[{self._given(node.type)}]"
        elif isinstance(node, StructNode | EnumNode | InterfaceNode):
            yield f"{python_name(name)}: _TypeAlias = {self._reference(node)}"

    def _nested(self, node: Node) -> Lines:
        for _, id in node.nested:
            yield from indented(self._declaration(self._schema.nodes[id]))
        for name, target in node.aliases:
            if isinstance(target, Type) or not isinstance(self._schema.nodes[target], FileNode):
                yield from indented(self._alias(name, target))

    def _enum(self, node: EnumNode) -> Lines:
        yield f"class {python_name(node.name)}(_cara.Enum):"
        yield from indented(doc_lines(node))
        for enumerant in node.enumerants:
            name = "mro_" if enumerant.name == "mro" else python_name(enumerant.name)
            yield f"{INDENT}{name} = {enumerant.id}"
        if not node.enumerants:
            yield f"{INDENT}..."

    def _variant(self, type: Type, name: str) -> list[str]:
        """A struct or a proxy with its type parameters bound."""
        self._brand = type.brand
        lines = []
        if type.kind is Kind.STRUCT:
            struct = self._schema.struct(type.node_id)
            lines += ["@_type_check_only", f"class {name}({self._reference(struct)}):"]
            members = [*self._constructor(struct), *self._items(struct)]
            for field in struct.fields:
                members += self._property(struct, field)
            promised = list(self._promised_members(struct.fields)) or ["..."]
            lines += [*indented(members), "@_type_check_only", f"class {name}Promised:", *indented(promised)]
            base = f"{name}Promised"
        else:
            interface = self._schema.interface(type.node_id)
            lines += ["@_type_check_only", f"class {name}({self._client(interface)}):"]
            members = [line for method in interface.methods for line in self._called(interface, method)]
            lines += indented(members or ["..."])
            base = name
        lines += ["@_type_check_only", f"class {name}Call(_cara_typing.Call[{name}], {base}): ..."]
        self._brand = ()
        return lines

    # Generic declarations: what programs bind themselves, as in ``Box[Text]``.

    def _metaclass(self, node: Node) -> str:
        bases = self._metaclasses(node)
        return f", metaclass=_{self._plain_name(node)}_type" if node.parameters or len(bases) > 1 else ""

    def _metaclasses(self, node: Node) -> list[str]:
        """The metaclasses that those of an interface's superclasses must be joined to."""
        found: dict[str, None] = {}
        for parent in self._parents(node) if isinstance(node, InterfaceNode) else ():
            inherited = self._metaclasses(parent)
            own = [self._beside(parent, "_type")] if parent.parameters or len(inherited) > 1 else inherited
            found.update(dict.fromkeys(own))
        return list(found)

    def _generic(self, node: StructNode | InterfaceNode) -> Lines:
        if not self._metaclass(node):
            return
        plain = self._plain_name(node)
        root = "_cara_typing.StructType" if isinstance(node, StructNode) else "_cara_typing.InterfaceType"
        yield f"class _{plain}_type({', '.join(self._metaclasses(node)) or root}):{'' if node.parameters else ' ...'}"
        if not node.parameters:
            return
        names = [f"_T{index}" for index in range(len(node.parameters))]
        self._most_open = max(self._most_open, len(names))
        bindable = [f"_cara_typing.Bindable[{name}]" for name in names]
        listed = ", ".join(names)
        types = bindable[0] if len(names) == 1 else f"{BUILTIN}tuple[{', '.join(bindable)}]"
        several = len(names) > 1
        yield from [f"{INDENT}@_overload"] * several
        yield f"{INDENT}def __getitem__(cls, types: {types}, /) -> {BUILTIN}type[_{plain}_of[{listed}]]: ..."
        yield from [f"{INDENT}@_overload", f"{INDENT}def __getitem__(cls, types: _Any, /) -> _Any: ..."] * several
        self._open = {(node.id, index): name for index, name in enumerate(names)}
        yield "@_type_check_only"
        yield f"class _{plain}_of({self._reference(node)}, _Generic[{listed}]):"
        if isinstance(node, StructNode):
            members = [*self._constructor(node), *self._items(node)]
            for field in node.fields:
                members += self._property(node, field)
            yield from indented(members)
        else:
            given = "_cara.Client | _cara.Reference | _cara.Interface"
            yield f"{INDENT}@_overload"
            yield f"{INDENT}def __new__(cls, value: {given}, /) -> _{plain}_client_of[{listed}]: ..."
            yield f"{INDENT}@_overload"
            yield f"{INDENT}def __new__(cls, *args: _Any, **kwargs: _Any) -> _Self: ..."
            yield "@_type_check_only"
            yield f"class _{plain}_client_of({self._client(node)}, _Generic[{listed}]):"
            # A class of several results would have to be generic itself.
            simple = [each for each in node.methods if not each.results_inline or len(self._members(each.results)) < 2]
            yield from indented([line for each in simple for line in self._called(node, each)] or ["..."])
        self._open = {}

    # Structs.

    def _struct(self, node: StructNode, name: str) -> Lines:
        yield f"class {name}(_cara.Struct{self._metaclass(node)}):"
        yield from indented(doc_lines(node))
        yield from self._nested(node)
        for field in node.fields:
            if field.group_id is not None:
                yield ""
                yield from indented(self._struct(self._schema.struct(field.group_id), f"_{field.name}"))
        self._dicts += self._dict_of(node)
        yield from indented(self._constructor(node))
        for field in node.fields:
            yield from indented(self._property(node, field))
        yield from indented(self._items(node))
        if not node.is_group:
            self._promised += self._promised_struct(node)
            self._promised += self._generic(node)
        if node.union:
            members = ", ".join([*(f'"{field.name}"' for field in node.union), '""'])
            yield f"{INDENT}def which(self) -> _Literal[{members}]: ..."

    def _promised_struct(self, node: StructNode) -> Lines:
        """A struct in a result that is not there, and a call that gives one."""
        name = self._plain_name(node)
        yield "@_type_check_only"
        yield f"class _{name}Promised:"
        yield from indented(list(self._promised_members(node.fields)) or ["..."])
        for field in node.fields:
            if field.group_id is not None:
                yield from self._promised_struct(self._schema.struct(field.group_id))
        if not node.is_group:
            yield "@_type_check_only"
            yield f"class _{name}Call(_cara_typing.Call[{self._reference(node)}], _{name}Promised): ..."

    def _promised_members(self, fields: Sequence[Field]) -> Lines:
        for field in fields:
            type = self._promised_type(field)
            if type is not None:
                yield f"@{BUILTIN}property"
                yield f"def {python_name(field.name)}(self) -> {type}: ..."

    def _promised_type(self, field: Field) -> str | None:
        """What stands for a field before the result is there; None if it cannot be used."""
        if field.group_id is not None:
            return f"_{self._plain_name(self._schema.struct(field.group_id))}Promised"
        assert field.type is not None
        type = substitute(field.type, self._brand)
        if type.parameter is not None:
            return None
        if type.kind is Kind.STRUCT:
            variant = self._variants.name(type)
            struct = self._schema.struct(type.node_id)
            return self._beside(struct, "Promised") if variant is None else f"{variant}Promised"
        if type.kind is Kind.INTERFACE:
            return self._given(type)
        return "_cara.Reference" if type.kind in (Kind.ANY_POINTER, Kind.CAPABILITY) else None

    def _dict_of(self, node: StructNode) -> Lines:
        """The dicts that stand for a struct: by the names of its fields."""
        name, base = self._dict_name(node), "_TypedDict"
        reserved = [field for field in node.fields if keyword.iskeyword(field.name)]
        if reserved:
            base = f"{name}Reserved"
            pairs = ", ".join(f'"{field.name}": {self._field_set(node, field)}' for field in reserved)
            yield f'{base} = _TypedDict("{base}", {{{pairs}}}, total=False)'
        yield f"class {name}({base}, total=False):"
        members = [f"{field.name}: {self._field_set(node, field)}" for field in node.fields if field not in reserved]
        yield from indented(members or ["..."])

    def _constructor(self, node: StructNode) -> Lines:
        taken = f"{self._reference(node)} | {self._dict_name(node)} | _Mapping[\0int, _Any] | None"
        named = [f"{python_name(field.name)}: {self._field_set(node, field)} = ..." for field in node.fields]
        star = ["*", *named] if named else []
        own = _self_beside(node.fields)
        yield f"def __init__({', '.join([own, f'_value: {taken} = None', '/', *star])}) -> None: ..."

    def _property(self, node: StructNode, field: Field) -> Lines:
        if field.name in _DICT or field.name == "which":
            return  # the dict's method keeps its name; the field is an item
        name = python_name(field.name)
        yield f"@{BUILTIN}property"
        yield f"def {name}(self) -> {self._field_given(node, field)}: ..."
        yield f"@{name}.setter"
        yield f"def {name}(self, value: {self._field_set(node, field)}) -> None: ..."

    def _items(self, node: StructNode) -> Lines:
        several = len(node.fields) > 1
        for direction, result in (("get", ""), ("set", "None")):
            for field in node.fields:
                if several:
                    yield "@_overload"
                key = f'key: _Literal["{field.name}", {field.id}]'
                if direction == "get":
                    yield f"def __getitem__(self, {key}, /) -> {self._field_given(node, field)}: ..."
                else:
                    taken = self._field_set(node, field)
                    yield f"def __setitem__(self, {key}, value: {taken}, /) -> {result}: ..."

    def _field_given(self, node: StructNode, field: Field) -> str:
        return self._group(node, field) if field.type is None else self._given(field.type)

    def _field_set(self, node: StructNode, field: Field) -> str:
        """What a field may be set to, None among it if that takes the field out."""
        return self._optional(self._field_taken(node, field), field)

    def _field_taken(self, node: StructNode, field: Field) -> str:
        if field.type is not None:
            return self._taken(field.type)
        assert field.group_id is not None
        group = self._schema.struct(field.group_id)
        return f"{self._group(node, field)} | {self._dict_name(group)} | _Mapping[\0int, _Any]"

    def _group(self, node: StructNode, field: Field) -> str:
        return f"{self._reference(node)}._{field.name}"

    @staticmethod
    def _optional(text: str, field: Field) -> str:
        nullable = field.type is None or field.type.kind.is_pointer
        return f"{text} | None" if nullable and text not in ("_Any", "None") else text

    # Interfaces.

    def _parents(self, node: InterfaceNode) -> list[InterfaceNode]:
        """The superclasses but those that another one has, too: to Python they would be a conflict."""
        each = {type.node_id: self._schema.interface(type.node_id) for type in node.superclasses}
        types = [type for parent in each.values() for type in parent.superclasses]
        above = {ancestor.node_id for type in types for ancestor in self._schema.ancestry(type)}
        return [parent for id, parent in each.items() if id not in above]

    def _interface(self, node: InterfaceNode) -> Lines:
        name, client = python_name(node.name), self._client_name(node)
        parents = [self._reference(parent) for parent in self._parents(node)]
        clients = [self._client(parent) for parent in self._parents(node)]
        yield f"class {name}({', '.join(parents) or '_cara.Interface'}{self._metaclass(node)}):"
        yield from indented(doc_lines(node))
        yield from self._nested(node)
        given = "_cara.Client | _cara.Reference | _cara.Interface"
        yield f"{INDENT}@_overload"
        yield f"{INDENT}def __new__(cls, value: {given}, /) -> {self._client(node)}: ..."
        yield f"{INDENT}@_overload"
        yield f"{INDENT}def __new__(cls, *args: _Any, **kwargs: _Any) -> _Self: ..."
        for method in node.methods:
            yield from indented(self._served(node, method))
        yield ""
        yield "@_type_check_only"
        yield f"class {client}({', '.join([name, *clients])}):"
        yield from indented(['"""A proxy. Only type checkers know this name."""'])
        for method in node.methods:
            yield from indented(self._called(node, method))
        reference = self._client(node)
        self._promised += ["@_type_check_only"]
        call = f"_cara_typing.Call[{reference}], {reference}"
        self._promised += [f"class _{self._plain_name(node)}Call({call}): ..."]
        self._promised += self._generic(node)

    def _served(self, node: InterfaceNode, method: Method) -> Lines:
        """A method as a service implements it."""
        parameters = self._parameters(method, taken=False)
        result = self._result(node, method, taken=True)
        name = python_name(method.name)
        own = _self_beside(self._members(method.params))
        yield f"def {name}({', '.join([own, *parameters])}) -> {result} | _Awaitable[{result}]: ..."

    def _called(self, node: InterfaceNode, method: Method) -> Lines:
        """A method as its callers see it."""
        if not method.streaming and method.results_inline and len(self._members(method.results)) > 1:
            yield from self._several(method)
        parameters = self._parameters(method, taken=True)
        name, own = python_name(method.name), _self_beside(self._members(method.params))
        yield f"def {name}({', '.join([own, *parameters])}) -> {self._call(node, method)}: ..."

    def _call(self, node: InterfaceNode, method: Method) -> str:
        """What calling a method gives."""
        result = self._result(node, method, taken=False)
        if not method.streaming:
            members = self._members(method.results) if method.results_inline else []
            type = method.results if not method.results_inline else members[0].type if len(members) == 1 else None
            type = None if type is None else substitute(type, self._brand)
            is_open = type is not None and bool(self._open) and bool(type.brand)
            if is_open:
                return f"_cara_typing.Call[{result}]"
            if type is not None and type.parameter is None and type.kind in (Kind.STRUCT, Kind.INTERFACE):
                variant = self._variants.name(type)
                return f"{variant}Call" if variant else self._beside(self._schema.nodes[type.node_id], "Call")
            if len(members) > 1:
                owner = self._variants.name(Type(Kind.INTERFACE, node.id, brand=self._brand)) or self._client(node)
                return f"{owner}._{method.name}_call"
        return f"_cara_typing.Call[{result}]"

    def _parameters(self, method: Method, taken: bool) -> list[str]:
        if not method.params_inline:
            return [f"_value: {self._taken(method.params) if taken else self._given(method.params)}", "/"]
        parameters = []
        optional = True
        for field in reversed(self._members(method.params)):
            assert field.type is not None  # a parameter is no group
            optional = optional and field.has_explicit_default
            text = self._optional(self._taken(field.type), field) if taken else self._given(field.type)
            parameters.append(f"{python_name(field.name)}: {text}{' = ...' if optional else ''}")
        return list(reversed(parameters))

    def _members(self, type: Type) -> Sequence[Field]:
        return self._schema.struct(type.node_id).fields

    def _result(self, node: InterfaceNode, method: Method, taken: bool) -> str:
        if method.streaming:
            return "None"
        if not method.results_inline:
            return self._taken(method.results) if taken else self._given(method.results)
        members = self._members(method.results)
        if not members:
            return "None"
        shown = self._taken if taken else self._given
        types = [shown(field.type) for field in members if field.type is not None]
        if len(members) == 1:
            return self._optional(types[0], members[0]) if taken else types[0]
        if taken:
            return f"{BUILTIN}tuple[{', '.join(types)}] | _Mapping[\0str, _Any]"
        owner = self._variants.name(Type(Kind.INTERFACE, node.id, brand=self._brand)) or self._client(node)
        return f"{owner}.{self._results_name(method)}"

    @staticmethod
    def _results_name(method: Method) -> str:
        return f"_{method.name}_results"

    def _several(self, method: Method) -> Lines:
        yield f"class {self._results_name(method)}(_cara_typing.Results):"
        for field in self._members(method.results):
            assert field.type is not None  # a result is no group
            if field.name not in _DICT:
                yield f"{INDENT}{python_name(field.name)}: {self._given(field.type)}"
        for field in self._members(method.results):
            assert field.type is not None
            yield f"{INDENT}@_overload"
            yield f'{INDENT}def __getitem__(self, key: _Literal["{field.name}"], /) -> {self._given(field.type)}: ...'
        yield f"class _{method.name}_call(_cara_typing.Call[{self._results_name(method)}]):"
        yield from indented(list(self._promised_members(self._members(method.results))) or ["..."])


def _self_beside(fields: Sequence[Field]) -> str:
    """What ``self`` is called beside parameters of these names."""
    return "_self" if any(field.name == "self" for field in fields) else "self"

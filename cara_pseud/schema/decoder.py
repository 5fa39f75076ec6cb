"""From the compiler's nodes, as ``schema.capnp:Node`` messages, to our own (nodes.py).

Works on the raw declarations, so brands and type parameters stay as they are written. The numbers below are places in
the structs of schema.capnp: bits and offset in the data section, an index in the pointer section. They cannot change
without breaking every message of the kind ever written.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cara_pseud.errors import SchemaError
from cara_pseud.schema.aliases import Aliases, scopes_of
from cara_pseud.schema.comments import doc_comments
from cara_pseud.schema.encoding import EncodingError, StructReader, root
from cara_pseud.schema.lexer import deepest_line
from cara_pseud.schema.literals import MAX_DEPTH, LiteralLayout, Literals, LiteralSlot, TooDeep, bits_of_value
from cara_pseud.schema.nodes import (
    Annotation,
    AnnotationNode,
    Brand,
    ConstNode,
    Enumerant,
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

_NO_DISCRIMINANT = 0xFFFF
_STREAM_RESULT = 0x995F9A3377C0B16E  # StreamResult of /capnp/stream.capnp, the result of `-> stream`
_KINDS = tuple(Kind)  # declared in the order of Type's union; the last ones are ways of its last member
_PLAIN_TYPES = tuple(Type(kind) for kind in _KINDS)
_ANY_POINTER = Type(Kind.ANY_POINTER)
_UNCONSTRAINED = (_ANY_POINTER, Type(Kind.ANY_STRUCT), Type(Kind.ANY_LIST), Type(Kind.CAPABILITY))
_TARGETS = (
    "file", "const", "enum", "enumerant", "struct", "field",
    "union", "group", "interface", "method", "param", "annotation",
)  # fmt: skip
_FIRST_TARGET = 112  # bit in Node's data section


class _Which(enum.IntEnum):
    """Node's union: what a node declares."""

    FILE = 0
    STRUCT = 1
    ENUM = 2
    INTERFACE = 3
    CONST = 4
    ANNOTATION = 5


@dataclass(frozen=True)
class CompiledFile:
    """A file that was compiled: under which name its nodes show it, where it was read, and what it said.

    ``compiled_text`` is what the compiler was given, in which imports name files as ``files`` of `decode` does; empty
    if nobody asks for its aliases.
    """

    display_name: str
    shown_name: str
    path: str
    text: str
    compiled_text: str = ""


def decode(messages: Iterable[bytes], files: Mapping[str, CompiledFile], roots: Sequence[str]) -> Schema:
    """Return the schema that the compiler's messages describe.

    Args:
        messages: one per node, each node once; what they refer to must be among them.
        files: by the display name that the compiler was given.
        roots: those names among them that make the schema's roots.

    Raises:
        SchemaError: something in the schema is too deep or not representable, or the messages are no schema.
    """
    return _Decoder(messages, files).schema(roots)


class _Decoder:
    def __init__(self, messages: Iterable[bytes], files: Mapping[str, CompiledFile]) -> None:
        self._files = files
        self._raw: dict[int, StructReader] = {}
        for message in messages:
            node = root(message)
            self._raw[node.unsigned(64, 0)] = node
        self._docs = {name: doc_comments(file.text) for name, file in files.items()}
        self._literals = Literals(self._layout)
        self._layouts: dict[int, LiteralLayout] = {}
        self._same_scope = dict(self._results_scopes())

    def schema(self, roots: Sequence[str]) -> Schema:
        nodes = {id: self._node(id, raw) for id, raw in self._raw.items()}
        ids = {raw.text(0): id for id, raw in self._raw.items() if raw.unsigned(16, 6) == _Which.FILE}
        found = [scopes_of(nodes, id, self._files[name].compiled_text) for name, id in ids.items()]
        texts = {id: texts for scopes in found for id, texts in scopes}
        aliases = Aliases(nodes, texts, ids)
        nodes |= {id: replace(nodes[id], aliases=aliases.of(id)) for id in texts}
        return Schema(nodes, tuple(ids[name] for name in roots))

    def _results_scopes(self) -> Iterator[tuple[int, int]]:
        """Pairs of scopes with the same type parameters: a generic method's anonymous results and its params.

        The anonymous struct of the results declares the method's type parameters once more. Here they are the same
        ones.
        """
        for raw in self._raw.values():
            if raw.unsigned(16, 6) == _Which.INTERFACE:
                for method in raw.list(3).structs():
                    if method.list(4).length and self._is_inline(method.unsigned(64, 2)):
                        yield method.unsigned(64, 2), method.unsigned(64, 1)

    def _node(self, id: int, raw: StructReader) -> Node:
        compiled_name, _, qualified_name = raw.text(0).partition(":")
        file = self._files[compiled_name]
        try:
            if qualified_name.count(".") > MAX_DEPTH:
                raise TooDeep("a declaration")
            return self._declaration(id, raw, file, qualified_name, self._docs[compiled_name])
        except TooDeep as error:
            raise SchemaError(f"{qualified_name[:60]}: {error}", file.shown_name, deepest_line(file.text)) from None
        except UnicodeDecodeError:
            raise SchemaError(f"{qualified_name}: a Text value is not UTF-8", file.shown_name) from None
        except EncodingError as error:
            raise SchemaError(f"{qualified_name}: the compiler's output is damaged: {error}", file.shown_name) from None

    def _declaration(
        self, id: int, raw: StructReader, file: CompiledFile, qualified_name: str, docs: Mapping[str, str]
    ) -> Node:
        which = raw.unsigned(16, 6)
        common: dict[str, Any] = {
            "id": id,
            "name": raw.text(0)[raw.unsigned(32, 2) :] if qualified_name else file.display_name.rpartition("/")[2],
            "display_name": f"{file.display_name}:{qualified_name}" if qualified_name else file.display_name,
            "scope_id": raw.unsigned(64, 2),
            "nested": tuple((nested.text(0), nested.unsigned(64, 0)) for nested in raw.list(1).structs()),
            "parameters": self._parameters(raw, 5),
            "is_generic": raw.bit(288),
            "annotations": self._annotations(raw, 2),
            "doc": docs.get(qualified_name, ""),
        }
        match which:
            case _Which.FILE:
                return FileNode(**common, text=file.text, path=file.path, shown_name=file.shown_name)
            case _Which.STRUCT:
                return StructNode(
                    **common,
                    fields=self._fields(raw, qualified_name, docs),
                    is_group=raw.bit(224),
                    data_words=raw.unsigned(16, 7),
                    pointers=raw.unsigned(16, 12),
                    discriminant_offset=raw.unsigned(32, 8),
                )
            case _Which.ENUM:
                return EnumNode(**common, enumerants=self._enumerants(raw, qualified_name, docs))
            case _Which.INTERFACE:
                return InterfaceNode(
                    **common,
                    methods=self._methods(raw, qualified_name, docs),
                    superclasses=tuple(
                        Type(Kind.INTERFACE, parent.unsigned(64, 0), brand=self._brand(parent.struct(0)))
                        for parent in raw.list(4).structs()
                    ),
                )
            case _Which.CONST:
                type = self._type(raw.struct(3))
                return ConstNode(**common, type=type, value=self._literals.read(type, raw.struct(4)))
            case _Which.ANNOTATION:
                targets = tuple(word for bit, word in enumerate(_TARGETS, _FIRST_TARGET) if raw.bit(bit))
                return AnnotationNode(**common, type=self._type(raw.struct(3)), targets=targets)
        raise EncodingError(f"a node of unknown kind {which}")

    def _fields(self, raw: StructReader, scope: str, docs: Mapping[str, str]) -> tuple[Field, ...]:
        return tuple(self._field(id, field, scope, docs) for id, field in enumerate(raw.list(3).structs()))

    def _field(self, id: int, raw: StructReader, scope: str, docs: Mapping[str, str]) -> Field:
        name = raw.text(0)
        is_group = raw.unsigned(16, 4) == 1
        discriminant = _discriminant(raw)
        type = None if is_group else self._type(raw.struct(2))
        explicit = not is_group and raw.bit(128)
        default = None
        if type is not None and (explicit or not type.kind.is_pointer):
            default = self._literals.read(type, raw.struct(3))
        return Field(
            id=id,
            name=name,
            type=type,
            group_id=raw.unsigned(64, 2) if is_group else None,
            default=default,
            has_explicit_default=explicit,
            discriminant=discriminant,
            code_order=raw.unsigned(16, 0),
            ordinal=raw.unsigned(16, 6) if raw.unsigned(16, 5) == 1 else None,
            annotations=self._annotations(raw, 1),
            doc=docs.get(f"{scope}.{name}", ""),
            offset=0 if is_group else raw.unsigned(32, 1),
        )

    def _layout(self, id: int) -> LiteralLayout:
        """Where the fields of a struct or group lie."""
        layout = self._layouts.get(id)
        if layout is None:
            raw = self._raw[id]
            slots = []
            for index, field in enumerate(raw.list(3).structs()):
                if field.unsigned(16, 4) == 1:
                    slots.append(LiteralSlot(index, _discriminant(field), None, field.unsigned(64, 2), 0, 0))
                else:
                    type = self._type(field.struct(2))
                    default_bits = bits_of_value(type.kind, field.struct(3))
                    slots.append(LiteralSlot(index, _discriminant(field), type, 0, field.unsigned(32, 1), default_bits))
            layout = self._layouts[id] = LiteralLayout(slots, raw.unsigned(32, 8))
        return layout

    def _enumerants(self, raw: StructReader, scope: str, docs: Mapping[str, str]) -> tuple[Enumerant, ...]:
        enumerants = []
        for id, enumerant in enumerate(raw.list(3).structs()):
            name = enumerant.text(0)
            doc = docs.get(f"{scope}.{name}", "")
            enumerants.append(Enumerant(id, name, enumerant.unsigned(16, 0), self._annotations(enumerant, 1), doc))
        return tuple(enumerants)

    def _methods(self, raw: StructReader, scope: str, docs: Mapping[str, str]) -> tuple[Method, ...]:
        return tuple(self._method(id, method, scope, docs) for id, method in enumerate(raw.list(3).structs()))

    def _method(self, id: int, raw: StructReader, scope: str, docs: Mapping[str, str]) -> Method:
        name = raw.text(0)
        type_parameters = self._parameters(raw, 4)
        params_id, results_id = raw.unsigned(64, 1), raw.unsigned(64, 2)
        params_brand = self._brand(raw.struct(2), implicit=params_id)
        results_brand = self._brand(raw.struct(3), implicit=params_id)
        if type_parameters:
            # As the compiler does for the parameters of enclosing scopes ("inherit"), so that binding them in the two
            # brands binds them in the two structs.
            own = tuple(Type(Kind.ANY_POINTER, parameter=(params_id, index)) for index in range(len(type_parameters)))
            params_brand = _with_scope(params_brand, params_id, own)
            results_brand = _with_scope(results_brand, params_id, own)
        return Method(
            id=id,
            name=name,
            code_order=raw.unsigned(16, 0),
            params=Type(Kind.STRUCT, params_id, brand=params_brand),
            results=Type(Kind.STRUCT, results_id, brand=results_brand),
            params_inline=self._is_inline(params_id),
            results_inline=self._is_inline(results_id),
            streaming=results_id == _STREAM_RESULT,
            type_parameters=type_parameters,
            annotations=self._annotations(raw, 1),
            doc=docs.get(f"{scope}.{name}", ""),
        )

    def _is_inline(self, struct_id: int) -> bool:
        return self._raw[struct_id].unsigned(64, 2) == 0

    def _parameters(self, raw: StructReader, index: int) -> tuple[str, ...]:
        return tuple(parameter.text(0) for parameter in raw.list(index).structs())

    def _type(self, raw: StructReader, implicit: int = 0, depth: int = 0) -> Type:
        """The type of a ``Type``; ``implicit`` is the scope that a method's own type parameters get."""
        if depth > MAX_DEPTH:
            raise TooDeep("a type")
        which = raw.unsigned(16, 0)
        if which < 14:
            return _PLAIN_TYPES[which]
        if which == 14:
            return Type(Kind.LIST, element=self._type(raw.struct(0), implicit, depth + 1))
        if which < 18:
            return Type(_KINDS[which], raw.unsigned(64, 1), brand=self._brand(raw.struct(0), implicit, depth + 1))
        match raw.unsigned(16, 4):
            case 0:
                bound = raw.unsigned(16, 5)
                return _UNCONSTRAINED[bound] if bound < len(_UNCONSTRAINED) else _ANY_POINTER
            case 1:
                scope = raw.unsigned(64, 2)
                return Type(Kind.ANY_POINTER, parameter=(self._same_scope.get(scope, scope), raw.unsigned(16, 5)))
            case 2:
                return Type(Kind.ANY_POINTER, parameter=(implicit, raw.unsigned(16, 5)))
        return _ANY_POINTER

    def _brand(self, raw: StructReader, implicit: int = 0, depth: int = 0) -> Brand:
        scopes = []
        for scope in raw.list(0).structs():
            id = scope.unsigned(64, 0)
            if scope.unsigned(16, 4) == 1:  # inherit: each parameter is bound to itself
                count = self._raw[id].list(5).length
                bound = tuple(Type(Kind.ANY_POINTER, parameter=(id, index)) for index in range(count))
            else:
                bound = tuple(
                    self._type(binding.struct(0), implicit, depth) if binding.unsigned(16, 0) == 1 else _ANY_POINTER
                    for binding in scope.list(0).structs()
                )
            if bound:
                scopes.append((id, bound))
        return tuple(sorted(scopes, key=lambda scope: scope[0]))

    def _annotations(self, raw: StructReader, index: int) -> tuple[Annotation, ...]:
        return tuple(self._annotation(annotation) for annotation in raw.list(index).structs())

    def _annotation(self, raw: StructReader) -> Annotation:
        id = raw.unsigned(64, 0)
        declaration = self._raw[id]
        type = substitute(self._type(declaration.struct(3)), self._brand(raw.struct(1)))
        name = declaration.text(0)[declaration.unsigned(32, 2) :]
        return Annotation(id, name, type, self._literals.read(type, raw.struct(0)))


def _discriminant(field: StructReader) -> int | None:
    # The encoding XORs the number with its default, which is "none".
    discriminant = field.unsigned(16, 1) ^ _NO_DISCRIMINANT
    return None if discriminant == _NO_DISCRIMINANT else discriminant


def _with_scope(brand: Brand, scope: int, bound: tuple[Type, ...]) -> Brand:
    return tuple(sorted(({scope: bound} | dict(brand)).items(), key=lambda bound: bound[0]))

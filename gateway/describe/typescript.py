"""TypeScript declarations of a service for the JavaScript client: what its methods take and give.

As values differ by their direction, so do types: a struct ``Item`` as it is given has the members that cannot be
absent, ``ItemInput`` as it is taken may leave members out. An interface ``Shop_Listener`` is a live object; where one
is taken, ``Shop_ListenerInput``, an object or function of the caller's does as well, and there the directions change
places.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final

from cara_pseud.schema.nodes import INT_RANGES, BoundMethod, Kind, Type, describe_type, substitute
from gateway.json.codec import CodecOptions
from gateway.json.codec.layout import JSON_VALUE_ID, FieldLayout, Form, StructLayout
from gateway.json.codec.params import in_written_order
from gateway.routes import ServiceRoutes, params_type

CLIENT: Final = "../client/index.js"
"""Where the client lies from ``/types/{service}.d.ts``."""
PACKAGE: Final = "cara-gateway-client"
"""What a project that has installed it knows the client by."""

_IDENTIFIER: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*", re.ASCII)
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_]+")
_WIDE: Final = (Kind.INT64, Kind.UINT64)
_FLOATS: Final = (Kind.FLOAT32, Kind.FLOAT64)
_SPECIAL: Final = "number | 'NaN' | 'Infinity' | '-Infinity'"
"""What may be given for a float. The client reads the three words as the numbers that they are."""

_INTERFACES: Final = "Interfaces"
_CASTS: Final = f"readonly $casts?: {_INTERFACES};"
"""The last member of each interface, which is there for types only: what `$as` of its objects takes."""
_CAPABILITY: Final = "Capability"
_OWN_NAMES: Final = frozenset({"Root", _INTERFACES, _CAPABILITY})
"""What every module has beside the types of its schema."""
_OBJECTS: Final = (Kind.INTERFACE, Kind.CAPABILITY)
_UNTYPED: Final = {
    Kind.CAPABILITY: (f"RemoteObject<{_CAPABILITY}>", "object"),
    Kind.ANY_STRUCT: ("{ [name: string]: any }", "object"),
    Kind.ANY_LIST: ("any[]", "readonly unknown[]"),
}
"""What pointers are of which only the kind is known: as they are given, and as they are taken."""

_OF_FUNCTIONS: Final = frozenset({"apply", "bind", "call", "toString"})
"""Methods that every function has."""
_NO_FUNCTION: Final = "readonly [Symbol.hasInstance]?: never;"
"""In an object that has methods which functions have too: functions have this as well, so that none is taken for it."""

_CALL: Final = "$call: CallbackCall"
"""Behind the parameters of a caller's method; `$` cannot begin a name of the schema's."""
_INDENT: Final = "  "


def typescript_module(services: Iterable[ServiceRoutes], options: CodecOptions, client: str = CLIENT) -> str:
    """The declarations of services, as a module.

    Args:
        client: what the module imports the client's own types from.

    Returns:
        The text of a ``.d.ts`` file. One service's types stand by themselves, several services' in a namespace each.
    """
    routes = list(services)
    lines = [
        "// Made from the schemas. Use: gateway.service<…>('…'), with the interface that is named there.",
        f"import type {{ Arg, CallbackCall, Json, Pending, RemoteObject, Typed }} from {json.dumps(client)};",
    ]
    for service in routes:
        declarations = list(_Declarations(service, options).lines())
        if len(routes) == 1:
            lines += ["", *declarations]
        else:
            lines += ["", f"export declare namespace {service.name} {{", *_indented(declarations), "}"]
    return "\n".join([*lines, ""])


class _Declarations:
    """The types of one service; each is declared once, when it is first met."""

    def __init__(self, routes: ServiceRoutes, options: CodecOptions) -> None:
        self._routes = routes
        self._options = options
        self._names: dict[tuple[Type, str], str] = {}
        self._waiting: list[tuple[Type, str]] = []
        self._parameters: dict[tuple[int, int], str] = {}  # of the method that is being written

    def lines(self) -> Iterator[str]:
        """The declarations, the service's own interface first."""
        yield f"/** The service `{self._routes.name}`. */"
        own = self._name(self._routes.interface, "")
        yield f"export type Root = {own};"
        yield from ("", "/** What `$as` takes an object for: the interfaces of the schema, by name. */")
        yield f"export interface {_INTERFACES} {{"
        for name, type in self._routes.interfaces.items():
            yield f"{_INDENT}{_member(name)}: {self._name(type, '')};"
        yield "}"
        yield from ("", "/** An object of which the schema says no more. */")
        yield from (f"export interface {_CAPABILITY} {{", f"{_INDENT}{_CASTS}", "}")
        while self._waiting:
            type, suffix = self._waiting.pop(0)
            yield ""
            yield from self._declaration(type, suffix)

    def _name(self, type: Type, suffix: str) -> str:
        key = (type, suffix)
        name = self._names.get(key)
        if name is None:
            base = _UNSAFE.sub("_", describe_type(self._routes.schema, type)).strip("_") + suffix
            name, number = base, 2
            while name in self._names.values() or name in _OWN_NAMES:
                name, number = f"{base}{number}", number + 1
            self._names[key] = name
            self._waiting.append(key)
        return name

    def _declaration(self, type: Type, suffix: str) -> Iterator[str]:
        name, node = self._names[type, suffix], self._routes.schema.nodes[type.node_id]
        if type.kind is Kind.ENUM:
            layout = self._routes.layouts.enum(type.node_id)
            yield from _comment(node.doc)
            yield f"export type {name} = {' | '.join(map(_text, layout.names)) or 'never'};"
        elif type.kind is Kind.STRUCT:
            yield from _comment(node.doc)
            yield f"export type {name} = {self._object(self._routes.layouts.struct(type), taken=bool(suffix))};"
        elif suffix == "Input":
            yield from self._taken_interface(type, name)
        else:
            yield from _comment(node.doc)
            yield f"export interface {name} {{"
            for method, bound in self._routes.for_interface(type).items():
                yield from _indented(self._method(method, bound, local=suffix == "Callback"))
            yield from [] if suffix else [f"{_INDENT}{_CASTS}"]
            if suffix and not _OF_FUNCTIONS.isdisjoint(self._routes.for_interface(type)):
                yield f"{_INDENT}{_NO_FUNCTION}"
            yield "}"

    def _taken_interface(self, type: Type, name: str) -> Iterator[str]:
        """What may be passed for an interface: a live object, the caller's own, or a function for one method."""
        forms = [f"Typed<{self._name(type, '')}>", self._name(type, "Callback")]
        methods = self._routes.schema.methods(type)
        if len(methods) == 1:
            forms.append(self._function(methods[0]))
        yield f"export type {name} = {' | '.join(forms)};"

    def _function(self, bound: BoundMethod) -> str:
        """The function that stands for an object with one method."""
        params, result = self._params(bound, local=True), self._result(bound, local=True)
        name = bound.method.name
        if name not in _OF_FUNCTIONS:
            return f"(({params}) => {result})"
        # What functions have by that name says nothing of the parameters of an object's method.
        return f"{{ ({params}): {result}; readonly {name}: object }}"

    # Methods.

    def _method(self, name: str, bound: BoundMethod, *, local: bool) -> Iterator[str]:
        yield from _comment(bound.method.doc)
        names = () if local else bound.method.type_parameters
        scope = bound.method.params.node_id
        self._parameters = {(scope, index): parameter for index, parameter in enumerate(names)}
        params, result = self._params(bound, local=local), self._result(bound, local=local)
        self._parameters = {}
        if names:  # what the client makes of other methods' results loses the type parameters
            yield f"{_member(name)}<{', '.join(names)}>({params}): Pending<{result}>;"
        else:
            yield f"{_member(name)}({params}): {result};"

    def _params(self, bound: BoundMethod, *, local: bool) -> str:
        """Parameters by position; ``local`` ones come to an object of the caller's."""
        if not bound.method.params_inline:
            struct = self._value(params_type(bound), Form.PLAIN, taken=not local)
            return f"params: {struct}, {_CALL}" if local else f"params: Arg<{struct}>"
        members = in_written_order(self._routes.params_layout(bound))
        # Behind the last that must be given, those with a default of their own need not be.
        needed = max((index for index, member in enumerate(members) if not _has_default(member)), default=-1)
        words = []
        for index, member in enumerate(members):
            assert member.type is not None  # a parameter is no group
            value = self._value(member.type, member.form, taken=not local)
            name = member.field.name if _IDENTIFIER.fullmatch(member.field.name) else f"p{index}"
            if local:
                words.append(f"{_parameter(name)}: {value}")
            elif index > needed:
                words.append(f"{_parameter(name)}?: Arg<{value}>")
            else:
                absent = " | undefined" if _has_default(member) else ""
                words.append(f"{_parameter(name)}: Arg<{value}>{absent}")
        if local:
            words.append(_CALL)
        return ", ".join(words)

    def _result(self, bound: BoundMethod, *, local: bool) -> str:
        """What the method gives: a single result is unboxed. A local method may give a promise of it."""
        type = substitute(bound.method.results, bound.interface.brand)
        layout = self._routes.layouts.struct(type)
        members = in_written_order(layout)
        if not bound.method.results_inline:
            result = self._value(type, Form.PLAIN, taken=local)
        elif not members:
            result = "void"
        elif len(members) == 1:
            assert members[0].type is not None  # a result is no group
            result = self._value(members[0].type, members[0].form, taken=local)
        else:
            words = [f"{_member(member.tag_value)}{'?' if local else ''}: {self._field(member, taken=local)}"
                     for member in members]
            result = f"{{ {'; '.join(words)} }}"
        return f"{result} | Promise<{result}>" if local else result

    # Values.

    def _value(self, type: Type, form: Form, *, taken: bool) -> str:
        kind = type.kind
        if kind in INT_RANGES:
            return self._integer(kind, taken)
        if kind in _FLOATS:
            return _SPECIAL if taken else "number"
        if type.parameter in self._parameters:
            return self._parameters[type.parameter]
        if kind is Kind.DATA:
            return self._data(form, taken)
        if kind is Kind.LIST and type.element is not None:
            element = self._value(type.element, Form.PLAIN, taken=taken)
            listed = f"({element})" if " " in element else element
            return f"readonly {listed}[]" if taken else f"{listed}[]"
        if kind is Kind.STRUCT:
            return "Json" if type.node_id == JSON_VALUE_ID else self._name(type, "Input" if taken else "")
        if kind is Kind.ENUM:
            return self._name(type, "")
        if kind is Kind.INTERFACE:
            return self._name(type, "Input") if taken else f"RemoteObject<{self._name(type, '')}>"
        if kind in _UNTYPED:
            return _UNTYPED[kind][taken]
        return _SIMPLE.get(kind, "any")

    def _integer(self, kind: Kind, taken: bool) -> str:
        if kind not in _WIDE:
            return "number"
        if taken:
            return "number | bigint | string"
        return {"string": "string", "number": "number"}.get(self._options.int64, "number | string")

    def _data(self, form: Form, taken: bool) -> str:
        if form is Form.HEX:
            return "string"
        if taken:
            bytes_ = "ArrayBuffer | ArrayBufferView | string"
            return bytes_ if form is Form.BASE64 else f"{bytes_} | readonly number[]"
        return "string" if form is Form.BASE64 or self._options.data == "base64" else "number[]"

    # Structs.

    def _object(self, layout: StructLayout, *, taken: bool) -> str:
        """A struct as an object type: its members, and one of the forms of each union."""
        parts = [self._members(layout, taken)]
        parts += self._forms(layout, "", taken)
        return " & ".join(part for part in parts if part) or "{}"

    def _members(self, layout: StructLayout, taken: bool) -> str:
        lines: list[str] = []
        for member in layout.fields:
            if member.flat is None:
                lines += _comment(member.field.doc)
                lines.append(f"{self._named(member.name or '', member, taken)};")
        return "\n".join(["{", *_indented(lines), "}"]) if lines else ""

    def _named(self, name: str, member: FieldLayout, taken: bool, *, always: bool | None = None) -> str:
        if always is None:
            # An object could be absent, too. But who calls one in an answer expects it, and hears where there is none.
            always = not taken and (
                member.type is None or member.type.kind in _OBJECTS or not member.type.kind.is_pointer
            )
        return f"{_member(name)}{'' if always else '?'}: {self._field(member, taken=taken)}"

    def _field(self, member: FieldLayout, *, taken: bool) -> str:
        if member.group is not None:
            return self._object(member.group, taken=taken)
        assert member.type is not None  # a field is a slot or a group
        return self._value(member.type, member.form, taken=taken)

    def _forms(self, layout: StructLayout, prefix: str, taken: bool) -> Iterator[str]:
        """The unions and flattened members of a struct, each as one more part of its type."""
        for member in layout.fields:
            if member.flat is not None:
                inner = [self._flat(member.flat, prefix + member.prefix, taken)]
                inner += self._forms(member.flat, prefix + member.prefix, taken)
                whole = " & ".join(part for part in inner if part) or "{}"
                # A struct, unlike a group, may be absent with all its members.
                yield whole if member.type is None else f"(({whole}) | {{}})"
        if layout.variants:
            forms = [self._variant(layout, member, prefix, taken) for member in layout.variants]
            if taken:
                forms.append(self._none(layout, prefix))
            yield f"({' | '.join(forms)})"

    def _flat(self, layout: StructLayout, prefix: str, taken: bool) -> str:
        words = [
            self._named(prefix + (member.name or ""), member, taken) for member in layout.fields if member.flat is None
        ]
        return f"{{ {'; '.join(words)} }}" if words else ""

    def _none(self, layout: StructLayout, prefix: str) -> str:
        """No member of a union at all."""
        if layout.tag is not None:
            return f"{{ {_member(prefix + layout.tag)}?: never }}"
        return f"{{ {'; '.join(self._never(layout, None, prefix))} }}"

    def _never(self, layout: StructLayout, chosen: FieldLayout | None, prefix: str) -> list[str]:
        """The members of a union without a tag that cannot stand beside the chosen one."""
        others = [member for member in layout.variants if member is not chosen and member.name is not None]
        return [f"{_member(prefix + (member.name or ''))}?: never" for member in others]

    def _variant(self, layout: StructLayout, member: FieldLayout, prefix: str, taken: bool) -> str:
        words = []
        if layout.tag is not None:
            words.append(f"{_member(prefix + layout.tag)}: {_text(member.tag_value)}")
        if member.flat is not None:
            tag = f"{{ {words[0]} }}" if words else ""
            inner = [tag, self._flat(member.flat, prefix + member.prefix, taken)]
            inner += self._forms(member.flat, prefix + member.prefix, taken)
            return " & ".join(part for part in inner if part) or "{}"
        says_nothing = layout.tag is not None and member.type is not None and member.type.kind is Kind.VOID
        if says_nothing and not taken:
            return f"{{ {words[0]} }}"
        says = layout.tag is None or not taken
        absent = " | null" if member.type is not None and member.type.kind.is_pointer else ""
        if taken and layout.tag is None:
            words += self._never(layout, member, prefix)
        words.append(self._named(prefix + (member.name or member.tag_value), member, taken, always=says) + absent)
        return f"{{ {'; '.join(words)} }}"


_SIMPLE: Final = {Kind.VOID: "null", Kind.BOOL: "boolean", Kind.TEXT: "string"}
_RESERVED: Final = frozenset({
    "arguments", "await", "break", "case", "catch", "class", "const", "continue", "debugger", "default", "delete", "do",
    "else", "enum", "eval", "export", "extends", "false", "finally", "for", "function", "if", "import", "in",
    "instanceof", "new", "null", "return", "super", "switch", "this", "throw", "true", "try", "typeof", "var", "void",
    "while", "with", "yield", "let", "static", "implements", "interface", "package", "private", "protected", "public",
})  # fmt: skip


def _has_default(member: FieldLayout) -> bool:
    return member.field.has_explicit_default


def _member(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) else _text(name)


def _parameter(name: str) -> str:
    return f"{name}_" if name in _RESERVED else name


def _text(text: str) -> str:
    return json.dumps(text)


def _comment(doc: str) -> list[str]:
    lines = doc.replace("*/", "*\u200b/").splitlines()
    if len(lines) < 2:
        return [f"/** {lines[0]} */"] if lines else []
    return ["/**", *(f" * {line}".rstrip() for line in lines), " */"]


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"{_INDENT}{line}" if line else "" for whole in lines for line in whole.split("\n")]

"""What services offer, as JSON: for people who read it and for pages that draw forms from it.

A type is said twice: in the schema language's words (``"type": "List(Person)"``) and as an object (``"shape"``) whose
structs, enums and interfaces stand by name in the tables beside it, so that recursive types end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from cara_pseud.schema.nodes import BoundMethod, Kind, Type, describe_type, substitute
from gateway import annotations as known
from gateway.json.codec.layout import JSON_VALUE_ID, FieldLayout, Form, StructLayout
from gateway.json.codec.params import in_written_order
from gateway.json.codec.scalars import EXACT, base64_out
from gateway.json.text import JSON
from gateway.raw_bodies import raw_body
from gateway.routes import ServiceRoutes, params_type

SHAPE_KINDS: Final[Mapping[Kind, str]] = {kind: kind.value.lower() for kind in Kind} | {
    Kind.ANY_POINTER: "anyPointer", Kind.ANY_STRUCT: "anyStruct", Kind.ANY_LIST: "anyList",
}  # fmt: skip
"""What ``"kind"`` of a shape says of each kind of type; static/console/description.js has the page's side."""
GROUP: Final = "group"
"""The kind of a group or named union, which is no type of its own in a schema."""
JSON_VALUE: Final = "json"
"""The kind of any JSON, ``Json.Value`` of the schema."""

_NAMED: Final = (Kind.STRUCT, Kind.ENUM, Kind.INTERFACE)


def describe_services(services: Iterable[ServiceRoutes], states: Mapping[str, str]) -> dict[str, JSON]:
    """The list of services.

    Args:
        states: of the connections to them, by the services' names.
    """
    return {"services": [
        {
            "name": routes.name,
            "interface": describe_type(routes.schema, routes.interface),
            "doc": routes.schema.nodes[routes.interface.node_id].doc,
            "methods": list(routes.methods),
            "version": routes.version,
            "state": states[routes.name],
        }
        for routes in services
    ]}


def describe_service(routes: ServiceRoutes) -> dict[str, JSON]:
    """One service: its methods, and every type and interface that its methods lead to."""
    return {"service": routes.name, **describe_interface(routes, routes.interface)}


def describe_interface(routes: ServiceRoutes, interface: Type) -> dict[str, JSON]:
    """One interface: its methods, and every type and interface that they lead to."""
    tables = _Tables(routes)
    described = tables.interface(interface)
    tables.finish()
    return {
        "interface": describe_type(routes.schema, interface),
        **described,
        "structs": tables.structs,
        "enums": tables.enums,
        "interfaces": tables.interfaces,
    }


def describe_handle(token: str, routes: ServiceRoutes, interface: Type | None) -> dict[str, JSON]:
    """One object of a session, and what it may be cast to; one of which nobody said what it is has no methods.

    Args:
        routes: of the service that the object came from.
    """
    told: dict[str, JSON] = {"handle": token, "service": routes.name}
    if interface is None:
        told |= {"interface": None, "methods": []}
    else:
        told |= describe_interface(routes, interface)
    return {**told, "casts": list(routes.interfaces)}


class _Tables:
    """The types met while describing, each once; what an entry leads to waits until it is finished."""

    def __init__(self, routes: ServiceRoutes) -> None:
        self._routes = routes
        self._schema = routes.schema
        self.structs: dict[str, JSON] = {}
        self.enums: dict[str, JSON] = {}
        self.interfaces: dict[str, JSON] = {}
        self._waiting: list[tuple[str, Type]] = []
        self._names: dict[Type, str] = {}

    def finish(self) -> None:
        """Describe everything met, and what that leads to."""
        while self._waiting:
            name, type = self._waiting.pop()
            if type.kind is Kind.STRUCT:
                self.structs[name] = self._struct(self._routes.layouts.struct(type))
            elif type.kind is Kind.ENUM:
                self.enums[name] = self._enum(type)
            else:
                self.interfaces[name] = self.interface(type)

    def interface(self, interface: Type) -> dict[str, JSON]:
        """The methods of an interface, and its comment."""
        methods = self._routes.for_interface(interface)
        return {
            "doc": self._schema.nodes[interface.node_id].doc,
            "extends": [
                describe_type(self._schema, ancestor)
                for ancestor in self._schema.ancestry(interface)
                if ancestor.node_id != interface.node_id and self._routes.sees(ancestor)
            ],
            "methods": [self._method(name, bound) for name, bound in methods.items()],
        }

    def _method(self, name: str, bound: BoundMethod) -> dict[str, JSON]:
        facts, method = self._routes.facts(bound), bound.method
        params_struct = None if method.params_inline else params_type(bound)
        results_type = substitute(method.results, bound.interface.brand)
        results_struct = None if method.results_inline else results_type
        # Of a struct that is the whole list, its fields: they are what a caller gives and gets by name.
        params = [self._field(field) for field in in_written_order(self._routes.params_layout(bound))]
        results = [self._field(field) for field in in_written_order(self._routes.layouts.struct(results_type))]
        told: dict[str, JSON] = {
            "name": name,
            "doc": method.doc,
            "signature": f"{name}{self._words(params, params_struct, '({})')}"
            f" -> {self._words(results, results_struct)}",
            "params": params,
            "params_struct": None if params_struct is None else self._shape(params_struct),
            "results": results,
            "results_struct": None if results_struct is None else self._shape(results_struct),
            "read_only": facts.read_only,
            "idempotent": facts.idempotent,
            "streaming": method.streaming,
        }
        if facts.timeout_s is not None:
            told["timeout_s"] = facts.timeout_s
        if roles := self._routes.rules.required(bound):
            told["requires"] = sorted(roles)
        if facts.http is not None:
            told["http"] = {"verb": facts.http.verb, "path": facts.http.path, "body": facts.http.body}
        if (raw := raw_body(self._schema, method)) is not None:
            told["raw_body"] = {"type": raw.media_type, "param": raw.param, "result": raw.result}
        return told

    def _words(self, members: list[dict[str, JSON]], struct: Type | None, form: str = "{}") -> str:
        """A parameter or result list as it would be written; ``form`` is for one that is a struct."""
        if struct is not None:
            return form.format(describe_type(self._schema, struct))
        words = [f"{member['name']} :{member['type']}" for member in members]
        return f"({', '.join(words)})"

    def _struct(self, layout: StructLayout) -> dict[str, JSON]:
        told: dict[str, JSON] = {
            "doc": layout.node.doc,
            "fields": [self._field(field) for field in layout.fields],
            "union": [self._field(field) for field in layout.variants],
        }
        if layout.tag is not None:
            told["discriminator"] = {"name": layout.tag, "value_name": layout.value_name}
        return told

    def _enum(self, type: Type) -> dict[str, JSON]:
        node = self._schema.enum(type.node_id)
        names = self._routes.layouts.enum(type.node_id).names
        return {
            "doc": node.doc,
            "values": [
                {"name": name, "number": item.id, "doc": item.doc}
                for name, item in zip(names, node.enumerants, strict=True)
            ],
        }

    def _field(self, field: FieldLayout) -> dict[str, JSON]:
        told: dict[str, JSON] = {"name": field.tag_value, "doc": field.field.doc}
        if field.group is not None:
            told["type"] = "union" if not field.group.fields else "group"
            told["shape"] = {"kind": GROUP, **self._struct(field.group)}
        else:
            assert field.type is not None  # a field is a slot or a group
            told["type"] = describe_type(self._schema, field.type)
            told["shape"] = self._shape(field.type, field.form)
            told["optional"] = field.type.kind.is_pointer
            if field.field.has_explicit_default or not field.type.kind.is_pointer:
                told["default"] = self._default(field)
        if field.flat is not None:
            told["flatten"] = {"prefix": field.prefix}
        if known.is_sensitive(field.field.annotations):
            told["sensitive"] = True
        return told

    def _shape(self, type: Type, form: Form = Form.PLAIN) -> dict[str, JSON]:
        """A type for programs: its kind, and the element or the name in a table that goes with it."""
        if type.kind is Kind.STRUCT and type.node_id == JSON_VALUE_ID:
            return {"kind": JSON_VALUE}
        told: dict[str, JSON] = {"kind": SHAPE_KINDS[type.kind]}
        if type.kind is Kind.LIST and type.element is not None:
            told["element"] = self._shape(type.element)
        elif type.kind in _NAMED:
            told["name"] = self._name(type)
        elif type.kind is Kind.DATA:
            told["encoding"] = "bytes" if form is Form.PLAIN else form.value
        return told

    def _name(self, type: Type) -> str:
        """The name of a type's entry; the second of two files' namesakes is told apart by its file."""
        name = self._names.get(type)
        if name is None:
            name = describe_type(self._schema, type)
            if name in self._names.values():
                name = f"{self._schema.nodes[type.node_id].display_name} {name}"
            self._names[type] = name
            self._waiting.append((name, type))
        return name

    def _default(self, field: FieldLayout) -> JSON:
        """A default as JSON; one that is a struct or list is only said to be there, as null would be wrong."""
        value: Any = field.field.default
        if field.type is not None and field.type.kind is Kind.ENUM and isinstance(value, int):
            names = self._routes.layouts.enum(field.type.node_id).names
            return names[value] if value < len(names) else value
        if isinstance(value, bytes):
            return base64_out(value)
        if isinstance(value, float) and value - value != 0.0:
            return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
        if isinstance(value, int) and abs(value) > EXACT:
            return str(value)  # a page's number would lose the last digits
        return value if isinstance(value, bool | int | float | str) else None

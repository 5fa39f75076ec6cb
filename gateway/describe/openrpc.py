"""What may be called over JSON-RPC as an OpenRPC document (https://spec.open-rpc.org), made from the schemas.

A method of an object stands as ``@{CalculatorAccumulator}.add``: what is in braces is the schema of the handle whose
token stands there in a call. ``!{CalculatorTransformCallback}.apply`` is a method of an object of the client's own,
which the gateway calls; it is marked ``x-implemented-by: client``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from cara_pseud.schema.nodes import BoundMethod, Type, substitute
from gateway import fixed_paths
from gateway.describe.openapi.answers import problem_schema
from gateway.describe.openapi.document import components_of_references
from gateway.describe.openapi.shapes import Shape, Shapes, documented, nullable
from gateway.describe.signatures import signature_of
from gateway.errors import Status
from gateway.json.codec import CodecOptions
from gateway.json.codec.layout import FieldLayout
from gateway.json.codec.params import in_written_order
from gateway.json.text import JSON
from gateway.routes import ServiceRoutes

VERSION: Final = "1.3.2"
IMPLEMENTED_BY: Final = "x-implemented-by"
_CLIENT: Final = "client"

_ABOUT: Final = """\
Services of Cap'n Proto interfaces over JSON-RPC 2.0: one message or batch as the body of `POST /rpc`, or over the
WebSocket `/ws`, where the gateway calls objects of the client's, too.

`@{Name}.method` is a method of an object: a call has the handle's token in place of the braces. `!{Name}.method` is one
of an object of the client's own: the gateway calls it, with its name in place of the braces.
"""


def openrpc_document(
    services: Iterable[ServiceRoutes],
    options: CodecOptions,
    version: str,
    own: Sequence[JSON] = (),
    prefix: str = "",
) -> dict[str, JSON]:
    """The document of all services.

    Args:
        version: of the gateway, for ``info``.
        own: the method objects of the gateway's own methods.
        prefix: below which clients find the paths, such as ``/gw``.
    """
    components = components_of_references()
    components.add("Problem", problem_schema())
    methods: list[JSON] = [*own]
    for service in services:
        methods += _Methods(service, Shapes(service, options, components)).all()
    return {
        "openrpc": VERSION,
        "info": {
            "title": "cara-gateway",
            "version": version,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "servers": [
            {"name": "HTTP", "url": prefix + fixed_paths.RPC},
            {"name": "WebSocket", "url": prefix + fixed_paths.WEBSOCKET},
        ],
        "methods": methods,
        "components": {"schemas": components.schemas, "errors": _errors()},
    }


def _errors() -> dict[str, JSON]:
    over_http_only = {status for status in Status if status.jsonrpc == Status.METHOD_NOT_ALLOWED.jsonrpc}
    return {
        status.code: {
            "code": status.jsonrpc, "message": status.code.replace("_", " "),
            "data": {"$ref": "#/components/schemas/Problem"},
        }
        for status in Status
        if status not in over_http_only
    }  # fmt: skip


class _Methods:
    """The methods of one service, of the objects that it gives and of those that it takes."""

    def __init__(self, routes: ServiceRoutes, shapes: Shapes) -> None:
        self._routes = routes
        self._shapes = shapes

    def all(self) -> Iterator[JSON]:
        """All of them; what describes one may lead to further interfaces."""
        yield from self._of(self._routes.interface, f"{self._routes.name}.")
        known = 0
        objects: list[tuple[Type, bool]] = []
        while known < len(objects) or self._add_new(objects) or (self._shapes.meet_casts() and self._add_new(objects)):
            interface, local = objects[known]
            known += 1
            if local:
                yield from self._of(interface, f"!{{{self._shapes.callback_name(interface)}}}.", local=True)
            else:
                yield from self._of(interface, f"@{{{self._shapes.handle_name(interface)}}}.")

    def _add_new(self, objects: list[tuple[Type, bool]]) -> bool:
        met = [(interface, False) for interface in self._shapes.given_interfaces]
        met += [(interface, True) for interface in self._shapes.taken_interfaces]
        new = [each for each in met if each not in objects]
        objects += new
        return bool(new)

    def _of(self, interface: Type, prefix: str, *, local: bool = False) -> Iterator[JSON]:
        for name, bound in self._routes.for_interface(interface).items():
            yield self._method(f"{prefix}{name}", name, bound, local)

    def _method(self, full_name: str, name: str, bound: BoundMethod, local: bool) -> dict[str, JSON]:
        facts, method = self._routes.facts(bound), bound.method
        members = in_written_order(self._routes.params_layout(bound))
        told: dict[str, Any] = {
            "name": full_name,
            "summary": signature_of(self._routes, name, bound),
            "tags": [{"name": self._routes.name}],
            # By position a list that is a struct has one element, which is not what its fields are.
            "paramStructure": "by-position" if local else "either" if method.params_inline else "by-name",
            "params": [self._param(member, local) for member in members],
            "result": {"name": "results", "schema": self._results(bound, local)},
        }
        if method.doc:
            told["description"] = method.doc
        if local:
            told[IMPLEMENTED_BY] = _CLIENT
        if facts.read_only:
            told["x-read-only"] = True
        if facts.idempotent:
            told["x-idempotent"] = True
        return told

    def _param(self, member: FieldLayout, local: bool) -> dict[str, JSON]:
        told = {"name": member.tag_value, "required": local, "schema": self._shapes.member(member, taken=not local)}
        return documented(told, member.field.doc)

    def _results(self, bound: BoundMethod, local: bool) -> Shape:
        type = substitute(bound.method.results, bound.interface.brand)
        if not bound.method.results_inline:
            return self._shapes.taken(type) if local else self._shapes.given(type)
        layout = self._routes.layouts.struct(type)
        if local:
            # The client may leave out what has its default, or the whole.
            return nullable(self._shapes.object_of(layout, taken=True))
        return self._shapes.results_of(in_written_order(layout))


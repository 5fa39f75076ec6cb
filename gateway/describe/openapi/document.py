"""The OpenAPI document as a whole, and the operations of services. Made once for all services of a gateway."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from cara_pseud.schema.nodes import BoundMethod, substitute
from gateway import fixed_paths
from gateway.annotations import HttpRule
from gateway.describe.openapi.answers import (
    BODY,
    CALL,
    answer,
    header_components,
    problem_schema,
    problems,
    response_components,
)
from gateway.describe.openapi.examples import example_of
from gateway.describe.openapi.fixed import fixed_operations, parameter, parameter_components, session_scheme
from gateway.describe.openapi.shapes import Shape, Shapes
from gateway.describe.openapi.texts import path_parameter, query_parameters
from gateway.json.codec import CodecOptions
from gateway.json.codec.layout import StructLayout
from gateway.json.codec.params import in_written_order
from gateway.json.text import JSON
from gateway.reference_form import CALLBACK, HANDLE
from gateway.routes import ServiceRoutes

_ABOUT: Final = """\
Services of Cap'n Proto interfaces as JSON over HTTP. Values are checked against their schemas, and every error is a
problem object that names the bad value.

Parameters are an object by name; an array by position is taken, too. A member that is left out has the schema's
default, one that the schema does not have is {unknown}. Numbers may also be given as text.

An object that a method returns is a handle: call it at `/api/handles/{{handle}}/{{method}}` within the session that the
answer named. A parameter that is an object is given as `{{"{handle}": …}}`, or as `{{"{callback}": "a name"}}` with
`/api/events` open.
"""
_UNKNOWN: Final = {"reject": "an error", "ignore": "ignored"}
_NO_SESSION: Final[list[JSON]] = [{}, {"session": []}]
_TEXT: Final[Shape] = {"type": "string"}
_ANY_OBJECT: Final[Shape] = {"type": "object"}


def openapi_document(
    services: Iterable[ServiceRoutes], options: CodecOptions, version: str, prefix: str = ""
) -> dict[str, JSON]:
    """The document of all services.

    Args:
        version: of the gateway, for ``info``.
        prefix: below which clients find the paths, such as ``/gw``.
    """
    routes = list(services)
    schemas: dict[str, Shape] = {
        "Problem": problem_schema(),
        "ObjectInput": {
            "description": "An object: one of a service by its handle, or one of the caller's own by a name.",
            "anyOf": [
                {
                    "type": "object",
                    "properties": {HANDLE: _TEXT, "interface": {"type": ["string", "null"]}},
                    "required": [HANDLE],
                    "additionalProperties": False,
                },
                {
                    "type": "object",
                    "properties": {CALLBACK: _TEXT},
                    "required": [CALLBACK],
                    "additionalProperties": False,
                },
            ],
        },
    }
    paths: dict[str, dict[str, JSON]] = {}
    tags: list[JSON] = []
    for service in routes:
        _Service(service, Shapes(service, options, schemas)).add_to(paths)
        doc = service.schema.nodes[service.interface.node_id].doc
        tags.append({"name": service.name, **({"description": doc} if doc else {})})
    paths |= fixed_operations()
    about = _ABOUT.format(unknown=_UNKNOWN[options.unknown_fields], handle=HANDLE, callback=CALLBACK)
    return {
        "openapi": "3.1.0",
        "info": {"title": "cara-gateway", "version": version, "description": about},
        "servers": [{"url": prefix or "/"}],
        "tags": [*tags, {"name": "gateway", "description": "The gateway itself: sessions, objects, health."}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": response_components(),
            "headers": header_components(),
            "parameters": parameter_components(),
            "securitySchemes": {"session": session_scheme()},
        },
    }


class _Service:
    """The operations of one service."""

    def __init__(self, routes: ServiceRoutes, shapes: Shapes) -> None:
        self._routes = routes
        self._shapes = shapes

    def add_to(self, paths: dict[str, dict[str, JSON]]) -> None:
        for name, bound in self._routes.methods.items():
            operation = self._operation(name, bound)
            layout = self._routes.params_layout(bound)
            path = paths.setdefault(fixed_paths.filled(fixed_paths.METHOD, service=self._routes.name, method=name), {})
            path["post"] = {
                **operation,
                "operationId": f"{self._routes.name}.{name}",
                **self._body(self._object(bound, layout), layout, bool(layout.slots)),
                "responses": self._responses(bound, BODY),
            }
            facts = self._routes.facts(bound)
            if facts.read_only:
                path["get"] = self._reading(f"{self._routes.name}.{name}.get", operation, bound, frozenset())
            if facts.http is not None:
                # Two services may offer the same path for different verbs.
                paths.setdefault(facts.http.path, {})[facts.http.verb.lower()] = self._routed(
                    name, bound, facts.http, operation
                )

    def _operation(self, name: str, bound: BoundMethod) -> dict[str, JSON]:
        facts = self._routes.facts(bound)
        told: dict[str, JSON] = {"tags": [self._routes.name], "summary": f"{self._routes.name}.{name}"}
        notes = [bound.method.doc]
        if facts.idempotent:
            notes.append("Calling it twice is as good as once.")
        if facts.roles:
            notes.append(f"Requires {', '.join(f'`{role}`' for role in facts.roles)}.")
        if facts.timeout_s is not None:
            notes.append(f"Takes {facts.timeout_s:g} s at most, unless told otherwise.")
        description = "\n\n".join(note for note in notes if note)
        return {
            **told,
            **({"description": description} if description else {}),
            "security": _NO_SESSION,
            "parameters": [parameter("Request-Timeout"), parameter("X-Request-Id")],
        }

    def _object(self, bound: BoundMethod, layout: StructLayout, without: frozenset[str] = frozenset()) -> Shape:
        if not bound.method.params_inline and not without:
            return self._shapes.taken(layout.type)
        return self._shapes.object_of(layout, taken=True, without=without)

    def _body(self, shape: Shape, layout: StructLayout, required: bool) -> dict[str, JSON]:
        content: dict[str, JSON] = {"schema": shape}
        example = example_of(shape, self._shapes.components)
        if example is not None:
            content["example"] = example
        return {"requestBody": {"required": required, "content": {"application/json": content}}}

    def _responses(self, bound: BoundMethod, *more: Iterable[int], tagged: bool = False) -> dict[str, JSON]:
        results = self._results(bound)
        names = ("Session-Id", "ETag") if tagged else ("Session-Id",)
        return {"200": answer("The results by name.", results, *names), **problems(CALL, *more)}

    def _results(self, bound: BoundMethod) -> Shape:
        layout = self._routes.layouts.struct(substitute(bound.method.results, bound.interface.brand))
        if not bound.method.results_inline:
            return self._shapes.given(layout.type)
        return self._shapes.results_of(in_written_order(layout))

    def _reading(
        self, id: str, operation: Mapping[str, Any], bound: BoundMethod, in_path: frozenset[str]
    ) -> dict[str, JSON]:
        layout = self._routes.params_layout(bound)
        query = query_parameters(self._shapes, self._routes.layouts, layout, in_path)
        # Only what is marked as read-only is tagged.
        tagged = self._routes.facts(bound).read_only
        known = [parameter("If-None-Match")] if tagged else []
        return {
            **operation,
            "operationId": id,
            "parameters": [*query, *operation["parameters"], *known],
            "responses": self._responses(bound, (304,) if tagged else (), tagged=tagged),
        }

    def _routed(self, name: str, bound: BoundMethod, rule: HttpRule, operation: Mapping[str, Any]) -> dict[str, JSON]:
        layout = self._routes.params_layout(bound)
        layouts = self._routes.layouts
        in_path = frozenset(part[1:-1] for part in rule.path.split("/") if part.startswith("{"))
        variables = [path_parameter(self._shapes, layouts, layout, name) for name in sorted(in_path)]
        id = f"{self._routes.name}.{name}.{rule.verb.lower()}.route"
        if rule.verb == "GET":
            told = self._reading(id, operation, bound, in_path)
            return {**told, "parameters": [*variables, *told["parameters"]]}
        told = {**operation, "operationId": id}
        parameters = [*variables, *operation["parameters"]]
        more: tuple[int, ...] = (400,)
        if rule.body == "*":
            told |= self._body(self._object(bound, layout, in_path), layout, required=False)
            more = BODY
        elif rule.body:
            field = layout.slots[rule.body].field
            assert field is not None  # the route was checked when it was made
            shape = (
                self._shapes.object_of(field.group, taken=True)
                if field.type is None and field.group is not None
                else self._shapes.taken(field.type, field.form) if field.type is not None
                else _ANY_OBJECT
            )
            told |= self._body(shape, layout, required=False)
            more = BODY
        if rule.body != "*":
            without = in_path | {rule.body} if rule.body else in_path
            parameters = [*query_parameters(self._shapes, layouts, layout, without), *parameters]
        return {**told, "parameters": parameters, "responses": self._responses(bound, more)}

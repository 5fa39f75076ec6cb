"""The OpenAPI document: its paths and what goes with them. Made once for all services of a gateway."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from cara_pseud.schema.nodes import BoundMethod, substitute
from gateway.protocol.annotations import HttpRule
from gateway.protocol.codec import CodecOptions
from gateway.protocol.codec.layout import StructLayout
from gateway.protocol.codec.params import in_written_order
from gateway.protocol.json_text import JSON
from gateway.protocol.openapi.answers import (
    BODY,
    CALL,
    answer,
    header_components,
    headers,
    problem_schema,
    problems,
    response_components,
)
from gateway.protocol.openapi.examples import example_of
from gateway.protocol.openapi.shapes import Shape, Shapes
from gateway.protocol.openapi.texts import path_parameter, query_parameters
from gateway.protocol.routes import ServiceRoutes

_ABOUT: Final = """\
Services of Cap'n Proto interfaces as JSON over HTTP. Values are checked against their schemas, and every error is a
problem object that names the bad value.

Parameters are an object by name; an array by position is taken, too. A member that is left out has the schema's
default. Numbers may also be given as text.

An object that a method returns is a handle: call it at `/api/handles/{handle}/{method}` within the session that the
answer named. A parameter that is an object is given as `{"$handle": …}`, or as `{"$callback": "a name"}` with an open
`/api/events`.
"""
_SESSION: Final[list[JSON]] = [{"session": []}]
_NO_SESSION: Final[list[JSON]] = [{}, {"session": []}]
_TEXT: Final[Shape] = {"type": "string"}
_ANY_OBJECT: Final[Shape] = {"type": "object"}


def openapi_document(services: Iterable[ServiceRoutes], options: CodecOptions, version: str) -> dict[str, JSON]:
    """The document of all services.

    Args:
        version: of the gateway, for ``info``.
    """
    routes = list(services)
    schemas: dict[str, Shape] = {
        "Problem": problem_schema(),
        "ObjectInput": {
            "description": "An object: one of a service by its handle, or one of the caller's own by a name.",
            "anyOf": [
                {
                    "type": "object",
                    "properties": {"$handle": _TEXT, "interface": {"type": ["string", "null"]}},
                    "required": ["$handle"],
                    "additionalProperties": False,
                },
                {
                    "type": "object",
                    "properties": {"$callback": _TEXT},
                    "required": ["$callback"],
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
    paths |= _fixed_paths()
    return {
        "openapi": "3.1.0",
        "info": {"title": "cara-gateway", "version": version, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "tags": [*tags, {"name": "gateway", "description": "The gateway itself: sessions, objects, health."}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": response_components(),
            "headers": header_components(),
            "parameters": _parameter_components(),
            "securitySchemes": {
                "session": {
                    "type": "apiKey", "in": "header", "name": "Session-Id",
                    "description": "The secret id of a session, from `POST /api/session` or an answer with a handle.",
                }
            },
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
            path = paths.setdefault(f"/api/{self._routes.name}/{name}", {})
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
            "parameters": [_parameter("Request-Timeout"), _parameter("X-Request-Id")],
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
        known = [_parameter("If-None-Match")] if tagged else []
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


def _parameter(name: str) -> dict[str, JSON]:
    return {"$ref": f"#/components/parameters/{name}"}


def _parameter_components() -> dict[str, JSON]:
    request_id = {"type": "string", "pattern": "^[A-Za-z0-9._:/+=@-]{1,128}$"}
    return {
        "Request-Timeout": {
            "name": "Request-Timeout", "in": "header", "description": "Seconds that the call may take.",
            "schema": {"type": "number", "minimum": 1, "maximum": 3600},
        },
        "X-Request-Id": {
            "name": "X-Request-Id", "in": "header", "description": "An id of the caller's for the logs.",
            "schema": request_id,
        },
        "If-None-Match": {
            "name": "If-None-Match", "in": "header", "description": "The `ETag` of an answer that is there already.",
            "schema": {"type": "string", "pattern": '^(W/)?"[!#-~]*"$'},
        },
        "handle": {"name": "handle", "in": "path", "required": True, "schema": {**_TEXT, "minLength": 1}},
    }  # fmt: skip


def _fixed_paths() -> dict[str, dict[str, JSON]]:
    """The paths that every gateway has."""
    objects = {"type": "array", "items": _ANY_OBJECT}
    request_id = [_parameter("X-Request-Id")]
    known = [*request_id, _parameter("If-None-Match")]

    def get(id: str, summary: str, shape: Shape, *, parameters: list[JSON], more: tuple[int, ...] = ()) -> JSON:
        return {
            "tags": ["gateway"], "operationId": id, "summary": summary, "parameters": parameters,
            "responses": {"200": answer(summary, shape), **problems(more)},
        }

    def with_session(told: JSON) -> JSON:
        return {**told, "security": _SESSION}

    handle = [_parameter("handle"), *request_id]
    described = {"type": "object", "properties": {"interface": {"type": ["string", "null"]}, "methods": objects}}
    gone = {"204": {"description": "Done.", "headers": headers("X-Request-Id")}, **problems((400, 401, 404))}
    service = {"name": "service", "in": "path", "required": True, "schema": {**_TEXT, "minLength": 1}}
    method = {"name": "method", "in": "path", "required": True, "schema": {**_TEXT, "minLength": 1}}
    plain_text = {
        "200": {
            "description": "The text.", "headers": headers("X-Request-Id", "ETag"),
            "content": {"text/plain": {"schema": _TEXT}},
        },
        **problems((304, 404)),
    }
    paths: dict[str, dict[str, JSON]] = {
        "/api": {"get": get(
            "services", "The services.",
            {"type": "object", "properties": {"services": objects}, "required": ["services"]},
            parameters=known, more=(304, 400),
        )},
        "/api/{service}": {"get": get(
            "service", "A service's methods with their types and comments.", described,
            parameters=[service, *known], more=(304, 400, 404),
        )},
        "/api/handles/{handle}": {
            "get": with_session(get(
                "handle", "An object's interface and methods.", described, parameters=handle, more=(400, 401, 404),
            )),
            "delete": with_session({
                "tags": ["gateway"], "operationId": "release", "summary": "Release an object.", "parameters": handle,
                "responses": gone,
            }),
        },
        "/api/handles/{handle}/{method}": {"post": with_session({
            "tags": ["gateway"], "operationId": "call",
            "summary": "Call an object. `GET /api/handles/{handle}` says what it can do.",
            "parameters": [_parameter("handle"), method, _parameter("Request-Timeout"), *request_id],
            "requestBody": {"content": {"application/json": {"schema": _ANY_OBJECT}}},
            "responses": {
                "200": answer("The results by name.", _ANY_OBJECT, "Session-Id"), **problems(CALL, BODY)
            },
        })},
        "/api/session": {
            "post": {
                "tags": ["gateway"], "operationId": "session.open", "summary": "Open an empty session.",
                "parameters": request_id,
                "responses": {
                    "201": answer("It is open.", {
                        "type": "object",
                        "properties": {"session": _TEXT, "idle_s": {"type": "number"}},
                        "required": ["session", "idle_s"],
                    }, "Session-Id"),
                    **problems((400, 413, 415, 429)),
                },
            },
            "get": with_session(get(
                "session", "What the session holds.",
                {
                    "type": "object",
                    "properties": {"handles": objects, "callbacks": {"type": "array"}, "streams": {"type": "integer"}},
                    "required": ["handles", "callbacks", "streams"],
                },
                parameters=request_id, more=(400, 401, 404),
            )),
            "delete": with_session({
                "tags": ["gateway"], "operationId": "session.end", "summary": "End the session and release all.",
                "parameters": request_id, "responses": gone,
            }),
        },
        "/api/events": {"get": with_session({
            "tags": ["gateway"], "operationId": "events",
            "summary": "The calls of the session's callbacks, as server-sent events.",
            "parameters": [
                {"name": "Last-Event-ID", "in": "header", "schema": {"type": "string", "pattern": "^[0-9]{1,15}$"}},
                *request_id,
            ],
            "responses": {
                "200": {
                    "description": "An endless stream of events.", "headers": headers("X-Request-Id"),
                    "content": {"text/event-stream": {"schema": _TEXT}},
                },
                **problems((400, 401, 404, 429, 503)),
            },
        })},
        "/api/callbacks/{id}": {"post": with_session({
            "tags": ["gateway"], "operationId": "callback.answer",
            "summary": "Answer the call of a callback: its results by name, or a problem object.",
            "parameters": [
                {"name": "id", "in": "path", "required": True, "schema": {**_TEXT, "minLength": 1}}, *request_id
            ],
            "requestBody": {"content": {
                "application/json": {"schema": _ANY_OBJECT},
                "application/problem+json": {"schema": _ANY_OBJECT},
            }},
            "responses": {
                "204": {"description": "Taken.", "headers": headers("X-Request-Id")},
                **problems((400, 401, 404, 413, 415)),
            },
        })},
        "/healthz": {"get": get(
            "alive", "The gateway answers.", {"type": "object", "required": ["status"]}, parameters=request_id
        )},
        "/readyz": {"get": get(
            "ready", "Every service can be reached.", {"type": "object", "required": ["status", "services"]},
            parameters=request_id, more=(503,),
        )},
        "/metrics": {"get": {
            "tags": ["gateway"], "operationId": "metrics", "summary": "Counters and gauges for Prometheus.",
            "parameters": request_id,
            "responses": {
                "200": {
                    "description": "The Prometheus text format.", "headers": headers("X-Request-Id"),
                    "content": {"text/plain": {"schema": _TEXT}},
                },
                **problems(),
            },
        }},
        "/types/{service}.d.ts": {"get": {
            "tags": ["gateway"], "operationId": "types", "summary": "A service's types in TypeScript.",
            "parameters": [service, *known], "responses": plain_text,
        }},
        "/schema/{service}": {"get": {
            "tags": ["gateway"], "operationId": "schema",
            "summary": "A service's schema as it was written; as JSON, all its files with their ids.",
            "parameters": [service, *known], "responses": {
                **plain_text, "200": {**plain_text["200"], "content": {
                    "text/plain": {"schema": _TEXT}, "application/json": {"schema": _ANY_OBJECT},
                }},
            },
        }},
        "/openapi.json": {"get": get("openapi", "This document.", _ANY_OBJECT, parameters=known, more=(304,))},
    }  # fmt: skip
    return paths

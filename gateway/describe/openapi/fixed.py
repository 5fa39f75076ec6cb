"""The operations that every gateway has beside its services': sessions, objects, events, descriptions, health."""

from __future__ import annotations

from typing import Final

from gateway import fixed_paths
from gateway.describe.openapi.answers import BODY, CALL, answer, headers, problem_answer, problems
from gateway.describe.openapi.shapes import Shape
from gateway.json.text import JSON

_SESSION: Final[list[JSON]] = [{"session": []}]
_TEXT: Final[Shape] = {"type": "string"}
_ANY_OBJECT: Final[Shape] = {"type": "object"}
_STATES: Final[Shape] = {
    "type": "object",
    "description": "The connections to the services by their names; `up` is one that works.",
    "additionalProperties": _TEXT,
}
_REASONS: Final[Shape] = {"type": "object", "additionalProperties": {"type": "string"}}


def parameter(name: str) -> dict[str, JSON]:
    """A parameter that many operations have, by its name."""
    return {"$ref": f"#/components/parameters/{name}"}


def session_scheme() -> dict[str, JSON]:
    """How a request says which session it belongs to, for ``securitySchemes``."""
    return {
        "type": "apiKey", "in": "header", "name": "Session-Id",
        "description": "The secret id of a session, from `POST /api/session` or an answer with a handle. Browsers may "
        "leave it to the cookie `cara_session_<port>`, which comes with it; the header counts before the cookie.",
    }  # fmt: skip


def parameter_components() -> dict[str, JSON]:
    """``#/components/parameters``."""
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


def fixed_operations() -> dict[str, dict[str, JSON]]:
    """The paths that every gateway has."""
    objects = {"type": "array", "items": _ANY_OBJECT}
    request_id = [parameter("X-Request-Id")]
    known = [*request_id, parameter("If-None-Match")]

    def get(id: str, summary: str, shape: Shape, *, parameters: list[JSON], more: tuple[int, ...] = ()) -> JSON:
        tags = ("ETag",) if 304 in more else ()
        return {
            "tags": ["gateway"], "operationId": id, "summary": summary, "parameters": parameters,
            "responses": {"200": answer(summary, shape, *tags), **problems(more)},
        }

    def with_session(told: JSON) -> JSON:
        return {**told, "security": _SESSION}

    handle = [parameter("handle"), *request_id]
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
    operations: dict[str, dict[str, JSON]] = {
        fixed_paths.API: {"get": get(
            "services", "The services.",
            {"type": "object", "properties": {"services": objects}, "required": ["services"]},
            parameters=known, more=(304, 400),
        )},
        fixed_paths.SERVICE: {"get": get(
            "service", "A service's methods with their types and comments.", described,
            parameters=[service, *known], more=(304, 400, 404),
        )},
        fixed_paths.HANDLE: {
            "get": with_session(get(
                "handle", "An object's interface and methods.", described, parameters=handle, more=(400, 401, 404),
            )),
            "delete": with_session({
                "tags": ["gateway"], "operationId": "release", "summary": "Release an object.", "parameters": handle,
                "responses": gone,
            }),
        },
        fixed_paths.HANDLE_METHOD: {"post": with_session({
            "tags": ["gateway"], "operationId": "call",
            "summary": "Call an object. `GET /api/handles/{handle}` says what it can do.",
            "parameters": [parameter("handle"), method, parameter("Request-Timeout"), *request_id],
            "requestBody": {"content": {"application/json": {"schema": _ANY_OBJECT}}},
            "responses": {
                "200": answer("The results by name.", _ANY_OBJECT, "Session-Id"), **problems(CALL, BODY)
            },
        })},
        fixed_paths.SESSION: {
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
        fixed_paths.EVENTS: {"get": with_session({
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
                **problems((400, 401, 404, 406, 429, 503)),
            },
        })},
        fixed_paths.CALLBACK: {"post": with_session({
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
        fixed_paths.HEALTH: {"get": get(
            "alive", "The gateway answers.",
            {"type": "object", "properties": {"status": {"const": "ok"}}, "required": ["status"]},
            parameters=request_id,
        )},
        fixed_paths.READY: {"get": {
            "tags": ["gateway"], "operationId": "ready", "summary": "Whether every service can be reached.",
            "parameters": request_id,
            "responses": {
                "200": answer("Every service can be reached.", {
                    "type": "object",
                    "properties": {"status": {"const": "ready"}, "services": _STATES},
                    "required": ["status", "services"],
                }),
                **problems(),
                "503": problem_answer("Some cannot, or the gateway stops.", {
                    "allOf": [
                        {"$ref": "#/components/schemas/Problem"},
                        {
                            "type": "object",
                            "properties": {"services": _STATES, "reasons": _REASONS},
                            "required": ["services", "reasons"],
                        },
                    ],
                }),
            },
        }},
        fixed_paths.METRICS: {"get": {
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
        fixed_paths.TYPES: {"get": {
            "tags": ["gateway"], "operationId": "types", "summary": "A service's types in TypeScript.",
            "parameters": [service, *known], "responses": plain_text,
        }},
        fixed_paths.SCHEMA: {"get": {
            "tags": ["gateway"], "operationId": "schema",
            "summary": "A service's schema as it was written; as JSON, all its files with their ids.",
            "parameters": [service, *known], "responses": {
                **plain_text, "200": {**plain_text["200"], "content": {
                    "text/plain": {"schema": _TEXT}, "application/json": {"schema": _ANY_OBJECT},
                }},
            },
        }},
        fixed_paths.OPENAPI: {"get": get("openapi", "This document.", _ANY_OBJECT, parameters=known, more=(304,))},
    }  # fmt: skip
    return operations

"""The operations that every gateway has beside its services': sessions, objects, events, descriptions, health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway import fixed_paths
from gateway.describe.openapi.answers import BODY, CALL, PROBLEM_TYPE, answer, headers, problem_answer, problems
from gateway.describe.openapi.shapes import Components, Shape, place_of
from gateway.json.text import JSON
from gateway.reference_form import HANDLE

_SESSION: Final[list[JSON]] = [{"session": []}]
_EITHER: Final[list[JSON]] = [{}, {"session": []}]
_TEXT: Final[Shape] = {"type": "string"}
_ANY_OBJECT: Final[Shape] = {"type": "object"}
_STATES: Final[Shape] = {
    "type": "object",
    "description": "The connections to the services by their names; `up` is one that works.",
    "additionalProperties": _TEXT,
}
_STATE: Final[Shape] = {"type": "string", "enum": ["connecting", "up", "down"]}
_SENSIBLE_S: Final = 0.5
"""What a call takes at the least where much goes on: whoever makes requests of the document shall see calls succeed."""
_ENDPOINTS: Final[Shape] = {
    "type": "object",
    "description": "Of services with several endpoints the state of each, as the configuration has them in order.",
    "additionalProperties": {
        "type": "array",
        "items": {"type": "string", "enum": ["connecting", "up", "down", "ejected", "on trial"]},
    },
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


def parameter_components(max_timeout_s: float) -> dict[str, JSON]:
    """``#/components/parameters``.

    Args:
        max_timeout_s: the longest time that a call may take.
    """
    request_id = {"type": "string", "pattern": "^[A-Za-z0-9._:/+=@-]{1,128}$"}
    return {
        "Request-Timeout": {
            "name": "Request-Timeout", "in": "header",
            "description": "Seconds that the call may take. Any time above 0 is taken; one below the minimum is hardly "
            "ever enough, and a longer one than the maximum is cut to it.",
            "schema": {"type": "number", "minimum": min(_SENSIBLE_S, max_timeout_s), "maximum": max_timeout_s},
        },
        "X-Request-Id": {
            "name": "X-Request-Id", "in": "header", "description": "An id of the caller's for the logs.",
            "schema": request_id,
        },
        "If-None-Match": {
            "name": "If-None-Match", "in": "header", "description": "The `ETag` of an answer that is there already.",
            "schema": {"type": "string", "pattern": '^(W/)?"[!#-~]*"$'},
        },
        "handle": {
            "name": "handle", "in": "path", "required": True, "description": "An object's handle.",
            "schema": {**_TEXT, "minLength": 1},
        },
    }  # fmt: skip


def fixed_operations(components: Components, services: Sequence[str]) -> dict[str, dict[str, JSON]]:
    """The paths that every gateway has.

    Args:
        components: where the schemas of their bodies and answers go.
        services: the names of all services.
    """
    shapes = _shapes(components, services)
    request_id = [parameter("X-Request-Id")]
    known = [*request_id, parameter("If-None-Match")]
    handle = [parameter("handle"), *request_id]
    gone = {"204": _empty("Done."), **problems((400, 401, 404))}
    service = {
        "name": "service", "in": "path", "required": True, "description": "A service.",
        "schema": shapes["ServiceName"],
    }  # fmt: skip
    operations: dict[str, dict[str, JSON]] = {
        fixed_paths.API: {"get": _get(
            "services", "The services.", shapes["Services"], parameters=known, more=(304, 400),
        )},
        fixed_paths.SERVICE: {"get": _get(
            "service", "A service's methods with their types and comments.", shapes["Description"],
            parameters=[service, *known], more=(304, 400, 404),
        )},
        fixed_paths.HANDLE: {
            "get": _get(
                "handle", "An object's interface and methods.", shapes["Description"], parameters=handle,
                more=(400, 401, 404), security=_SESSION,
            ),
            "post": _operation(
                "cast", "Take an object for what else it is: a handle of it with another interface.", handle,
                {"200": answer("The handle.", shapes["Handle"]), **problems((429,), (401, 404), BODY)},
                body={"application/json": shapes["Cast"]}, security=_SESSION,
            ),
            "delete": _operation("release", "Release an object.", handle, gone, security=_SESSION),
        },
        fixed_paths.HANDLE_METHOD: {"post": _operation(
            "call", "Call an object, whatever it is. `GET /api/handles/{handle}` says what it can do.",
            [
                parameter("handle"),
                {
                    "name": "method", "in": "path", "required": True, "description": "A method of the object.",
                    "schema": {**_TEXT, "minLength": 1},
                },
                parameter("Request-Timeout"), *request_id,
            ],
            {"200": answer("The results by name.", shapes["ByName"], "Session-Id"), **problems(CALL, BODY)},
            body={"application/json": shapes["ByName"]}, security=_SESSION,
        )},
        fixed_paths.SESSION: {
            "post": _operation(
                "session.open", "Open an empty session.", request_id,
                {
                    "201": answer("It is open.", shapes["SessionOpened"], "Session-Id"),
                    **problems((400, 413, 415, 429)),
                },
            ),
            "get": _get(
                "session", "What the session holds.", shapes["SessionContents"], parameters=request_id,
                more=(400, 401, 404), security=_SESSION,
            ),
            "delete": _operation(
                "session.end", "End the session and release all.", request_id, gone, security=_SESSION
            ),
        },
        fixed_paths.EVENTS: {"get": _operation(
            "events", "The calls of the session's callbacks, as server-sent events.",
            [
                {
                    "name": "Last-Event-ID", "in": "header", "description": "The last event that came.",
                    "schema": {"type": "string", "pattern": "^[0-9]{1,15}$"},
                },
                *request_id,
            ],
            {
                "200": _text("An endless stream of events.", "text/event-stream"),
                **problems((400, 401, 404, 406, 429, 503)),
            },
            security=_SESSION,
        )},
        fixed_paths.CALLBACK: {"post": _operation(
            "callback.answer", "Answer the call of a callback: its results by name, or a problem object.",
            [
                {
                    "name": "id", "in": "path", "required": True, "description": "Of the call, from its event.",
                    "schema": {**_TEXT, "minLength": 1},
                },
                *request_id,
            ],
            {"204": _empty("Taken."), **problems((400, 401, 404, 413, 415))},
            body={"application/json": shapes["ByName"], PROBLEM_TYPE: shapes["CallbackProblem"]}, security=_SESSION,
        )},
        fixed_paths.RPC: {"post": _operation(
            "rpc", "JSON-RPC 2.0: one message or a batch. `/openrpc.json` has the methods.",
            [parameter("Request-Timeout"), *request_id],
            {
                "200": answer("The answers, errors among them.", shapes["RpcMessages"], "Session-Id"),
                "204": _empty("Nothing is to be answered."),
                **problems((401, 404, 413, 415, 499)),
                # What is no JSON at all is answered by a message, other faults of the request by a problem.
                "400": {
                    **answer("No JSON, or a header does not fit.", shapes["RpcMessages"]),
                    "content": {
                        "application/json": {"schema": shapes["RpcMessages"]},
                        PROBLEM_TYPE: {"schema": {"$ref": place_of("Problem")}},
                    },
                },
            },
            body={"application/json": shapes["RpcMessages"]}, security=_EITHER,
        )},
        fixed_paths.HEALTH: {"get": _get("alive", "The gateway answers.", shapes["Health"], parameters=request_id)},
        fixed_paths.READY: {"get": _operation(
            "ready", "Whether every service can be reached.", request_id,
            {
                "200": answer("Every service can be reached.", shapes["Readiness"]),
                **problems(),
                "503": problem_answer("Some cannot, or the gateway stops.", shapes["UnreadyProblem"]),
            },
        )},
        fixed_paths.METRICS: {"get": _operation(
            "metrics", "What was counted and what is held, for Prometheus; 404 if the admin port has it.", request_id,
            {
                "200": {
                    **_text("The Prometheus text format, or OpenMetrics."),
                    "content": {"text/plain": {"schema": _TEXT}, "application/openmetrics-text": {"schema": _TEXT}},
                },
                **problems((404,)),
            },
        )},
        fixed_paths.TYPES: {"get": _operation(
            "types", "A service's types in TypeScript.", [service, *known],
            {"200": _text("The text.", "text/plain", "ETag"), **problems((304, 404))},
        )},
        fixed_paths.SCHEMA: {"get": _operation(
            "schema", "A service's schema as it was written; as JSON, all its files with their ids.",
            [service, *known],
            {
                "200": {
                    **_text("The text, or the files.", "text/plain", "ETag"),
                    "content": {
                        "text/plain": {"schema": _TEXT}, "application/json": {"schema": shapes["SchemaFiles"]},
                    },
                },
                **problems((304, 404)),
            },
        )},
        fixed_paths.OPENAPI: {"get": _get(
            "openapi", "This document.", shapes["ApiDocument"], parameters=known, more=(304,)
        )},
        fixed_paths.OPENRPC: {"get": _get(
            "openrpc", "What may be called over JSON-RPC, as an OpenRPC document.", shapes["ApiDocument"],
            parameters=known, more=(304,),
        )},
    }  # fmt: skip
    return operations


def _operation(
    id: str,
    summary: str,
    parameters: list[JSON],
    responses: dict[str, Any],
    *,
    body: Mapping[str, Shape] | None = None,
    security: Sequence[JSON] = (),
) -> dict[str, JSON]:
    told: dict[str, JSON] = {
        "tags": ["gateway"], "operationId": id, "summary": summary, "description": summary,
        "security": list(security), "parameters": parameters,
    }  # fmt: skip
    if body is not None:
        told["requestBody"] = {"content": {media_type: {"schema": shape} for media_type, shape in body.items()}}
    return {**told, "responses": responses}


def _get(
    id: str,
    summary: str,
    shape: Shape,
    *,
    parameters: list[JSON],
    more: tuple[int, ...] = (),
    security: Sequence[JSON] = (),
) -> dict[str, JSON]:
    tags = ("ETag",) if 304 in more else ()
    responses = {"200": answer(summary, shape, *tags), **problems(more)}
    return _operation(id, summary, parameters, responses, security=security)


def _empty(description: str) -> dict[str, JSON]:
    return {"description": description, "headers": headers("X-Request-Id")}


def _text(description: str, media_type: str = "text/plain", *names: str) -> dict[str, JSON]:
    return {
        "description": description, "headers": headers("X-Request-Id", *names),
        "content": {media_type: {"schema": _TEXT}},
    }  # fmt: skip


def _shapes(components: Components, services: Sequence[str]) -> dict[str, Shape]:
    """What these operations take and give, as named schemas; references to them by their names."""

    def named(name: str, shape: Shape) -> Shape:
        return {"$ref": place_of(components.add(name, shape))}

    def list_of(shape: Shape) -> Shape:
        return {"type": "array", "items": shape}

    texts = list_of(_TEXT)
    by_name = {"type": "object", "additionalProperties": {}}
    name_or_null = {"type": ["string", "null"]}
    states = named("ServiceStates", _STATES)
    summary = named("ServiceSummary", _object(
        {"name": _TEXT, "interface": _TEXT, "doc": _TEXT, "methods": texts, "version": _TEXT, "state": _STATE}
    ))
    method = named("MethodDescription", _object({"name": _TEXT, "signature": _TEXT, "doc": _TEXT}))
    held = named("HeldObject", _object(
        {HANDLE: _TEXT, "interface": name_or_null, "service": _TEXT, "count": {"type": "integer"}}
    ))
    message = named("RpcMessage", {**_ANY_OBJECT, "description": "A JSON-RPC 2.0 message.", "additionalProperties": {}})
    names: Shape = {**_TEXT, "enum": list(services)} if services else {**_TEXT, "minLength": 1}
    return {
        "ServiceName": named("ServiceName", {**names, "description": "The name of a service."}),
        "ByName": named("ByName", {**by_name, "description": "Parameters or results by name."}),
        "Services": named("Services", _object({"services": list_of(summary)})),
        "Description": named("Description", _object(
            {"interface": name_or_null, "methods": list_of(method)},
            {
                "service": _TEXT, "handle": _TEXT, "doc": _TEXT, "extends": texts, "structs": by_name,
                "enums": by_name, "interfaces": by_name, "casts": texts,
            },
        )),
        "Handle": {"$ref": place_of("Handle")},
        "Cast": named("CastInput", {
            **_object({"interface": {**_TEXT, "description": "The name of an interface of the service's schema."}}),
            "additionalProperties": False,
        }),
        "SessionOpened": named("SessionOpened", _object({"session": _TEXT, "idle_s": {"type": "number"}})),
        "SessionContents": named("SessionContents", _object(
            {"handles": list_of(held), "callbacks": texts, "streams": {"type": "integer"}}
        )),
        "CallbackProblem": named("CallbackProblem", {
            **_object({}, {"code": _TEXT, "detail": _TEXT}),
            "description": "Why a callback fails (RFC 9457), with a `code` of the gateway's.",
        }),
        "RpcMessages": named("RpcMessages", {
            "description": "A JSON-RPC 2.0 message, or an array of them.", "anyOf": [message, list_of(message)],
        }),
        "Health": named("Health", _object({"status": {"const": "ok"}})),
        # Where the gateway asks who calls, it is only said whether it is ready.
        "Readiness": named("Readiness", _object(
            {"status": {"const": "ready"}}, {"services": states, "endpoints": _ENDPOINTS}
        )),
        "UnreadyProblem": named("UnreadyProblem", {"allOf": [
            {"$ref": place_of("Problem")},
            _object({}, {"services": states, "endpoints": _ENDPOINTS, "reasons": _REASONS}),
        ]}),
        "SchemaFiles": named("SchemaFiles", {**by_name, "description": "The schema's files."}),
        "ApiDocument": named("ApiDocument", {**by_name, "description": "A document for programs."}),
    }  # fmt: skip


def _object(members: dict[str, Any], optional: Mapping[str, Any] | None = None) -> Shape:
    """An object that has these members, and perhaps others."""
    shape: Shape = {"type": "object", "properties": {**members, **(optional or {})}}
    return {**shape, "required": list(members)} if members else shape

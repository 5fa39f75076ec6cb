"""The OpenAPI document as a whole. Made once for all services of a gateway."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.config.limits import Limits
from gateway.describe.openapi.answers import header_components, problem_schema, response_components
from gateway.describe.openapi.fixed import fixed_operations, parameter_components, session_scheme
from gateway.describe.openapi.operations import ServiceOperations
from gateway.describe.openapi.security import NO_SECURITY, Security
from gateway.describe.openapi.shapes import Components, Shape, Shapes, place_of
from gateway.json.codec import CodecOptions
from gateway.json.text import JSON
from gateway.reference_form import CALLBACK, HANDLE
from gateway.routes import ServiceRoutes

_ABOUT: Final = """\
Services of Cap'n Proto interfaces as JSON over HTTP. Values are checked against their schemas, and every error is a
problem object that names the bad value.

Parameters are an object by name; an array by position is taken, too. A member that is left out has the schema's
default, one that the schema does not have is {unknown}. Numbers may also be given as text.

An object that a method returns is a handle: call it at `/api/handles/{{handle}}/{{method}}` within the session that the
answer named, or at the path of its interface, which is typed and checks that it has that interface. A parameter that is
an object is given as `{{"{handle}": …}}`, or as `{{"{callback}": "a name"}}` with `/api/events` open.
"""
_UNKNOWN: Final = {"reject": "an error", "ignore": "ignored"}
_TEXT: Final[Shape] = {"type": "string"}


def openapi_document(
    services: Iterable[ServiceRoutes],
    options: CodecOptions,
    version: str,
    prefix: str = "",
    limits: Limits | None = None,
    security: Security = NO_SECURITY,
) -> dict[str, JSON]:
    """The document of all services.

    Args:
        version: of the gateway, for ``info``.
        prefix: below which clients find the paths, such as ``/gw``.
        limits: of the gateway; None = the default ones.
        security: how callers prove who they are.
    """
    routes = list(services)
    components = components_of_references()
    components.add("Problem", problem_schema())
    paths: dict[str, dict[str, JSON]] = {}
    for service in routes:
        ServiceOperations(service, Shapes(service, options, components), security).add_to(paths)
    fixed = fixed_operations(components, [service.name for service in routes])
    security.secure_fixed(fixed)
    paths |= fixed
    security.secure(paths)
    about = _ABOUT.format(unknown=_UNKNOWN[options.unknown_fields], handle=HANDLE, callback=CALLBACK)
    parts: dict[str, dict[str, JSON]] = {
        "schemas": components.schemas,
        "responses": response_components(),
        "headers": header_components(),
        "parameters": parameter_components((limits or Limits()).max_call_timeout_s),
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "cara-gateway",
            "version": version,
            "description": about,
            "contact": {"name": "Whoever runs this gateway"},
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": prefix or "/"}],
        "security": security.of([{}, {"session": []}]),
        "tags": [*map(service_tag, routes), {"name": "gateway", "description": _GATEWAY}],
        "paths": paths,
        "components": {
            **_used(paths, parts),
            "securitySchemes": {"session": session_scheme(), **security.components()},
        },
    }


def _used(paths: JSON, parts: Mapping[str, Mapping[str, JSON]]) -> dict[str, dict[str, JSON]]:
    """The components that the paths lead to."""
    used: set[tuple[str, str]] = set()
    waiting: list[JSON] = [paths]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            place = value.get("$ref")
            if isinstance(place, str):
                kind, name = place.split("/")[2:]
                if (kind, name) not in used:
                    used.add((kind, name))
                    waiting.append(parts[kind][name])
            waiting += value.values()
    return {
        kind: {name: part for name, part in found.items() if (kind, name) in used} for kind, found in parts.items()
    }


_GATEWAY: Final = "The gateway itself: sessions, objects, health."


def service_tag(routes: ServiceRoutes) -> dict[str, Any]:
    """What a service is, in the list of tags."""
    doc = routes.schema.nodes[routes.interface.node_id].doc
    return {"name": routes.name, "description": doc or f"The service `{routes.name}`."}


def components_of_references() -> Components:
    """The named schemas that every document begins with: how a caller names an object."""
    components = Components()
    handle = components.add("HandleInput", {
        "type": "object",
        "description": "An object of a service, by its handle.",
        "properties": {HANDLE: _TEXT, "interface": {"type": ["string", "null"]}},
        "required": [HANDLE],
        "additionalProperties": False,
    })  # fmt: skip
    components.add("Handle", {
        "type": "object",
        "description": "An object of a service; null where the schema does not say which interface it has.",
        "properties": {HANDLE: _TEXT, "interface": {"type": ["string", "null"]}},
        "required": [HANDLE, "interface"],
        "additionalProperties": False,
    })  # fmt: skip
    callback = components.add("CallbackInput", {
        "type": "object",
        "description": "An object of the caller's own, by a name.",
        "properties": {CALLBACK: _TEXT},
        "required": [CALLBACK],
        "additionalProperties": False,
    })  # fmt: skip
    components.add("ObjectInput", {
        "description": "An object: one of a service by its handle, or one of the caller's own by a name.",
        "anyOf": [{"$ref": place_of(handle)}, {"$ref": place_of(callback)}],
    })  # fmt: skip
    return components

"""The operations of one service and of the objects that it gives."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from cara_pseud.schema.nodes import BoundMethod, Type, substitute
from gateway import fixed_paths
from gateway.annotations import HttpRule
from gateway.describe.openapi.answers import BODY, CALL, answer, problems
from gateway.describe.openapi.examples import example_of
from gateway.describe.openapi.fixed import parameter
from gateway.describe.openapi.live_types import is_live
from gateway.describe.openapi.security import Security
from gateway.describe.openapi.shapes import Shape, Shapes, object_path
from gateway.describe.openapi.texts import path_parameter, query_parameters
from gateway.describe.signatures import signature_of
from gateway.json.codec.layout import StructLayout
from gateway.json.codec.params import in_written_order
from gateway.json.text import JSON
from gateway.raw_bodies import RawBody, raw_body
from gateway.routes import ServiceRoutes, params_type

_IF_NEEDED: Final[list[JSON]] = [{}, {"session": []}]
_SESSION: Final[list[JSON]] = [{"session": []}]
_ANY_OBJECT: Final[Shape] = {"type": "object"}
BINARY: Final[Shape] = {"type": "string", "format": "binary"}
"""As generators of clients know it; what it is, is said by its media type."""
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9]+")


class ServiceOperations:
    """See the module."""

    def __init__(self, routes: ServiceRoutes, shapes: Shapes, security: Security) -> None:
        self._routes = routes
        self._security = security
        self._shapes = shapes
        self._ids: set[str] = set()
        self._given: dict[tuple[Type, int], Shape] = {}
        self._taken: dict[tuple[Type, int], Shape] = {}

    def add_to(self, paths: dict[str, dict[str, JSON]]) -> None:
        """Add all of them to the paths of a document."""
        routes = self._routes
        for name, bound in routes.methods.items():
            operation = self._operation(routes.name, name, bound, "")
            layout = routes.params_layout(bound)
            path = paths.setdefault(fixed_paths.filled(fixed_paths.METHOD, service=routes.name, method=name), {})
            path["post"] = self._posting(operation, name, bound)
            facts = routes.facts(bound)
            if facts.read_only:
                path["get"] = self._reading(f"{routes.name}.{name}.get", operation, name, bound, layout, frozenset())
            if facts.http is not None:
                # Two services may offer the same path for different verbs.
                paths.setdefault(facts.http.path, {})[facts.http.verb.lower()] = self._routed(
                    name, bound, facts.http, operation
                )
        # What describes a method of an object may lead to further interfaces.
        known, given = 0, self._shapes.given_interfaces
        while known < len(given) or self._shapes.meet_casts():
            self._add_object(given[known], paths)
            known += 1

    def _add_object(self, interface: Type, paths: dict[str, dict[str, JSON]]) -> None:
        owner = self._shapes.words_of(interface)
        for name, bound in self._routes.for_interface(interface).items():
            operation = self._operation(f"{self._routes.name}.{owner}", name, bound, f"{owner} ")
            operation["security"] = self._secured(bound, _SESSION)
            operation["parameters"] = [parameter("handle"), *operation["parameters"]]
            paths[object_path(self._routes, interface, name)] = {
                "post": self._posting(operation, f"{owner} {name}", bound)
            }

    def _id(self, words: str) -> str:
        """An operation's id, which differs from all others by more than capitals and signs."""
        base = words.replace("..", ".")
        id, number = base, 2
        while (plain := _NOT_IN_NAMES.sub("", id).lower()) in self._ids:
            id, number = f"{base}{number}", number + 1
        self._ids.add(plain)
        return id

    def _operation(self, owner: str, name: str, bound: BoundMethod, words: str) -> dict[str, Any]:
        facts = self._routes.facts(bound)
        notes = [bound.method.doc or f"`{signature_of(self._routes, name, bound)}`"]
        if facts.idempotent:
            notes.append("Calling it twice is as good as once.")
        if roles := self._routes.rules.required(bound):
            notes.append(f"Requires {', '.join(f'`{role}`' for role in sorted(roles))}.")
        if facts.timeout_s is not None:
            notes.append(f"Takes {facts.timeout_s:g} s at most, unless told otherwise.")
        return {
            "tags": [self._routes.name],
            "operationId": self._id(f"{owner}.{name}"),
            "summary": f"{owner}.{name}".replace("..", "."),
            "description": "\n\n".join(notes),
            # What has no objects is the same in every session and in none.
            "security": self._secured(bound, _IF_NEEDED if self._is_live(bound) else []),
            "parameters": [parameter("Request-Timeout"), parameter("X-Request-Id")],
        }

    def _secured(self, bound: BoundMethod, own: list[JSON]) -> list[JSON]:
        return self._security.of(own, needs_roles=bool(self._routes.rules.required(bound)))

    def _is_live(self, bound: BoundMethod) -> bool:
        results = substitute(bound.method.results, bound.interface.brand)
        return is_live(self._routes.layouts, params_type(bound), results)

    def _posting(self, operation: Mapping[str, Any], words: str, bound: BoundMethod) -> dict[str, JSON]:
        layout = self._routes.params_layout(bound)
        raw = raw_body(self._routes.schema, bound.method)
        if raw is not None and raw.param is not None:
            beside = query_parameters(self._shapes, self._routes.layouts, layout, frozenset({raw.param}))
            return {
                **operation,
                "parameters": [*beside, *operation["parameters"]],
                **_raw_request(raw),
                "responses": self._responses(words, bound, BODY),
            }
        return {
            **operation,
            **self._body(self._params(words, bound, layout), bool(layout.slots)),
            "responses": self._responses(words, bound, BODY),
        }

    def _params(self, words: str, bound: BoundMethod, layout: StructLayout) -> Shape:
        """All parameters by name."""
        # An inherited method is the same in each interface that has it.
        key = (bound.interface, bound.method.id)
        shape = self._taken.get(key)
        if shape is None:
            shape = self._taken[key] = (
                self._shapes.named(f"{words} params", self._shapes.object_of(layout, taken=True))
                if bound.method.params_inline
                else self._shapes.taken(layout.type)
            )
        return shape

    def _body(self, shape: Shape, required: bool) -> dict[str, JSON]:
        content: dict[str, JSON] = {"schema": shape}
        example = example_of(shape, self._shapes.components.schemas)
        if example is not None:
            content["example"] = example
        return {"requestBody": {"required": required, "content": {"application/json": content}}}

    def _responses(
        self, words: str, bound: BoundMethod, *more: Iterable[int], tagged: bool = False
    ) -> dict[str, JSON]:
        key = (bound.interface, bound.method.id)
        results = self._given.get(key)
        if results is None:
            results = self._given[key] = self._results_of(words, bound)
        names = ("Session-Id", "ETag") if tagged else ("Session-Id",)
        raw = raw_body(self._routes.schema, bound.method)
        if raw is not None and raw.result is not None:
            given = answer(f"The bytes of `{raw.result}`.", BINARY, *names[1:], media_type=raw.media_type)
            return {"200": given, **problems(CALL, *more)}
        return {"200": answer("The results by name.", results, *names), **problems(CALL, *more)}

    def _results_of(self, words: str, bound: BoundMethod) -> Shape:
        layout = self._routes.layouts.struct(substitute(bound.method.results, bound.interface.brand))
        if not bound.method.results_inline:
            return self._shapes.given(layout.type)
        return self._shapes.named(f"{words} result", self._shapes.results_of(in_written_order(layout)))

    def _reading(
        self,
        id: str,
        operation: Mapping[str, Any],
        words: str,
        bound: BoundMethod,
        layout: StructLayout,
        in_path: frozenset[str],
    ) -> dict[str, JSON]:
        query = query_parameters(self._shapes, self._routes.layouts, layout, in_path)
        # Only what is marked as read-only is tagged.
        tagged = self._routes.facts(bound).read_only
        known = [parameter("If-None-Match")] if tagged else []
        return {
            **operation,
            "operationId": self._id(id),
            "parameters": [*query, *operation["parameters"], *known],
            "responses": self._responses(words, bound, (304,) if tagged else (), tagged=tagged),
        }

    def _routed(self, name: str, bound: BoundMethod, rule: HttpRule, operation: Mapping[str, Any]) -> dict[str, JSON]:
        layout = self._routes.params_layout(bound)
        layouts = self._routes.layouts
        in_path = frozenset(part[1:-1] for part in rule.path.split("/") if part.startswith("{"))
        variables = [path_parameter(self._shapes, layouts, layout, name) for name in sorted(in_path)]
        id = f"{self._routes.name}.{name}.{rule.verb.lower()}.route"
        if rule.verb == "GET":
            told = self._reading(id, operation, name, bound, layout, in_path)
            return {**told, "parameters": [*variables, *told["parameters"]]}
        told = {**operation, "operationId": self._id(id)}
        parameters = [*variables, *operation["parameters"]]
        more: tuple[int, ...] = (400,)
        raw = raw_body(self._routes.schema, bound.method)
        if raw is not None and raw.param is not None:
            told |= _raw_request(raw)
            parameters = [*query_parameters(self._shapes, layouts, layout, in_path | {raw.param}), *parameters]
            return {**told, "parameters": parameters, "responses": self._responses(name, bound, BODY)}
        if rule.body == "*":
            told |= self._body(self._remaining(name, bound, layout, in_path), required=False)
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
            told |= self._body(shape, required=False)
            more = BODY
        if rule.body != "*":
            without = in_path | {rule.body} if rule.body else in_path
            parameters = [*query_parameters(self._shapes, layouts, layout, without), *parameters]
        return {**told, "parameters": parameters, "responses": self._responses(name, bound, more)}

    def _remaining(self, name: str, bound: BoundMethod, layout: StructLayout, in_path: frozenset[str]) -> Shape:
        """The body that has all parameters which are not in the path."""
        if in_path:
            return self._shapes.named(f"{name} body", self._shapes.object_of(layout, taken=True, without=in_path))
        return self._params(name, bound, layout)


def _raw_request(raw: RawBody) -> dict[str, JSON]:
    content = {raw.media_type: {"schema": BINARY}}
    return {"requestBody": {"description": f"The bytes of `{raw.param}`.", "required": True, "content": content}}

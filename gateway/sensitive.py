"""Which values of a method are secrets that a log must not show (`$Gateway.sensitive`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from cara_pseud.schema.nodes import BoundMethod, Kind, Type, substitute
from gateway.annotations import HttpRule, is_sensitive
from gateway.json.codec.layout import JSON_VALUE_ID, FieldLayout, Layouts, StructLayout
from gateway.json.codec.params import in_written_order
from gateway.redaction import LEFT_OUT
from gateway.routes import FIXED_ROUTES, ServiceRoutes, params_type


def has_sensitive(routes: ServiceRoutes, bound: BoundMethod) -> bool:
    """Whether a parameter or result of the method, or something in one, is a secret."""
    return _holds(routes.layouts, params_type(bound)) or has_sensitive_results(routes, bound)


def has_sensitive_results(routes: ServiceRoutes, bound: BoundMethod) -> bool:
    """Whether a result of the method, or something in one, is a secret."""
    return _holds(routes.layouts, substitute(bound.method.results, bound.interface.brand))


def secrets_in(routes: ServiceRoutes, bound: BoundMethod, args: Sequence[Any]) -> Iterator[Any]:
    """The secrets among a method's arguments: texts, bytes and numbers.

    Args:
        args: as they are on the wire, structs by field id.
    """
    layout = routes.params_layout(bound)
    if bound.method.params_inline:
        yield from _secrets_of_struct(
            routes.layouts, layout, {m.id: value for m, value in zip(in_written_order(layout), args, strict=False)}
        )
    elif args:
        yield from _secrets_of_struct(routes.layouts, layout, args[0])


def _secrets_of_struct(layouts: Layouts, layout: StructLayout, value: Any) -> Iterator[Any]:
    if not isinstance(value, Mapping):
        return
    for member in (*layout.fields, *layout.variants):
        inner = value.get(member.id)
        if inner is None:
            continue
        if is_sensitive(member.field.annotations):
            yield from _leaves(inner)
        elif member.group is not None:
            yield from _secrets_of_struct(layouts, member.group, inner)
        elif member.type is not None:
            yield from _secrets_of(layouts, member.type, inner)


def _secrets_of(layouts: Layouts, type: Type, value: Any) -> Iterator[Any]:
    if type.kind is Kind.LIST and type.element is not None and isinstance(value, Sequence):
        for element in value:
            yield from _secrets_of(layouts, type.element, element)
    elif type.kind is Kind.STRUCT and type.node_id != JSON_VALUE_ID:
        yield from _secrets_of_struct(layouts, layouts.struct(type), value)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, str | bytes | bytearray | int | float):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, Iterable):
        for inner in value:
            yield from _leaves(inner)


def _holds(layouts: Layouts, type: Type) -> bool:
    return any(is_sensitive(member.field.annotations) for member in layouts.members_within(type))


class SecretPaths:
    """The paths of `$http` annotations in which secrets stand.

    A log shows those segments of no request that may have been meant for such a path, whether or not it fits: a wrong
    verb, a capital letter or one slash too many makes a secret no less secret.
    """

    def __init__(self, services: Iterable[ServiceRoutes]) -> None:
        self._templates: list[tuple[list[str], list[int]]] = []
        for routes in services:
            for bound in routes.methods.values():
                rule = routes.facts(bound).http
                if rule is not None:
                    self._add(routes, bound, rule)

    def _add(self, routes: ServiceRoutes, bound: BoundMethod, rule: HttpRule) -> None:
        layout, parts = routes.params_layout(bound), rule.path.split("/")
        secret = [
            place
            for place, part in enumerate(parts)
            if part.startswith("{") and _is_secret(routes.layouts, layout, part[1:-1].split("."))
        ]
        if secret:
            self._templates.append((parts, secret))

    def shown(self, raw_path: str) -> str:
        """A request's path as a log may show it: what may be a secret is left out."""
        if not self._templates:
            return raw_path
        segments = raw_path.split("/")
        hidden = self._hidden(segments)
        if "" in segments[1:]:
            filled = [place for place, segment in enumerate(segments) if segment or not place]
            hidden |= {filled[place] for place in self._hidden([segments[place] for place in filled])}
        return "/".join(LEFT_OUT if place in hidden and segment else segment for place, segment in enumerate(segments))

    def first_secret(self, parts: Sequence[str]) -> int | None:
        """From which of these segments on they may be secrets, if no path has just these; None if none is one.

        Args:
            parts: decoded, without empty ones. Where there are too few or too many, any of them may be the secret.
        """
        firsts = []
        for template, secret in self._templates:
            wanted = template[1:]
            first = next(place for place, part in enumerate(wanted) if part.startswith("{"))
            fits = len(parts) == len(wanted)
            begin = secret[0] - 1 if fits else first
            words = zip(wanted[: begin + 1], parts, strict=False)
            if len(parts) > begin and all(w.startswith("{") or w.lower() == part.lower() for w, part in words):
                firsts.append(begin)
        return min(firsts, default=None)

    def _hidden(self, segments: Sequence[str]) -> set[int]:
        hidden: set[int] = set()
        if len(segments) > 1 and segments[1] in FIXED_ROUTES:
            return hidden
        for parts, secret in self._templates:
            begins = zip(parts[: secret[0]], segments, strict=False)
            if all(part.startswith("{") or part.lower() == unquote(segment).lower() for part, segment in begins):
                hidden.update(secret if len(parts) == len(segments) else range(secret[0], len(segments)))
        return hidden


def _is_secret(layouts: Layouts, layout: StructLayout, names: list[str]) -> bool:
    slot = layout.slots.get(names[0])
    member: FieldLayout | None = None if slot is None else slot.field
    if member is None:
        return False
    if is_sensitive(member.field.annotations):
        return True
    if len(names) == 1:
        return False
    inner = member.group
    if inner is None and member.type is not None and member.type.kind is Kind.STRUCT:
        inner = layouts.struct(member.type)
    return inner is not None and _is_secret(layouts, inner, names[1:])

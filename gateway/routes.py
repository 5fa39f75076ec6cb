"""Which method a name or an HTTP path means. Knows no HTTP library: verbs and raw paths are text.

Methods are looked up in dicts made once per schema. `$http` templates are grouped by their shape (which segments are
parameters), so that a look-up costs one dict access per shape and not one comparison per template.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final
from urllib.parse import unquote_to_bytes

from cara_pseud.schema.nodes import UNTYPED, BoundMethod, FileNode, Kind, Schema, Type, describe_type, substitute
from gateway import annotations as known
from gateway.access.rules import NO_ROLES, ServiceRules
from gateway.annotations import HttpRule, MethodFacts
from gateway.errors import GatewayError, Status, quote
from gateway.interface_names import interfaces_by_name
from gateway.json.codec.layout import Layouts, Role, StructLayout

SERVICE_NAME: Final = re.compile(r"[a-z][A-Za-z0-9_]{0,63}", re.ASCII)

RESERVED_SERVICE_NAMES: Final = frozenset({"handles", "session", "events", "callbacks", "admin", "rpc", "api"})
"""Names that stand for something else in ``/api/…`` or in JSON-RPC."""

FIXED_ROUTES: Final = frozenset({
    "", "api", "client", "console", "healthz", "metrics", "openapi.json", "openrpc.json", "readyz", "rpc", "schema",
    "static", "types", "ws",
})  # fmt: skip
"""First path segments that are the gateway's own."""

VERBS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")

_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_VARIABLE: Final = re.compile(r"\{([^{}]*)\}")


class RouteError(ValueError):
    """A service name or an `$http` annotation cannot be used; the text says which and why."""


def check_service_name(name: str) -> None:
    """Refuse a name under which a service could not be reached.

    Raises:
        RouteError: it is malformed or reserved.
    """
    if not SERVICE_NAME.fullmatch(name):
        raise RouteError(f"{name!r} is no service name: a small letter, then up to 63 letters, digits and _")
    if name in RESERVED_SERVICE_NAMES:
        raise RouteError(f"the service name {name!r} is reserved: {', '.join(sorted(RESERVED_SERVICE_NAMES))}")


class ServiceRoutes:
    """The methods of one service and of the objects it returns, by their JSON names.

    Args:
        rules: the roles that they require; None = those of the schema.

    Attributes:
        methods: of the service's own interface.
        layouts: how the schema's structs look in JSON.

    Raises:
        RouteError: two methods of one interface have the same JSON name.
    """

    def __init__(self, name: str, schema: Schema, interface: Type, rules: ServiceRules | None = None) -> None:
        self.name = name
        self.schema = schema
        self.interface = interface
        self.rules = ServiceRules(schema) if rules is None else rules
        self.layouts = Layouts(schema)
        # Made when it is first asked for, once for all parts.
        self._all_interfaces = cache(lambda: interfaces_by_name(schema))
        self._roles: frozenset[str] | None = None
        self._by_interface: dict[Type, Mapping[str, BoundMethod]] = {}
        self._facts: dict[tuple[Type, int], MethodFacts] = {}
        self.methods: Mapping[str, BoundMethod] = self.for_interface(interface)

    @cached_property
    def version(self) -> str:
        """A word that is another one when the text of any of the schema's files is another."""
        files = [(node.display_name, node.text) for node in self.schema.nodes.values() if isinstance(node, FileNode)]
        return hashlib.sha256(repr(sorted(files)).encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def method(self, json_name: str) -> BoundMethod:
        """A method of the service's own interface.

        Raises:
            GatewayError: NOT_FOUND.
        """
        bound = self.methods.get(json_name)
        if bound is None:
            raise GatewayError.unknown_method(f"the service {self.name}", json_name, self.methods).at(self.name)
        return bound

    def seen_by(self, roles: frozenset[str], rules: ServiceRules | None = None) -> ServiceRoutes:
        """The part of it that whoever has these roles may call, to describe it; itself if that is all.

        Args:
            rules: what holds now, if that are others than its own.
        """
        held = self.rules if rules is None else rules
        if held.roles <= roles:
            return self
        part = copy(self)
        part.rules, part._roles = held, roles
        part._by_interface = {}
        part.methods = part.for_interface(part.interface)
        return part

    def sees(self, interface: Type) -> bool:
        """Whether this part has methods of an interface, or clients could call none of it anyhow."""
        if self._roles is None or self.for_interface(interface):
            return True
        return all(self.facts(bound).hidden for bound in self.schema.methods(interface))

    def interface_named(self, name: str) -> Type | None:
        """The interface of the schema that clients know by that name; None if there is none, or it is not seen."""
        interface = self._all_interfaces().get(name)
        return interface if interface is not None and self._shows(interface) else None

    @property
    def interfaces(self) -> Mapping[str, Type]:
        """The interfaces of the schema that are seen, by the names that clients know them by, one name for each."""
        found: dict[Type, str] = {}
        for name, interface in self._all_interfaces().items():
            if self._shows(interface):
                found.setdefault(interface, name)
        return {name: interface for interface, name in found.items()}

    def _shows(self, interface: Type) -> bool:
        if known.is_hidden(self.schema.nodes[interface.node_id].annotations):
            return False
        try:
            self.for_interface(interface)
        except RouteError:  # two of its methods have one name, so that nobody can mean one of them
            return False
        return self.sees(interface)

    @property
    def is_seen(self) -> bool:
        """Whether the service itself is in this part."""
        return self._roles is None or (self.rules.roles_of_all <= self._roles and self.sees(self.interface))

    def for_interface(self, interface: Type) -> Mapping[str, BoundMethod]:
        """The methods of an interface that clients may call, inherited ones included, hidden ones left out."""
        methods = self._by_interface.get(interface)
        if methods is None:
            found: dict[str, BoundMethod] = {}
            for bound in self.schema.methods(interface):
                if self.facts(bound).hidden or not self._permits(bound):
                    continue
                name = known.json_name(bound.method.annotations, bound.method.name)
                if name in found:
                    node = self.schema.nodes[interface.node_id]
                    raise RouteError(f"{node.display_name}: two methods have the JSON name {name!r}")
                found[name] = bound
            methods = self._by_interface[interface] = found
        return methods

    def _permits(self, bound: BoundMethod) -> bool:
        return self._roles is None or self.rules.required(bound) <= self._roles

    def handle_method(
        self, interface: Type | None, json_name: str, roles: frozenset[str] = NO_ROLES
    ) -> BoundMethod:
        """A method of an object; one from an AnyPointer (None) has none that are known.

        Args:
            roles: of who asks: if there is none of that name, the error names none that it may not call.

        Raises:
            GatewayError: NOT_FOUND.
        """
        methods: Mapping[str, BoundMethod] = {} if interface is None else self.for_interface(interface)
        bound = methods.get(json_name)
        if bound is None:
            owner = "the object" if interface is None else describe_type(self.schema, interface)
            known = {} if interface is None else self.seen_by(roles).for_interface(interface)
            raise GatewayError.unknown_method(owner, json_name, known).at(self.name)
        return bound

    def facts(self, bound: BoundMethod) -> MethodFacts:
        """What the annotations say about a method."""
        key = (bound.interface, bound.method.id)
        facts = self._facts.get(key)
        if facts is None:
            facts = self._facts[key] = known.method_facts(self.schema, bound)
        return facts

    def params_layout(self, bound: BoundMethod) -> StructLayout:
        """How a method's parameters look as an object."""
        return self.layouts.struct(params_type(bound))


def params_type(bound: BoundMethod) -> Type:
    """The struct of a method's parameters under the brand of its interface."""
    return substitute(bound.method.params, bound.interface.brand)


@dataclass(frozen=True, slots=True)
class HttpMatch:
    """A request that an `$http` route takes: the texts of the path by parameter (with dots for members)."""

    service: ServiceRoutes
    name: str
    bound: BoundMethod
    rule: HttpRule
    path_values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Route:
    service: ServiceRoutes
    name: str
    bound: BoundMethod
    rule: HttpRule
    variables: tuple[str, ...]


_Shape = tuple[bool, ...]


class HttpRoutes:
    """The `$http` routes of all services.

    Raises:
        RouteError: a template is malformed, takes a fixed route's place, or two take the same requests.
    """

    def __init__(self, services: Iterable[ServiceRoutes]) -> None:
        # By number of segments: the shapes, most literal first; by shape and literal segments: the routes by verb.
        self._shapes: dict[int, list[_Shape]] = {}
        self._routes: dict[tuple[_Shape, tuple[str, ...]], dict[str, _Route]] = {}
        for service in services:
            for name, bound in service.methods.items():
                rule = service.facts(bound).http
                if rule is not None:
                    self._add(service, name, bound, rule)
        for shapes in self._shapes.values():
            shapes.sort()

    def match(self, verb: str, raw_path: str) -> HttpMatch | None:
        """The route of a request; ``raw_path`` is the path as it came, percent escapes and all, without the query.

        Raises:
            GatewayError: METHOD_NOT_ALLOWED with ``details["allow"]`` where only the verb differs; INVALID_ARGUMENT
                where the path is no percent-encoded UTF-8.
        """
        wanted = "GET" if verb == "HEAD" else verb
        allowed: set[str] = set()
        for routes, values in self._at(raw_path):
            route = routes.get(wanted)
            if route is not None:
                path_values = dict(zip(route.variables, values, strict=True))
                return HttpMatch(route.service, route.name, route.bound, route.rule, path_values)
            allowed |= routes.keys()
        if not allowed:
            return None
        allow = sorted(allowed | ({"HEAD"} if "GET" in allowed else set()))
        raise GatewayError(
            Status.METHOD_NOT_ALLOWED, f"{verb} is not allowed here; allowed: {', '.join(allow)}",
            details={"allow": allow},
        )

    def verbs(self, raw_path: str) -> Mapping[str, tuple[str, str]]:
        """What there is at a path: service and method by verb.

        Raises:
            GatewayError: INVALID_ARGUMENT, as for `match`.
        """
        found: dict[str, tuple[str, str]] = {}
        for routes, _ in self._at(raw_path):
            for verb, route in routes.items():
                found.setdefault(verb, (route.service.name, route.name))
        return found

    def _at(self, raw_path: str) -> Iterator[tuple[Mapping[str, _Route], list[str]]]:
        """The routes of each template that a path fits, and the values of its variables; the most literal first."""
        parts = raw_path[1:].split("/")
        shapes = self._shapes.get(len(parts))
        if shapes is None or not raw_path.startswith("/"):
            return
        segments = [_decoded(part) for part in parts]
        for shape in shapes:
            literals = tuple(text for text, variable in zip(segments, shape, strict=True) if not variable)
            routes = self._routes.get((shape, literals))
            values = [text for text, variable in zip(segments, shape, strict=True) if variable]
            if routes is not None and "" not in values:
                yield routes, values

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Every route as (verb, template, service, method), sorted by template."""
        rows = [
            (verb, route.rule.path, route.service.name, route.name)
            for routes in self._routes.values()
            for verb, route in routes.items()
        ]
        return sorted(rows, key=lambda row: (row[1], row[0]))

    def _add(self, service: ServiceRoutes, name: str, bound: BoundMethod, rule: HttpRule) -> None:
        where = f"$http of {service.name}.{name}"
        try:
            parts = _template_parts(rule)
            variables = tuple(variable[1] for part in parts if (variable := _VARIABLE.fullmatch(part)))
            _check_variables(service, bound, rule, variables)
        except RouteError as error:
            raise RouteError(f"{where}: {error}") from None
        shape = tuple(_VARIABLE.fullmatch(part) is not None for part in parts)
        literals = tuple(part for part in parts if not _VARIABLE.fullmatch(part))
        routes = self._routes.setdefault((shape, literals), {})
        if rule.verb in routes:
            other = routes[rule.verb]
            raise RouteError(f"{where}: {other.service.name}.{other.name} takes {rule.verb} {other.rule.path} already")
        routes[rule.verb] = _Route(service, name, bound, rule, variables)
        shapes = self._shapes.setdefault(len(shape), [])
        if shape not in shapes:
            shapes.append(shape)


def _decoded(part: str) -> str:
    """One segment, its escapes undone once; an escaped slash stays within its segment."""
    if "%" not in part:
        return part
    try:
        if _BAD_ESCAPE.search(part):
            raise ValueError
        return unquote_to_bytes(part).decode("utf-8")
    except ValueError:
        raise GatewayError.invalid(f"the path segment {quote(part)} is no percent-encoded UTF-8") from None


def _template_parts(rule: HttpRule) -> list[str]:
    if rule.verb not in VERBS:
        raise RouteError(f"the verb {rule.verb.lower()!r} is none of {', '.join(verb.lower() for verb in VERBS)}")
    if not rule.path.startswith("/"):
        raise RouteError(f"the path {rule.path!r} must begin with a slash")
    if any(char in rule.path for char in "?#% ") or not rule.path.isprintable():
        raise RouteError(f"the path {rule.path!r} must have no query, fragment, space or escape")
    parts = rule.path[1:].split("/")
    if parts[0] in FIXED_ROUTES:
        raise RouteError(f"the path {rule.path!r} begins with a route of the gateway")
    for part in parts:
        if part in ("", ".", ".."):
            raise RouteError(f"the path {rule.path!r} has an empty or dotted segment")
        if ("{" in part or "}" in part) and not _VARIABLE.fullmatch(part):
            raise RouteError(f"in the path {rule.path!r}, a parameter in braces must be a whole segment")
    return parts


def _check_variables(
    service: ServiceRoutes, bound: BoundMethod, rule: HttpRule, variables: tuple[str, ...]
) -> None:
    layout = service.params_layout(bound)
    if len(set(variables)) != len(variables):
        raise RouteError("a parameter stands in the path twice")
    for variable in variables:
        type = _member_type(service.layouts, layout, variable.split("."))
        if type is None:
            raise RouteError(f"the method has no parameter {variable!r}")
        if type.kind in UNTYPED or type.kind in (Kind.LIST, Kind.STRUCT, Kind.INTERFACE):
            raise RouteError(f"the parameter {variable!r} is no single value and cannot stand in the path")
    if rule.body and rule.verb == "GET":
        raise RouteError("a route with the verb get has no body")
    if rule.body not in ("", "*"):
        if rule.body not in layout.slots:
            raise RouteError(f"the method has no parameter {rule.body!r} for the body")
        if any(variable.split(".")[0] == rule.body for variable in variables):
            raise RouteError(f"the parameter {rule.body!r} is in the path and in the body")


def _member_type(layouts: Layouts, layout: StructLayout, names: list[str]) -> Type | None:
    """The type of a parameter's member by its JSON names; None if there is none, or only as part of another shape."""
    slot = layout.slots.get(names[0])
    if slot is None or slot.field is None or slot.role in (Role.FLATTENED, Role.FLATTENED_VARIANT):
        return None
    field = slot.field
    if len(names) == 1:
        return field.type or Type(Kind.STRUCT, field.field.group_id or 0)
    if field.group is not None:
        return _member_type(layouts, field.group, names[1:])
    if field.type is None or field.type.kind is not Kind.STRUCT:
        return None
    return _member_type(layouts, layouts.struct(field.type), names[1:])

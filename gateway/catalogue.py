"""What is served now: services, their methods, routes and documents, everything that is the same for each call.

Made once and never changed: at a reload a new catalogue takes the place of the old one, in one assignment
(`Served`). What came from the old one, such as a handle, keeps the service that it came from. A call looks a method up
in a dict and finds its reader, its writer and its deadline there. Knows no door and no protocol of a service.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Final

from cara_pseud.errors import RpcError
from cara_pseud.schema.nodes import BoundMethod, InterfaceNode, Kind, Schema, Type, describe_type
from gateway.access.rules import NO_ROLES, ServiceRules
from gateway.access.seen import Seen
from gateway.annotations import json_name
from gateway.call_counts import CallCounts, MethodCounts
from gateway.describe.documents import Document
from gateway.errors import GatewayError, Status
from gateway.json.codec import Codec
from gateway.json.codec.params import Params
from gateway.json.codec.results import Results
from gateway.raw_bodies import RawBody, RawParams, RawResults, raw_body
from gateway.routes import HttpRoutes, ServiceRoutes
from gateway.sensitive import SecretPaths, has_sensitive, has_sensitive_results
from gateway.traces import Tracer
from gateway.upstream.base import Upstream


class ServiceMethod:
    """One method that clients may call.

    Attributes:
        has_references: whether objects can occur in its parameters or results.
        may_give_objects: whether they can occur in its results.
        has_secrets: whether a parameter or result is one, so that no log may quote a value.
        has_secret_results: whether a result is one.
        timeout_s: the deadline of a call that wishes none.
        label: the name in metrics, with its interface if it is an object's.
        counts: what is counted of its calls.
        over_rest: how REST calls it, where its Data is a raw body; itself otherwise.
        raw: what of it is a raw body; None if nothing is, and for who calls it otherwise than by REST.
    """

    params: Params | RawParams
    results: Results | RawResults

    __slots__ = (
        "bound", "counts", "facts", "has_references", "has_secret_results", "has_secrets", "label", "may_give_objects",
        "name", "over_rest", "params", "raw", "results", "service", "service_name", "timeout_s",
    )  # fmt: skip

    def __init__(self, service: Service, name: str, bound: BoundMethod, owner: str | None = None) -> None:
        self.service = service
        self.label = name if owner is None else f"{owner}.{name}"
        self.counts = service.counts.of(service.name, self.label)
        self.service_name = service.name
        self.name = name
        self.bound = bound
        self.facts = service.routes.facts(bound)
        self.params = service.codec.params(bound)
        self.results = service.codec.results(bound)
        self.has_secrets = has_sensitive(service.routes, bound)
        self.has_secret_results = self.has_secrets and has_sensitive_results(service.routes, bound)
        self.may_give_objects = self.results.has_references
        self.has_references = self.params.has_references or self.results.has_references
        annotated = self.facts.timeout_s
        self.timeout_s = service.timeout_s if annotated is None else annotated
        self.raw: RawBody | None = None
        raw = raw_body(service.schema, bound.method)
        self.over_rest = self if raw is None else self._with_body(raw)

    def _with_body(self, raw: RawBody) -> ServiceMethod:
        method = copy(self)
        method.raw, method.over_rest = raw, method
        if raw.param is not None:
            method.params = RawParams(self.service.codec.params(self.bound), raw.param, raw.place)
        if raw.result is not None:
            method.results = RawResults(self.service.codec.results(self.bound), raw.result)
        return method


class CallbackMethod:
    """One method of clients' objects, that a service may call: its JSON name and both converters.

    Attributes:
        label: its name in traces, with its interface.
    """

    __slots__ = ("label", "name", "read_results", "write_params")

    def __init__(self, codec: Codec, bound: BoundMethod, owner: str) -> None:
        self.label = f"{owner}.{bound.method.name}"
        self.name = json_name(bound.method.annotations, bound.method.name)
        self.write_params = codec.callback_params(bound)
        self.read_results = codec.callback_results(bound)


class Service:
    """One configured service: its schema, its codec and the way to it.

    Attributes:
        timeout_s: the deadline of a call where neither the caller nor the schema says one.
        counts: where the calls of its methods are counted.
        tracer: who records the traces that its calls belong to; None if nobody does.
        methods: of the service's own interface, by JSON name.
    """

    def __init__(
        self,
        routes: ServiceRoutes,
        codec: Codec,
        upstream: Upstream,
        timeout_s: float,
        counts: CallCounts | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self.name = routes.name
        self.routes = routes
        self.schema: Schema = routes.schema
        self.codec = codec
        self.upstream = upstream
        self.timeout_s = timeout_s
        self.counts = CallCounts() if counts is None else counts
        self.tracer = tracer
        self.methods: Mapping[str, ServiceMethod] = {
            name: ServiceMethod(self, name, bound) for name, bound in routes.methods.items()
        }
        self._of_objects: dict[Type, dict[str, ServiceMethod]] = {}
        self._of_callbacks: dict[Any, CallbackMethod] = {}
        self._interface_names: dict[Type, str] = {}
        self._declared_labels: dict[str, bool] = {}

    def method(self, name: str) -> ServiceMethod:
        """A method of the service's own interface.

        Raises:
            GatewayError: not found.
        """
        method = self.methods.get(name)
        if method is None:
            raise GatewayError.unknown_method(self.name, name, self.methods.keys()).at(self.name)
        return method

    def object_method(
        self, interface: Type | None, name: str, roles: frozenset[str] = NO_ROLES
    ) -> ServiceMethod:
        """A method of an object that the service returned.

        Args:
            roles: of who asks, to whom an error names no method that it may not call.

        Raises:
            GatewayError: not found; or the object came without an interface, so that it has no methods to name.
        """
        if interface is None:
            raise GatewayError(
                Status.FAILED_PRECONDITION,
                "the schema does not say which interface the object has, so it cannot be called; cast it to one first",
            ).at(self.name, name)
        methods = self._of_objects.setdefault(interface, {})
        method = methods.get(name)
        if method is None:
            bound = self.routes.handle_method(interface, name, roles)
            # Without what a generic interface is bound to: clients could have ever larger types of themselves made.
            method = methods[name] = ServiceMethod(self, name, bound, self._qualified_name(interface))
        return method

    def counted_methods(self) -> Iterator[tuple[str, MethodCounts]]:
        """The service's own methods and those of objects that were called, by label, with their counts."""
        for label, counts in self.counts.of_service(self.name).items():
            if self.declares(label):
                yield label, counts

    def declares(self, label: str) -> bool:
        """Whether a method of that label is one of the service's, or of an object that it may return."""
        if label in self.methods:
            return True
        known = self._declared_labels.get(label)
        if known is None:
            owner, _, name = label.rpartition(".")
            known = self._declared_labels[label] = any(
                name in self.routes.for_interface(Type(Kind.INTERFACE, node.id))
                for node in self.schema.nodes.values()
                if isinstance(node, InterfaceNode) and (node.qualified_name or node.name) == owner
            )
        return known

    def callback_method(self, interface: Type | None, interface_id: int, method: int | str) -> CallbackMethod:
        """A method of a client's object that was passed as ``interface`` (None: as AnyPointer), by its wire names.

        Raises:
            RpcError: the interface has no such method.
        """
        key = (interface, interface_id, method)
        found = self._of_callbacks.get(key)
        if found is None:
            bound = self._declared(interface, interface_id, method)
            if bound is None:
                raise RpcError("unimplemented", "the client's object has no such method")
            found = self._of_callbacks[key] = CallbackMethod(
                self.codec, bound, self._qualified_name(bound.interface)
            )
        return found

    def _declared(self, interface: Type | None, interface_id: int, method: int | str) -> BoundMethod | None:
        if interface is None:
            if not isinstance(self.schema.nodes.get(interface_id), InterfaceNode):
                return None
            # The service says for which interface it takes the object.
            interface = Type(Kind.INTERFACE, interface_id)
        for ancestor in self.schema.ancestry(interface):
            if ancestor.node_id == interface_id:
                for declared in self.schema.interface(interface_id).methods:
                    if method == declared.id or method == declared.name:
                        return BoundMethod(ancestor, declared)
        return None

    def _qualified_name(self, interface: Type) -> str:
        node = self.schema.nodes[interface.node_id]
        return node.qualified_name or node.name

    def interface_name(self, interface: Type | None) -> str | None:
        """The name by which clients know an interface: ``Calculator.Value``."""
        if interface is None:
            return None
        name = self._interface_names.get(interface)
        if name is None:
            name = self._interface_names[interface] = describe_type(self.schema, interface)
        return name


Describe = Callable[[Sequence[ServiceRoutes]], Mapping[str, Document]]
"""Makes the documents of services, by their paths; each is written when it is first read."""


_MAX_SEEN: Final = 64
"""So many parts of a catalogue are kept with their documents, those that were asked for last. Most gateways have a
handful of roles; who has tokens made with many different sets of them makes documents anew, and no more of them."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything that is served.

    Attributes:
        services: by name.
        http_routes: the paths of ``$http`` annotations.
        documents: of everything, by their paths.
        describe: makes those of a part; None if everybody sees everything.
        roles: all that anything requires.
        secret_paths: the paths in which secrets stand.
    """

    services: Mapping[str, Service]
    http_routes: HttpRoutes
    documents: Mapping[str, Document]
    describe: Describe | None = None
    roles: frozenset[str] = field(init=False)
    secret_paths: SecretPaths = field(init=False)
    _seen: OrderedDict[frozenset[str], Seen] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        paths = SecretPaths(service.routes for service in self.services.values())
        roles = NO_ROLES.union(*[service.routes.rules.roles for service in self.services.values()])
        object.__setattr__(self, "secret_paths", paths)
        object.__setattr__(self, "roles", roles)
        object.__setattr__(self, "_seen", OrderedDict())

    def seen_by(self, roles: frozenset[str]) -> Seen:
        """What somebody with these roles may call, and hence see."""
        telling = roles & self.roles
        seen = self._seen.get(telling)
        if seen is None:
            seen = self._seen[telling] = self._part(telling)
            if len(self._seen) > _MAX_SEEN:
                self._seen.popitem(last=False)
        else:
            self._seen.move_to_end(telling)
        return seen

    def _part(self, roles: frozenset[str]) -> Seen:
        parts = {name: service.routes.seen_by(roles) for name, service in self.services.items()}
        seen = {name: part for name, part in parts.items() if part.is_seen}
        whole = frozenset(name for name, part in seen.items() if part is self.services[name].routes)
        if self.describe is None or len(whole) == len(self.services):
            return Seen(seen, whole, self.documents)
        return Seen(seen, whole, self.describe(list(seen.values())))

    def rules_of(self, service: Service) -> ServiceRules:
        """What holds now for objects of a service, be it one that was served before."""
        own = service.routes.rules
        current = self.services.get(service.name)
        return own if current is None else current.routes.rules.over(own)


class Served:
    """Where everybody looks for what is served now.

    Attributes:
        catalogue: replaced whole.
    """

    __slots__ = ("catalogue",)

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue


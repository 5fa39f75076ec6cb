"""The configured services, and everything about their methods that is the same for each call, made once.

A call looks a method up in a dict and finds its reader, its writer and its deadline there. Knows no door and no
protocol of a service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cara_pseud.errors import RpcError
from cara_pseud.schema.nodes import BoundMethod, InterfaceNode, Kind, Schema, Type
from gateway.annotations import json_name
from gateway.describe.descriptions import interface_name
from gateway.errors import GatewayError, Status
from gateway.json.codec import Codec
from gateway.routes import ServiceRoutes
from gateway.sensitive import has_sensitive
from gateway.upstream.base import Upstream


class Method:
    """One method that clients may call.

    Attributes:
        has_references: whether objects can occur in its parameters or results.
        may_give_objects: whether they can occur in its results.
        has_secrets: whether a parameter or result is one, so that no log may quote a value.
        timeout_s: the deadline of a call that wishes none.
        label: the name in metrics, with its interface if it is an object's.
        calls: how many were begun.
        failures: how many failed, by status code.
    """

    __slots__ = (
        "bound", "calls", "facts", "failures", "has_references", "has_secrets", "label", "may_give_objects", "name",
        "params", "results", "service", "service_name", "timeout_s",
    )  # fmt: skip

    def __init__(self, service: Service, name: str, bound: BoundMethod, owner: str | None = None) -> None:
        self.service = service
        self.label = name if owner is None else f"{owner}.{name}"
        self.calls = 0
        self.failures: dict[str, int] = {}
        self.service_name = service.name
        self.name = name
        self.bound = bound
        self.facts = service.routes.facts(bound)
        self.params = service.codec.params(bound)
        self.results = service.codec.results(bound)
        self.has_secrets = has_sensitive(service.routes, bound)
        self.may_give_objects = self.results.has_references
        self.has_references = self.params.has_references or self.results.has_references
        annotated = self.facts.timeout_s
        self.timeout_s = service.timeout_s if annotated is None else annotated


class CallbackMethod:
    """One method of clients' objects, that a service may call: its JSON name and both converters."""

    __slots__ = ("name", "read_results", "write_params")

    def __init__(self, codec: Codec, bound: BoundMethod) -> None:
        self.name = json_name(bound.method.annotations, bound.method.name)
        self.write_params = codec.callback_params(bound)
        self.read_results = codec.callback_results(bound)


class Service:
    """One configured service: its schema, its codec and the way to it.

    Attributes:
        timeout_s: the deadline of a call where neither the caller nor the schema says one.
        methods: of the service's own interface, by JSON name.
    """

    def __init__(self, routes: ServiceRoutes, codec: Codec, upstream: Upstream, timeout_s: float) -> None:
        self.name = routes.name
        self.routes = routes
        self.schema: Schema = routes.schema
        self.codec = codec
        self.upstream = upstream
        self.timeout_s = timeout_s
        self.methods: Mapping[str, Method] = {name: Method(self, name, bound) for name, bound in routes.methods.items()}
        self._of_objects: dict[Type, dict[str, Method]] = {}
        self._of_callbacks: dict[Any, CallbackMethod] = {}
        self._interface_names: dict[Type, str] = {}

    def method(self, name: str) -> Method:
        """A method of the service's own interface.

        Raises:
            GatewayError: not found.
        """
        method = self.methods.get(name)
        if method is None:
            raise GatewayError.unknown_method(self.name, name, self.methods.keys()).at(self.name)
        return method

    def object_method(self, interface: Type | None, name: str) -> Method:
        """A method of an object that the service returned.

        Raises:
            GatewayError: not found; or the object came without an interface, so that it has no methods to name.
        """
        if interface is None:
            raise GatewayError(
                Status.FAILED_PRECONDITION,
                "the object came as AnyPointer, so its interface is not known and it cannot be called",
            ).at(self.name, name)
        methods = self._of_objects.setdefault(interface, {})
        method = methods.get(name)
        if method is None:
            bound = self.routes.handle_method(interface, name)
            method = methods[name] = Method(self, name, bound, self.interface_name(interface))
        return method

    def known_methods(self) -> Iterator[Method]:
        """The service's own methods, and those of objects that were called."""
        yield from self.methods.values()
        for methods in self._of_objects.values():
            yield from methods.values()

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
            found = self._of_callbacks[key] = CallbackMethod(self.codec, bound)
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

    def interface_name(self, interface: Type | None) -> str | None:
        """The name by which clients know an interface: ``Calculator.Value``."""
        if interface is None:
            return None
        name = self._interface_names.get(interface)
        if name is None:
            name = self._interface_names[interface] = interface_name(self.schema, interface)
        return name


def find_service(services: Mapping[str, Service], name: str) -> Service:
    """The service of that name.

    Raises:
        GatewayError: not found.
    """
    service = services.get(name)
    if service is None:
        raise GatewayError.unknown_service(name, services.keys())
    return service

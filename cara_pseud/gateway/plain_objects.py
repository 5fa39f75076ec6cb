"""Services and objects for programs that load no schema: every attribute is a remote method, values are plain JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from cara_pseud.any_pointer import Reference
from cara_pseud.errors import ArgumentError
from cara_pseud.gateway import plain_values
from cara_pseud.gateway.invocation import Received
from cara_pseud.gateway.messages import JSON
from cara_pseud.gateway.objects import GatewayCall, GatewayCapability, GatewayClient, PlainPlace, passed
from cara_pseud.gateway.references import MessageReferences
from cara_pseud.gateway.targets import AnswerPlace, ObjectCallee
from cara_pseud.interfaces import Interface
from cara_pseud.proxies import Remote, make_proxy
from cara_pseud.python_names import schema_name


class PlainObject(Remote):
    """A service or an object. ``thing.add(2, 5)`` and ``thing["add"](first=2, second=5)`` call it.

    What is said of proxies of interface classes holds: `cara_pseud.with_options`, `cara_pseud.release`, ``with``.
    """

    def __getattr__(self, name: str) -> PlainMethod:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[schema_name(name)]

    def __getitem__(self, name: str) -> PlainMethod:
        return PlainMethod(self, name)

    def __repr__(self) -> str:
        return f"<remote {cast(GatewayCapability, self.__capability__).target.label}>"


class PlainMethod:
    """A method of one."""

    __slots__ = ("_name", "_of")

    def __init__(self, of: PlainObject, name: str) -> None:
        self._of = of
        self._name = name

    def __call__(self, /, *args: Any, **kwargs: Any) -> GatewayCall:
        """Call it, with parameters by position or by name.

        Raises:
            ArgumentError: both are given.
        """
        capability = self._of.__capability__
        assert isinstance(capability, GatewayCapability)
        return capability.connection.call_plain(capability.target, self._name, args, kwargs, self._of.__options__)

    def __repr__(self) -> str:
        return f"<method {self._name} of {self._of!r}>"


def write(
    args: Sequence[Any], kwargs: Mapping[str, Any], connection: GatewayClient, references: MessageReferences
) -> JSON:
    """The parameters of a call.

    Raises:
        ArgumentError: they are given by position and by name.
        InvalidValue, RpcError: one cannot be sent.
    """
    if args and kwargs:
        raise ArgumentError("parameters are given by position or by name, not both, as no schema tells which is which")
    return plain_values.written(kwargs or args, PlainOutgoing(connection, references))


def receive(json: JSON, connection: GatewayClient) -> Received:
    """A result, with proxies of the objects in it."""
    objects: list[ObjectCallee] = []

    def proxy(token: str, interface: str | None) -> Any:
        target = connection.target(token, interface)
        objects.append(target)
        return make_proxy(PlainObject, GatewayCapability(connection, target))

    return Received(plain_values.read(json, proxy), objects)


class PlainOutgoing:
    """Makes references of proxies and objects. See `cara_pseud.gateway.plain_values.Outgoing`."""

    def __init__(self, connection: GatewayClient, references: MessageReferences) -> None:
        self._connection = connection
        self._references = references

    @property
    def values(self) -> int:
        """Elements and members that were written."""
        return self._references.values

    @values.setter
    def values(self, values: int) -> None:
        self._references.values = values

    def reference(self, value: object, holder: Any, key: str | int, path: str) -> JSON:
        """The JSON of what came from a gateway or will; None for other values, and {} for what comes later."""
        if isinstance(value, GatewayCall):
            self._references.later(AnswerPlace(value.answer), holder, key, path)
            return {}
        if isinstance(value, PlainPlace):
            self._references.later(value.__place__, holder, key, path)
            return {}
        if isinstance(value, Remote | Reference) and isinstance(value.__capability__, GatewayCapability):
            return passed(value.__capability__, self._references, holder, key, path) or {}
        return None

    def own(self, value: object) -> JSON:
        """The JSON of an object of this process."""
        wrapped = vars(value).get("__wrapped__", value) if isinstance(value, Interface) else value
        bound = getattr(wrapped, "__self__", None)
        # A bound method is a new object each time it is read.
        key = ("own", id(wrapped)) if bound is None else ("own", id(bound), getattr(wrapped, "__name__", ""))
        return self._references.callback(key, lambda: self._connection.own.plain(value))

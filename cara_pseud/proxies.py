"""Proxies: objects that live elsewhere, with the methods of an interface. Calls give Futures, to be awaited or yielded.

All names but the schema's begin with two underscores: a schema may have methods named ``stop`` or ``timeout``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from cara_pseud.any_pointer import Reference
from cara_pseud.capabilities import NO_OPTIONS, CallOptions, Capability
from cara_pseud.errors import InvalidValue, WrongType
from cara_pseud.implementations import Implementation
from cara_pseud.methods import InterfaceMethod
from cara_pseud.scalars import check_float64, check_text, shown
from cara_pseud.values import MISSING, ValueType


class Remote:
    """What the proxies of all interfaces have in common; mixed into a subclass of the interface class."""

    __capability__: Capability
    __options__: CallOptions

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Remote) and self.__capability__.key == other.__capability__.key

    def __hash__(self) -> int:
        return hash(self.__capability__.key)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(f"a {type(self).__name__} is a live object elsewhere and cannot be pickled")

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        release(self)

    def __repr__(self) -> str:
        return f"<remote {type(self).__name__}>"


class ProxyMethod:
    """A method of a proxy class; replaces itself by the generated function when it is first asked for."""

    def __init__(self, method: InterfaceMethod) -> None:
        self._method = method

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner = owner
        self._name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self._method
        function = self._method.proxy_method()
        if self._method.node.type_parameters:
            return GenericCall(self._method, instance)
        type.__setattr__(self._owner, self._name, function)
        return function.__get__(instance, owner)


class GenericCall:
    """A method with type parameters, of a proxy: ``iface.m(x)``, or ``iface.m[Text](x)``."""

    __slots__ = ("_method", "_proxy")

    def __init__(self, method: InterfaceMethod, proxy: Any) -> None:
        self._method = method
        self._proxy = proxy

    def __getitem__(self, types: ValueType | tuple[ValueType, ...]) -> Any:
        bound = types if isinstance(types, tuple) else (types,)
        return self._method.proxy_method(bound).__get__(self._proxy)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._method.proxy_method().__get__(self._proxy)(*args, **kwargs)


def make_proxy(proxy_class: type, capability: Capability, options: CallOptions = NO_OPTIONS) -> Any:
    """A proxy of a capability."""
    proxy: Any = object.__new__(proxy_class)
    proxy.__capability__ = capability
    proxy.__options__ = options
    return proxy


def with_options(
    proxy: Any,
    *,
    timeout: float | None = MISSING,
    request_id: str | None = MISSING,
    principal: str | None = MISSING,
    traceparent: str | None = MISSING,
    idempotency_key: str | None = MISSING,
    roles: tuple[str, ...] = MISSING,
) -> Any:
    """A view of a proxy whose calls have these options; those not given stay as they are.

    Args:
        timeout: in seconds.

    Raises:
        TypeError: it is no proxy.
        InvalidValue: an option is of another kind, or text that UTF-8 cannot carry.
    """
    given: dict[str, Any] = {
        "timeout": timeout, "request_id": request_id, "principal": principal,
        "traceparent": traceparent, "idempotency_key": idempotency_key, "roles": roles,
    }
    options = _remote(proxy).__options__._replace(
        **{name: _option(name, value) for name, value in given.items() if value is not MISSING}
    )
    return make_proxy(type(proxy), proxy.__capability__, options)


def _option(name: str, value: Any) -> Any:
    """An option as it travels."""
    try:
        if name == "roles":
            if isinstance(value, str) or not isinstance(value, Iterable):
                raise WrongType(f"{shown(value)} is no sequence of roles")
            return tuple(check_text(role) for role in value)
        if value is None or name != "timeout":
            return None if value is None else check_text(value)
        seconds = check_float64(value)
    except InvalidValue as error:
        raise type(error)(f"{name}: {error.reason}", path="") from None
    if math.isnan(seconds):
        raise InvalidValue(f"{name}: {shown(value)} is no number of seconds", path="")
    return seconds


def release(proxy: Any) -> None:
    """Let go of the object behind a proxy or a reference, which must not be called afterwards.

    The end of a ``with`` statement does it, and garbage collection, but later.

    Raises:
        TypeError: it is neither.
    """
    capability = proxy.__capability__ if isinstance(proxy, Reference) else _remote(proxy).__capability__
    capability.release()


def unwrap(proxy: Any) -> Any:
    """The object of ours that a proxy leads back to, as it was given out; None if it lives elsewhere.

    An object that comes home is a proxy like all others, since whoever gets it cannot know and awaits its methods; but
    its calls do not leave the process.
    """
    # A blocking proxy leads to what runs the object in a thread.
    target = getattr(getattr(proxy, "__capability__", None), "target", None)
    target = getattr(target, "own", target)
    if isinstance(target, Implementation):
        value = target.value
        return vars(value).get("__wrapped__", value)
    return None


def _remote(proxy: Any) -> Remote:
    if isinstance(proxy, Remote):
        return proxy
    raise TypeError(f"a {type(proxy).__name__} is no proxy of a remote object")

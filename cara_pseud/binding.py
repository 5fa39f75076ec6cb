"""Interfaces on peers: `setup_server`, `setup_client`, `register_interface`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final, TypeVar, overload

from cara_pseud.adoption import adopt_client, adopt_server
from cara_pseud.announcing import announce
from cara_pseud.client import Client
from cara_pseud.errors import RegistrationError
from cara_pseud.interfaces import InterfaceType, implement
from cara_pseud.peer import PeerBase
from cara_pseud.server import Server

Decorated = TypeVar("Decorated")
_NOTHING: Any = object()
_LOG: Final = logging.getLogger(__name__)


def setup_server(server: Any) -> Server:
    """Make a server ready for `register_interface`.

    Ours is given back as it is; for a stock `pseud.Server`, bound or not, there is one of ours in its place, at the
    same endpoint and with the same registry, and the stock object is closed.

    Raises:
        TypeError: it is no pseud server.
    """
    return adopt_server(server)


def setup_client(client: Any) -> Client:
    """Make a client ready to be wrapped with interfaces: ``Calculator(client)``.

    Ours is given back as it is; for a stock `pseud.Client`, connected or not, there is one of ours in its place.

    Raises:
        TypeError: it is no pseud client.
    """
    return adopt_client(client)


@overload
def register_interface(server: PeerBase) -> Callable[[Decorated], Decorated]: ...


@overload
def register_interface(server: PeerBase, interface: Any) -> Any: ...


@overload
def register_interface(server: PeerBase, interface: Any = None, obj_or_cls: Any = ...) -> Any: ...


def register_interface(server: PeerBase, interface: Any = None, obj_or_cls: Any = _NOTHING) -> Any:
    """Answer calls of an interface's methods, under their bare names, with an implementation.

    ``@register_interface(server)`` decorates a subclass of an interface, ``@register_interface(server, Interface)`` any
    class, or a function for an interface of one method. ``register_interface(server, instance)`` takes an instance of
    such a subclass, ``register_interface(server, Interface, x)`` an object, a class, a function or a dict of functions.
    Classes are instantiated without arguments. Methods may be missing: they are named in the log, and calls of them are
    answered with ``unimplemented``.

    Returns:
        What was decorated, else the implementation.

    Raises:
        RegistrationError: the implementation does not fit, a method of it cannot take the parameters or is misspelt, or
            a method's name is taken by another interface; nothing is registered then.
    """
    if not isinstance(server, PeerBase):
        raise RegistrationError(f"a {type(server).__name__} cannot serve interfaces; use what setup_server() returned")
    if obj_or_cls is not _NOTHING:
        return _register(server, obj_or_cls, interface)
    if interface is None:
        return lambda decorated: _register(server, decorated, None)
    if isinstance(interface, InterfaceType) and "__declaration__" in vars(interface):
        return lambda decorated: _register(server, decorated, interface)
    return _register(server, interface, None)


def _register(server: PeerBase, implementation: Any, interface: Any) -> Any:
    if interface is not None and not isinstance(interface, InterfaceType):
        raise RegistrationError(f"{interface!r} is no interface class")
    target = implement(implementation, interface)
    handlers = target.handlers()
    name = target.interface_name
    taken = [method for method in handlers if method in server.served]
    if taken:
        other = server.served[taken[0]]
        raise RegistrationError(
            f"{name} cannot be registered: its method {taken[0]!r} is served already, by {other}; "
            "serve one of them from another Server"
        )
    missing = target.missing()
    for method, handler in handlers.items():
        server.register(method, handler)
        server.served[method] = name
    if isinstance(server, Server):
        announce(server)
    if missing:
        _LOG.warning("%s is served without %s: calls of these are unimplemented", name, ", ".join(missing))
    return implementation

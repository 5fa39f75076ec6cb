"""A gateway for scripts and notebooks: calls wait for their results. See `cara_pseud.blocking` for how."""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

from cara_pseud.blocking import Background, BlockingCapability
from cara_pseud.gateway.callbacks import RunPlain
from cara_pseud.gateway.connection import GatewayConnection, service_of
from cara_pseud.gateway.objects import GatewayCapability
from cara_pseud.gateway.plain_objects import PlainObject
from cara_pseud.gateway.session_facts import SessionFacts
from cara_pseud.proxies import Remote, make_proxy
from cara_pseud.python_names import schema_name


class BlockingGateway(SessionFacts):
    """A session of a gateway whose calls wait for their results.

    Use it in a ``with`` statement, or `close` it; the end of the program does so as well. Functions and objects that
    are passed to a service are called in a thread beside the caller's, one call after the other; ``async`` ones run in
    the connection's loop. Ctrl-C gives up the call that is waited for, and nothing else.
    """

    def __init__(self, begin: Callable[[RunPlain | None], GatewayConnection]) -> None:
        """Connect and wait for it.

        Args:
            begin: begins to connect, in the running loop.

        Raises:
            RpcError: there is no connection.
        """
        self._background = background = Background()

        async def in_worker(callee: Callable[..., Any], args: Sequence[Any]) -> Any:
            given = [_outwards(value, background) for value in args]
            result = await background.in_worker(lambda: callee(*given))
            return _inwards(await result if isinstance(result, Awaitable) else result)

        async def connected() -> GatewayConnection:
            connection = begin(in_worker)
            await connection.opened()
            return connection

        try:
            super().__init__(background.wait(connected))
        except BaseException:
            background.stop(None)
            raise
        self._end = weakref.finalize(self, background.stop, _Closing(self._connection))

    def service(self, name: str, interface: Any = None) -> Any:
        """The proxy of a service; see `GatewaySession.service`."""
        capability = BlockingCapability(service_of(self._connection, name, interface), self._background)
        return make_proxy(BlockingPlainObject if interface is None else interface.__proxy_class__, capability)

    def describe(self, service: str) -> Any:
        """The methods of a service with their types and comments, as ``GET /api/{service}`` gives them."""
        return self._background.wait(lambda: self._connection.control("rpc.describe", {"service": service}))

    def close(self) -> None:
        """Close the connection for good. Objects and callbacks are given up."""
        self._end()

    def __enter__(self) -> BlockingGateway:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Closing:
    """Ends a connection; see `cara_pseud.blocking.Stoppable`."""

    def __init__(self, connection: GatewayConnection) -> None:
        self._connection = connection

    async def stop(self) -> None:
        await self._connection.close()


class BlockingPlainObject(Remote):
    """A service or an object of a program that loads no schema; see `PlainObject`."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[schema_name(name)]

    def __getitem__(self, name: str) -> Callable[..., Any]:
        blocking = cast(BlockingCapability, self.__capability__)
        capability = cast(GatewayCapability, blocking.inner)
        options = self.__options__

        def call(*args: Any, **kwargs: Any) -> Any:
            sent, named = _inwards(args), _inwards(kwargs)
            made = lambda: capability.connection.call_plain(capability.target, name, sent, named, options)  # noqa: E731
            return _outwards(blocking.background.wait(made), blocking.background)

        return call

    def __repr__(self) -> str:
        blocking = cast(BlockingCapability, self.__capability__)
        return f"<remote {cast(GatewayCapability, blocking.inner).target.label}>"


def _inwards(value: Any) -> Any:
    """A value as the loop needs it: proxies that wait as proxies whose calls give futures."""
    if isinstance(value, BlockingPlainObject):
        return make_proxy(PlainObject, cast(BlockingCapability, value.__capability__).inner)
    if type(value) is dict:
        return {name: _inwards(item) for name, item in value.items()}
    if type(value) in (list, tuple):
        return [_inwards(item) for item in value]
    return value


def _outwards(value: Any, background: Background) -> Any:
    """A value as callers need it."""
    if isinstance(value, PlainObject):
        return make_proxy(BlockingPlainObject, BlockingCapability(value.__capability__, background))
    if isinstance(value, Mapping):
        return {name: _outwards(item, background) for name, item in value.items()}
    if isinstance(value, list):
        return [_outwards(item, background) for item in value]
    return value

"""A session of a gateway as a program has it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any, TypeVar, overload

from cara_pseud.any_pointer import Reference
from cara_pseud.gateway import plain_objects
from cara_pseud.gateway.blocking import BlockingGateway
from cara_pseud.gateway.callbacks import RunPlain
from cara_pseud.gateway.connection import GatewayConnection, service_of
from cara_pseud.gateway.session_facts import SessionFacts
from cara_pseud.proxies import make_proxy

_Client = TypeVar("_Client")


class GatewaySession(SessionFacts):
    """A session of a gateway. Made by `cara_pseud.gateway.connect`; lives in the loop that made it.

    A lost connection is mended by itself: calls run once and are answered once, objects and callbacks live on. Only a
    loss that takes longer than the gateway keeps a session, or its restart, ends them: calls that were sent fail with
    `OutcomeUnknown`; those that were not are made in the new session, or fail with `Unavailable` if they need an object
    of the old one.
    """

    @overload
    def service(self, name: str) -> plain_objects.PlainObject: ...

    @overload
    def service(self, name: str, interface: Callable[[Reference], _Client]) -> _Client: ...

    def service(self, name: str, interface: Any = None) -> Any:
        """The proxy of a service, by its name in the gateway's configuration.

        Whether there is one, the first call tells.

        Args:
            interface: its interface class, for a proxy like those of peers, whose values are checked and converted;
                else values are plain JSON and every attribute is a method.

        Raises:
            InvalidValue: that is no name of a service.
            WrongType: it is no interface class.
        """
        capability = service_of(self._connection, name, interface)
        return make_proxy(plain_objects.PlainObject if interface is None else interface.__proxy_class__, capability)

    def on(self, event: str, listener: Callable[[Any], object]) -> Callable[[], None]:
        """Have a function called, and give what ends that.

        Args:
            event: ``state`` (with a `StateChange`), ``reset`` (with a `Reset`; it comes before ``state`` is open, and
                one that nobody has heard comes to the first who listens), or ``released`` (with what the gateway let go
                of: a dict of ``handle`` or ``callback``, ``code`` and ``reason``).

        Raises:
            InvalidValue: there is no such event.
        """
        return self._connection.on(event, listener)

    async def describe(self, service: str) -> Any:
        """The methods of a service with their types and comments, as ``GET /api/{service}`` gives them."""
        return await self._connection.control("rpc.describe", {"service": service})

    async def close(self) -> None:
        """Close the connection for good. Calls without an answer fail; objects and callbacks are given up."""
        await self._connection.close()

    async def __aenter__(self) -> GatewaySession:
        return self

    async def __aexit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


class Connecting:
    """A connection that is to be made: ``await`` it, or use it in a ``with`` or an ``async with`` statement."""

    def __init__(self, begin: Callable[[RunPlain | None], GatewayConnection]) -> None:
        """Wait for somebody who wants it.

        Args:
            begin: begins to connect, in the running loop; see `GatewayConnection`.
        """
        self._begin = begin
        self._gateway: GatewaySession | None = None
        self._blocking: BlockingGateway | None = None

    async def _connected(self) -> GatewaySession:
        connection = self._begin(None)
        await connection.opened()
        return GatewaySession(connection)

    def __await__(self) -> Generator[Any, None, GatewaySession]:
        return self._connected().__await__()

    async def __aenter__(self) -> GatewaySession:
        self._gateway = await self._connected()
        return self._gateway

    async def __aexit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._gateway is not None:
            await self._gateway.close()

    def wait(self) -> BlockingGateway:
        """Connect and wait for it, in a program without a loop.

        Raises:
            RpcError: see `cara_pseud.gateway.connect`.
        """
        return BlockingGateway(self._begin)

    def __enter__(self) -> BlockingGateway:
        self._blocking = self.wait()
        return self._blocking

    def __exit__(self, *_: object) -> None:
        if self._blocking is not None:
            self._blocking.close()

"""A native service as a cara service: a pseud server that is there as long as the connection to the service is.

    connecting ── connected, and its first object is there ──► serving ── lost ──► connecting, after a pause

While there is no server, whoever calls it has `unavailable` at once; when one ends, every call under way and every
object of it ends for its peers as those of any service do that is gone.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import random
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import zmq

from cara_pseud.capabilities import Capability, IncomingCall
from cara_pseud.cork import Cork
from cara_pseud.errors import RpcError
from cara_pseud.link import NOBODY
from cara_pseud.schema.nodes import BoundMethod, Schema, Type
from cara_pseud.server import Server
from gateway.bridge.named_structs import SchemaStructs
from gateway.bridge.native_connection import NativeConnection, connect
from gateway.bridge.native_methods import NativeMethod, NativeMethods
from gateway.bridge.objects import NativeObject
from gateway.bridge.reports import SIGN_OF_LIFE
from gateway.bridge.vat import Vat

_LOG: Final = logging.getLogger(__name__)

CONNECT_AGAIN_S: Final = (0.05, 0.1, 0.2, 0.4, 0.7)
"""After a loss and each attempt that failed; the last one for ever."""
_CONNECT_S: Final = 5.0
"""How long a service may take to answer at all."""
_WELL_S: Final = 1.0
_BIND_S: Final = 2.0
_BIND_AGAIN_S: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedAs:
    """How a native service is served to cara's peers.

    Attributes:
        bind: a ZeroMQ endpoint.
        peer: the pseud identity of the server.
        security: arguments of `cara_pseud.server.Server` that say who may call; none for a private ipc socket.
    """

    bind: str
    peer: str = "server"
    security: Mapping[str, Any] = field(default_factory=dict)


class Bridge:
    """Serves one native service until it is cancelled."""

    def __init__(
        self,
        schema: Schema,
        interface: Type,
        endpoint: str,
        served_as: ServedAs,
        on_up: Callable[[str], None],
        on_trouble: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Begin without a connection.

        Args:
            endpoint: of the service; see `gateway.bridge.native_connection.connect`.
            on_up: is told where, each time that the service can be called.
            on_trouble: is told why it cannot be, as the end of a sentence that callers may read; empty once it can.
        """
        self._methods = NativeMethods(schema, SchemaStructs(schema))
        self._bound = schema.methods(interface)
        self._interface = interface
        self._endpoint = endpoint
        self._served_as = served_as
        self._on_up = on_up
        self._on_trouble = on_trouble
        self._cork = Cork()
        self._trouble = ""

    async def run(self) -> None:
        """Serve until cancelled."""
        attempts, loop = 0, asyncio.get_running_loop()
        while True:
            began = loop.time()
            # Who is lost as soon as it is there is not asked again and again without a pause.
            if await self._serve_once() and loop.time() - began >= _WELL_S:
                attempts = 0
            pause_s = CONNECT_AGAIN_S[min(attempts, len(CONNECT_AGAIN_S) - 1)]
            attempts += 1
            await asyncio.sleep(pause_s * random.uniform(0.8, 1.0))  # noqa: S311 (no secret)

    async def _serve_once(self) -> bool:
        """Connect and serve until the connection is lost; whether there was one."""
        loop = asyncio.get_running_loop()
        make = partial(NativeConnection, self._methods, self._cork, loop)
        try:
            async with asyncio.timeout(_CONNECT_S):
                connection = await connect(self._endpoint, make, loop)
        except (OSError, TimeoutError) as error:
            reason = _reason(error)
            nobody = isinstance(error, FileNotFoundError | ConnectionRefusedError)
            self._say(f"cannot be reached: {reason}", NOBODY if nobody else reason)
            return False
        try:
            root = await self._first_object(connection)
            if root is None:
                return False
            await self._serve(connection, root)
        finally:
            connection.close()
        return True

    async def _first_object(self, connection: NativeConnection) -> Capability | None:
        asked = connection.vat.bootstrap()
        try:
            async with asyncio.timeout(_CONNECT_S):
                root: Capability | None = await asked
        except RpcError as error:
            reason = await connection.lost if connection.vat.closed else str(error)
            self._say(f"has no object to begin with: {reason}", f"it has no object to begin with: {reason}")
            return None
        except TimeoutError:
            self._say(f"does not answer within {_CONNECT_S:g} s", f"it does not answer within {_CONNECT_S:g} s")
            return None
        if isinstance(root, NativeObject):
            root.seen_as(self._interface)
            return root
        self._say("has no object to begin with", "it has no object to begin with")
        return None

    async def _serve(self, connection: NativeConnection, root: Capability) -> None:
        assert isinstance(root, NativeObject)  # see _first_object
        served_as = self._served_as
        server = Server(served_as.peer.encode(), cork=self._cork, passes_on=True, **served_as.security)
        for bound in self._bound:
            self._register(server, root, bound)
        server.register(SIGN_OF_LIFE, lambda call, args, kwargs: _answered(connection.vat))
        try:
            await self._bind(server)
            await server.start()
            self._trouble = ""
            self._on_trouble("")
            _LOG.info("the service at %s is up", self._endpoint)
            self._on_up(server.endpoint)
            reason = await asyncio.shield(connection.lost)
            self._say(f"was lost: {reason}", "the connection was lost")
        finally:
            connection.close()
            await server.stop()
            # Only now: peers are to hear that who held their objects is gone, and not that it let them go.
            connection.vat.forget()

    def _register(self, server: Server, root: NativeObject, bound: BoundMethod) -> None:
        method: NativeMethod | None = None  # a schema has many methods of which most are never called

        def call(call: IncomingCall, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
            nonlocal method
            if method is None:
                method = self._methods.bound(bound)
            return root.vat.call(root, method, args, kwargs)

        method_node = bound.method
        fields = self._methods.schema.struct(method_node.results.node_id).fields
        # Calls into answers that have just left are told by it which object is meant.
        call.__dict__["results"] = [field.name for field in fields] if method_node.results_inline else None
        server.register(method_node.name, call)

    async def _bind(self, server: Server) -> None:
        """Bind the server, as soon as the one before has left the place."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _BIND_S
        while True:
            try:
                # ZeroMQ takes the place of whoever listens there, who would be found by nobody any more.
                if _is_taken(self._served_as.bind):
                    raise zmq.ZMQError(errno.EADDRINUSE)
                server.bind(self._served_as.bind)
                return
            except zmq.ZMQError:
                if loop.time() >= until:
                    raise
            await asyncio.sleep(_BIND_AGAIN_S)

    def _say(self, trouble: str, to_callers: str) -> None:
        self._on_trouble(to_callers)
        if trouble != self._trouble:
            self._trouble = trouble
            _LOG.warning("the service at %s %s", self._endpoint, trouble)


def _is_taken(bind: str) -> bool:
    """Whether somebody listens at an ipc endpoint already."""
    if not bind.startswith("ipc://"):
        return False
    with socket.socket(socket.AF_UNIX) as other:
        try:
            other.connect(bind.removeprefix("ipc://"))
        except OSError:
            return False
    return True


async def _answered(vat: Vat) -> None:
    """Wait until the service answers something."""
    await vat.bootstrap()


def _reason(error: OSError | TimeoutError) -> str:
    if isinstance(error, TimeoutError):
        return f"no connection within {_CONNECT_S:g} s"
    return (error.strerror or str(error) or "unknown error").lower()

"""Clients for scripts and notebooks: `connect` gives a proxy whose calls wait for their results.

    caller's thread ── call ──► background thread: a loop with the client ──► service
         │                                │
         └── waits, or is interrupted     └── callbacks ──► worker threads, one after the other

It does not matter whether a loop runs in the caller's thread, as it does in a notebook: it stands still meanwhile.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Final, Protocol

from cara_pseud.capabilities import (
    NO_ARGUMENTS,
    NO_OPTIONS,
    CallOptions,
    Capability,
    IncomingCall,
    Target,
    TwoForms,
    WireValue,
)
from cara_pseud.client import Client
from cara_pseud.errors import WrongType
from cara_pseud.interfaces import InterfaceType
from cara_pseud.link import ANOTHER_PLUGIN, CONNECTING, NO_HANDSHAKE, NOBODY
from cara_pseud.local import LocalCapability
from cara_pseud.plugins import plugin_named
from cara_pseud.proxies import make_proxy
from cara_pseud.schema.nodes import BoundMethod

_MOST_WORKERS: Final = 32
"""Callbacks that wait for calls of their own, each within the one before."""
_JOIN_S: Final = 10.0
_KNOWN_S: Final = 1.0
"""A server that is there has told by then whether it wants a login."""
_ANYBODY: Final[dict[str, Any]] = {"security_plugin": "plain", "user_id": "anybody", "password": "any"}


def connect(
    endpoint: str, interface: Any, *, peer: bytes | str = b"server", security: str | None = None, **arguments: Any
) -> Any:
    """A proxy of a service whose calls wait for their results, for programs without a loop of their own.

    Use it in a ``with`` statement, or let go of it with `release`: that ends the connection. Objects that calls give
    are such proxies, too. Functions and objects that are passed to the service are called in a thread beside the
    caller's, one call after the other; ``async`` ones run in the connection's loop. Ctrl-C gives up the call that is
    waited for, and nothing else.

    Args:
        interface: the interface class of the service.
        peer: the server's ``user_id``.
        security: `Client`'s ``security_plugin``, or ``"noop"``. If it is not said, it is ``plain`` where there is a
            ``user_id``; and where there is none, whichever of the two the server wants, if that is there.
        arguments: those of `Client`, such as ``user_id``, ``password`` and ``timeout``.

    Raises:
        WrongType: it is no interface class.
        ValueError: the endpoint is none that can be connected to.
    """
    if not isinstance(interface, InterfaceType):
        raise WrongType(f"{interface!r} is no interface class", path="")
    if security is not None or "user_id" in arguments:
        arguments.setdefault("security_plugin", plugin_named(security or "plain"))
    background = Background()
    try:
        root = background.wait(lambda: _connected(endpoint, peer, arguments, background))
    except BaseException:
        background.stop(None)
        raise
    return make_proxy(interface.__proxy_class__, root)


async def _connected(
    endpoint: str, peer: bytes | str, arguments: Mapping[str, Any], background: Background
) -> BlockingRoot:
    client = await _started(endpoint, peer, arguments)
    if "security_plugin" not in arguments and await _wants_a_login(client):
        await client.stop()
        client = await _started(endpoint, peer, {**arguments, **_ANYBODY})
    return BlockingRoot(client.root, background, client)


async def _started(endpoint: str, peer: bytes | str, arguments: Mapping[str, Any]) -> Client:
    client = Client(peer, **arguments)
    try:
        client.connect(endpoint)
        await client.start()
    except BaseException:
        await client.stop()
        raise
    return client


async def _wants_a_login(client: Client) -> bool:
    """Whether the server refuses who brings none; not, if nobody says so in time."""
    told: asyncio.Queue[str] = asyncio.Queue()
    client.on_state(told.put_nowait)
    client.on_trouble(told.put_nowait)
    with suppress(TimeoutError):
        async with asyncio.timeout(_KNOWN_S):
            while client.state == CONNECTING and client.trouble not in (NO_HANDSHAKE, NOBODY):
                await told.get()
    return client.trouble in (ANOTHER_PLUGIN, NO_HANDSHAKE)


class Stoppable(Protocol):
    """What lives in the background and has to be ended there."""

    async def stop(self) -> None:
        """End it."""


class Background:
    """A loop in a thread of its own, which ends with the process at the latest."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.workers = ThreadPoolExecutor(_MOST_WORKERS, "cara_pseud callbacks")
        self.turn = asyncio.Lock()
        self._worker = threading.local()
        self._thread = threading.Thread(target=self._run, name="cara_pseud connection", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            self.loop.close()

    def wait(self, make: Callable[[], Awaitable[Any]]) -> Any:
        """Begin something in the loop and wait until it is done; an exception here gives it up.

        Raises:
            RuntimeError: called in the loop's own thread, or when it has ended.
        """
        if threading.current_thread() is self._thread:
            raise RuntimeError(
                "a blocking call in an async callback would wait for itself: make the callback a plain function, which "
                "runs in a thread of its own"
            )
        if not self._thread.is_alive():
            raise RuntimeError("the connection is closed")
        in_callback = getattr(self._worker, "is_busy", False)
        made = self._out_of_turn(make) if in_callback else _awaited(make)
        waiting = asyncio.run_coroutine_threadsafe(made, self.loop)
        try:
            return waiting.result()
        except BaseException:
            waiting.cancel()
            raise

    async def _out_of_turn(self, make: Callable[[], Awaitable[Any]]) -> Any:
        # A callback that waits for a call would hold up the callbacks that this call brings.
        self.turn.release()
        try:
            return await make()
        finally:
            await self.turn.acquire()

    async def in_worker(self, function: Callable[[], Any]) -> Any:
        """Run a function in a worker thread when it is its turn."""
        context = contextvars.copy_context()
        async with self.turn:
            return await self.loop.run_in_executor(self.workers, context.run, self._busily, function)

    def _busily(self, function: Callable[[], Any]) -> Any:
        self._worker.is_busy = True
        try:
            return function()
        finally:
            self._worker.is_busy = False

    def stop(self, client: Stoppable | None) -> None:
        """End the client and the loop. Idempotent; may be called from any thread."""
        if not self._thread.is_alive():
            return

        async def end() -> None:
            try:
                if client is not None:
                    await client.stop()
            finally:
                self.loop.call_soon(self.loop.stop)

        asyncio.run_coroutine_threadsafe(end(), self.loop)
        self.workers.shutdown(wait=False, cancel_futures=True)
        if threading.current_thread() is not self._thread:
            self._thread.join(_JOIN_S)


async def _awaited(make: Callable[[], Awaitable[Any]]) -> Any:
    return await make()


class BlockingCapability(Capability):
    """A reference whose calls wait for their results."""

    __slots__ = ("background", "inner")

    def __init__(self, inner: Capability, background: Background) -> None:
        self.inner = inner
        self.background = background
        self.key = inner.key

    @property
    def target(self) -> Target | None:
        """The object of ours that it leads to, if that is so."""
        return self.inner.target if isinstance(self.inner, LocalCapability) else None

    @property
    def alive(self) -> bool:
        return self.inner.alive

    def invoke(
        self,
        bound: BoundMethod,
        args: Sequence[WireValue] = (),
        kwargs: Mapping[str, WireValue] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Callable[[WireValue], Any] | None = None,
    ) -> Any:
        sent, named = self._sent(args, kwargs)
        return self.background.wait(lambda: self.inner.invoke(bound, sent, named, options, self._converter(convert)))

    def call(
        self,
        interface_id: int,
        method: int | str,
        args: Sequence[WireValue] = (),
        kwargs: Mapping[str, WireValue] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Callable[[WireValue], Any] | None = None,
    ) -> Any:
        sent, named = self._sent(args, kwargs)
        made = partial(self.inner.call, interface_id, method, sent, named, options, self._converter(convert))
        return self.background.wait(made)

    def _sent(self, args: Sequence[WireValue], kwargs: Mapping[str, WireValue]) -> tuple[Any, Any]:
        background = self.background
        sent = [_inwards(value, background) for value in args]
        if type(kwargs) is TwoForms:
            named, all = _inwards(kwargs, background), _inwards(kwargs.all, background)
            return sent, TwoForms(named, all, kwargs.given, kwargs.is_complete)
        return sent, _inwards(kwargs, background) if kwargs else NO_ARGUMENTS

    def _converter(self, convert: Callable[[WireValue], Any] | None) -> Callable[[WireValue], Any]:
        background = self.background
        if convert is None:
            return lambda wire: _outwards(wire, background)

        def converted(wire: WireValue) -> Any:
            return convert(_outwards(wire, background))

        # With the signature of the method, if it has that.
        converted.__dict__.update(vars(convert))
        return converted

    def release(self) -> None:
        # With the connection all its objects have ended.
        with suppress(RuntimeError):
            self.background.loop.call_soon_threadsafe(self.inner.release)


class BlockingRoot(BlockingCapability):
    """A service. Letting go of it ends the connection."""

    __slots__ = ("_end",)

    def __init__(self, inner: Capability, background: Background, client: Client) -> None:
        super().__init__(inner, background)
        # At the end of the process at the latest.
        self._end = weakref.finalize(self, background.stop, client)

    def release(self) -> None:
        self._end()


class ThreadTarget:
    """An object of ours whose methods run in worker threads.

    Attributes:
        own: the object itself.
    """

    def __init__(self, own: Target, background: Background) -> None:
        self.own = own
        self._background = background

    def invoke(
        self,
        interface_id: int,
        method: int | str,
        args: Sequence[WireValue],
        kwargs: Mapping[str, WireValue],
        call: IncomingCall,
    ) -> Coroutine[Any, Any, WireValue]:
        """See `cara_pseud.capabilities.Target`."""
        given, named = _outwards(args, self._background), _outwards(kwargs, self._background)
        return self._run(partial(self.own.invoke, interface_id, method, given, named, call))

    async def _run(self, function: Callable[[], Any]) -> WireValue:
        result = await self._background.in_worker(function)
        return _inwards(await result if isinstance(result, Awaitable) else result, self._background)

    def released(self) -> None:
        """Learn that the last holder let go."""
        self.own.released()


def _inwards(value: WireValue, background: Background) -> WireValue:
    """A wire value as the loop needs it: references to what they refer to, objects of ours in worker threads."""
    if isinstance(value, BlockingCapability):
        return value.inner
    if isinstance(value, LocalCapability):
        if isinstance(value.target, ThreadTarget):
            return value
        return LocalCapability(ThreadTarget(value.target, background), value.key)
    return _parts(value, _inwards, background)


def _outwards(value: WireValue, background: Background) -> WireValue:
    """A wire value as callers need it: references whose calls wait."""
    if isinstance(value, Capability):
        return value if isinstance(value, BlockingCapability) else BlockingCapability(value, background)
    return _parts(value, _outwards, background)


def _parts(value: WireValue, change: Callable[[WireValue, Background], WireValue], background: Background) -> WireValue:
    if isinstance(value, Mapping):
        return {key: change(item, background) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [change(item, background) for item in value]
    return value

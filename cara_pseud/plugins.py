"""Asking plugins of other people's, as pseud documents them: who may talk, what to do with a login, who is alive.

Such plugins stand in zope's registry (``pseud.utils.register_auth_backend``, ``register_heartbeat_backend``). pseud
asks them for every message; our own need not be asked, since ZeroMQ lets in nobody whom they refuse. Whatever goes
wrong in a plugin, the message is dropped.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import zmq
import zope.component

from cara_pseud import wire
from cara_pseud.auth import Plugin
from cara_pseud.connection import Connection
from cara_pseud.errors import Unauthenticated, Unavailable
from cara_pseud.passwords import as_bytes
from cara_pseud.stock import IAuthenticationBackend, IHeartbeatBackend, NoOpAuthentication, NoOpHeartbeats

_LOG: Final = logging.getLogger(__name__)
_MAX_TASKS: Final = 1000
LOGIN_REQUIRED: Final = b"Authentication Required"

# Asked at once, so that a coroutine in their place would be taken for the answer yes.
_SECURITY_PLAIN: Final = (
    "configure", "is_authenticated", "save_last_work", "get_predicate_arguments", "get_routing_id",
    "register_routing_id",
)  # fmt: skip
_SECURITY_HOOKS: Final = (*_SECURITY_PLAIN[1:], "handle_hello", "handle_authentication", "handle_authenticated")
_SECURITY_NEEDED: Final = ("configure", "stop", "is_authenticated")
_HEARTBEAT_NEEDED: Final = ("configure", "stop", "handle_heartbeat")


class PluginHost(Protocol):
    """What the hooks need of their peer."""

    auth_backend: Any
    heartbeat_backend: Any
    peer_routing_id: bytes | None
    dropped: Counter[str]

    @property
    def running_loop(self) -> asyncio.AbstractEventLoop:
        """The loop of the started peer."""

    def send_answer(self, connection: Connection, uid: bytes, kind: bytes, body: bytes) -> None:
        """Send an answer, or drop it if nobody is there any more."""


class Hooks:
    """The plugins of one peer that have to be asked.

    Raises:
        ValueError: a plugin lacks what decides, or decides in a way that cannot be waited for.
    """

    def __init__(self, host: PluginHost) -> None:
        self._host = host
        security, heartbeats = host.auth_backend, host.heartbeat_backend
        self._ask = {
            name: getattr(security, name)
            for name in _SECURITY_HOOKS
            if not _is_own(security, name, (NoOpAuthentication, Plugin)) and hasattr(security, name)
        }
        self._is_authenticated: Callable[[bytes], bool] | None = self._ask.get("is_authenticated")
        self._heartbeat: Callable[..., Any] | None = None
        _check("security_plugin", security, _SECURITY_NEEDED, _SECURITY_PLAIN)
        _check("heartbeat_plugin", heartbeats, _HEARTBEAT_NEEDED, ("configure",))
        if not _is_own(heartbeats, "handle_heartbeat", NoOpHeartbeats):
            self._heartbeat = heartbeats.handle_heartbeat
        self._tasks: set[asyncio.Future[Any]] = set()

    @property
    def needed(self) -> bool:
        """Whether there is anything to ask."""
        return bool(self._ask) or self._heartbeat is not None

    def predicate_arguments(self, user_id: bytes) -> Mapping[str, Any]:
        """What pseud's predicates are given for a user."""
        ask = getattr(self._host.auth_backend, "get_predicate_arguments", None)
        return {} if ask is None else ask(user_id)

    def close(self) -> None:
        """Cancel what plugins are still doing with messages."""
        for task in list(self._tasks):
            task.cancel()

    def admit(self, connection: Connection, frames: Sequence[bytes], user: str | None) -> bool:
        """Tell the plugins of a message; whether the peer itself has to handle it.

        Args:
            user: who the sender is to ZeroMQ; None without ZAP.
        """
        try:
            return self._admit(connection, frames, user)
        except Exception:
            _LOG.exception("a plugin failed; the message is dropped")
            self._host.dropped["a plugin failed"] += 1
            return False

    def _admit(self, connection: Connection, frames: Sequence[bytes], user: str | None) -> bool:
        routing_id, user_id = frames[0], (user or "").encode()
        if user is not None and "register_routing_id" in self._ask:
            self._ask["register_routing_id"](user_id, routing_id)
        if len(frames) != 6 or frames[1] or frames[2] != wire.VERSION:
            return True
        uid, kind, body = frames[3:]
        if self._is_authenticated is not None and not _decided(self._is_authenticated(user_id)):
            self._challenge(connection, user_id, uid, kind, body)
            return False
        if self._heartbeat is not None:
            self._start(self._heartbeat(user_id, routing_id))
        if kind == wire.HELLO and "handle_hello" in self._ask:
            self._start(self._ask["handle_hello"](user_id, routing_id, uid, zmq.Frame(body)))
        elif kind == wire.AUTHENTICATED and "handle_authenticated" in self._ask:
            self._start(self._ask["handle_authenticated"](zmq.Frame(body)))
        elif kind == wire.UNAUTHORIZED and "handle_authentication" in self._ask:
            try:
                self._start(self._ask["handle_authentication"](user_id, routing_id, uid))
            except Exception:
                connection.fail(uid, Unauthenticated("the server asks for a login, and the security plugin failed"))
                raise
        else:
            return True
        return False

    def _challenge(self, connection: Connection, user_id: bytes, uid: bytes, kind: bytes, body: bytes) -> None:
        if kind == wire.HELLO and "handle_hello" in self._ask:
            self._start(self._ask["handle_hello"](user_id, connection.routing_id, uid, zmq.Frame(body)))
        elif kind != wire.HELLO and "handle_authentication" in self._ask:
            self._start(self._ask["handle_authentication"](user_id, connection.routing_id, uid))
        elif kind in (wire.HELLO, wire.WORK):
            self._host.send_answer(connection, uid, wire.UNAUTHORIZED, LOGIN_REQUIRED)
        else:
            self._host.dropped["not authenticated"] += 1

    def on_work(self, connection: Connection, uid: bytes, kind: bytes, body: bytes) -> None:
        """Tell the security plugin of a call of ours, before it is sent.

        Raises:
            Unavailable: the plugin would send it somewhere else, or failed.
        """
        try:
            if "get_routing_id" in self._ask and self._host.peer_routing_id is not None:
                routing_id = self._ask["get_routing_id"](self._host.peer_routing_id)
                if routing_id != connection.routing_id:
                    raise Unavailable(f"the security plugin's get_routing_id names {routing_id!r}, another peer")
            if "save_last_work" in self._ask:
                self._ask["save_last_work"]([connection.routing_id, wire.DELIMITER, wire.VERSION, uid, kind, body])
        except Unavailable:
            raise
        except Exception as error:
            _LOG.exception("the security plugin failed; the call is not sent")
            raise Unavailable("the security plugin failed") from error

    def routing_id(self, user_id: bytes) -> bytes | None:
        """Where the security plugin says that a user is; None if it has no opinion.

        Raises:
            Unavailable: it knows no such user.
        """
        if "get_routing_id" not in self._ask:
            return None
        try:
            return as_bytes(self._ask["get_routing_id"](user_id))
        except Exception as error:
            raise Unavailable(f"the security plugin knows no way to {user_id!r}") from error

    def _start(self, result: Any) -> None:
        if not inspect.isawaitable(result):
            return
        if len(self._tasks) >= _MAX_TASKS:
            if inspect.iscoroutine(result):
                result.close()
            self._host.dropped["plugins busy"] += 1
            return
        task = asyncio.ensure_future(result, loop=self._host.running_loop)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Future[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._host.dropped["a plugin failed"] += 1
            _LOG.error("a plugin failed", exc_info=task.exception())


async def finished(result: Any) -> None:
    """Wait for what a plugin's ``stop`` gave; pseud's documents show plain functions, too."""
    if isinstance(result, Awaitable):
        await result


def parse_message(message: Sequence[Any]) -> tuple[bytes, bytes, bytes, bytes]:
    """Routing id, uuid, type and body of a message that a plugin made, with text or bytes for frames.

    Raises:
        ValueError: it is none of pseud v1.
    """
    frames = [frame.bytes if isinstance(frame, zmq.Frame) else as_bytes(frame) for frame in message]
    if len(frames) != 6 or frames[1] or frames[2] != wire.VERSION:
        raise ValueError(f"expected [routing id, b'', {wire.VERSION!r}, uuid, type, body], not {frames!r:.200}")
    return frames[0], frames[3], frames[4], frames[5]


def plugin_named(word: str) -> str:
    """The ``security_plugin`` of that name; ``noop`` is pseud's ``noop_auth_backend``."""
    return "noop_auth_backend" if word == "noop" else word


def missing_plugin(peer: Any, security_plugin: str, heartbeat_plugin: str) -> ValueError:
    """What is wrong with the names of plugins that a peer was given."""
    permitted = [name for name, _ in zope.component.getAdapters((peer,), IAuthenticationBackend)]
    kind, wrong = "security", security_plugin
    if security_plugin in permitted:
        permitted = [name for name, _ in zope.component.getAdapters((peer,), IHeartbeatBackend)]
        kind, wrong = "heartbeat", heartbeat_plugin
    return ValueError(
        f"there is no {kind} plugin {wrong!r} for a {type(peer).__name__}; permitted: {', '.join(permitted)}"
    )


def _is_own(plugin: Any, name: str, bases: Sequence[type]) -> bool:
    implementation = getattr(type(plugin), name, None)
    return name not in vars(plugin) and any(implementation is vars(base).get(name, plugin) for base in bases)


def _check(argument: str, plugin: Any, needed: Sequence[str], plain: Sequence[str]) -> None:
    where = f"{argument}={getattr(plugin, 'name', None)!r}: {type(plugin).__name__}"
    for name in needed:
        if not callable(getattr(plugin, name, None)):
            raise ValueError(f"{where} has no method {name}, which pseud's interface of such plugins asks for")
    for name in plain:
        if inspect.iscoroutinefunction(getattr(plugin, name, None)):
            raise ValueError(f"{where}.{name} must be a plain function, no coroutine: its result is needed at once")


def _decided(answer: Any) -> bool:
    if inspect.isawaitable(answer):
        if inspect.iscoroutine(answer):
            answer.close()
        raise TypeError("is_authenticated gave something to wait for, where True or False is needed at once")
    return bool(answer)

"""ZeroMQ's authentication protocol (ZAP, ZeroMQ RFC 27): one handler per context, shared by its servers.

ZeroMQ asks one inproc address per context, so servers of one context are told apart by a random domain. The handler
is a thread, since servers of one context may run in different loops. It waits for no verdict: they come in any order.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

import zmq

from cara_pseud.logins import Verdict

_LOG: Final = logging.getLogger(__name__)
_ENDPOINT: Final = "inproc://zeromq.zap.01"
_ATTRIBUTE: Final = "_cara_zap_handler"
_FRAMES: Final = 6
_REFUSED: Final = (b"400", b"refused", b"")
_COME_AGAIN: Final = (b"", b"busy", b"")
"""No status of ZAP: ZeroMQ closes the connection at once and tells the client nothing, which then connects again.

ZAP's own word for it, 300, leaves the connection open and silent in ZeroMQ 4.3.5 until the handshake times out, after
30 s by default.
"""


@dataclass(frozen=True, slots=True)
class ZapCredentials:
    """What a client showed: ``parts`` are (login, password) for PLAIN, (32-byte public key,) for CURVE, () for NULL."""

    mechanism: bytes
    parts: tuple[bytes, ...]
    address: bytes


@dataclass(frozen=True, slots=True)
class Permitted:
    """Let in under this user id."""

    user: bytes


OnDecision = Callable[[Permitted | Verdict], None]
"""Takes the verdict, on whatever thread, now or later."""

Authenticator = Callable[[ZapCredentials, OnDecision], None]
"""Decides on a client, or has somebody decide, without waiting. Runs on the handler's thread."""


_AGAIN_AFTER_S: Final = 0.2
"""So long whoever has to come again is kept: clients of ZeroMQ are back within 0.1 s, and hundreds keep it busy."""
_MAX_KEPT: Final = 2048


class KeptReplies:
    """Replies that are kept for a while, the oldest first; over the bound those leave before their time."""

    def __init__(self) -> None:
        self._replies: deque[tuple[float, list[bytes]]] = deque()

    def keep(self, reply: list[bytes], now: float) -> bool:
        """Keep one more; whether it is the only one, whose time nobody waits for yet."""
        self._replies.append((now + _AGAIN_AFTER_S, reply))
        return len(self._replies) == 1

    def due(self, now: float) -> list[list[bytes]]:
        """Those that are to leave now, each told once."""
        leaving = []
        while self._replies and (self._replies[0][0] <= now or len(self._replies) > _MAX_KEPT):
            leaving.append(self._replies.popleft()[1])
        return leaving

    def next_ms(self, now: float) -> int | None:
        """In how many milliseconds the next one is due."""
        return ceil((self._replies[0][0] - now) * 1000) if self._replies else None


class ZapHandler:
    """Answers ZAP requests of one context until its last domain is removed."""

    def __init__(self, zmq_context: zmq.Context[Any]) -> None:
        self._domains: dict[bytes, Authenticator] = {}
        self._lock = threading.Lock()
        self._replies: deque[list[bytes]] = deque()
        self._kept = KeptReplies()
        self._stopping = False
        self._socket = zmq.Socket(zmq_context, zmq.ROUTER)
        self._socket.linger = 0
        self._socket.bind(_ENDPOINT)
        control = f"inproc://cara-zap-control-{secrets.token_hex(8)}"
        self._wake = zmq.Socket(zmq_context, zmq.PAIR)
        self._wake.linger = 0
        self._wake.bind(control)
        self._woken = zmq.Socket(zmq_context, zmq.PAIR)
        self._woken.linger = 0
        self._woken.connect(control)
        self._thread = threading.Thread(target=self._run, name="cara-zap", daemon=True)
        self._thread.start()

    @classmethod
    def of(cls, zmq_context: zmq.Context[Any]) -> ZapHandler:
        """The context's handler, started if there is none. It is kept on the context: ZAP exists once per context."""
        handler: ZapHandler | None = getattr(zmq_context, _ATTRIBUTE, None)
        if handler is None:
            handler = cls(zmq_context)
            # pyzmq's own __setattr__ takes only names of socket options.
            object.__setattr__(zmq_context, _ATTRIBUTE, handler)
        return handler

    def add(self, domain: bytes, authenticator: Authenticator) -> None:
        """Answer for the servers of a domain."""
        with self._lock:
            self._domains[domain] = authenticator

    def remove(self, zmq_context: zmq.Context[Any], domain: bytes) -> None:
        """Stop answering for a domain, and altogether when it was the last."""
        with self._lock:
            self._domains.pop(domain, None)
            if self._domains:
                return
        object.__setattr__(zmq_context, _ATTRIBUTE, None)
        with self._lock:
            self._stopping = True
            self._wake_up()
        self._thread.join()
        self._wake.close()

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._woken, zmq.POLLIN)
        try:
            while True:
                ready = dict(poller.poll(self._send_kept()))
                if self._woken in ready:
                    self._woken.recv()
                    if self._stopping:
                        return
                    self._send_replies()
                if self._socket in ready:
                    self._ask(self._socket.recv_multipart())
        except zmq.ContextTerminated:
            return
        finally:
            # Closing alone frees the address some time later, too late for a server that is made at once.
            with suppress(zmq.ZMQError):
                self._socket.unbind(_ENDPOINT)
            self._socket.close()
            self._woken.close()

    def _send_replies(self) -> None:
        while self._replies:
            # Who is gone by now is not there for the socket, which drops the reply.
            self._socket.send_multipart(self._replies.popleft())

    def _send_kept(self) -> int | None:
        """Send the replies whose time has come; in how many milliseconds the next one is due."""
        with self._lock:
            now = time.monotonic()
            for reply in self._kept.due(now):
                self._socket.send_multipart(reply)
            return self._kept.next_ms(now)

    def _ask(self, frames: list[bytes]) -> None:
        """Take a request: routing id, empty, version, request id, domain, address, identity, mechanism, credentials."""
        to, request, rest = frames[:2], frames[2:], frames[4:]
        request_id = request[1] if len(request) > 1 else b""

        def answer(verdict: Permitted | Verdict) -> None:
            reply = [*to, b"1.0", request_id, *_reply(verdict), b""]
            if verdict is Verdict.COME_AGAIN:
                with self._lock:
                    if self._kept.keep(reply, time.monotonic()):
                        self._wake_up()
            else:
                self._answer(reply)

        authenticator = None
        if len(request) >= _FRAMES and request[0] == b"1.0":
            with self._lock:
                authenticator = self._domains.get(rest[0])
        if authenticator is None:
            answer(Verdict.REFUSED)
            return
        try:
            authenticator(ZapCredentials(rest[3], tuple(rest[4:]), rest[1]), answer)
        except Exception:
            _LOG.exception("the credentials check failed; the client is refused")
            answer(Verdict.REFUSED)

    def _answer(self, reply: list[bytes]) -> None:
        if threading.current_thread() is self._thread:
            self._socket.send_multipart(reply)
            return
        with self._lock:
            if not self._stopping:
                self._replies.append(reply)
                self._wake_up()

    def _wake_up(self) -> None:
        # Where it is full the thread wakes anyway; the lock keeps the socket to one thread at a time.
        with suppress(zmq.ZMQError):
            self._wake.send(b"", zmq.NOBLOCK)


def _reply(verdict: Permitted | Verdict) -> tuple[bytes, bytes, bytes]:
    if isinstance(verdict, Permitted):
        return (b"200", b"OK", verdict.user) if _is_transportable(verdict.user) else _REFUSED
    return _COME_AGAIN if verdict is Verdict.COME_AGAIN else _REFUSED


def _is_transportable(user: bytes) -> bool:
    # ZeroMQ hands metadata over as C strings: a NUL would make one user look like another.
    try:
        user.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in user

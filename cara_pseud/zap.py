"""ZeroMQ's authentication protocol (ZAP, ZeroMQ RFC 27): one handler per context, shared by its servers.

ZeroMQ asks one inproc address per context, so servers of one context are told apart by a random domain. The handler
is a thread: password hashing must not stall a loop, and servers of one context may run in different loops.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import zmq

_LOG: Final = logging.getLogger(__name__)
_ENDPOINT: Final = "inproc://zeromq.zap.01"
_ATTRIBUTE: Final = "_cara_zap_handler"
_FRAMES: Final = 6


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client showed: ``parts`` are (login, password) for PLAIN, (32-byte public key,) for CURVE, () for NULL."""

    mechanism: bytes
    parts: tuple[bytes, ...]
    address: bytes


Authenticator = Callable[[Credentials], bytes | None]
"""Gives the user id of a permitted client, None for a refused one. Runs on the handler's thread."""


class ZapHandler:
    """Answers ZAP requests of one context until its last domain is removed."""

    def __init__(self, zmq_context: zmq.Context[Any]) -> None:
        self._domains: dict[bytes, Authenticator] = {}
        self._lock = threading.Lock()
        self._socket = zmq.Socket(zmq_context, zmq.REP)
        self._socket.linger = 0
        self._socket.bind(_ENDPOINT)
        control = f"inproc://cara-zap-control-{secrets.token_hex(8)}"
        self._stop = zmq.Socket(zmq_context, zmq.PAIR)
        self._stop.linger = 0
        self._stop.bind(control)
        self._stopped = zmq.Socket(zmq_context, zmq.PAIR)
        self._stopped.linger = 0
        self._stopped.connect(control)
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
        self._stop.send(b"")
        self._thread.join()
        self._stop.close()

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._stopped, zmq.POLLIN)
        try:
            while True:
                ready = dict(poller.poll())
                if self._stopped in ready:
                    return
                self._socket.send_multipart(self._reply(self._socket.recv_multipart()))
        except zmq.ContextTerminated:
            return
        finally:
            # Closing alone frees the address some time later, too late for a server that is made at once.
            with suppress(zmq.ZMQError):
                self._socket.unbind(_ENDPOINT)
            self._socket.close()
            self._stopped.close()

    def _reply(self, frames: list[bytes]) -> list[bytes]:
        request_id = frames[1] if len(frames) > 1 else b""
        user: bytes | None = None
        if len(frames) >= _FRAMES and frames[0] == b"1.0":
            domain, address, _identity, mechanism = frames[2:6]
            with self._lock:
                authenticator = self._domains.get(domain)
            if authenticator is not None:
                try:
                    user = authenticator(Credentials(mechanism, tuple(frames[6:]), address))
                except Exception:
                    _LOG.exception("the credentials check failed; the client is refused")
        if user is None or not _is_transportable(user):
            return [b"1.0", request_id, b"400", b"refused", b"", b""]
        return [b"1.0", request_id, b"200", b"OK", user, b""]


def _is_transportable(user: bytes) -> bool:
    # ZeroMQ hands metadata over as C strings: a NUL would make one user look like another.
    try:
        user.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in user

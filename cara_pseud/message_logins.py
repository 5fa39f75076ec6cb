"""Logins by message that wait for their verdict. Who has to come again is asked for again here: no client need know."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from cara_pseud.connection import Connection
from cara_pseud.logins import Verdict

_AGAIN_S: Final = 0.2
_GIVE_UP_S: Final = 5.0
_MAX_OF_SOURCE: Final = 256
_MAX_WAITING: Final = 4096

CheckLogin = Callable[[bytes, bytes, bytes, Callable[[Verdict], None]], None]
"""Takes who it is to ZeroMQ, login, password, and what takes the verdict on any thread."""
Tell = Callable[[Connection, bytes, bytes, Verdict], None]
"""Takes the connection, the uuid of its HELLO, the login and what came of it."""


@dataclass(slots=True)
class _Hello:
    login: bytes
    password: bytes
    until: float
    timer: asyncio.TimerHandle | None = None


class MessageLogins:
    """The logins of one server, at most so many of one address and over all: in excess the oldest are refused."""

    def __init__(self, loop: asyncio.AbstractEventLoop, check: CheckLogin, tell: Tell) -> None:
        self._loop = loop
        self._check = check
        self._tell = tell
        self._waiting: OrderedDict[tuple[Connection, bytes], _Hello] = OrderedDict()
        self._of_source: Counter[bytes] = Counter()

    def ask(self, connection: Connection, uid: bytes, login: bytes, password: bytes) -> None:
        """Have a login checked; it is told in the loop what came of it."""
        key = (connection, uid)
        if key in self._waiting:
            return
        hello = self._waiting[key] = _Hello(login, password, self._loop.time() + _GIVE_UP_S)
        source = _source(connection)
        self._of_source[source] += 1
        if self._of_source[source] > _MAX_OF_SOURCE:
            self._finish(next(other for other in self._waiting if _source(other[0]) == source), Verdict.COME_AGAIN)
        elif len(self._waiting) > _MAX_WAITING:
            self._finish(next(iter(self._waiting)), Verdict.COME_AGAIN)
        self._submit(key, hello)

    def close(self) -> None:
        """Forget all of them."""
        for hello in self._waiting.values():
            if hello.timer is not None:
                hello.timer.cancel()
        self._waiting.clear()

    def _submit(self, key: tuple[Connection, bytes], hello: _Hello) -> None:
        def answer(verdict: Verdict) -> None:
            # The loop may be closed by now.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._on_verdict, key, verdict)

        self._check(key[0].transport_user, hello.login, hello.password, answer)

    def _on_verdict(self, key: tuple[Connection, bytes], verdict: Verdict) -> None:
        hello = self._waiting.get(key)
        if hello is None:
            return
        if verdict is Verdict.COME_AGAIN and not key[0].lost and self._loop.time() < hello.until:
            hello.timer = self._loop.call_later(_AGAIN_S, self._submit, key, hello)
        else:
            self._finish(key, verdict)

    def _finish(self, key: tuple[Connection, bytes], verdict: Verdict) -> None:
        hello = self._waiting.pop(key)
        if hello.timer is not None:
            hello.timer.cancel()
        source = _source(key[0])
        self._of_source[source] -= 1
        if not self._of_source[source]:
            del self._of_source[source]
        self._tell(*key, hello.login, verdict)


def _source(connection: Connection) -> bytes:
    # What follows the key, see `cara_pseud.auth`: connections of one address have it in common.
    return connection.transport_user[40:]

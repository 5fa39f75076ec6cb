"""Where logins are checked: at once where that is cheap, else on threads of their own in the order of `logins`.

Neither ZeroMQ's authentication nor a loop waits for a check: whoever asks gives a function that takes the verdict.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from cara_pseud.logins import Login, Logins, Verdict, Waiting, source_of
from cara_pseud.password_entries import PasswordFileError
from cara_pseud.passwords import Passwords, PasswordTable, checker

_LOG: Final = logging.getLogger(__name__)
_FUNCTION_THREADS: Final = 4
"""A function may wait for somebody else, and one check that hangs must not keep everybody out."""
_HASHING_THREADS: Final = max(1, min(4, (os.cpu_count() or 1) // 2))
"""A hash takes a whole core and 32 MiB, and the loop shall have one, too."""
_MAX_PART_BYTES: Final = 8192
"""Of a user's name and of a password; ZeroMQ's own logins have at most 255."""

OnVerdict = Callable[[Verdict], None]
"""Takes the verdict, on whatever thread; called once."""


class LoginDesk:
    """Checks the logins of one server against its passwords. May be asked from any thread.

    Args:
        clock: what tells how long somebody waits, in seconds.

    Raises:
        PasswordFileError: they are in a file that cannot be used.
        TypeError: they are in no permitted form.
    """

    def __init__(self, passwords: Passwords, clock: Callable[[], float] = time.monotonic) -> None:
        self._check = checker(passwords)
        self._at_once = isinstance(passwords, Mapping)
        self._most_threads = _HASHING_THREADS if isinstance(self._check, PasswordTable) else _FUNCTION_THREADS
        self._logins: Logins[OnVerdict] = Logins(secrets.token_bytes(32), clock)
        self._changed = threading.Condition()
        self._threads = 0
        self._idle = 0
        self._closed = False

    def ask(self, address: bytes, user: bytes, password: bytes, answer: OnVerdict) -> None:
        """Have a login checked; ``answer`` may be called before this returns."""
        if not user or len(user) > _MAX_PART_BYTES or len(password) > _MAX_PART_BYTES:
            answer(Verdict.REFUSED)
        elif self._at_once:
            answer(Verdict.PERMITTED if self._permits(user, password) else Verdict.REFUSED)
        else:
            self._queue(address, user, password, answer)

    def close(self) -> None:
        """Turn away all that wait. A check under way ends by itself, and nobody is told."""
        with self._changed:
            self._closed = True
            askers = self._logins.close()
            self._changed.notify_all()
        _tell(askers, Verdict.COME_AGAIN)

    def _queue(self, address: bytes, user: bytes, password: bytes, answer: OnVerdict) -> None:
        try:
            known, state = self._state(user)
        except Exception:
            _LOG.exception("the credentials check failed; the client is refused")
            answer(Verdict.REFUSED)
            return
        login = Login(source_of(address), user, password, known, state)
        turned_away: list[OnVerdict] = []
        with self._changed:
            if self._closed:
                verdict: Verdict | None = Verdict.COME_AGAIN
            else:
                verdict, turned_away = self._logins.ask(login, answer)
            if verdict is None:
                if not self._idle and self._threads < self._most_threads:
                    self._threads += 1
                    threading.Thread(target=self._run, name="cara-logins", daemon=True).start()
                self._changed.notify()
        _tell(turned_away, Verdict.COME_AGAIN)
        if verdict is not None:
            answer(verdict)

    def _state(self, user: bytes) -> tuple[bool, bytes | None]:
        return self._check.state(user) if isinstance(self._check, PasswordTable) else (False, None)

    def _run(self) -> None:
        while (waiting := self._next()) is not None:
            login = waiting.login
            permitted = self._permits(login.user, login.password)
            try:
                # The file may have changed meanwhile.
                remember = self._state(login.user)[1] == login.state
            except PasswordFileError:
                # Into one that cannot be used; the next login logs why.
                remember = False
            with self._changed:
                askers = self._logins.done(waiting, permitted, remember)
            _tell(askers, Verdict.PERMITTED if permitted else Verdict.REFUSED)

    def _next(self) -> Waiting[OnVerdict] | None:
        found: Waiting[OnVerdict] | float | None = None
        while not isinstance(found, Waiting):
            with self._changed:
                if self._closed:
                    return None
                turned_away = self._logins.impatient()
                found = self._logins.next()
                if not isinstance(found, Waiting) and not turned_away:
                    self._idle += 1
                    self._changed.wait(found)
                    self._idle -= 1
            _tell(turned_away, Verdict.COME_AGAIN)
        return found

    def _permits(self, user: bytes, password: bytes) -> bool:
        try:
            return self._check(user, password) is True
        except Exception:
            _LOG.exception("the credentials check failed; the client is refused")
            return False


def _tell(answers: list[OnVerdict], verdict: Verdict) -> None:
    for answer in answers:
        try:
            answer(verdict)
        except Exception:
            _LOG.exception("a login's verdict could not be told")

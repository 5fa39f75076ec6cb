"""An authenticator of somebody else's, which may do anything: it has a deadline, and what it gives is checked."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from typing import Final

from gateway.access.credentials import Authenticator, Credentials
from gateway.access.interned import Interned
from gateway.access.presented import unauthenticated
from gateway.access.principals import Principal
from gateway.errors import GatewayError, Status

PLUGIN_S: Final = 10.0
"""How long it may take to say who somebody is."""
MOST_WAITING: Final = 1000
"""Questions to it at a time; one that hangs must not gather the whole world."""
MAX_NAME_CHARS: Final = 256

_LOG: Final = logging.getLogger(__name__)


class _BrokenOffError(Exception):
    """It raised what is no `Exception`."""


class ForeignAuthenticator:
    """See the module.

    Args:
        authenticator: what its factory gave.
        name: ``package:factory``, for the log.
        clock: in seconds since 1970.
    """

    def __init__(self, authenticator: Authenticator, name: str, clock: Callable[[], float] = time.time) -> None:
        self.name = name
        self._clock = clock
        self._authenticator = authenticator
        self._known: Interned[tuple[str, float], Principal] = Interned()
        self._asked: set[asyncio.Task[Principal | None]] = set()
        self._is_closed = False

    async def authenticate(self, credentials: Credentials) -> Principal | None:
        """Who asks; None if it does not know that kind of credentials.

        Raises:
            GatewayError: what it raised itself, such as UNAUTHENTICATED; or UNAVAILABLE, it failed or took too long.
        """
        if len(self._asked) >= MOST_WAITING:
            raise _unavailable()
        task = asyncio.create_task(self._ask(credentials))
        self._asked.add(task)
        task.add_done_callback(self._over)
        try:
            # Not `asyncio.timeout`: one that does not let itself be cancelled would hold its callers all the same.
            await asyncio.wait({task}, timeout=PLUGIN_S)
        finally:
            if not task.done():
                task.cancel()
        if self._is_closed:
            raise _unavailable()
        if not task.done() or task.cancelled():
            _LOG.error("the authenticator %s did not answer within %g s", self.name, PLUGIN_S)
            raise _unavailable()
        error = task.exception()
        if isinstance(error, GatewayError):
            raise error
        if error is not None:
            # Its words may repeat what it was given.
            cause = error.__cause__ if isinstance(error, _BrokenOffError) else error
            _LOG.error("the authenticator %s failed: %s", self.name, _place(cause or error))
            raise _unavailable()
        return self._checked(task.result())

    def _over(self, task: asyncio.Task[Principal | None]) -> None:
        self._asked.discard(task)
        if not task.cancelled():
            # Whoever asked may have left: asyncio would log its words then, which may repeat what it was given.
            task.exception()

    async def _ask(self, credentials: Credentials) -> Principal | None:
        # In the task, so that whatever goes wrong goes wrong there.
        try:
            return await self._authenticator.authenticate(credentials)
        except Exception:
            raise
        except BaseException as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise  # we gave up
            # SystemExit, of a library that was made for commands, would end the loop, and all callers with it.
            raise _BrokenOffError from error

    def close(self) -> list[Principal]:
        """Ask it no more; whom it knew. Who waits for it has to come again."""
        self._is_closed = True
        for task in self._asked:
            task.cancel()
        return self._known.remove()

    def _checked(self, principal: object) -> Principal | None:
        if principal is None:
            return None
        if not isinstance(principal, Principal) or (fault := _fault(principal)):
            what = fault if isinstance(principal, Principal) else f"a {type(principal).__name__}"
            _LOG.error("the authenticator %s gave %s, expected a Principal with a name or None", self.name, what)
            raise _unavailable()
        assert principal.name is not None
        if principal.expires_at <= self._clock():
            raise unauthenticated("the credentials have expired")
        key = (principal.name, float(principal.expires_at))
        known = self._known.find(key)
        if known is None:
            self._known.keep(key, principal)
            return principal
        if known.roles != principal.roles:
            known.roles = principal.roles
        return known


def _fault(principal: Principal) -> str | None:
    name, roles, expires_at = principal.name, principal.roles, principal.expires_at
    if not isinstance(name, str) or not name or len(name) > MAX_NAME_CHARS or not name.isprintable():
        return f"a Principal whose name is no printable text of up to {MAX_NAME_CHARS} characters"
    if not isinstance(roles, frozenset) or not all(isinstance(role, str) for role in roles):
        return "a Principal whose roles are no frozenset of texts"
    if isinstance(expires_at, bool) or not isinstance(expires_at, int | float) or math.isnan(expires_at):
        return "a Principal whose expires_at is no number of seconds"
    return None


def _place(error: BaseException) -> str:
    """An exception without its words: its class, and where it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
    return f"{type(error).__name__}{where}"


def _unavailable() -> GatewayError:
    return GatewayError(Status.UNAVAILABLE, "nobody can tell now who asks; try again", retry_after=1)

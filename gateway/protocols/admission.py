"""How long what a client was let in by holds: a credential that expires, a login that ends, a key that is withdrawn.

    unknown ── a token ──► known ── expired, withdrawn, logged out ──► over
       └── silence for too long ──────────────────────────────────────► over

One `Admission` for each open socket and event stream; whoever has it is told once when it is over, and lets nothing
more pass. Calls over HTTP are let in one by one and need none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Final
from weakref import WeakSet

from gateway.access.credentials import Credentials
from gateway.access.gatekeeper import Gatekeeper
from gateway.access.principals import ANONYMOUS, Principal
from gateway.errors import GatewayError, Status
from gateway.sessions.session import Session

_MAX_SLEEP_S: Final = 86_400.0
"""A timer for more than a day is set anew each day: the system's clock may have been set meanwhile."""


class Admission:
    """What one client was let in by.

    Args:
        principal: who it is, as far as that is known.
        credentials: what it showed, to which a token may come.
        login: the session whose cookie it showed, and with which it ends.

    Attributes:
        principal: who it is; None as long as nobody knows.
    """

    __slots__ = ("__weakref__", "_admissions", "_credentials", "_login", "_over", "_timer", "principal")

    def __init__(
        self,
        admissions: Admissions | None = None,
        principal: Principal | None = ANONYMOUS,
        credentials: Credentials | None = None,
        login: Session | None = None,
    ) -> None:
        self.principal = principal
        self._admissions = admissions
        self._credentials = credentials
        self._login = login
        self._over: Callable[[str], None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def asks(self) -> bool:
        """Whether somebody finds out who clients are; else a token means nothing."""
        return self._admissions is not None and self._admissions.gatekeeper.is_on

    def begin(self, over: Callable[[str], None], patience_s: float) -> None:
        """Have somebody told, once, when it is over and why.

        Args:
            patience_s: how long it may take until it is known who the client is.
        """
        self._over = over
        if self.principal is None:
            late = f"nothing said within {patience_s:g} s who this is"
            self._timer = asyncio.get_running_loop().call_later(patience_s, self.lapse, late)
        else:
            self._watch()

    def end(self) -> None:
        """Nobody needs it any more."""
        self._over = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._login is not None:
            self._login.relying.discard(self)

    def lapse(self, reason: str) -> None:
        """It is over. See `gateway.sessions.session.Relying`."""
        over = self._over
        self.end()
        if over is not None:
            over(reason)

    def present(self, token: str | None) -> Callable[[], Awaitable[None]] | None:
        """Take the token of a client, if it brings one: `principal` says then who it is.

        Returns:
            How that is found out, to be called and awaited; None if it is known.

        Raises:
            GatewayError: UNAUTHENTICATED, the token is bad, or missing where nothing else says who it is; or what
                `Gatekeeper.known` raises.
        """
        if token is None:
            if self.principal is None:
                detail = "$.token: this gateway has to know who calls, and the socket was opened without credentials"
                raise GatewayError(Status.UNAUTHENTICATED, detail, path="$.token")
            return None
        if self._admissions is None or not self.asks:
            # Taken silently, it would let a client believe that it is somebody here.
            detail = "$.token: the gateway knows no tokens, as it has no authentication; leave it out"
            raise GatewayError(Status.UNAUTHENTICATED, detail, path="$.token")
        gatekeeper = self._admissions.gatekeeper
        credentials = replace(self._credentials or Credentials({}), token=token)
        found = gatekeeper.known(credentials)
        if found is None:
            return partial(self._find_out, gatekeeper, credentials)
        self._known(found)
        return None

    async def _find_out(self, gatekeeper: Gatekeeper, credentials: Credentials) -> None:
        found = await gatekeeper.authenticate(credentials)
        if found.is_removed:
            raise GatewayError(Status.UNAUTHENTICATED, "the credentials were withdrawn a moment ago")
        self._known(found)

    def _known(self, principal: Principal) -> None:
        over = self._over
        self.end()
        self._over, self._login, self.principal = over, None, principal
        self._watch()

    def _watch(self) -> None:
        principal, admissions = self.principal, self._admissions
        assert principal is not None
        if admissions is None or self._over is None:
            return
        admissions.all.add(self)
        if self._login is not None:
            self._login.relying.add(self)
        left_s = principal.expires_at - admissions.now()
        if left_s <= _MAX_SLEEP_S:
            self._timer = asyncio.get_running_loop().call_later(max(left_s, 0.0), self._look)
        elif principal.expires_at != float("inf"):
            self._timer = asyncio.get_running_loop().call_later(_MAX_SLEEP_S, self._watch)

    def _look(self) -> None:
        principal, admissions = self.principal, self._admissions
        assert principal is not None
        assert admissions is not None
        if admissions.now() < principal.expires_at:  # it was given more time
            self._watch()
        else:
            self.lapse("the credentials have expired")


class Admissions:
    """Those of all clients that are there.

    Args:
        now: gives the time in seconds since 1970.

    Attributes:
        gatekeeper: knows credentials.
        all: those that may lapse.
    """

    def __init__(self, gatekeeper: Gatekeeper, now: Callable[[], float]) -> None:
        self.gatekeeper = gatekeeper
        self.now = now
        self.all: WeakSet[Admission] = WeakSet()

    def withdraw(self, principal: Principal, reason: str = "the credentials were withdrawn") -> None:
        """Somebody's credential is good no more: whoever was let in by it is out."""
        for admission in [one for one in self.all if one.principal is principal]:
            admission.lapse(reason)

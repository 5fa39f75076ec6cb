"""Whose a name and password are, by HTTP Basic (RFC 7617).

To check a password takes 60 ms of a core, on purpose; so it is done on threads, tries are rationed, and a login that
was right is known again by a keyed digest, which holds no password.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

from cara_pseud.logins import Verdict, source_of
from cara_pseud.password_entries import PasswordEntry
from gateway.access.credentials import Credentials
from gateway.access.login_ration import LoginRation
from gateway.access.presented import unauthenticated
from gateway.access.principals import Principal
from gateway.errors import GatewayError, Status

CHECK_S: Final = 10.0
"""How long a check may take; whoever waits in vain is told to come again much sooner."""
COME_AGAIN_S: Final = 2
MAX_USER_BYTES: Final = 256
_MOST_KNOWN: Final = 10_000
"""Logins that are known again."""

Ask = Callable[[bytes, bytes, bytes, Callable[[Verdict], None]], None]
"""Has a password checked: address, user, password, and who takes the verdict, on whatever thread."""


class PasswordLogins:
    """See the module.

    Args:
        entries: by user.
        ask: checks against the same entries.
        clock: in seconds, never goes back.
    """

    def __init__(
        self, entries: Mapping[bytes, PasswordEntry], ask: Ask, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._entries = entries
        self._ask = ask
        self._ration = LoginRation(clock)
        self._digest_key = secrets.token_bytes(32)
        self._principals = {user: _principal(user, entry) for user, entry in entries.items()}
        self._known: OrderedDict[bytes, Principal] = OrderedDict()

    def known(self, value: str, credentials: Credentials) -> Principal | None:
        """See `gateway.access.presented.Way`."""
        digest = self._digest(value)
        principal = self._known.get(digest)
        if principal is not None:
            self._known.move_to_end(digest)
            return principal
        _user_and_password(value)
        return None

    async def authenticate(self, value: str, credentials: Credentials) -> Principal:
        """See `gateway.access.presented.Way`."""
        principal = self.known(value, credentials)
        if principal is not None:
            return principal
        user, password = _user_and_password(value)
        address = source_of(credentials.address.encode())
        wait_s = self._ration.begin(address, user)
        if wait_s:
            raise _too_many("too many passwords were wrong of late", wait_s)
        principal = self._principals.get(user)
        verdict = await self._verdict(address, user, password)
        if verdict is Verdict.COME_AGAIN or principal is not self._principals.get(user):
            # Of a password that a reload changed meanwhile nobody knows whether it was the old one that was checked.
            self._ration.undecided(address, user)
            raise _too_many("too many passwords wait for their check", COME_AGAIN_S)
        if verdict is Verdict.REFUSED or principal is None:
            # Whether there is such a user is nobody's business.
            raise unauthenticated("the name or the password is wrong")
        self._ration.succeeded(address, user)
        self._known[self._digest(value)] = principal
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        return principal

    def replace(self, entries: Mapping[bytes, PasswordEntry]) -> list[Principal]:
        """Know other users from now on. Who has the same name and password as before stays, with its new roles.

        Returns:
            Those that are known no more, or have another password; they are marked so.
        """
        gone, before = self._principals, self._entries
        self._principals = {}
        for user, entry in entries.items():
            if user in gone and before[user].state == entry.state:
                self._principals[user] = gone.pop(user)
                self._principals[user].roles = entry.roles
            else:
                self._principals[user] = _principal(user, entry)
        self._entries = entries
        for principal in gone.values():
            principal.is_removed = True
        for digest, principal in list(self._known.items()):
            if principal.is_removed:
                del self._known[digest]
        return list(gone.values())

    async def _verdict(self, address: bytes, user: bytes, password: bytes) -> Verdict:
        loop = asyncio.get_running_loop()
        told: asyncio.Future[Verdict] = loop.create_future()

        def tell(verdict: Verdict) -> None:
            if not told.done():
                told.set_result(verdict)

        self._ask(address, user, password, lambda verdict: _in_loop(loop, tell, verdict))
        try:
            async with asyncio.timeout(CHECK_S):
                return await told
        except TimeoutError:
            return Verdict.COME_AGAIN

    def _digest(self, value: str) -> bytes:
        return hmac.digest(self._digest_key, value.encode("utf-8", "surrogatepass"), hashlib.sha256)


def _in_loop(loop: asyncio.AbstractEventLoop, tell: Callable[[Verdict], None], verdict: Verdict) -> None:
    # When the loop is closed, nobody waits any more.
    if not loop.is_closed():
        loop.call_soon_threadsafe(tell, verdict)


def _principal(user: bytes, entry: PasswordEntry) -> Principal:
    return Principal(f"basic:{user.decode('utf-8', 'replace')}", entry.roles)


def _user_and_password(value: str) -> tuple[bytes, bytes]:
    try:
        decoded = base64.b64decode(value.encode("ascii"), validate=True)
        decoded.decode("utf-8")
    except (UnicodeError, binascii.Error):
        raise unauthenticated("Basic has a name and password in UTF-8, with a colon between, as base64") from None
    user, colon, password = decoded.partition(b":")
    if not colon or not user or len(user) > MAX_USER_BYTES:
        raise unauthenticated("Basic has a name and password in UTF-8, with a colon between, as base64")
    return user, password


def _too_many(reason: str, wait_s: int) -> GatewayError:
    detail = f"{reason}; try again in {wait_s} second{'s' if wait_s != 1 else ''}"
    return GatewayError(Status.RESOURCE_EXHAUSTED, detail, retry_after=wait_s)

"""How often one may try to log in with a password: after some failures only now and then, and never not at all.

A stranger must not be able to guess, and must not be able to keep somebody out either:

- An address has failures of its own: after FAILURES_AT_ONCE of them it may try again every SECONDS_EACH.
- A user has, too, over all addresses, so that many addresses do not help to guess one password; but each address has
  FREE_TRIES at a user that nobody else can use up, so the user at home gets in whatever strangers do elsewhere.
- Where a user has logged in before, only failures of that user at that address count.

Who logged in once is known again by a digest and does not come here; see `gateway.access.passwords`.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

FAILURES_AT_ONCE: Final = 10
"""Of an address. People who do not remember which password it was have some five."""
SECONDS_EACH: Final = 5.0
"""Of a failure, until it counts no more: twelve guesses a minute find no password that is worth the name."""
USER_FAILURES_AT_ONCE: Final = 30
FREE_TRIES: Final = 3
_MOST_REMEMBERED: Final = 10_000
"""Addresses, users, and users at addresses, each; the least recent are forgotten."""

_Key = TypeVar("_Key", bound=Hashable)


@dataclass(slots=True)
class _Failures:
    """A leaking bucket."""

    at: float
    count: float = 0.0
    is_trusted: bool = False

    def leak(self, now: float) -> None:
        self.count = max(0.0, self.count - (now - self.at) / SECONDS_EACH)
        self.at = now

    def wait_s(self, most: int) -> float:
        """Until there is room for one more."""
        return max(0.0, self.count - (most - 1)) * SECONDS_EACH

    def add(self, most: int) -> None:
        # What comes on top would have to leak, too: it would keep others out for ever.
        self.count = min(float(most), self.count + 1)

    def take_back(self) -> None:
        self.count = max(0.0, self.count - 1)


class _Table(Generic[_Key]):
    def __init__(self) -> None:
        self._failures: OrderedDict[_Key, _Failures] = OrderedDict()

    def of(self, key: _Key, now: float) -> _Failures:
        found = self._failures.get(key)
        if found is None:
            found = self._failures[key] = _Failures(now)
            if len(self._failures) > _MOST_REMEMBERED:
                self._failures.popitem(last=False)
        else:
            self._failures.move_to_end(key)
            found.leak(now)
        return found


class LoginRation:
    """See the module.

    Args:
        clock: in seconds, never goes back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._addresses: _Table[bytes] = _Table()
        self._users: _Table[bytes] = _Table()
        self._pairs: _Table[tuple[bytes, bytes]] = _Table()

    def begin(self, address: bytes, user: bytes) -> int:
        """Count a try as a failure, until `succeeded` says otherwise; so many at once are no way around.

        Returns:
            0, or in how many seconds to come again; then nothing is counted.
        """
        now = self._clock()
        pair = self._pairs.of((address, user), now)
        if pair.is_trusted:
            wait_s = pair.wait_s(FAILURES_AT_ONCE)
            if wait_s <= 0:
                pair.add(FAILURES_AT_ONCE)
            return math.ceil(wait_s)
        of_address, of_user = self._addresses.of(address, now), self._users.of(user, now)
        wait_s = of_address.wait_s(FAILURES_AT_ONCE)
        if pair.count > FREE_TRIES - 1:
            wait_s = max(wait_s, of_user.wait_s(USER_FAILURES_AT_ONCE))
        if wait_s <= 0:
            of_address.add(FAILURES_AT_ONCE)
            of_user.add(USER_FAILURES_AT_ONCE)
            pair.add(FAILURES_AT_ONCE)
        return math.ceil(wait_s)

    def undecided(self, address: bytes, user: bytes) -> None:
        """Take a try back that came to nothing."""
        now = self._clock()
        pair = self._pairs.of((address, user), now)
        pair.take_back()
        if not pair.is_trusted:
            self._addresses.of(address, now).take_back()
            self._users.of(user, now).take_back()

    def succeeded(self, address: bytes, user: bytes) -> None:
        """Take a try back, since the password was right."""
        self.undecided(address, user)
        self._pairs.of((address, user), self._clock()).is_trusted = True

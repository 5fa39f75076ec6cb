"""Which login is checked next, and which one has to come again. Checks no password, and knows no socket and no thread.

To check a password is slow on purpose, so strangers could keep everybody out by guessing. Three rules bound that:

- A login that was permitted or refused is recognised by a keyed digest when it comes again, and is not checked twice.
- The others stand in lanes, one per address and user; names that nobody has share one lane per address. Addresses take
  turns, and lanes of an address do. In a lane those go first that were turned away before, as a stream of guesses never
  was; and by turns the newest and the oldest, so that it helps neither to come before a crowd nor to come after it.
- Lanes are short: those in the middle are turned away and may come again. After some failures a lane moves slowly.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Generic, TypeVar

MAX_IN_LANE: Final = 8
MAX_OF_SOURCE: Final = 64
MAX_WAITING: Final = 512
FAILURES_AT_ONCE: Final = 10
"""So many checks of a lane may fail before it moves slowly."""
FAILURES_PER_S: Final = 4.0
PATIENCE_S: Final = 1.5
"""Who waits longer has to come again, since a client may be gone: `cara_pseud.client` waits for 2 s."""
_MAX_ASKERS: Final = 16
"""Who wait for one check because they showed the same login."""
_MAX_TURNED_AWAY: Final = 8192
_MAX_REFUSED: Final = 8192
_MAX_PERMITTED: Final = 65536
_MAX_LANES_REMEMBERED: Final = 8192

Asker = TypeVar("Asker")
"""How to reach who waits for the verdict."""
_Lane = tuple[bytes, bytes]
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Verdict(Enum):
    """What a login comes to."""

    PERMITTED = "permitted"
    REFUSED = "refused"
    COME_AGAIN = "come again"


@dataclass(frozen=True, slots=True)
class Login:
    """What somebody shows.

    Attributes:
        source: where from, as `source_of` makes it.
        known: whether there is such a user, if that can be known without a check.
        state: what the user's password is kept as; a verdict is not remembered longer than that lasts. None if that is
            not known, so that no verdict is remembered.
    """

    source: bytes
    user: bytes
    password: bytes
    known: bool
    state: bytes | None


@dataclass(slots=True, eq=False)
class Waiting(Generic[Asker]):
    """A login that waits for its check or is being checked."""

    login: Login
    digest: bytes
    since: float
    returning: bool
    askers: list[Asker]
    asked: float
    lane: _Lane = (b"", b"")


@dataclass(slots=True)
class _Pace:
    """A leaking bucket of failures."""

    at: float
    failures: float = 0.0

    def wait_s(self, now: float) -> float:
        self.failures = max(0.0, self.failures - (now - self.at) * FAILURES_PER_S)
        self.at = now
        return max(0.0, self.failures - (FAILURES_AT_ONCE - 1)) / FAILURES_PER_S


@dataclass(slots=True)
class _Line(Generic[Asker]):
    """Who waits in a lane."""

    waiting: list[Waiting[Asker]] = field(default_factory=list)
    oldest_next: bool = False

    def __len__(self) -> int:
        return len(self.waiting)

    def choose(self) -> Waiting[Asker]:
        self.oldest_next = not self.oldest_next
        return self._class(returning=True)[-1 if self.oldest_next else 0]

    def victim(self) -> Waiting[Asker]:
        candidates = self._class(returning=False)
        return candidates[len(candidates) // 2]

    def _class(self, returning: bool) -> list[Waiting[Asker]]:
        """Those that were turned away before, or those that were not, or all if there are none; the oldest first."""
        found = [waiting for waiting in self.waiting if waiting.returning is returning]
        return sorted(found or self.waiting, key=lambda waiting: waiting.since)


@dataclass(slots=True)
class _Source(Generic[Asker]):
    lanes: OrderedDict[_Lane, _Line[Asker]] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return sum(map(len, self.lanes.values()))


class Logins(Generic[Asker]):
    """The lanes of one server, and the verdicts it remembers."""

    def __init__(self, key: bytes, clock: Callable[[], float]) -> None:
        self._key = key
        self._clock = clock
        self._sources: OrderedDict[bytes, _Source[Asker]] = OrderedDict()
        self._by_digest: dict[bytes, Waiting[Asker]] = {}
        self._permitted: OrderedDict[bytes, bytes] = OrderedDict()
        self._refused: OrderedDict[bytes, None] = OrderedDict()
        self._turned_away: OrderedDict[bytes, float] = OrderedDict()
        self._paces: OrderedDict[_Lane, _Pace] = OrderedDict()

    def __len__(self) -> int:
        """How many logins wait for their check."""
        return sum(map(len, self._sources.values()))

    def ask(self, login: Login, asker: Asker) -> tuple[Verdict | None, list[Asker]]:
        """Take in a login: its verdict if that is known already, and who has to come again to make room."""
        digest, now = self._digest(login), self._clock()
        if login.state is not None:
            if hmac.compare_digest(self._permitted.get(login.user, b""), digest):
                self._permitted.move_to_end(login.user)
                return Verdict.PERMITTED, []
            if digest in self._refused:
                self._refused.move_to_end(digest)
                return Verdict.REFUSED, []
            same = self._by_digest.get(digest)
            if same is not None:
                # It came again, or comes over many connections at once.
                if len(same.askers) >= _MAX_ASKERS:
                    return Verdict.COME_AGAIN, []
                same.askers.append(asker)
                same.returning, same.asked = True, now
                return None, []
        since = self._turned_away.get(digest)
        waiting = Waiting(login, digest, now if since is None else since, since is not None, [asker], now)
        if login.state is not None:
            self._by_digest[digest] = waiting
        source = self._sources.setdefault(login.source, _Source())
        source.lanes.setdefault(self._lane(login), _Line()).waiting.append(waiting)
        return None, self._trim(source, self._lane(login))

    def impatient(self) -> list[Asker]:
        """Turn away those that have waited so long that they may be gone."""
        last = self._clock() - PATIENCE_S
        return [
            asker
            for source in list(self._sources.values())
            for lane, line in list(source.lanes.items())
            for waiting in [waiting for waiting in line.waiting if waiting.asked < last]
            for asker in self._turn_away(lane, waiting)
        ]

    def next(self) -> Waiting[Asker] | float | None:
        """The login to be checked now, or in how many seconds to ask again; None if nobody waits."""
        now = self._clock()
        soonest: float | None = None
        for name, source in self._sources.items():
            for lane, line in source.lanes.items():
                pace = self._paces.get(lane)
                wait_s = 0.0 if pace is None else pace.wait_s(now)
                if wait_s <= 0:
                    chosen = line.choose()
                    # Until it is known to be right it counts as a failure, or all threads would begin one at once.
                    pace = pace or _Pace(at=now)
                    pace.failures += 1
                    _put(self._paces, lane, pace, _MAX_LANES_REMEMBERED)
                    chosen.lane = lane
                    self._remove(lane, chosen)
                    # Whoever had a turn stands behind the others.
                    if lane in source.lanes:
                        source.lanes.move_to_end(lane)
                    if name in self._sources:
                        self._sources.move_to_end(name)
                    return chosen
                soonest = wait_s if soonest is None else min(soonest, wait_s)
        return soonest

    def done(self, waiting: Waiting[Asker], permitted: bool, remember: bool) -> list[Asker]:
        """Take note of a check's result; who is to be told."""
        login, digest = waiting.login, waiting.digest
        if self._by_digest.get(digest) is waiting:
            del self._by_digest[digest]
        if permitted:
            # Without a state it is noted only that there is such a user.
            _put(self._permitted, login.user, digest if remember and login.state is not None else b"-", _MAX_PERMITTED)
            pace = self._paces.get(waiting.lane)
            if pace is not None:
                pace.failures = max(0.0, pace.failures - 1)
        elif remember and login.state is not None:
            _put(self._refused, digest, None, _MAX_REFUSED)
        return waiting.askers

    def close(self) -> list[Asker]:
        """Turn away all that wait."""
        lines = [line for source in self._sources.values() for line in source.lanes.values()]
        askers = [asker for line in lines for waiting in line.waiting for asker in waiting.askers]
        self._sources.clear()
        self._by_digest.clear()
        return askers

    def _digest(self, login: Login) -> bytes:
        mac = hmac.new(self._key, digestmod=hashlib.sha256)
        for part in (login.user, login.state or b"", login.password):
            mac.update(len(part).to_bytes(8, "big") + part)
        return mac.digest()

    def _lane(self, login: Login) -> _Lane:
        return login.source, login.user if login.known or login.user in self._permitted else b""

    def _trim(self, source: _Source[Asker], lane: _Lane) -> list[Asker]:
        if len(source.lanes[lane]) <= MAX_IN_LANE:
            if len(source) > MAX_OF_SOURCE:
                lane = _longest(source)
            elif len(self) > MAX_WAITING:
                lane = _longest(max(self._sources.values(), key=len))
            else:
                return []
        return self._turn_away(lane, self._sources[lane[0]].lanes[lane].victim())

    def _turn_away(self, lane: _Lane, victim: Waiting[Asker]) -> list[Asker]:
        self._remove(lane, victim)
        if self._by_digest.get(victim.digest) is victim:
            del self._by_digest[victim.digest]
        _put(self._turned_away, victim.digest, victim.since, _MAX_TURNED_AWAY)
        return victim.askers

    def _remove(self, lane: _Lane, waiting: Waiting[Asker]) -> None:
        source = self._sources[lane[0]]
        line = source.lanes[lane]
        line.waiting.remove(waiting)
        if not line.waiting:
            del source.lanes[lane]
            if not source.lanes:
                del self._sources[lane[0]]


def source_of(address: bytes) -> bytes:
    """Whom an address stands for: an IPv6 host has a whole /64 network of them."""
    try:
        parsed = ipaddress.ip_address(address.decode("ascii", "replace").partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        return parsed.packed[:8] if parsed.ipv4_mapped is None else parsed.ipv4_mapped.packed
    return parsed.packed


def _longest(source: _Source[Asker]) -> _Lane:
    return max(source.lanes, key=lambda lane: len(source.lanes[lane]))


def _put(table: OrderedDict[_Key, _Value], key: _Key, value: _Value, most: int) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > most:
        table.popitem(last=False)

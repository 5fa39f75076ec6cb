"""Token buckets, one for each caller: a bucket holds as many calls as the rate names and fills up steadily.

The library that counts in Redis has none in memory that fits: it reads the wall clock, which may jump, and starts a
thread of the system for every few calls (6 to 8 µs a call; here it is half of one). A bucket is one number, the time
at which it will be full again (the generic cell rate algorithm), and one that is full need not be remembered.
"""

from __future__ import annotations

from typing import Final

from gateway.config.rates import Rate

MOST_CALLERS: Final = 100_000
"""Buckets that are not full. Beyond it the oldest is forgotten, which gives its caller a full one: who has so many
addresses is not held by a bound per address."""
_SWEPT_AT: Final = 1_024
_ROUNDING_S: Final = 1e-6


class TokenBuckets:
    """The buckets of one rate. Times are seconds of any clock that only goes forward."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._period_s = rate.period_s + _ROUNDING_S
        self._share_s = rate.period_s / rate.calls
        self._full_at: dict[str, float] = {}
        self._sweep_at = _SWEPT_AT

    def __len__(self) -> int:
        """How many buckets are remembered."""
        return len(self._full_at)

    def take(self, caller: str, now: float) -> float:
        """Take a call out of a caller's bucket; 0 if there was one, else the seconds until there is one."""
        full_at = self._full_at.get(caller)
        if full_at is None or full_at <= now:
            if full_at is None and len(self._full_at) >= self._sweep_at:
                self._sweep(now)
            full_at = now
        full_at += self._share_s
        wait_s = full_at - now - self._period_s
        if wait_s > 0:
            return wait_s + _ROUNDING_S
        self._full_at[caller] = full_at
        return 0.0

    def left(self, caller: str, now: float) -> int:
        """How many calls there are in a caller's bucket."""
        missing_s = max(self._full_at.get(caller, now) - now, 0.0)
        return int((self._period_s - missing_s) / self._share_s)

    def next_s(self, caller: str, now: float) -> float:
        """In how many seconds there is one more in the bucket than now; a share of the period if it is full."""
        missing_s = max(self._full_at.get(caller, now) - now, 0.0)
        return missing_s % self._share_s or self._share_s

    def _sweep(self, now: float) -> None:
        """Forget the full ones; when all are many and none is full, the oldest."""
        kept = {caller: full_at for caller, full_at in self._full_at.items() if full_at > now}
        if len(kept) >= MOST_CALLERS:
            for caller in list(kept)[: MOST_CALLERS // 10]:
                del kept[caller]
        self._full_at = kept
        # So that what a sweep costs is shared by as many new callers.
        self._sweep_at = min(max(_SWEPT_AT, 2 * len(kept)), MOST_CALLERS)

"""Calls counted in Redis, by the library `limits`: a window that slides, of which Redis remembers two numbers a caller.

With the extra ``redis`` only. Which module counts is for the composition root to choose.
"""

from __future__ import annotations

import time
from typing import Final

from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError

from gateway.access.shared_counts import PATIENCE_S, CountError
from gateway.config.rates import Rate

_NAMESPACE: Final = "cara-gateway"


class RedisCounts:
    """A `gateway.access.shared_counts.CountStore`.

    Args:
        url: of the Redis, with a password if it wants one.
    """

    def __init__(self, url: str) -> None:
        storage = RedisStorage(
            f"async+{url}",
            wrap_exceptions=True,
            implementation="redispy",
            key_prefix=_NAMESPACE,
            socket_timeout=PATIENCE_S,
            socket_connect_timeout=PATIENCE_S,
        )
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        # The library keeps the client to itself, and does not close it.
        self._redis = storage.bridge.get_connection()  # type: ignore[attr-defined]

    async def take(self, policy: str, rate: Rate, caller: str, calls: int) -> tuple[int, float]:
        """See `gateway.access.shared_counts.CountStore`."""
        window = RateLimitItemPerSecond(rate.calls, rate.period_s, namespace=_NAMESPACE)
        limiter = self._limiter
        try:
            if await limiter.hit(window, policy, caller, cost=calls):
                return calls, 0.0
            reset_at, left = await limiter.get_window_stats(window, policy, caller)
            # Another gateway may come between; then these wait, too.
            permitted = min(left, calls - 1)
            if permitted > 0 and not await limiter.hit(window, policy, caller, cost=permitted):
                permitted = 0
            return permitted, max(reset_at - time.time(), 0.001)
        except StorageError as error:
            raise CountError(str(error.storage_error)) from None

    async def close(self) -> None:
        """See `gateway.access.shared_counts.CountStore`."""
        await self._redis.aclose()

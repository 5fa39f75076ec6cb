"""How often callers may call by the configuration that holds now, and where that is counted."""

from __future__ import annotations

import asyncio

from gateway.access.principals import Principal
from gateway.access.rates import Rates
from gateway.access.refusals import Refusals
from gateway.access.shared_counts import CommonCounts
from gateway.config.rates import RatesConfig
from gateway.redis_counts import RedisCounts


class RatesInForce:
    """See the module; lives in one loop.

    Attributes:
        rates: None if nobody is counted.
    """

    def __init__(self, refusals: Refusals) -> None:
        self.rates: Rates | None = None
        self._refusals = refusals
        self._config: RatesConfig | None = None
        self._common: CommonCounts | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def adopt(self, config: RatesConfig | None) -> Rates | None:
        """Count by another configuration, from full buckets on; with the same one, nobody's bucket changes."""
        if config == self._config:
            return self.rates
        self._config = config
        former, self._common, self.rates = self._common, None, None
        if former is not None:
            closing = asyncio.get_running_loop().create_task(former.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        if config is not None:
            self._common = CommonCounts(RedisCounts(config.storage)) if config.is_shared else None
            self.rates = Rates(config, asyncio.get_running_loop().time, self._refusals, self._common)
        return self.rates

    def admit(self, principal: Principal, address: str) -> asyncio.Future[None] | None:
        """Count one call, if calls are counted; see `gateway.access.rates.Rates.admit`."""
        rates = self.rates
        return None if rates is None else rates.admit(principal, address)

    async def close(self) -> None:
        """Let go of connections."""
        await asyncio.gather(*self._closing)
        if self._common is not None:
            await self._common.close()

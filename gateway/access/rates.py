"""Whether a caller may make one more call now, by how many it made: per principal, and where there is none per address.

A caller has one bucket, so that one at its limit takes nothing from another. Where several gateways count together
(`SharedCounts`), a call passes the bucket here first, which costs no round trip, and then the shared count.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from gateway.access.principals import Principal
from gateway.access.refusals import Refusals
from gateway.access.token_buckets import TokenBuckets
from gateway.config.rates import Rate, RatesConfig
from gateway.errors import GatewayError, Status

PER_PRINCIPAL: Final = "per_principal"
PER_ADDRESS: Final = "per_address"


class SharedCounts(Protocol):
    """Counts that several gateways have in common.

    Attributes:
        is_up: whether they could be had when they were last asked for.
    """

    is_up: bool

    def wait_s(self, policy: str, caller: str) -> float:
        """In how many seconds a caller may call again, as far as that is known here; 0 if now."""

    def take(self, policy: str, rate: Rate, caller: str) -> asyncio.Future[float]:
        """Count one call: 0 if it may begin, else the seconds until one may. Those of one caller are told in order.

        Never fails and never takes long: where the counts cannot be had, every call may begin.
        """


class Allowance(NamedTuple):
    """What a caller may do, as far as this gateway knows.

    Attributes:
        policy: the name of the key that says so.
        left: how many calls may come now.
        next_s: in how many seconds, at least one, there is one more.
    """

    policy: str
    rate: Rate
    left: int
    next_s: int


class Rates:
    """The buckets of all callers.

    Args:
        clock: seconds that only go forward.
        refusals: where it is counted who was refused.
        shared: None if this gateway counts alone.
    """

    def __init__(
        self,
        config: RatesConfig,
        clock: Callable[[], float],
        refusals: Refusals | None = None,
        shared: SharedCounts | None = None,
    ) -> None:
        self._clock = clock
        self._refusals = Refusals() if refusals is None else refusals
        self._shared = shared
        self._principals = None if config.per_principal is None else TokenBuckets(config.per_principal)
        self._addresses = None if config.per_address is None else TokenBuckets(config.per_address)

    @property
    def is_shared(self) -> bool | None:
        """Whether calls are counted in common with other gateways; None if they are not to be."""
        return None if self._shared is None else self._shared.is_up

    def admit(self, principal: Principal, address: str) -> asyncio.Future[None] | None:
        """Count one call.

        Args:
            principal: who makes it; for one without a name the address stands.
            address: as bounds count it; "" is not known and has no bound, as all strangers would share it.

        Returns:
            None: it may begin; or a future that is done when it may, or fails as this does.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED, there were too many.
        """
        policy, buckets, caller = self._place(principal, address)
        if buckets is None or not caller:
            return None
        wait_s = buckets.take(caller, self._clock())
        shared = self._shared
        if wait_s == 0.0 and shared is not None:
            wait_s = shared.wait_s(policy, caller)
        if wait_s > 0.0:
            raise self._refused(policy, buckets.rate, wait_s)
        return None if shared is None else self._told(shared, policy, buckets.rate, caller)

    def allowance(self, principal: Principal, address: str) -> Allowance | None:
        """What a caller may still do; None if it is not counted."""
        policy, buckets, caller = self._place(principal, address)
        if buckets is None or not caller:
            return None
        now = self._clock()
        left, next_s = buckets.left(caller, now), buckets.next_s(caller, now)
        shared_s = 0.0 if self._shared is None else self._shared.wait_s(policy, caller)
        if shared_s > 0.0:
            left, next_s = 0, max(next_s, shared_s)
        return Allowance(policy, buckets.rate, left, _whole(next_s))

    def _place(self, principal: Principal, address: str) -> tuple[str, TokenBuckets | None, str]:
        if principal.name is None:
            return PER_ADDRESS, self._addresses, address
        return PER_PRINCIPAL, self._principals, principal.name

    def _told(self, shared: SharedCounts, policy: str, rate: Rate, caller: str) -> asyncio.Future[None]:
        asked = shared.take(policy, rate, caller)
        told: asyncio.Future[None] = asked.get_loop().create_future()

        def tell(asked: asyncio.Future[float]) -> None:
            if told.done():
                return  # the call was given up
            if (wait_s := asked.result()) > 0.0:
                told.set_exception(self._refused(policy, rate, wait_s))
            else:
                told.set_result(None)

        asked.add_done_callback(tell)
        return told

    def _refused(self, policy: str, rate: Rate, wait_s: float) -> GatewayError:
        self._refusals.count(policy)
        retry_after = _whole(wait_s)
        whom = "principal" if policy == PER_PRINCIPAL else "address"
        detail = f"{policy} permits {rate} of one {whom}, and there were more: try again in {retry_after} s"
        return GatewayError(Status.RESOURCE_EXHAUSTED, detail, reason=policy, retry_after=retry_after)


def _whole(seconds: float) -> int:
    # What was rounded up already is not rounded up to the next second.
    return max(1, math.ceil(seconds - 1e-5))

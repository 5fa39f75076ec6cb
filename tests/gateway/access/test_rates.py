"""Who is counted as whom, and what those are told who make too many calls."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.access.principals import ANONYMOUS, Principal
from gateway.access.rates import Allowance, Rates
from gateway.access.refusals import Refusals
from gateway.config.rates import Rate, RatesConfig
from gateway.errors import GatewayError, Status
from tests.gateway.conftest import settle

BOTH = RatesConfig(per_principal=Rate(4, 1), per_address=Rate(2, 60))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def refusal(rates: Rates, principal: str | None, address: str) -> GatewayError:
    permitted(rates, principal, address)
    with pytest.raises(GatewayError) as raised:
        rates.admit(Principal(principal), address)
    return raised.value


def permitted(rates: Rates, principal: str | None, address: str) -> int:
    for number in range(100):
        try:
            rates.admit(Principal(principal), address)
        except GatewayError:
            return number
    return 100


def test_a_principal_is_counted_wherever_it_comes_from() -> None:
    rates = Rates(BOTH, Clock())
    assert [permitted(rates, "key:ann", address) for address in ("192.0.2.1", "192.0.2.2")] == [4, 0]


def test_the_principals_of_one_address_are_counted_each_for_itself() -> None:
    rates = Rates(BOTH, Clock())
    assert [permitted(rates, name, "192.0.2.1") for name in ("key:ann", "key:bob", None)] == [4, 4, 2]


def test_callers_without_a_name_are_counted_by_their_address() -> None:
    rates = Rates(BOTH, Clock())
    assert [permitted(rates, None, address) for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2")] == [2, 0, 2]


def test_a_principal_called_like_an_address_is_another() -> None:
    rates = Rates(BOTH, Clock())
    assert [permitted(rates, "192.0.2.1", ""), permitted(rates, None, "192.0.2.1")] == [4, 2]


@pytest.mark.parametrize(
    ("config", "principal", "address"),
    [
        (BOTH, None, ""),
        (RatesConfig(per_principal=Rate(1, 1)), None, "192.0.2.1"),
        (RatesConfig(per_address=Rate(1, 1)), "key:ann", "192.0.2.1"),
    ],
)
def test_who_has_no_bound_is_not_counted(config: RatesConfig, principal: str | None, address: str) -> None:
    rates = Rates(config, Clock())
    assert permitted(rates, principal, address) == 100
    assert rates.allowance(Principal(principal), address) is None


def test_whoever_is_refused_is_told_which_bound_it_was_and_when_to_come_back() -> None:
    refusals = Refusals()
    error = refusal(Rates(BOTH, Clock(), refusals), None, "192.0.2.1")
    assert error.status is Status.RESOURCE_EXHAUSTED
    assert (error.reason, error.retry_after) == ("per_address", 30)
    assert error.detail == "per_address permits 2 in 60 s of one address, and there were more: try again in 30 s"
    assert refusals.counts == {"per_address": 2}


def test_who_comes_back_then_is_let_in() -> None:
    clock = Clock()
    rates = Rates(BOTH, clock)
    error = refusal(rates, "key:ann", "")
    assert error.retry_after == 1
    clock.now += error.retry_after
    assert permitted(rates, "key:ann", "") == 4


def test_it_is_told_what_is_left() -> None:
    rates = Rates(BOTH, Clock())
    rates.admit(ANONYMOUS, "192.0.2.1")
    assert rates.allowance(ANONYMOUS, "192.0.2.1") == Allowance("per_address", Rate(2, 60), 1, 30)


class Counts:
    """Shared counts as a test wants them."""

    def __init__(self) -> None:
        self.known_s = 0.0
        self.is_up = True
        self.asked: list[tuple[Any, ...]] = []

    def wait_s(self, policy: str, caller: str) -> float:
        return self.known_s

    def take(self, policy: str, rate: Rate, caller: str) -> asyncio.Future[float]:
        told: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.asked.append((policy, caller, told))
        return told


def test_a_call_that_passed_here_waits_for_the_shared_count() -> None:
    async def main() -> None:
        counts = Counts()
        rates = Rates(BOTH, Clock(), shared=counts)
        told = [rates.admit(Principal("key:ann"), ""), rates.admit(Principal("key:ann"), "")]
        assert [(policy, caller) for policy, caller, _ in counts.asked] == [("per_principal", "key:ann")] * 2
        for (_, _, answer), wait_s in zip(counts.asked, (0.0, 2.5), strict=True):
            answer.set_result(wait_s)
        await settle()
        assert told[0] is not None
        assert told[0].result() is None
        assert told[1] is not None
        error = told[1].exception()
        assert isinstance(error, GatewayError)
        assert (error.reason, error.retry_after) == ("per_principal", 3)

    asyncio.run(main())


def test_who_is_known_to_be_over_the_shared_count_is_refused_at_once() -> None:
    counts = Counts()
    counts.known_s = 7.2
    rates = Rates(BOTH, Clock(), shared=counts)
    error = refusal(rates, "key:ann", "")
    assert (error.retry_after, counts.asked) == (8, [])
    assert rates.allowance(Principal("key:ann"), "") == Allowance("per_principal", Rate(4, 1), 0, 8)

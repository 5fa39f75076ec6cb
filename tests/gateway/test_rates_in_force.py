"""What a reload does to rates: a bucket stays where nothing changed, and is full where something did."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.access.principals import Principal
from gateway.access.refusals import Refusals
from gateway.config.rates import Rate, RatesConfig
from gateway.errors import GatewayError
from gateway.rates_in_force import RatesInForce

ANN = Principal("key:ann")


def test_without_a_configuration_nobody_is_counted(fakes: Any) -> None:
    async def main() -> None:
        assert RatesInForce(Refusals()).adopt(None) is None

    fakes.run(main())


def test_a_reload_that_changes_nothing_gives_nobody_a_new_bucket(fakes: Any) -> None:
    async def main() -> None:
        in_force = RatesInForce(Refusals())
        rates = in_force.adopt(RatesConfig(per_principal=Rate(1, 60)))
        assert rates is not None
        rates.admit(ANN, "")
        assert in_force.adopt(RatesConfig(per_principal=Rate(1, 60))) is rates
        with pytest.raises(GatewayError, match="per_principal"):
            rates.admit(ANN, "")

    fakes.run(main())


def test_another_rate_begins_with_full_buckets_and_none_ends_the_count(fakes: Any) -> None:
    async def main() -> None:
        in_force = RatesInForce(Refusals())
        first = in_force.adopt(RatesConfig(per_principal=Rate(1, 60)))
        assert first is not None
        first.admit(ANN, "")
        second = in_force.adopt(RatesConfig(per_principal=Rate(2, 60)))
        assert second is not None
        assert second is not first
        second.admit(ANN, "")
        assert in_force.adopt(None) is None
        await in_force.close()

    fakes.run(main())


def test_a_redis_that_is_left_is_let_go(fakes: Any) -> None:
    async def main() -> None:
        in_force = RatesInForce(Refusals())
        shared = RatesConfig(per_principal=Rate(1, 60), storage="redis+unix:///nowhere/redis.sock")
        rates = in_force.adopt(shared)
        assert rates is not None
        assert rates.is_shared
        in_force.adopt(RatesConfig(per_principal=Rate(1, 60)))
        await in_force.close()

    fakes.run(main())

"""Every attack for half a second: what a good client beside it must not see.

`make attacks` runs each for five seconds, compares how long the good client waits with what it waits alone, and looks
at the gateway's memory. Half a second is too short for either: here nothing may fail, and nobody may wait for long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.attacks.arena import Arena, arena
from tests.attacks.attack import Attack
from tests.attacks.every import every_attack
from tests.attacks.report import named

SECONDS = 0.5
LONGEST_S = 3.0
"""Much more than a call may take beside other tests, and less than where too much is done at once."""
ATTACKS = every_attack()


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def attacked(loop: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    starting: Any = arena(tmp_path_factory.mktemp("arena"))
    yield loop.run(starting.__aenter__())
    loop.run(starting.__aexit__(None, None, None))


@pytest.mark.parametrize("one", ATTACKS, ids=named(ATTACKS))
def test_a_good_client_goes_on_beside_it(one: Attack, loop: asyncio.Runner, attacked: Arena) -> None:
    outcome = loop.run(attacked.outcome(one, SECONDS, settles=False))
    assert outcome.errors == ()
    assert outcome.worst_s < LONGEST_S
    assert outcome.begun >= one.clients

"""The soak of `make soak`, shortened: all of it happens, nobody fails, and nothing is left.

How memory and p99 go in so short a time says more of the machine than of the gateway; that is for the ten minutes.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.soak.observations import Observations
from tests.soak.passing_clients import VISITS
from tests.soak.place import place
from tests.soak.soak import soak

SECONDS = 15.0
MEMORY_GROWTH = 1.25


def test_nothing_grows_and_no_good_client_fails(tmp_path: Path) -> None:
    async def main() -> Observations:
        async with place(tmp_path) as there:
            return await soak(there, SECONDS, lambda line: None)

    seen = asyncio.run(main())
    assert not seen.failures
    assert {table for table, number in seen.left.items() if number} == {"connections"}
    done = {name for name, times in seen.done.items() if times}
    assert {visit.__name__ for visit in VISITS} | {"kills", "reloads"} <= done
    assert seen.window(SECONDS, 9).calls > 0
    assert seen.window(SECONDS, 9).resident_bytes < MEMORY_GROWTH * seen.window(SECONDS, 2).resident_bytes
    # Calls of the service that is killed may fail, and not all do.
    assert seen.rude["ok"] > 100
    assert seen.rude.keys() <= {
        "ok", "unknown", "deadline_exceeded", "not_found", "invalid_argument", "outcome_unknown", "unavailable",
    }  # fmt: skip

"""One soak: half of what the gateway can do, while clients come and go, services die and files are read again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from tests.soak.observations import MEGABYTE, Observations, Sample, Window
from tests.soak.passing_clients import come_and_go
from tests.soak.place import IDLE_S, RESUME_S, Place
from tests.soak.steady_clients import steady_clients

VISITORS: Final = 6
MEASURED_S: Final = 3.0
LOAD: Final = 0.5
KILL_EVERY_S: Final = 7.0
RELOAD_EVERY_S: Final = 3.0
LEFT_S: Final = RESUME_S + IDLE_S + 20.0
"""After this nothing may be kept for clients that went; services wait a little longer for callbacks."""


async def soak(place: Place, seconds: float, tell: Callable[[str], None]) -> Observations:
    """Load the gateway for so many seconds; what was seen."""
    seen = Observations()
    loop = asyncio.get_running_loop()
    steady = await steady_clients(place.target, seen.failures)

    async def again(every_s: float, name: str, act: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(every_s)
            await act()
            seen.done[name] += 1

    tasks = [
        *(
            asyncio.create_task(come_and_go(place.target, seen.rude, seen.failures, seen.done))
            for _ in range(VISITORS)
        ),
        asyncio.create_task(again(KILL_EVERY_S, "kills", place.kill)),
        asyncio.create_task(again(RELOAD_EVERY_S, "reloads", place.reload)),
    ]
    # With all the others beside, since what these ask for is a part of what there can be.
    most = await steady.most_per_s(MEASURED_S)
    tell(f"at most {most:.0f} calls a second; {LOAD * most:.0f} from now on for {seconds:.0f} s")
    tasks.append(asyncio.create_task(steady.pace(LOAD * most)))
    began = loop.time()
    while (at_s := loop.time() - began) < seconds and place.is_alive:
        for task in tasks:
            if task.done():
                task.result()
        sample = Sample(at_s, place.resident_bytes, await place.tables(), steady.taken())
        seen.samples.append(sample)
        if len(seen.samples) % 10 == 1:
            memory, p99_ms = sample.resident_bytes / MEGABYTE, Window([sample]).p99_s * 1e3
            tell(
                f"{at_s:4.0f} s: {memory:6.1f} MiB, {place.cpu_s:6.1f} s of CPU, {len(sample.took_s)} calls, "
                f"p99 {p99_ms:.1f} ms, {sample.tables}"
            )
        await asyncio.sleep(max(0.0, began + len(seen.samples) - loop.time()))
    if not place.is_alive:
        seen.failures[f"the gateway died: {place.log.read_text()[-2000:]}"] += 1
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    seen.done["calls left out, as too many were under way"] = steady.left_out
    if place.is_alive:
        await steady.end()
        seen.left = await _left(place)
    return seen


async def _left(place: Place) -> dict[str, int]:
    """The tables when they are as empty as they will be."""
    loop = asyncio.get_running_loop()
    until = loop.time() + LEFT_S
    while True:
        left = await place.tables()
        # One connection asks for them.
        if not any(number > (table == "connections") for table, number in left.items()) or loop.time() > until:
            return left
        await asyncio.sleep(0.5)

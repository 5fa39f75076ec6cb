"""`make bench-check`: hold cara_pseud to its promises about cost. Exit status 1 if one is broken.

- CPU per call of client and server together: at most 0.4 times a raw pyzmq loop's with 64 calls in flight, 1.5 times
  with one.
- A call costs the same with 10 and with 5,000 registered methods, within 10 %.
- A million calls leave no future, task, timer or table entry behind.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import cara_pseud
from bench.__main__ import Bench

MAX_RATIO = {64: 0.4, 1: 1.5}
MAX_LOOK_UP_CHANGE = 0.10
LOOK_UP_PAIRS = 15
LOOK_UP_CALLS = 4_000
IN_FLIGHT = 64
MILLION = 1_000_000


class Pair:
    """A server with so many methods and its client, in this process."""

    def __init__(self, methods: int) -> None:
        self.server = cara_pseud.Server("server")
        self.server.bind("tcp://127.0.0.1:*")
        for number in range(methods - 1):
            self.server.register(f"method{number}", lambda call, args, kwargs: None)
        self.server.register("add", lambda call, args, kwargs: args[0] + args[1])
        self.client = cara_pseud.Client("server")
        self.client.connect(self.server.endpoint)

    async def __aenter__(self) -> Pair:
        await self.server.start()
        await self.client.start()
        await self.call(IN_FLIGHT)
        return self

    async def __aexit__(self, *args: object) -> None:
        await self.client.stop()
        await self.server.stop()

    async def call(self, calls: int) -> float:
        """Make so many calls; return the CPU seconds that one took."""
        request = self.client.request

        async def caller() -> None:
            for _ in range(calls // IN_FLIGHT):
                if await request("add", (2, 5)) != 7:
                    raise RuntimeError("not the answer")

        cpu = time.process_time()
        await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))
        return (time.process_time() - cpu) / calls


async def look_up_change() -> float:
    """How much more a call costs with 5,000 methods than with 10: the median of pairs, 0 = the same."""
    async with Pair(10) as few, Pair(5_000) as many:
        ratios = []
        for _ in range(LOOK_UP_PAIRS):
            first = await few.call(LOOK_UP_CALLS)
            ratios.append(await many.call(LOOK_UP_CALLS) / first)
        return median(ratios) - 1


def census() -> Counter[str]:
    """The living objects that calls are made of, by type."""
    gc.collect()
    of_calls = (asyncio.Future, asyncio.TimerHandle, asyncio.Handle)
    return Counter(type(thing).__name__ for thing in gc.get_objects() if isinstance(thing, of_calls))


async def left_behind() -> dict[str, Any]:
    """What a million calls leave behind; empty if they keep their promise."""
    async with Pair(10) as pair:
        await pair.call(10 * IN_FLIGHT)
        before = census()
        await pair.call(MILLION)
        found: dict[str, Any] = {name: count for name, count in (census() - before).items() if count > 1}
        for side in (pair.client, pair.server):
            for connection in side.connections:
                if connection.pending or connection.running or len(connection.exports):
                    found[type(side).__name__] = "has calls or objects in its tables"
            if len(side.deadlines):
                found["deadlines"] = len(side.deadlines)
        return found


async def main() -> bool:
    """Measure, print, and say whether every promise is kept."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as children:
        pairs, seconds = int(os.environ.get("BENCH_PAIRS", "21")), float(os.environ.get("BENCH_SECONDS", "0.4"))
        bench = Bench(children, Path(folder), pairs, seconds)
        await bench.run([bench.cara])
    kept = _say(not bench.failures, f"not measured: {'; '.join(bench.failures) or 'nothing'}")
    for row in bench.rows:
        ratio = median(ours.cpu_us / bare.cpu_us for bare, ours in row.pairs)
        kept &= _say(ratio <= MAX_RATIO[row.in_flight], f"{ratio:.2f} of at most {MAX_RATIO[row.in_flight]} times raw")
    change = await look_up_change()
    kept &= _say(abs(change) <= MAX_LOOK_UP_CHANGE, f"look-up among 5,000 methods instead of 10: {change:+.1%}")
    found = await left_behind()
    return kept & _say(not found, f"left behind by a million calls: {found or 'nothing'}")


def _say(kept: bool, promise: str) -> bool:
    print(f"{'kept  ' if kept else 'BROKEN'}  {promise}", flush=True)
    return kept


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main()) else 1)

"""The client processes' side of `Child.order`: measure on request, over standard input and output."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable


async def take(run: Callable[[float, int], Awaitable[int]]) -> None:
    """Answer each order `{"seconds", "in_flight"}` with `{"calls", "wall_s", "cpu_s"}` until standard input ends.

    Reading blocks the loop, which is right: between two orders nothing may run.
    """
    print("ready", flush=True)
    while line := sys.stdin.readline():
        order = json.loads(line)
        wall, cpu = time.perf_counter(), time.process_time()
        calls = await run(order["seconds"], order["in_flight"])
        measured = {"calls": calls, "wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
        print(json.dumps(measured), flush=True)
        await asyncio.sleep(0)

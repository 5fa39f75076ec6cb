"""Load a gateway for minutes and see whether anything grows: `make soak`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.soak.observations import MEGABYTE, Observations
from tests.soak.place import place
from tests.soak.soak import soak

SECONDS = 600.0
MEMORY_GROWTH = 1.03
"""What the last tenth may have more than the third."""


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make soak", description="See whether anything grows under load.")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long the load lasts")
    return parser.parse_args(arguments)


async def run(seconds: float) -> Observations:
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        async with place(Path(folder)) as there:
            return await soak(there, seconds, lambda line: print(line, flush=True))


def main(arguments: Sequence[str] | None = None) -> int:
    seconds = options(arguments).seconds
    seen = asyncio.run(run(seconds))
    for number in range(10):
        window = seen.window(seconds, number)
        memory, p99_ms = window.resident_bytes / MEGABYTE, window.p99_s * 1e3
        print(f"tenth {number + 1}: {memory:.1f} MiB, {window.calls} calls, p99 {p99_ms:.1f} ms")
    print(f"done: {dict(seen.done)}")
    print(f"told to clients whose calls may fail: {dict(seen.rude)}")
    print(f"left when all had gone: {seen.left}")
    faults = seen.faults(seconds, MEMORY_GROWTH)
    for fault in faults:
        print(f"FAULT: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

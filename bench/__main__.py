"""Measure the gateway and cara_pseud against their yardsticks and print the table.

Every figure is the median of BENCH_PAIRS pairs, each of BENCH_SECONDS on the bare side and then as long on ours.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from bench.http_load import CONNECTIONS, HttpLoad
from bench.processes import Child
from bench.table import Row, Sample, text
from bench.ws_load import WsLoad

SCHEMA = Path(__file__).resolve().with_name("calculator.capnp")
WARM_UP_S = 0.3

CONFIG = """\
[gateway]
listen = "127.0.0.1:0"

[services.calculator]
schema = "{schema}"
interface = "Calculator"
endpoint = "{endpoint}"
peer = "server"
security = "noop"
"""

NOTE = """\
CPU: of the gateway's or the bare server's process; for cara_pseud of client and server together.
calls/s share {cores} cores with the load generator and, for the gateway, with the service behind it.
bare: Tornado handlers that read and write the same JSON; ROUTER–ROUTER sockets with the same frames.
Ratios: ours to bare, the median of {pairs} pairs of {seconds:g} s each, measured in turn."""

Measure = Callable[[float, int], Awaitable[Sample]]


class Load(Protocol):
    p99_s: float | None

    async def run(self, seconds: float, in_flight: int) -> int: ...


def against(load: Load, server: Child) -> Measure:
    """Return a measurement of `server` under a load that this process makes."""

    async def measure(seconds: float, in_flight: int) -> Sample:
        wall, cpu = time.perf_counter(), server.cpu_s()
        calls = await load.run(seconds, in_flight)
        return Sample(calls, time.perf_counter() - wall, server.cpu_s() - cpu, load.p99_s)

    return measure


def both_sides(client: Child, server: Child) -> Measure:
    """Return a measurement of a client process that makes its own load, and its server."""

    async def measure(seconds: float, in_flight: int) -> Sample:
        cpu = server.cpu_s()
        done = client.order(seconds=seconds, in_flight=in_flight)
        return Sample(done["calls"], done["wall_s"], done["cpu_s"] + server.cpu_s() - cpu)

    return measure


class Bench:
    def __init__(self, children: ExitStack, folder: Path, pairs: int, seconds: float) -> None:
        self._children = children
        self._folder = folder
        self._pairs = pairs
        self._seconds = seconds

    def start(self, *arguments: str) -> Child:
        # The gateway logs every request, as it does wherever it runs; that is a part of what a call costs.
        child = Child(arguments, self._folder / f"{'-'.join(arguments[1:3])}.log")
        self._children.callback(child.stop)
        return child

    async def row(self, title: str, in_flight: int, bare: Measure, ours: Measure) -> Row:
        print(f"measuring {title}, {in_flight} in flight …", file=sys.stderr, flush=True)
        for measure in (bare, ours):
            await measure(WARM_UP_S, in_flight)
        pairs = []
        for _ in range(self._pairs):
            first = await bare(self._seconds, in_flight)
            pairs.append((first, await ours(self._seconds, in_flight)))
        return Row(title, in_flight, pairs)

    async def gateway(self) -> Iterable[Row]:
        service = self.start("-m", "bench.cara_calls", "server")
        config = self._folder / "gateway.toml"
        config.write_text(CONFIG.format(schema=SCHEMA, endpoint=service.line()), "utf-8")
        bare = self.start("-m", "bench.bare_tornado")
        ours = self.start("-m", "gateway", "serve", "--config", str(config))
        bare_port = int(bare.line())
        our_port = int(ours.line().rpartition(":")[2])

        rest = HttpLoad(bare_port), HttpLoad(our_port)
        sockets = WsLoad(bare_port), WsLoad(our_port)
        for load in (*rest, *sockets):
            await load.connect()
        rows = [await self.row("REST, POST", CONNECTIONS, against(rest[0], bare), against(rest[1], ours))]
        for in_flight in (1, 64):
            measures = against(sockets[0], bare), against(sockets[1], ours)
            rows.append(await self.row("WebSocket, one call per frame", in_flight, *measures))
        for load in (*rest, *sockets):
            load.close()
        return rows

    async def cara(self) -> Iterable[Row]:
        sides = []
        for module in ("bench.raw_zmq", "bench.cara_calls"):
            server = self.start("-m", module, "server")
            client = self.start("-m", module, "client", server.line())
            client.line()
            sides.append(both_sides(client, server))
        return [await self.row("cara_pseud, client and server", in_flight, *sides) for in_flight in (1, 64)]


async def main() -> None:
    pairs = int(os.environ.get("BENCH_PAIRS", "7"))
    seconds = float(os.environ.get("BENCH_SECONDS", "1"))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as children:
        bench = Bench(children, Path(folder), pairs, seconds)
        rows = [*await bench.gateway()]
        children.pop_all().close()  # so that nothing of the first half runs beside the second
        rows += await bench.cara()
    print(text(rows))
    print()
    print(NOTE.format(cores=os.cpu_count(), pairs=pairs, seconds=seconds))


if __name__ == "__main__":
    asyncio.run(main())

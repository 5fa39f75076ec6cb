"""Measure the gateway and cara_pseud against their yardsticks and print the table, each row when it is measured.

What fails is told and left out; the exit status is then 1.

Every figure is the median of BENCH_PAIRS pairs, each of BENCH_SECONDS on the bare side and then as long on ours. In
some the gateway is measured against itself: what a session takes that does nothing, whether a hundred thousand
handles make calls dearer, and what a large body costs that is refused or holds objects.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from bench import scale
from bench.codec_cost import CodecCost, measured
from bench.http_load import CONNECTIONS, HttpLoad
from bench.processes import Child
from bench.refusals import Refusals
from bench.table import HEADINGS, Row, Sample, line
from bench.ws_load import WsLoad
from gateway.config.key_file import KEY_BYTES, KeyEntry, digest_of, key_of

SCHEMA = Path(__file__).resolve().with_name("calculator.capnp")
WARM_UP_S = 0.3
ANSWER_S = 60.0
"""How much longer than planned a run may take; a server that is late is slow, one that never answers is broken."""

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

WIDE = """
[gateway.limits]
max_handles_per_session = 1_000_000
max_sessions = 100_000
max_sessions_per_address = 100_000
max_connections_per_address = 100_000
"""

KEYED = """
[gateway.auth]
keys = "{keys}"
"""
KEY = key_of(bytes(KEY_BYTES))

NATIVE = """\
[gateway]
listen = "127.0.0.1:0"

[services.calculator]
protocol = "capnp"
schema = "{schema}"
interface = "Calculator"
endpoint = "{endpoint}"
"""

HANDLES = 100_000
SESSIONS = 5_000
AT_ONCE = 500
AT_ONCE_SOCKETS = 100
ANOTHER = b'{"jsonrpc":"2.0","id":%d,"method":"calculator.another"}'

NOTE = """\
JSON to msgpack and back: this process, against orjson and msgpack alone with the same data.
refused, objects: JSON of a megabyte to wire values, in this process; bare is a good body, or one without objects
(promised: at most 2 times a good one, and 1.5 times one without objects).
CPU: of the gateway's process, with a bridge's, or the bare server's, and of no service.
For cara_pseud: of client and server together.
calls/s share {cores} cores with the load generator and, for the gateway, with the service behind it.
bare: Tornado handlers that read and write the same JSON; ROUTER–ROUTER sockets with the same frames. The bare WebSocket
has one message per frame in every row.
Ratios: ours to bare, the median of {pairs} pairs of {seconds:g} s each, measured in turn."""

Measure = Callable[[float, int], Awaitable[Sample]]


class Load(Protocol):
    p99_s: float | None

    async def connect(self) -> None: ...

    async def run(self, seconds: float, in_flight: int) -> int: ...

    def close(self) -> None: ...


def handle_of(result: dict[str, dict[str, str]]) -> bytes:
    return result["calculator"]["$handle"].encode()


async def connected(port: int, count: int) -> list[WsLoad]:
    loads = [WsLoad(port, greets=True) for _ in range(count)]
    await asyncio.gather(*[load.connect() for load in loads])
    return loads


def against(load: Load, server: Child) -> Measure:
    """Return a measurement of `server` under a load that this process makes."""

    async def measure(seconds: float, in_flight: int) -> Sample:
        wall, cpu = time.perf_counter(), server.cpu_s_with_children()
        async with asyncio.timeout(seconds + ANSWER_S):
            calls = await load.run(seconds, in_flight)
        return Sample(calls, time.perf_counter() - wall, server.cpu_s_with_children() - cpu, load.p99_s)

    return measure


def both_sides(client: Child, server: Child) -> Measure:
    """Return a measurement of a client process that makes its own load, and its server."""

    async def measure(seconds: float, in_flight: int) -> Sample:
        cpu = server.cpu_s()
        done = client.order(seconds=seconds, in_flight=in_flight)
        return Sample(done["calls"], done["wall_s"], done["cpu_s"] + server.cpu_s() - cpu)

    return measure


class Bench:
    """What is measured, one method for what shares its processes; each prints its figures as soon as it has them.

    Attributes:
        rows: those of the table that were measured.
        failures: what could not be measured.
    """

    def __init__(self, children: ExitStack, folder: Path, pairs: int, seconds: float) -> None:
        self._children = children
        self._folder = folder
        self._pairs = pairs
        self._seconds = seconds
        self.rows: list[Row] = []
        self.failures: list[str] = []

    def start(self, *arguments: str) -> Child:
        # The gateway logs every request, as it does wherever it runs; that is a part of what a call costs.
        child = Child(arguments, self._folder / f"{'-'.join(arguments[1:3])}.log")
        self._children.callback(child.stop)
        return child

    @contextmanager
    def attempt(self, what: str) -> Iterator[None]:
        """Tell of what fails, and go on behind the block: the other figures are worth having."""
        try:
            yield
        except Exception as error:
            self.failures.append(what)
            print(f"not measured: {what}: {error or type(error).__name__}", file=sys.stderr, flush=True)

    async def run(self, parts: Sequence[Callable[[], Awaitable[None]]]) -> None:
        """Let the parts measure in turn; nothing of one runs beside the next."""
        print(line(HEADINGS), flush=True)
        for part in parts:
            with self.attempt(getattr(part, "__name__", "a part")):
                try:
                    await part()
                finally:
                    self._children.pop_all().close()

    async def row(self, title: str, in_flight: int, bare: Measure, ours: Measure) -> None:
        with self.attempt(f"{title}, {in_flight} in flight"):
            print(f"measuring {title}, {in_flight} in flight …", file=sys.stderr, flush=True)
            for measure in (bare, ours):
                await measure(WARM_UP_S, in_flight)
            pairs = []
            for _ in range(self._pairs):
                first = await bare(self._seconds, in_flight)
                pairs.append((first, await ours(self._seconds, in_flight)))
            row = Row(title, in_flight, pairs)
            self.rows.append(row)
            print(line(row.cells()), flush=True)

    async def gateway(self) -> None:
        service = self.start("-m", "bench.cara_calls", "server")
        config = self._folder / "gateway.toml"
        config.write_text(CONFIG.format(schema=SCHEMA, endpoint=service.line()), "utf-8")
        bare = self.start("-m", "bench.bare_tornado")
        ours = self.start("-m", "gateway", "serve", "--config", str(config))
        bare_port = int(bare.line())
        our_port = int(ours.line().rpartition(":")[2])

        async def compare(title: str, in_flight: int, bare_load: Load, our_load: Load) -> None:
            # Connections of its own for each row: what ends those of one shall not end the others'.
            try:
                with self.attempt(title):
                    await bare_load.connect()
                    await our_load.connect()
                    await self.row(title, in_flight, against(bare_load, bare), against(our_load, ours))
            finally:
                bare_load.close()
                our_load.close()

        await compare("REST, POST", CONNECTIONS, HttpLoad(bare_port), HttpLoad(our_port))
        for in_flight in (1, 64):
            await compare("WebSocket, one call per frame", in_flight, WsLoad(bare_port), WsLoad(our_port))
        batched = WsLoad(our_port, greets=True, batched=True)
        await compare("WebSocket, a tick's calls per frame", 64, WsLoad(bare_port), batched)

    async def native(self) -> None:
        """A gateway and its bridge before a native service, against a bare handler, and against a cara service."""
        path = str(self._folder / "native.sock")
        service = self.start("-m", "bench.native_calls", "service", path)
        config = self._folder / "native.toml"
        config.write_text(NATIVE.format(schema=SCHEMA, endpoint=service.line()), "utf-8")
        bare = self.start("-m", "bench.native_calls", "bare", path)
        ours = self.start("-m", "gateway", "serve", "--config", str(config))
        cara, cara_port = self.gateway_alone("cara")
        ports = int(bare.line()), cara_port, int(ours.line().rpartition(":")[2])
        for in_flight in (1, 64):
            loads = [WsLoad(port) for port in ports]
            await asyncio.gather(*[load.connect() for load in loads])
            bare_side, cara_side, our_side = map(against, loads, (bare, cara, ours))
            await self.row("native service (bare: Tornado with pycapnp)", in_flight, bare_side, our_side)
            await self.row("native service (bare: a cara service)", in_flight, cara_side, our_side)
            for load in loads:
                load.close()

    async def keys(self) -> None:
        """A gateway that knows its callers by their keys, and one that lets in everybody; each is sent the same."""
        file = self._folder / "keys.txt"
        file.write_text(KeyEntry("bench", frozenset({"staff"}), digest_of(KEY)).line() + "\n", "utf-8")
        loads, measures = [], []
        for name, more in (("open", ""), ("keyed", KEYED.format(keys=file))):
            gateway, port = self.gateway_alone(name, more)
            load = HttpLoad(port, KEY)
            loads.append(load)
            await load.connect()
            measures.append(against(load, gateway))
        await self.row("REST, POST, with a key (bare: no auth)", CONNECTIONS, *measures)
        for load in loads:
            load.close()

    async def seen(self) -> None:
        """A gateway as it is, and one that counts no calls and logs no requests."""
        bare, bare_port = self.gateway_alone("unseen", module="bench.unseen")
        ours, our_port = self.gateway_alone("seen")
        rows = (
            ("REST, POST, counted and logged (bare: neither)", CONNECTIONS, HttpLoad(bare_port), HttpLoad(our_port)),
            ("WebSocket, counted (bare: not)", 64, WsLoad(bare_port), WsLoad(our_port)),
        )
        for title, in_flight, bare_load, our_load in rows:
            await asyncio.gather(bare_load.connect(), our_load.connect())
            await self.row(title, in_flight, against(bare_load, bare), against(our_load, ours))
            bare_load.close()
            our_load.close()

    async def codec(self) -> None:
        cost = CodecCost()

        def conversions(convert: Callable[[], object]) -> Measure:
            async def measure(seconds: float, in_flight: int) -> Sample:
                return measured(convert, seconds)

            return measure

        ways = (("JSON to msgpack", cost.bare_in, cost.our_in), ("msgpack to JSON", cost.bare_out, cost.our_out))
        for title, bare, ours in ways:
            await self.row(f"{title}, {cost.bytes:,} bytes", 1, conversions(bare), conversions(ours))

    async def refusals(self) -> None:
        """Large bodies with something wrong in them, or with objects, against those without."""

        def conversions(convert: Callable[[], object]) -> Measure:
            async def measure(seconds: float, in_flight: int) -> Sample:
                return measured(convert, seconds / 4, 1)

            return measure

        bodies = Refusals()
        for title, without, body in (*bodies.refused(), *bodies.with_objects()):
            await self.row(title, 1, conversions(without), conversions(body))

    async def handles(self) -> None:
        """A gateway whose client holds one object, and one whose client holds a hundred thousand."""
        loads = []
        for count in (1, HANDLES):
            gateway, port = self.gateway_alone(f"handles{count}")
            load = WsLoad(port, greets=True)
            await load.connect()
            for _ in range(0, count, AT_ONCE):
                results = await load.collect(ANOTHER, min(count, AT_ONCE))
                load.methods = (*load.methods, *(b"@%s.add" % handle_of(result) for result in results))
            load.methods = load.methods[1:]
            loads.append(against(load, gateway))
        await self.row(f"a handle's method, {HANDLES:,} in the session (bare: 1)", 64, *loads)

    async def idle_sessions(self) -> None:
        """What the memory of a gateway grows by for each session that does nothing."""
        gateway, port = self.gateway_alone("idle")
        # The first ones make what all share; opening a few at once is what a listening socket can take.
        loads = await connected(port, AT_ONCE_SOCKETS)
        before = gateway.resident_bytes()
        for _ in range(0, SESSIONS, AT_ONCE_SOCKETS):
            loads += await connected(port, AT_ONCE_SOCKETS)
        each = (gateway.resident_bytes() - before) / SESSIONS
        for load in loads:
            load.close()
        figure = f"{each / 1024:.1f} KB of the gateway's memory each (promised: at most 25)"
        print(f"\n{SESSIONS:,} idle sessions: {figure}", flush=True)

    async def scale(self) -> None:
        """What grows with a schema."""
        print(*scale.lines(), sep="\n", flush=True)

    def gateway_alone(self, name: str, more: str = "", module: str = "gateway") -> tuple[Child, int]:
        """A gateway before a service of its own, with bounds that are wide enough; and its port.

        Args:
            more: of its configuration.
            module: what runs it.
        """
        service = self.start("-m", "bench.cara_calls", "server")
        config = self._folder / f"{name}.toml"
        config.write_text(CONFIG.format(schema=SCHEMA, endpoint=service.line()) + WIDE + more, "utf-8")
        gateway = self.start("-m", module, "serve", "--config", str(config))
        return gateway, int(gateway.line().rpartition(":")[2])

    async def cara(self) -> None:
        sides = []
        for module in ("bench.raw_zmq", "bench.cara_calls"):
            server = self.start("-m", module, "server")
            client = self.start("-m", module, "client", server.line())
            client.line()
            sides.append(both_sides(client, server))
        for in_flight in (1, 64):
            await self.row("cara_pseud, client and server", in_flight, *sides)


async def main() -> int:
    """Measure everything; the exit status."""
    pairs = int(os.environ.get("BENCH_PAIRS", "21"))
    seconds = float(os.environ.get("BENCH_SECONDS", "0.4"))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as children:
        bench = Bench(children, Path(folder), pairs, seconds)
        await bench.run([
            bench.gateway, bench.native, bench.keys, bench.seen, bench.cara, bench.codec, bench.refusals, bench.handles,
            bench.idle_sessions, bench.scale,
        ])  # fmt: skip
    print()
    print(NOTE.format(cores=os.cpu_count(), pairs=pairs, seconds=seconds), flush=True)
    if bench.failures:
        print(f"\nnot measured: {'; '.join(bench.failures)}", file=sys.stderr)
    return 1 if bench.failures else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

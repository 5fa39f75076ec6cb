"""A gateway, two services behind it and a good client, each a process of its own; and what an attack does to them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.attacks.attack import Attack, attack
from tests.attacks.wire import Target

ROOT: Final = Path(__file__).resolve().parents[2]
HERE: Final = Path(__file__).resolve().parent
PAGE: Final = os.sysconf("SC_PAGE_SIZE")
MEGABYTE: Final = 2**20
SETTLE_S: Final = 15.0
"""So long memory may take to come down after an attack. What a lost stream holds is kept for `resume_window_s`, by
default a minute; here it is shorter than that, so that one sees what stays."""
GROWTH: Final = 1.1
TIMES_ALONE: Final = 10
ALWAYS_FINE_S: Final = 0.1
CONFIG: Final = """\
[gateway]
listen = "127.0.0.1:0"

[gateway.limits]
resume_window_s = 5

[services.victim]
schema = "{schema}"
interface = "Victim"
endpoint = "{victim}"
peer = "victim"
security = "noop"

[services.other]
schema = "{schema}"
interface = "Victim"
endpoint = "{other}"
peer = "victim"
security = "noop"
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a good client saw beside an attack: seconds, bytes, texts."""

    attack: Attack
    begun: int
    p99_s: float
    worst_s: float
    errors: tuple[str, ...]
    bytes_before: int
    bytes_most: int
    bytes_after: int

    def faults(self, alone_p99_s: float) -> list[str]:
        """What is not as it must be."""
        bound_s = max(TIMES_ALONE * alone_p99_s, ALWAYS_FINE_S)
        found = [f"the good client had an error: {error}" for error in self.errors]
        if self.p99_s > bound_s:
            found.append(
                f"the good client's p99 was {self.p99_s * 1e3:.0f} ms, at most {bound_s * 1e3:.0f} are permitted"
            )
        if self.bytes_after > GROWTH * self.bytes_before:
            grown = f"{self.bytes_before / MEGABYTE:.0f} to {self.bytes_after / MEGABYTE:.0f} MiB"
            found.append(f"the gateway's memory went from {grown} and stayed there")
        return found


def p99(seconds: Sequence[float]) -> float:
    """The value that one in a hundred exceeds."""
    ordered = sorted(seconds)
    return ordered[max(0, -(-len(ordered) * 99 // 100) - 1)]


class Arena:
    """What is attacked.

    Attributes:
        alone_p99_s: what the good client's calls take when nobody attacks.
        log: the gateway's log.
    """

    def __init__(
        self, gateway: asyncio.subprocess.Process, good: asyncio.subprocess.Process, port: int, log: Path
    ) -> None:
        self._gateway = gateway
        self._good = good
        self.target = Target(port)
        self.log = log
        self.alone_p99_s = 0.0

    @property
    def is_alive(self) -> bool:
        return self._gateway.returncode is None

    def memory(self) -> int:
        """The bytes of the gateway that are in memory."""
        return int(Path(f"/proc/{self._gateway.pid}/statm").read_text().split()[1]) * PAGE

    async def measured(self, seconds: float) -> dict[str, Any]:
        """What the good client saw in so many seconds."""
        assert self._good.stdin is not None
        assert self._good.stdout is not None
        self._good.stdin.write(b"%f\n" % seconds)
        measured: dict[str, Any] = json.loads(await self._good.stdout.readline())
        return measured

    async def warm_up(self, seconds: float) -> None:
        """Measure the good client alone."""
        await self.measured(seconds / 2)
        alone = await self.measured(seconds)
        assert not alone["errors"], alone["errors"]
        self.alone_p99_s = p99(alone["rest"] + alone["websocket"])

    async def outcome(self, what: Attack, seconds: float, settles: bool = True) -> Outcome:
        """Attack, and measure the good client meanwhile; then wait until the memory has come down, if it shall."""
        before = most = self.memory()
        measuring = asyncio.ensure_future(self.measured(seconds))
        begun = await attack(what, self.target, seconds)
        most = max(most, self.memory()) if self.is_alive else most
        measured = await measuring
        after = await self._settled(before) if settles and self.is_alive else most
        took = measured["rest"] + measured["websocket"] or [float("inf")]
        errors = list(measured["errors"])
        if not self.is_alive:
            errors.append(f"the gateway died: {self.log.read_text()[-2000:]}")
        return Outcome(what, begun, p99(took), max(took), tuple(errors), before, most, after)

    async def _settled(self, before: int) -> int:
        until = time.monotonic() + SETTLE_S
        while self.is_alive and self.memory() > GROWTH * before and time.monotonic() < until:
            await asyncio.sleep(0.2)
        return self.memory() if self.is_alive else 0


@asynccontextmanager
async def process(*arguments: str, stderr: Any = None) -> AsyncIterator[asyncio.subprocess.Process]:
    """A Python process that is killed at the end."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, limit=2**24,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=stderr,
    )  # fmt: skip
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def line_of(child: asyncio.subprocess.Process) -> str:
    assert child.stdout is not None
    line = await child.stdout.readline()
    assert line, "a process ended before it was ready"
    return line.decode().strip()


@asynccontextmanager
async def arena(folder: Path, limits: str = "") -> AsyncIterator[Arena]:
    """Start what is attacked; ``limits`` is more of the gateway's configuration."""
    log = folder / "gateway.log"
    async with AsyncExitStack() as stack:
        # The good client has a service of its own: how long one works on what an attacker asks of it is its own affair.
        victim, other = [
            await stack.enter_async_context(process("-m", "tests.attacks.victim_service")) for _ in range(2)
        ]
        config = folder / "gateway.toml"
        schema = HERE / "victim.capnp"
        endpoints = {"victim": await line_of(victim), "other": await line_of(other)}
        config.write_text(CONFIG.format(schema=schema, **endpoints) + limits, "utf-8")
        stderr = stack.enter_context(log.open("w"))
        gateway = await stack.enter_async_context(
            process("-m", "gateway", "serve", "--config", str(config), stderr=stderr)
        )
        port = int((await line_of(gateway)).rsplit(":", 1)[1].rstrip("/"))
        good = await stack.enter_async_context(process("-m", "tests.attacks.good_client", str(port)))
        yield Arena(gateway, good, port, log)

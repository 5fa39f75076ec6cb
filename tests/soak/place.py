"""A gateway with two services: one that goes on, and one of two endpoints of which one is killed again and again."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from tests.attacks.arena import PAGE, line_of, process
from tests.attacks.wire import Target
from tests.soak.observations import TABLES

INTEGRATION: Final = Path(__file__).resolve().parents[1] / "integration"
DOWN_S: Final = 0.5
RESUME_S: Final = 4
IDLE_S: Final = 4
CONFIG: Final = """\
[gateway]
listen = "127.0.0.1:0"

[gateway.limits]
resume_window_s = {resume_s}
idle_session_s = {idle_s}
provisional_session_s = 1

[services.steady]
schema = "counting.capnp"
interface = "Counting"
endpoint = "{steady}"
peer = "counting"
timeout = {timeout_s}

{passing}
[services.failing]
schema = "counting.capnp"
interface = "Counting"
endpoint = ["{first}", "{second}"]
peer = "counting"
"""


PASSING: Final = """\
[services.passing]
schema = "counting.capnp"
interface = "Counting"
endpoint = "{steady}"
peer = "counting"
"""
"""A service that every other configuration has, so that its connection comes and goes."""


class Place:
    """What runs. The schema and the configuration are files that a reload reads."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._heard = stack.enter_context((folder / "services.log").open("w"))
        self._endpoints: dict[str, str] = {}
        self._killed: Any = None
        self._reloads = 0
        self.gateway: Any = None
        self.target = Target(0)
        self.log = folder / "gateway.log"

    async def start(self) -> None:
        for name in ("steady", "first", "second"):
            service = await self._service("tcp://127.0.0.1:*")
            self._endpoints[name] = await line_of(service)
        self._killed = service
        self._write(grown=False)
        stderr = self._stack.enter_context(self.log.open("w"))
        self.gateway = await self._stack.enter_async_context(
            process("-m", "gateway", "serve", "--config", str(self._folder / "gateway.toml"), stderr=stderr)
        )
        self.target.port = int((await line_of(self.gateway)).rsplit(":", 1)[1].rstrip("/"))

    async def _service(self, endpoint: str) -> Any:
        return await self._stack.enter_async_context(
            process(
                str(INTEGRATION / "counting_service.py"), endpoint, str(self._folder / "count.txt"), stderr=self._heard
            )
        )

    def _write(self, *, grown: bool) -> None:
        schema = (INTEGRATION / "counting.capnp").read_text("utf-8")
        if grown:
            schema = re.sub(r"\n  sum @\d+ ", lambda found: f"\n  more @99 () -> ();{found[0]}", schema)
            numbers = [int(number) for number in re.findall(r"^  \w+ @(\d+) \(", schema, re.MULTILINE)]
            schema = schema.replace("@99", f"@{sorted(numbers)[-2] + 1}")
        (self._folder / "counting.capnp").write_text(schema, "utf-8")
        passing = PASSING.format(**self._endpoints) if grown else ""
        settings = {"resume_s": RESUME_S, "idle_s": IDLE_S, "timeout_s": 20 + grown, "passing": passing}
        (self._folder / "gateway.toml").write_text(CONFIG.format(**self._endpoints, **settings), "utf-8")

    async def kill(self) -> None:
        """Kill one endpoint's process, and start another one there."""
        self._killed.kill()
        await self._killed.wait()
        await asyncio.sleep(DOWN_S)
        self._killed = await self._service(self._endpoints["second"])
        await line_of(self._killed)

    async def reload(self) -> None:
        """Have the gateway read its files again, in which something has changed."""
        self._reloads += 1
        self._write(grown=self._reloads % 2 == 1)
        self.gateway.send_signal(signal.SIGHUP)

    @property
    def is_alive(self) -> bool:
        return self.gateway.returncode is None

    @property
    def resident_bytes(self) -> int:
        return int(Path(f"/proc/{self.gateway.pid}/statm").read_text("ascii").split()[1]) * PAGE

    @property
    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.gateway.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def tables(self) -> dict[str, int]:
        """The gauges of the metrics."""
        async with self.target.connection() as connection:
            await connection.send(self.target.request("GET", "/metrics"))
            text = (await connection.answer()).decode()
        found: Counter[str] = Counter()
        for name, value in re.findall(r"^cara_gateway_(\w+) (\d+)(?:\.0)?$", text, re.MULTILINE):
            found[name] = int(value)
        missing = [table for table in TABLES if table not in found]
        assert not missing, f"the metrics have no {missing}"
        return {table: found[table] for table in TABLES}


@asynccontextmanager
async def place(folder: Path) -> AsyncIterator[Place]:
    """Start it, and end it."""
    async with AsyncExitStack() as stack:
        made = Place(folder, stack)
        await made.start()
        yield made

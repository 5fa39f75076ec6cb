"""Bridges and gateways in front of the services of examples/native."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import cara_pseud
from cara_pseud.schema.loader import compile_schema
from cara_pseud.schema.nodes import Kind, Schema, Type
from gateway.bridge.service import Bridge, ServedAs
from tests.integration.conftest import Process, Start, Web
from tests.native.services import SCHEMAS, NativeService

TRIALS = SCHEMAS / "trials.capnp"
WAIT_S = 10.0


def bridge_to(endpoint: str, bind: str, schema: Schema, interface: str, up: asyncio.Event) -> Bridge:
    node = schema.find(interface)
    assert node is not None
    return Bridge(schema, Type(Kind.INTERFACE, node.id), endpoint, ServedAs(bind=bind), lambda _: up.set())


@cache
def loaded(schema: Path) -> tuple[Schema, Any]:
    """A schema that many tests need, compiled once; and as a module."""
    return compile_schema([schema]), cara_pseud.load(schema)


@asynccontextmanager
async def bridged(
    endpoint: str, folder: Path, schema: Path = TRIALS, interface: str = "Trials"
) -> AsyncIterator[tuple[Any, Any, Bridge]]:
    """A bridge in this loop and a client of it: the schema's module, a proxy of the service, and the bridge."""
    up, bind = asyncio.Event(), f"ipc://{folder / 'bridge'}"
    compiled, module = loaded(schema)
    bridge = bridge_to(endpoint, bind, compiled, interface, up)
    serving = asyncio.create_task(bridge.run())
    client = cara_pseud.Client("server", timeout=WAIT_S)
    try:
        async with asyncio.timeout(WAIT_S):
            await up.wait()
        client.connect(bind)
        async with client:
            yield module, getattr(module, interface)(client), bridge
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


SERVICE = """
[services.{name}]
protocol = "capnp"
schema = "{schema}"
interface = "{interface}"
endpoint = "{endpoint}"
"""


def native(name: str, endpoint: str, schema: Path = TRIALS, interface: str = "Trials") -> str:
    """A service's part of a configuration."""
    return SERVICE.format(name=name, schema=schema, interface=interface, endpoint=endpoint)


@contextmanager
def gateway_of(folder: Path, *services: str) -> Iterator[tuple[Process, Web, Start]]:
    """A gateway that is up, and all its services."""
    with ExitStack() as stack:
        start = Start(folder, stack)
        process, web = start.gateway("".join(services))
        until = time.monotonic() + WAIT_S
        while web.get("/readyz").status != 200:
            assert time.monotonic() < until, process.log.read_text()
            time.sleep(0.05)
        yield process, web, start


def census(web: Web, name: str = "abacus") -> dict[str, int]:
    """What the service counts."""
    return {key: int(count) for key, count in web.post(f"/api/{name}/census").json["census"].items()}


def trials(name: str, service: NativeService) -> str:
    return native(name, service.endpoint)

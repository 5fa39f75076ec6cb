"""Services that flood, reset and answer with more than anybody can read: the gateway and its other services go on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgpack

from tests.cara_pseud.hostile import heavy, zmtp
from tests.cara_pseud.hostile.zmtp import Raw, RawServer

if TYPE_CHECKING:
    from tests.integration.conftest import Process, Start, Web

SCHEMA = Path(__file__).with_name("counting.capnp")
SERVICE = """
[services.{name}]
schema = "{schema}"
interface = "Counting"
endpoint = "{endpoint}"
peer = "counting"
timeout = 5
"""


def gateway(start: Start, bad: RawServer) -> tuple[Process, Web]:
    _, endpoint = start.counting()
    services = {"good": endpoint, "bad": bad.endpoint}
    return start.gateway(
        "".join(SERVICE.format(name=name, schema=SCHEMA, endpoint=at) for name, at in services.items())
    )


def goes_on(process: Process, web: Web, seconds: float) -> None:
    """For so long the other service answers, and without long waits."""
    until = time.monotonic() + seconds
    durations: list[float] = []
    while time.monotonic() < until:
        begun = time.monotonic()
        assert web.post("/api/good/count").status == 200
        assert web.get("/healthz").status == 200
        durations.append(time.monotonic() - begun)
    assert len(durations) > 10
    assert sorted(durations)[int(len(durations) * 0.9)] < 0.5, sorted(durations)[-20:]
    assert max(durations) < 3
    assert process.popen.poll() is None


def test_a_service_that_floods_the_gateway_and_resets_the_connection(
    start: Start, eventually: Callable[..., None]
) -> None:
    answer = zmtp.message(b"", b"v1", os.urandom(16), b"\x01", msgpack.packb("x" * 100))
    batch = zmtp.batch(*[(os.urandom(16), b"\x01", b"\x07") for _ in range(200)])
    calls = zmtp.batch(*[(os.urandom(16), b"\x03", zmtp.body("no.such.method")) for _ in range(100)])
    flood = (answer * 500 + batch * 20 + calls * 10) * 10

    def handle(raw: Raw) -> None:
        zmtp.answer_greeting(raw)
        raw.flood(flood, 0.3)
        raw.reset()

    with RawServer(handle, b"counting") as bad:
        process, web = gateway(start, bad)
        goes_on(process, web, 4)
        eventually(lambda: bad.connections >= 3, 20)
        resident = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
        assert resident < 300 * 2**20


def test_a_service_whose_answers_are_more_than_anybody_can_read(start: Start) -> None:
    values = list(heavy.VALUES.values())
    answered: list[bytes] = []

    def handle(raw: Raw) -> None:
        zmtp.answer_greeting(raw)
        while True:
            for uid, kind, content in raw.messages():
                if kind == b"\x03" and b"count" in content:
                    answer = values[len(answered) % len(values)]
                    answered.append(uid)
                    raw.connection.sendall(zmtp.message(b"", b"v1", uid, b"\x01", answer))

    with RawServer(handle, b"counting") as bad:
        process, web = gateway(start, bad)
        for _ in values:
            answer = web.post("/api/bad/count")
            assert answer.status >= 400, answer
            assert len(answer.data) < 2000
            goes_on_once(web)
        assert len(answered) == len(values)
        assert bad.connections == 1
        assert process.popen.poll() is None


def goes_on_once(web: Web) -> None:
    begun = time.monotonic()
    assert web.post("/api/good/count").status == 200
    assert time.monotonic() - begun < 1

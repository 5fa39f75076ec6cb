"""Metrics of a gateway with ten thousand methods and as many sessions, whose numbers hold nobody up."""

from __future__ import annotations

import asyncio
import gzip
import time
from typing import Any

import pytest

from gateway.config.limits import Limits
from gateway.http.metric_families import FAMILIES
from tests.gateway.http.conftest import Built, Edge

pytestmark = pytest.mark.gen_test(timeout=60)

MANY = 10_000


@pytest.fixture
def limits() -> Limits:
    return Limits(max_sessions=MANY, max_sessions_per_address=MANY)


def test_names_say_their_kind_and_their_unit() -> None:
    for family in FAMILIES:
        assert family.help.endswith(".")
        assert not family.name.endswith("_total")
        if "seconds" in family.help.lower() or family.kind == "histogram":
            assert "seconds" in family.name


@pytest.mark.usefixtures("without_collector")
async def test_very_many_methods_and_sessions_stall_nobody(edge: Edge, built: Built, services: Any) -> None:
    site, service = built.application.site, services["calculator"]
    service.declares = lambda label: True
    for number in range(MANY):
        counts = service.counts.of("calculator", f"method{number}")
        counts.calls = counts.in_flight = 1
        counts.ended(0.003)
        counts.fail("aborted")
        site.sessions.open(address=f"10.0.{number % 200}.1")
    longest, is_read = 0.0, False  # by the CPU: what other processes take of it is nobody's stall

    async def measure() -> None:
        nonlocal longest
        while not is_read:
            began = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - began)

    measuring = asyncio.ensure_future(measure())
    asked = edge.asks("GET", "/metrics", None, {"Accept-Encoding": "gzip"})
    assert (await edge.get("/healthz")).code == 200
    assert not asked.done()  # others are served in between
    answer = await asked
    is_read = True
    await measuring
    assert longest < 0.1
    text = gzip.decompress(answer.body)
    assert len(answer.body) * 10 < len(text)
    assert text.count(b"cara_gateway_call_duration_seconds_bucket{") == MANY * 13
    assert f"cara_gateway_sessions {MANY}.0\n".encode() in text
    site.sessions.end_all("done")

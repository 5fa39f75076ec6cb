"""The text of metrics: which format, whole in pieces, and what it costs the loop when there are very many."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.samples import Exemplar, Sample

from gateway.metric_text import metric_text, wants_openmetrics

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "wants"),
    [
        (PROMETHEUS_2, True),
        (PROMETHEUS_3, True),
        ("application/openmetrics-text", True),
        ("Application/OpenMetrics-Text; Version=1.0.0", True),
        ("text/plain, application/openmetrics-text;q=0.9", False),
        ("text/plain;q=0.1, application/openmetrics-text", True),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=high", False),
        ("application/openmetrics-text;q=nan", False),
        ("application/json", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_the_format_is_the_one_that_is_liked_best(accept: str, wants: bool) -> None:
    assert wants_openmetrics(accept) is wants


class Large:
    """A metric of so many numbers in parts, and others around it."""

    def __init__(self, numbers: int, at_once: int) -> None:
        self._numbers = numbers
        self._at_once = at_once

    def collect(self) -> Iterator[Metric]:
        yield Metric("first", "With \\ and \n.", "gauge")
        for start in range(0, self._numbers, self._at_once):
            metric = Metric("large", "Large.", "counter")
            for number in range(start, min(start + self._at_once, self._numbers)):
                labels = {"name": f'# n{number} "\\\n'}
                example = Exemplar({"trace_id": "t"}, 1.0, 2.0)
                metric.samples.append(Sample("large_total", labels, number, None, example))
            yield metric
        last = Metric("last", "Last.", "gauge")
        last.add_sample("last", {}, 1.5)
        yield last


@pytest.mark.parametrize("is_openmetrics", [False, True])
def test_the_pieces_make_what_the_library_makes_of_the_whole(is_openmetrics: bool) -> None:
    def text(at_once: int) -> bytes:
        return b"".join(metric_text(Large(10, at_once), is_openmetrics=is_openmetrics))

    registry = CollectorRegistry()
    registry.register(Large(10, 10))  # type: ignore[arg-type]
    whole = generate_openmetrics(registry) if is_openmetrics else generate_latest(registry)
    assert text(3) == text(1) == text(10) == whole
    assert text(3).count(b"# TYPE large") == 1


@pytest.mark.usefixtures("without_collector")
def test_a_piece_takes_no_longer_than_its_part() -> None:
    pieces = metric_text(Large(50_000, 250), is_openmetrics=True)
    longest, made = 0.0, 0
    for _ in range(202):
        began = time.thread_time()
        next(pieces)
        longest, made = max(longest, time.thread_time() - began), made + 1
    assert longest < 0.05  # some 2 ms; with the whole at once it would be 300

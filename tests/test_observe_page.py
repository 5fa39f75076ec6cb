"""docs/observe.md describes every metric that there is, as it is, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import generate_latest

from gateway.http.metric_families import FAMILIES

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "observe.md").read_text("utf-8")


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`([^`]+)`", text))


def test_the_table_of_metrics_is_that_of_the_source() -> None:
    found = [(names(name), kind, names(labels)) for name, kind, labels, _, _ in rows(section("Metrics"))]
    assert found == [((family.full_name,), family.kind, family.labels) for family in FAMILIES]


def test_each_metric_has_a_meaning_and_numbers_of_time_their_unit() -> None:
    for name, _, _, unit, meaning in rows(section("Metrics")):
        assert len(meaning) > 10, name
        assert ("seconds" in name) == (unit == "seconds"), name


def test_the_metrics_of_the_process_are_named() -> None:
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    there_are = set(re.findall(r"# TYPE (\w+)", generate_latest(registry).decode()))
    told = {name for name in names(section("Metrics")) if name.startswith(("process_", "python_"))}
    assert told == there_are

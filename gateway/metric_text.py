"""Metrics as the text that Prometheus reads, made in pieces: with thousands of methods it takes a second of the loop.

Two formats: Prometheus's own, and OpenMetrics, which also has examples of traced calls beside the numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final, Protocol

from prometheus_client import exposition
from prometheus_client.core import Metric
from prometheus_client.openmetrics import exposition as openmetrics

PLAIN_TYPE: Final = exposition.CONTENT_TYPE_PLAIN_0_0_4
OPENMETRICS_TYPE: Final = openmetrics.CONTENT_TYPE_LATEST

_OPENMETRICS: Final = "application/openmetrics-text"
_PLAIN: Final = ("text/plain", "text/*", "*/*")
_END: Final = b"# EOF\n"


class Collected(Protocol):
    """What gives metrics; a registry does. A large one may come in parts, one behind the other under one name."""

    def collect(self) -> Iterable[Metric]:
        """The metrics at this moment; each is looked at when it is asked for."""


def wants_openmetrics(accept: str) -> bool:
    """Whether an ``Accept`` field has OpenMetrics before Prometheus's own format, which is for whoever says nothing."""
    best, is_best = 0.0, False
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        if name == _OPENMETRICS or name in _PLAIN:
            quality = _quality(parameters)
            if quality > best:
                best, is_best = quality, name == _OPENMETRICS
    return is_best


def _quality(parameters: Iterable[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0


def metric_text(collected: Collected, *, is_openmetrics: bool) -> Iterator[bytes]:
    """Yield the text of all metrics, piece by piece.

    A name takes a third of the time where the library is told that it need not look at each letter of it; ours have
    only letters that every version of Prometheus knows.
    """
    encode = openmetrics.generate_latest if is_openmetrics else exposition.generate_latest
    encode = partial(encode, escaping=openmetrics.ALLOWUTF8)
    name = ""
    for metric in collected.collect():
        piece = encode(_Alone(metric)).removesuffix(_END)
        yield _without_head(piece) if metric.name == name else piece
        name = metric.name
    if is_openmetrics:
        yield _END


def _without_head(piece: bytes) -> bytes:
    while piece.startswith(b"#"):
        piece = piece[piece.index(b"\n") + 1 :]
    return piece


class _Alone:
    def __init__(self, metric: Metric) -> None:
        self._metrics = (metric,)

    def collect(self) -> Iterable[Metric]:
        return self._metrics

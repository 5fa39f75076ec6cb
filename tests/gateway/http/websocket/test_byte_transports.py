"""Which path the bytes of WebSockets take. What both do is in tests/conformance."""

from __future__ import annotations

import pytest

from gateway.http.websocket.byte_transports import LoopTransports, StreamTransports, best_transports


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ((6, 3, 3, 0), StreamTransports),
        ((6, 4, 0, 0), LoopTransports),
        ((6, 6, 1, 0), LoopTransports),
        ((6, 7, 0, 0), StreamTransports),
        ((7, 0, 0, 0), StreamTransports),
    ],
)
def test_a_version_of_tornado_that_is_not_known_keeps_its_own_streams(
    version: tuple[int, ...], expected: type[object]
) -> None:
    assert type(best_transports(version)) is expected


def test_the_version_that_is_installed_is_known() -> None:
    assert type(best_transports()) is LoopTransports

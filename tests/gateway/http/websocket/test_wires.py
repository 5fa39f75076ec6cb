"""Which path the bytes of WebSockets take. What both do is in tests/conformance."""

from __future__ import annotations

import pytest

from gateway.http.websocket.wires import StreamWires, TransportWires, best_wires


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ((6, 3, 3, 0), StreamWires),
        ((6, 4, 0, 0), TransportWires),
        ((6, 6, 1, 0), TransportWires),
        ((6, 7, 0, 0), StreamWires),
        ((7, 0, 0, 0), StreamWires),
    ],
)
def test_a_version_of_tornado_that_is_not_known_keeps_its_own_streams(
    version: tuple[int, ...], expected: type[object]
) -> None:
    assert type(best_wires(version)) is expected


def test_the_version_that_is_installed_is_known() -> None:
    assert type(best_wires()) is TransportWires

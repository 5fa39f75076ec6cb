"""Where the service that somebody develops listens."""

from __future__ import annotations

import socket

from cara_pseud.running import ENDPOINT
from gateway.development.development import free_endpoint


def test_an_endpoint_that_is_taken_is_left_to_who_has_it() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        wanted = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        assert free_endpoint(wanted) != wanted
    assert free_endpoint(wanted) == wanted


def test_programs_that_are_told_nothing_may_have_their_usual_place() -> None:
    assert free_endpoint(None).startswith("tcp://127.0.0.1:")
    assert free_endpoint(None) != ENDPOINT

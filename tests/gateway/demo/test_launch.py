"""How the demo's gateway is configured, by where it listens."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.values import Listen, UnixListen
from gateway.demo.launch import DemoServices


@pytest.mark.parametrize(
    ("listen", "hosts", "exposes", "asks"),
    [
        (Listen("127.0.0.1", 0), (), True, None),
        (Listen("0.0.0.0", 0), ("*",), False, False),
        (UnixListen(Path("x")), (), False, False),
    ],
)
def test_who_shows_it_to_others_means_everybody_and_tells_them_no_exceptions(
    monkeypatch: pytest.MonkeyPatch,
    listen: Listen | UnixListen,
    hosts: tuple[str, ...],
    exposes: bool,
    asks: bool | None,
) -> None:
    said = iter(["calculator tcp://127.0.0.1:1", "addressbook tcp://127.0.0.1:2"])
    monkeypatch.setattr(DemoServices, "_line", lambda self: next(said))
    config = DemoServices().config(listen)
    assert (config.hosts, config.expose_errors) == (hosts, exposes)
    assert (None if config.auth is None else config.auth.required) is asks
    assert [service.endpoints for service in config.services] == [("tcp://127.0.0.1:1",), ("tcp://127.0.0.1:2",)]

"""Where a gateway is, as people write it."""

from __future__ import annotations

import pytest

from gateway.http.gateway_url import GatewayUrl, read_url


@pytest.mark.parametrize(
    ("text", "tls", "expected"),
    [
        ("localhost:8080", False, GatewayUrl("localhost:8080", False, "localhost", 8080)),
        ("localhost:8080", True, GatewayUrl("localhost:8080", True, "localhost", 8080)),
        ("[::1]:80", False, GatewayUrl("[::1]:80", False, "::1", 80)),
        ("http://a.example", False, GatewayUrl("http://a.example", False, "a.example", 80)),
        ("https://a.example", False, GatewayUrl("https://a.example", True, "a.example", 443)),
        ("https://a.example/gw/", True, GatewayUrl("https://a.example/gw/", True, "a.example", 443, "/gw")),
        ("a.example:1/gw", False, GatewayUrl("a.example:1/gw", False, "a.example", 1, "/gw")),
        ("unix:/run/g.sock", False, GatewayUrl("unix:/run/g.sock", False, "localhost", 0, socket="/run/g.sock")),
        # From the folder that the command is called in.
        ("unix:run/g.sock", False, GatewayUrl("unix:run/g.sock", False, "localhost", 0, socket="run/g.sock")),
        ("http+unix://%2Fg/gw", False, GatewayUrl("http+unix://%2Fg/gw", False, "localhost", 0, "/gw", "/g")),
        ("unix:///run/g.sock", False, GatewayUrl("unix:///run/g.sock", False, "localhost", 0, socket="/run/g.sock")),
    ],
)
def test_what_can_be_meant_is_read(text: str, tls: bool, expected: GatewayUrl) -> None:
    assert read_url(text, tls=tls) == expected


@pytest.mark.parametrize(
    "text",
    [
        "nowhere", "", "http://", "ftp://a:1", "a:b", "a:99999", "unix:", "unix:////g", "http://u:p@a", "http://a?b",
        "a:1#c", "http://[::1",
    ],
)  # fmt: skip
def test_what_is_no_place_is_refused_with_those_that_are(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix:/PATH, not"):
        read_url(text)


def test_options_for_tls_do_not_go_with_a_url_without_it() -> None:
    with pytest.raises(ValueError, match="options for TLS go with https://"):
        read_url("http://a:1", tls=True)

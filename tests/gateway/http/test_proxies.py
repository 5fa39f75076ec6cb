"""Who asks, by what trusted proxies say and others only claim."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.httputil import HTTPHeaders

from gateway.http.proxies import MAX_HOPS, UNIX, Downstream, Proxies
from gateway.path_prefix import path_prefix

PROXY, INNER, CLIENT, STRANGER = "10.0.0.1", "10.0.0.2", "203.0.113.5", "198.51.100.7"
PROXIES = Proxies(["10.0.0.0/8", "fd00::/8"], "/base")
DIRECT = Downstream(STRANGER, "http", "gw.example:8080", "/base", False)


def found(headers: Mapping[str, str], peer: str = PROXY, proxies: Proxies = PROXIES) -> Downstream:
    return proxies.downstream(peer, "http", "gw.example:8080", HTTPHeaders(headers))


EVERYTHING = {
    "X-Forwarded-For": CLIENT, "X-Forwarded-Proto": "https", "X-Forwarded-Host": "gw.example.org",
    "X-Forwarded-Prefix": "/gw", "Forwarded": f"for={CLIENT};proto=https;host=gw.example.org",
}  # fmt: skip


def test_others_than_proxies_are_not_believed() -> None:
    assert found(EVERYTHING, STRANGER) == DIRECT
    assert found(EVERYTHING, UNIX) == DIRECT._replace(address=UNIX)
    assert found(EVERYTHING, PROXY, Proxies()) == DIRECT._replace(address=PROXY, prefix="")
    assert found(EVERYTHING, "-") == DIRECT._replace(address="-")


def test_a_proxy_is_believed_in_everything() -> None:
    assert found(EVERYTHING) == Downstream(CLIENT, "https", "gw.example.org", "/gw", True)


def test_a_proxy_that_says_nothing_is_the_client() -> None:
    assert found({}) == Downstream(PROXY, "http", "gw.example:8080", "/base", True)


def test_whoever_may_use_our_unix_socket_can_be_a_proxy() -> None:
    assert found(EVERYTHING, UNIX, Proxies([UNIX])).address == CLIENT
    # nginx says it of a client of its own unix socket.
    assert found({"X-Forwarded-For": f"{CLIENT}, unix:"}, UNIX, Proxies([UNIX])).address == CLIENT
    assert found({"X-Forwarded-For": f"{CLIENT}, unix:"}).address == UNIX


@pytest.mark.parametrize(
    ("chain", "address"),
    [
        (CLIENT, CLIENT),
        (f"{STRANGER}, {CLIENT}", CLIENT),
        (f"{STRANGER},{CLIENT} ,{INNER}", CLIENT),
        (f"garbage, {CLIENT}", CLIENT),
        (f"10.9.9.9, {CLIENT}, {INNER}", CLIENT),
        (f"{INNER}, 10.0.0.3", INNER),
        (f"{CLIENT}:5678", CLIENT),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8:0::1]:443", "2001:db8::1"),
        (f"{CLIENT}, fd00::7", CLIENT),
        (f"::ffff:{CLIENT}", CLIENT),
        (f"{CLIENT}, ::ffff:{INNER}", CLIENT),
        (f", {CLIENT}, ,", CLIENT),
        # What cannot be read ends the walk, and the peer is the client.
        ("", PROXY), (",", PROXY), ("unknown", PROXY), (f"{CLIENT}, unknown", PROXY),
        (f"{CLIENT}, garbage, {INNER}", PROXY),
        ("1.2.3.4.5", PROXY), ("256.1.1.1", PROXY), ("fe80::1%eth0", PROXY), ("[::1", PROXY), ("1.2.3.4:x", PROXY),
        ("127.1", PROXY), ("x" * 70_000, PROXY), ('"203.0.113.5"', PROXY), ("203.0.113.5 evil", PROXY),
    ],
)  # fmt: skip
def test_the_client_is_the_rightmost_address_that_is_no_proxy(chain: str, address: str) -> None:
    assert found({"X-Forwarded-For": chain}).address == address


def test_a_long_list_is_looked_at_from_its_end_alone() -> None:
    assert found({"X-Forwarded-For": "x," * 10_000 + CLIENT}).address == CLIENT
    trusted = ["10.1.1.1", *[INNER] * (MAX_HOPS - 1)]
    assert found({"X-Forwarded-For": ",".join([CLIENT, *trusted[1:]])}).address == CLIENT
    assert found({"X-Forwarded-For": ",".join([CLIENT, *trusted])}).address == "10.1.1.1"


def test_lines_of_a_header_are_one_list() -> None:
    headers = HTTPHeaders()
    for line in (STRANGER, CLIENT, INNER):
        headers.add("X-Forwarded-For", line)
    assert PROXIES.downstream(PROXY, "http", "gw", headers).address == CLIENT


@pytest.mark.parametrize(
    ("chain", "protos", "scheme"),
    [
        (CLIENT, "https", "https"), (CLIENT, "HTTPS", "https"), (CLIENT, "wss", "https"), (CLIENT, "ws", "http"),
        (CLIENT, "http, https", "https"), (f"{CLIENT}, {INNER}", "https, http", "https"),
        (f"{CLIENT}, {INNER}", "ftp, https, http", "https"), (f"{CLIENT}, {INNER}", "https", "https"),
        (CLIENT, "ftp", "http"), (CLIENT, "", "http"), ("", "https", "https"), ("garbage", "http, https", "https"),
    ],
)  # fmt: skip
def test_the_scheme_is_the_one_that_the_client_used(chain: str, protos: str, scheme: str) -> None:
    assert found({"X-Forwarded-For": chain, "X-Forwarded-Proto": protos}).scheme == scheme


@pytest.mark.parametrize(
    ("hosts", "host"),
    [
        ("gw.example.org", "gw.example.org"), ("GW.example.org:8443", "GW.example.org:8443"), ("[::1]:80", "[::1]:80"),
        ("evil.example, gw.example.org", "gw.example.org"), ("a b", "gw.example:8080"), ("a/b", "gw.example:8080"),
        ("", "gw.example:8080"), ("x" * 300, "gw.example:8080"), ("a:b", "gw.example:8080"), ("ä", "gw.example:8080"),
    ],
)  # fmt: skip
def test_the_host_is_the_one_that_the_client_named(hosts: str, host: str) -> None:
    assert found({"X-Forwarded-Host": hosts}).host == host


@pytest.mark.parametrize(
    ("prefixes", "prefix"),
    [
        ("/gw", "/gw"), ("/gw/", "/gw"), ("/", ""), ("/evil, /gw", "/gw"), ("", "/base"), ("gw", "/base"),
        ("//evil.example", "/base"), ("/gw;Path=/", "/base"), ("/..", "/base"),
    ],
)  # fmt: skip
def test_the_prefix_is_the_one_that_was_taken_away(prefixes: str, prefix: str) -> None:
    assert found({"X-Forwarded-Prefix": prefixes}).prefix == prefix


@pytest.mark.parametrize(
    ("text", "address", "scheme", "host"),
    [
        (f"for={CLIENT};proto=https;host=gw.example.org", CLIENT, "https", "gw.example.org"),
        (f'For="{CLIENT}:47011";PROTO="https" ; Host="gw.example.org:8443"', CLIENT, "https", "gw.example.org:8443"),
        ('for="[2001:db8::1]:4711"', "2001:db8::1", "http", "gw.example:8080"),
        ('for="[2001:db8::1]"', "2001:db8::1", "http", "gw.example:8080"),
        (f"for={CLIENT}:80", CLIENT, "http", "gw.example:8080"),
        (f"for={STRANGER};proto=https, for={CLIENT}", CLIENT, "http", "gw.example:8080"),
        (f"for={CLIENT};proto=https, for={INNER};proto=http", CLIENT, "https", "gw.example:8080"),
        (f"by={PROXY};for={CLIENT};secret=x", CLIENT, "http", "gw.example:8080"),
        # An open quote of the client's does not swallow what the proxy added.
        (f'for="1.2.3.4, for={CLIENT};proto=https', CLIENT, "https", "gw.example:8080"),
        ("for=unknown;proto=https", PROXY, "https", "gw.example:8080"),
        ("for=_hidden", PROXY, "http", "gw.example:8080"),
        ("proto=https", PROXY, "https", "gw.example:8080"),
        (f"for={CLIENT};for={STRANGER}", PROXY, "http", "gw.example:8080"),
        (f"for={CLIENT};;proto=https", PROXY, "http", "gw.example:8080"),
        ("", PROXY, "http", "gw.example:8080"), ("=", PROXY, "http", "gw.example:8080"),
        ('for="', PROXY, "http", "gw.example:8080"), (f"for={CLIENT}, x", PROXY, "http", "gw.example:8080"),
    ],
)  # fmt: skip
def test_forwarded_says_it_by_elements(text: str, address: str, scheme: str, host: str) -> None:
    assert found({"Forwarded": text}) == Downstream(address, scheme, host, "/base", True)


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"])
def test_forwarded_is_not_looked_at_beside_one_of_the_others(name: str) -> None:
    value = {"X-Forwarded-For": STRANGER, "X-Forwarded-Proto": "http", "X-Forwarded-Host": "gw.example:8080"}[name]
    disagreeing = {name: value, "Forwarded": f"for={CLIENT};proto=https;host=evil.example"}
    assert found(disagreeing) == found({name: value})


HEADERS = ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Prefix", "Forwarded"]
TEXTS = st.text(st.characters(max_codepoint=255), max_size=60)
PIECES = st.lists(
    st.sampled_from([CLIENT, INNER, "::1", "[::1]:1", "for=", ";", ",", '"', "=", "proto=ws", UNIX, "%", "/gw", "\\"])
).map("".join)


@given(st.dictionaries(st.sampled_from(HEADERS), TEXTS | PIECES), st.sampled_from([PROXY, STRANGER, UNIX, "", "x"]))
def test_nothing_that_a_header_holds_is_an_error_or_gets_out_of_its_form(headers: dict[str, str], peer: str) -> None:
    address, scheme, host, prefix, is_proxied = PROXIES.downstream(peer, "http", "gw", headers)
    assert is_proxied is (peer == PROXY)
    assert scheme in ("http", "https")
    assert not set(address + host) & set(' \t\r\n;,"\\%')
    assert path_prefix(f"{prefix}/") == prefix

"""Which hosts and origins are let in."""

from __future__ import annotations

import pytest

from gateway.errors import GatewayError, Status
from gateway.http.origins import OriginPolicy

POLICY = OriginPolicy("192.0.2.1", ["api.example.org"], ["https://app.example.org"])


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "localhost:8080", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080", "[::1]", "192.0.2.1:80",
        "api.example.org", "API.example.org.:443",
    ],
)  # fmt: skip
def test_a_host_of_ours_is_let_in(host: str) -> None:
    POLICY.check_host(host)


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "localhost.evil.example", "evil.example:8080", "[::2]", "127.0.0.2", "api.example.org@evil"],
)
def test_a_foreign_host_is_misdirected(host: str) -> None:
    with pytest.raises(GatewayError) as raised:
        POLICY.check_host(host)
    assert raised.value.status is Status.MISDIRECTED


def test_an_address_of_ipv6_is_its_own_host() -> None:
    for text in ("[::2]:8080", "[::2]", "[0:0::2]"):
        OriginPolicy("::2", [], []).check_host(text)


def test_a_pattern_lets_in_the_names_below_it() -> None:
    policy = OriginPolicy(None, ["*.example.org"], [])
    policy.check_host("a.example.org:8443")
    policy.check_host("localhost")
    for host in ("example.org", "badexample.org", "a.example.org.evil.example", "192.0.2.1"):
        with pytest.raises(GatewayError, match="does not answer to the name"):
            policy.check_host(host)
    OriginPolicy(None, ["*"], []).check_host("whatever.example")


def test_a_probe_may_ask_by_any_address_but_by_no_name() -> None:
    for host in ("10.1.2.3:8080", "[fd00::1]:8080", "10.1.2.3"):
        POLICY.check_host(host, any_address=True)
        with pytest.raises(GatewayError):
            POLICY.check_host(host)
    for host in ("", "evil.example", "10.1.2.3.evil.example", "[evil]", "10.1.2.3@evil", "0x0a010203"):
        with pytest.raises(GatewayError):
            POLICY.check_host(host, any_address=True)


OWN = "localhost:8080"


@pytest.mark.parametrize(
    ("method", "upgrades", "headers"),
    [
        ("POST", False, {}),
        ("POST", False, {"Origin": "http://localhost:8080"}),
        ("POST", False, {"Origin": "https://localhost:8080"}),
        ("POST", False, {"Origin": "https://app.example.org"}),
        ("POST", False, {"Sec-Fetch-Site": "same-origin"}),
        ("POST", False, {"Sec-Fetch-Site": "none"}),
        ("GET", True, {"Origin": "http://localhost:8080"}),
        ("GET", True, {}),
        ("GET", False, {"Origin": "https://evil.example"}),
        ("HEAD", False, {"Sec-Fetch-Site": "cross-site"}),
        ("OPTIONS", False, {"Origin": "https://evil.example"}),
    ],
)
def test_what_may_be_asked(method: str, upgrades: bool, headers: dict[str, str]) -> None:
    POLICY.check_origin(method, upgrades, OWN, headers)


@pytest.mark.parametrize(
    ("method", "upgrades", "headers"),
    [
        ("POST", False, {"Origin": "https://evil.example"}),
        ("POST", False, {"Origin": "null"}),
        ("POST", False, {"Origin": ""}),
        ("POST", False, {"Origin": "http://localhost:9090"}),
        ("POST", False, {"Origin": "http://app.example.org"}),
        ("DELETE", False, {"Sec-Fetch-Site": "cross-site"}),
        ("PUT", False, {"Sec-Fetch-Site": "same-site"}),
        ("GET", True, {"Origin": "https://evil.example"}),
        ("GET", True, {"Sec-Fetch-Site": "cross-site"}),
        ("BREW", False, {"Origin": "https://evil.example"}),
    ],
)
def test_what_a_foreign_page_may_not_ask(method: str, upgrades: bool, headers: dict[str, str]) -> None:
    with pytest.raises(GatewayError) as raised:
        POLICY.check_origin(method, upgrades, OWN, headers)
    assert raised.value.status is Status.PERMISSION_DENIED


def test_a_page_is_ours_or_configured_or_refused_with_its_name() -> None:
    POLICY.check_page("http://localhost:8080", OWN)
    POLICY.check_page("https://app.example.org", OWN)
    with pytest.raises(GatewayError, match=r'"https://evil\.example"') as raised:
        POLICY.check_page("https://evil.example", OWN)
    assert raised.value.status is Status.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("https://app.example.org", True),
        ("https://APP.example.org", True),
        ("http://app.example.org", False),
        ("http://localhost:8080", False),
        ("null", False),
        ("", False),
    ],
)
def test_an_origin_is_configured_if_it_is_named(origin: str, expected: bool) -> None:
    assert POLICY.is_configured(origin) is expected


@pytest.mark.parametrize(
    ("origin", "host", "expected"),
    [
        ("https://gw.example", "gw.example", True),
        ("https://gw.example:8443", "gw.example", True),
        ("https://gw.example:8443", "GW.example.:443", True),
        ("https://[::1]:8443", "[0::1]", True),
        ("https://other.example:8443", "gw.example", False),
        ("https://gw.example.evil.example", "gw.example", False),
        ("https://evil@gw.example", "gw.example", False),
        ("ftp://gw.example", "gw.example", False),
        ("null", "gw.example", False),
    ],
)
def test_behind_a_proxy_that_drops_the_port_only_the_name_counts(origin: str, host: str, expected: bool) -> None:
    assert POLICY.permits(origin, host, any_port=True) is expected
    if expected and not POLICY.permits(origin, host):
        with pytest.raises(GatewayError, match="or trusted_proxies if a proxy"):
            POLICY.check_page(origin, host)
    assert not POLICY.permits("https://gw.example:8443", "gw.example")


@pytest.mark.parametrize(
    ("headers", "permitted"),
    [
        ({}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": f"http://{OWN}"}, True),
        ({"Origin": "https://app.example.org", "Sec-Fetch-Site": "cross-site"}, True),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
    ],
)
def test_who_may_read_where_it_matters_who_asks(headers: dict[str, str], permitted: bool) -> None:
    if permitted:
        POLICY.check_reader(OWN, headers)
    else:
        with pytest.raises(GatewayError) as raised:
            POLICY.check_reader(OWN, headers)
        assert raised.value.status is Status.PERMISSION_DENIED


def test_a_configured_origin_is_not_our_own() -> None:
    assert POLICY.is_own(f"http://{OWN}", OWN)
    assert not POLICY.is_own("https://app.example.org", OWN)
    assert POLICY.permits("https://app.example.org", OWN)

"""How names of hosts are compared, and which patterns there are."""

from __future__ import annotations

import pytest

from gateway.host_names import host_name, host_pattern, is_address, matches


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("example.org", "example.org"), ("Example.ORG.:443", "example.org"), ("localhost:", "localhost"),
        ("127.0.0.1:8080", "127.0.0.1"), ("[::1]:8080", "[::1]"), ("[0:0:0:0:0:0:0:1]", "[::1]"),
        ("[2001:DB8::1]", "[2001:db8::1]"), ("a_b:1", "a_b"),
        # None of these is a name.
        ("", ""), (":80", ""), ("a:b", ""), ("a:1:2", ""), ("[::1", ""), ("[::1]x", ""), ("[::1]:x", ""),
        ("[evil]", ""), ("::1", ""), ("[]", ""),
    ],
)  # fmt: skip
def test_a_name_is_compared_without_port_case_and_last_dot(host: str, name: str) -> None:
    assert host_name(host) == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("10.1.2.3", True), ("[fd00::1]", True), ("[::1]", True), ("0.0.0.0", True), ("", False), ("localhost", False),
        ("10.1.2.3.evil.example", False), ("10.1.2", False), ("0x0a010203", False), ("167838211", False),
        ("010.1.2.3", False), ("1", False),
    ],
)  # fmt: skip
def test_only_whole_addresses_are_addresses(name: str, expected: bool) -> None:
    assert is_address(name) is expected


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("API.example.org", "api.example.org"), ("example.org.", "example.org"), ("*", "*"),
        ("*.Example.org", "*.example.org"), ("[::1]", "[::1]"), ("::1", "[::1]"), ("[2001:DB8:0::1]", "[2001:db8::1]"),
        ("192.0.2.1", "192.0.2.1"), ("bücher.example", "xn--bcher-kva.example"), ("my_service", "my_service"),
        ("x", "x"),
    ],
)  # fmt: skip
def test_a_pattern_has_the_form_in_which_it_is_compared(text: str, pattern: str) -> None:
    assert host_pattern(text) == pattern


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("*example.org", r'a "\*" stands for all names'), ("api.*", r'a "\*" stands'), ("*.*", r'a "\*" stands'),
        ("**", r'a "\*" stands'), ("*.", "no name of a host"), ("a b", "no name of a host"), ("a/b", "no name of a"),
        ("example.org:80", "a scheme or a port"), ("https://example.org", "a scheme or a port"),
        ("[::1]:80", "a scheme or a port"), ("[1.2.3.4]", "no name of a host"), (".example.org", "no name of a host"),
        ("a..b", "no name of a host"), ("x" * 64, "no name of a host"), (".".join(["x" * 60] * 5), "no name"),
    ],
)  # fmt: skip
def test_what_would_match_nothing_is_no_pattern(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        host_pattern(text)


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("example.org", "example.org", True), ("example.org", "a.example.org", False),
        ("*.example.org", "a.example.org", True), ("*.example.org", "a.b.example.org", True),
        ("*.example.org", "example.org", False), ("*.example.org", "badexample.org", False),
        ("*.example.org", ".example.org", False), ("*.example.org", "a.example.org.evil.example", False),
        ("*", "evil.example", True), ("*", "[::1]", True), ("*", "", False), ("example.org", "", False),
    ],
)  # fmt: skip
def test_a_star_stands_for_whole_labels(pattern: str, name: str, expected: bool) -> None:
    assert matches(pattern, name) is expected

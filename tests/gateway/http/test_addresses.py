"""Who counts as one client."""

from __future__ import annotations

import pytest

from gateway.http.addresses import address_of_socket, counted


@pytest.mark.parametrize(
    ("ip", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("0.0.0.0", ""),
        ("", ""),
        ("nobody", ""),
    ],
)
def test_a_host_is_one_however_many_addresses_it_has(ip: str, expected: str) -> None:
    assert counted(ip) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [(("192.0.2.7", 4711), "192.0.2.7"), (("2001:db8::1", 4711, 0, 0), "2001:db8::/64"), ("", ""), (b"\0x", "")],
)
def test_a_unix_socket_has_no_address(address: object, expected: str) -> None:
    assert address_of_socket(address) == expected

"""Whom a trusted proxy names."""

from __future__ import annotations

import asyncio

import pytest

from gateway.access.credentials import Credentials
from gateway.access.proxied_users import MAX_GROUPS, ProxiedUsers
from gateway.config.proxy_headers import ProxyHeaders
from gateway.errors import GatewayError, Status

HEADERS = ProxyHeaders("X-Forwarded-User", "X-Forwarded-Groups")


def says(user: str, groups: str | None = None) -> tuple[str, Credentials]:
    headers = {"X-Forwarded-User": user} | ({} if groups is None else {"X-Forwarded-Groups": groups})
    return user, Credentials(headers, is_proxied=True)


def test_a_user_has_the_groups_as_roles() -> None:
    users = ProxiedUsers(HEADERS)
    alice = users.known(*says("alice", "staff, admin,,  all of us "))
    assert (alice.name, alice.roles) == ("proxy:alice", {"staff", "admin", "all of us"})
    assert users.known(*says("bob")).roles == frozenset()
    assert asyncio.run(users.authenticate(*says("alice", "staff"))) is alice


def test_without_a_header_for_them_nobody_has_roles() -> None:
    users = ProxiedUsers(ProxyHeaders("X-Forwarded-User"))
    assert users.known(*says("alice", "admin")).roles == frozenset()


def test_what_the_proxy_says_last_holds_for_all_that_the_user_has_open() -> None:
    users = ProxiedUsers(HEADERS)
    alice = users.known(*says("alice", "staff,admin"))
    assert users.known(*says("alice", "admin,staff")) is alice
    assert users.known(*says("alice", "staff")) is alice
    assert alice.roles == {"staff"}
    assert users.known(*says("alice")).roles == frozenset()


def test_names_are_utf_8() -> None:
    read_by_bytes = "Zoë".encode().decode("latin-1")
    assert ProxiedUsers(HEADERS).known(*says(read_by_bytes, read_by_bytes)).name == "proxy:Zoë"
    assert ProxiedUsers(HEADERS).known(*says(read_by_bytes, read_by_bytes)).roles == {"Zoë"}


@pytest.mark.parametrize(
    ("user", "groups", "detail"),
    [
        ("alice, mallory", "", "a proxy names one user"),
        ("alice,", "", "a proxy names one user"),
        ("a" * 257, "", "a proxy names one user, in up to 256 printable characters"),
        ("a\x7f", "", "a proxy names one user"),
        ("\xff", "", "what a proxy says of a user must be UTF-8"),
        ("alice", "\xff", "what a proxy says of a user must be UTF-8"),
        ("alice", ",".join(["a"] * (MAX_GROUPS + 1)), "a proxy names up to 1000 groups"),
        ("alice", "a" * 257, "a proxy names up to 1000 groups of up to 256 printable characters"),
    ],
)
def test_what_no_proxy_should_say_is_refused(user: str, groups: str, detail: str) -> None:
    with pytest.raises(GatewayError, match=detail) as raised:
        ProxiedUsers(HEADERS).known(*says(user, groups))
    assert raised.value.status is Status.UNAUTHENTICATED


def test_when_proxies_are_believed_no_more_their_users_are_removed() -> None:
    users = ProxiedUsers(HEADERS)
    alice = users.known(*says("alice"))
    assert users.close() == [alice]
    assert alice.is_removed

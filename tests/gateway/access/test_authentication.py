"""Who asks, as doors find out: without configuration or credentials, with good and bad ones, after a reload."""

from __future__ import annotations

import asyncio

import pytest

from gateway.access.authentication import Authentication
from gateway.access.credentials import Credentials
from gateway.access.principals import ANONYMOUS, Principal
from gateway.config.auth import AuthConfig
from gateway.config.key_file import KeyEntry, digest_of
from gateway.errors import GatewayError, Status

NOBODY = Credentials({})


def entry(name: str, *roles: str) -> KeyEntry:
    return KeyEntry(name, frozenset(roles), digest_of(f"cara_{name}"))


def by_key(name: str) -> Credentials:
    return Credentials({"X-Api-Key": f"cara_{name}"})


def of_keys(*entries: KeyEntry, required: bool = True) -> AuthConfig:
    return AuthConfig(required=required, keys=entries)


def test_without_configuration_everybody_is_anonymous_whatever_they_show() -> None:
    authentication = Authentication()
    assert not authentication.is_required
    for shown in (NOBODY, by_key("alice"), Credentials({"Authorization": "Bearer a.b.c"}), Credentials({}, token="x")):
        assert authentication.known(shown) is ANONYMOUS
        assert asyncio.run(authentication.authenticate(shown)) is ANONYMOUS


def test_a_key_is_known_at_once_however_it_comes() -> None:
    authentication = Authentication(of_keys(entry("alice", "admin")))
    assert authentication.is_required
    alice = authentication.known(by_key("alice"))
    assert alice is not None
    assert (alice.name, alice.roles) == ("key:alice", {"admin"})
    assert authentication.known(Credentials({"Authorization": "Bearer cara_alice"})) is alice
    assert authentication.known(Credentials({}, token="cara_alice")) is alice
    assert asyncio.run(authentication.authenticate(by_key("alice"))) is alice


@pytest.mark.parametrize(
    ("shown", "detail"),
    [
        (NOBODY, "this gateway has to know who asks, and the request has no credentials"),
        (by_key("mallory"), "the key is not known"),
        (Credentials({"Authorization": "Bearer a.b.c"}), "a JSON Web Token is no way to prove here who one is"),
        (Credentials({"Authorization": "Basic YTpi"}), "a name and password is no way to prove here who one is"),
        (Credentials({"Authorization": "Digest a"}), "a scheme that is not known is no way to prove here who one is"),
        # The token of a socket's first message counts, whatever its request had.
        (Credentials({"X-Api-Key": "cara_alice"}, token="cara_mallory"), "the key is not known"),
        # A bad one is not the next one's turn.
        (
            Credentials({"Authorization": "Basic YTpi", "X-Api-Key": "cara_alice"}),
            "a name and password is no way to prove here who one is",
        ),
        # Neither proxies nor certificates count unless they are configured.
        (
            Credentials({"X-Forwarded-User": "alice"}, is_proxied=True),
            "this gateway has to know who asks, and the request has no credentials",
        ),
    ],
)
def test_who_is_not_known_is_refused(shown: Credentials, detail: str) -> None:
    authentication = Authentication(of_keys(entry("alice")))
    for ask in (authentication.known, lambda shown: asyncio.run(authentication.authenticate(shown))):
        with pytest.raises(GatewayError) as raised:
            ask(shown)
        assert (raised.value.status, raised.value.detail) == (Status.UNAUTHENTICATED, detail)


def test_where_none_are_required_bad_credentials_are_refused_all_the_same() -> None:
    authentication = Authentication(of_keys(entry("alice"), required=False))
    assert not authentication.is_required
    assert authentication.known(NOBODY) is ANONYMOUS
    alice = authentication.known(by_key("alice"))
    assert alice is not None
    assert alice.name == "key:alice"
    for bad in (by_key("mallory"), Credentials({"Authorization": "Bearer a.b.c"})):
        with pytest.raises(GatewayError) as raised:
            authentication.known(bad)
        assert raised.value.status is Status.UNAUTHENTICATED


def test_a_reload_changes_roles_in_place_and_tells_of_the_removed() -> None:
    authentication = Authentication(of_keys(entry("alice", "admin"), entry("bob")))
    told: list[Principal] = []
    authentication.on_removed(told.append)
    alice, bob = authentication.known(by_key("alice")), authentication.known(by_key("bob"))
    assert alice is not None
    assert bob is not None
    authentication.reload(of_keys(entry("alice", "staff")))
    assert (alice.roles, alice.is_removed, bob.is_removed) == ({"staff"}, False, True)
    assert told == [bob]
    assert authentication.known(by_key("alice")) is alice
    with pytest.raises(GatewayError):
        authentication.known(by_key("bob"))


def test_when_the_removed_are_told_the_new_configuration_holds() -> None:
    authentication = Authentication(of_keys(entry("bob")))
    required: list[bool] = []
    authentication.on_removed(lambda _: required.append(authentication.is_required))
    authentication.reload(of_keys(entry("alice"), required=False))
    assert required == [False]


def test_authentication_may_be_turned_off_and_on_by_reloads() -> None:
    authentication = Authentication()
    authentication.reload(of_keys(entry("alice")))
    alice = authentication.known(by_key("alice"))
    assert alice is not None
    authentication.reload(None)
    assert alice.is_removed
    assert authentication.known(by_key("alice")) is ANONYMOUS


def test_bearer_is_the_challenge_where_nobody_can_type_a_password() -> None:
    assert Authentication(of_keys()).challenge({}) == 'Bearer realm="cara-gateway"'

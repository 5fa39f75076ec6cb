"""Which of several credentials counts, and what it is taken for."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.access.credentials import Certificate, Credentials
from gateway.access.presented import MAX_CREDENTIAL_CHARS, CredentialKind, presented
from gateway.errors import GatewayError, Status

PROXY = ("X-Forwarded-User", "X-Forwarded-Groups")
CERTIFICATE = Certificate("ops.example")


def of(headers: dict[str, str], **more: Any) -> tuple[CredentialKind, str]:
    return presented(Credentials(headers, **more), PROXY, certificates=True)


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, (CredentialKind.NOTHING, "")),
        ({"Authorization": "Bearer cara_abc"}, (CredentialKind.KEY, "cara_abc")),
        ({"Authorization": "bEARER   cara_abc"}, (CredentialKind.KEY, "cara_abc")),
        ({"Authorization": "Bearer a.b.c"}, (CredentialKind.WEB_TOKEN, "a.b.c")),
        ({"Authorization": "Bearer ."}, (CredentialKind.WEB_TOKEN, ".")),
        ({"Authorization": "Basic YTpi"}, (CredentialKind.PASSWORD, "YTpi")),
        ({"Authorization": "Digest username=a"}, (CredentialKind.OTHER, "")),
        ({"Authorization": "cara_abc"}, (CredentialKind.OTHER, "")),
        ({"Authorization": ""}, (CredentialKind.OTHER, "")),
        ({"Authorization": "Bearer"}, (CredentialKind.KEY, "")),
        ({"X-Api-Key": "cara_abc"}, (CredentialKind.KEY, "cara_abc")),
        # A key with a dot is none, but the header says what it is meant to be.
        ({"X-Api-Key": "a.b.c"}, (CredentialKind.KEY, "a.b.c")),
        ({"X-Api-Key": "cara_abc", "Authorization": "Basic YTpi"}, (CredentialKind.PASSWORD, "YTpi")),
    ],
)
def test_what_a_header_holds(headers: dict[str, str], found: tuple[CredentialKind, str]) -> None:
    assert of(headers) == found


def test_the_order_is_token_authorization_key_proxy_certificate() -> None:
    headers = {"Authorization": "Bearer a", "X-Api-Key": "b", "X-Forwarded-User": "c"}
    more: dict[str, Any] = {"is_proxied": True, "certificate": CERTIFICATE}
    assert of(headers, token="d.e.f", **more) == (CredentialKind.WEB_TOKEN, "d.e.f")
    assert of(headers, **more) == (CredentialKind.KEY, "a")
    del headers["Authorization"]
    assert of(headers, **more) == (CredentialKind.KEY, "b")
    del headers["X-Api-Key"]
    assert of(headers, **more) == (CredentialKind.PROXY, "c")
    del headers["X-Forwarded-User"]
    assert of(headers, **more) == (CredentialKind.CERTIFICATE, "")


def test_what_a_stranger_says_of_users_is_nothing() -> None:
    assert of({"X-Forwarded-User": "alice"}) == (CredentialKind.NOTHING, "")
    assert of({"X-Forwarded-User": "alice"}, certificate=CERTIFICATE) == (CredentialKind.CERTIFICATE, "")


def test_a_proxy_that_names_nobody_says_nothing() -> None:
    assert of({"X-Forwarded-User": ""}, is_proxied=True) == (CredentialKind.NOTHING, "")


def test_proxies_and_certificates_count_only_where_they_are_configured() -> None:
    shown = Credentials({"X-Forwarded-User": "alice"}, is_proxied=True, certificate=CERTIFICATE)
    assert presented(shown) == (CredentialKind.NOTHING, "")


@pytest.mark.parametrize("name", ["Authorization", "X-Api-Key", "X-Forwarded-User", "X-Forwarded-Groups"])
def test_a_header_of_identity_that_came_twice_is_refused(name: str) -> None:
    with pytest.raises(GatewayError, match=f"the header {name} came more than once") as raised:
        of({"Authorization": "Bearer a", name: "b, c"}, repeated={name, "Accept"}, is_proxied=True)
    assert raised.value.status is Status.UNAUTHENTICATED


def test_other_headers_may_come_twice() -> None:
    assert of({"Authorization": "Bearer a", "Accept": "a, b"}, repeated={"Accept"}) == (CredentialKind.KEY, "a")
    # Of a stranger they are nothing, however often they come.
    assert of({"X-Forwarded-User": "a, b"}, repeated={"X-Forwarded-User"}) == (CredentialKind.NOTHING, "")


@pytest.mark.parametrize(
    ("name", "scheme"), [("Authorization", "Bearer "), ("Authorization", "Basic "), ("X-Api-Key", "")]
)
def test_credentials_that_are_too_long_are_refused(name: str, scheme: str) -> None:
    fits = "a" * MAX_CREDENTIAL_CHARS
    assert of({name: scheme + fits})[1] == fits
    with pytest.raises(GatewayError, match="have 16385 characters, permitted are 16384") as raised:
        of({name: scheme + fits + "a"})
    assert raised.value.status is Status.UNAUTHENTICATED
    with pytest.raises(GatewayError, match="permitted are 16384"):
        of({}, token=fits + "a")


def test_a_repr_shows_no_secret() -> None:
    shown = repr(Credentials({"Authorization": "Bearer hush"}, token="hush", address="192.0.2.1"))
    assert "hush" not in shown
    assert "192.0.2.1" in shown

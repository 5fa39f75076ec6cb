"""Who asks, as doors find out: without configuration or credentials, with good and bad ones, after a reload."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from cara_pseud.logins import Verdict
from cara_pseud.password_entries import PasswordEntry, entry_of_nobody
from gateway.access.authentication import Authentication
from gateway.access.credentials import Authenticator, Certificate, Credentials
from gateway.access.gatekeeper import NOT_SHOWN, Gatekeeper
from gateway.access.principals import ANONYMOUS, Principal
from gateway.config.auth import AuthConfig
from gateway.config.file import ConfigError
from gateway.config.jwk_set import read_jwk_set
from gateway.config.jwt import JwtConfig
from gateway.config.key_file import KeyEntry, digest_of
from gateway.config.mtls import MtlsConfig
from gateway.config.proxy_headers import ProxyHeaders
from gateway.errors import GatewayError, Status
from tests.issuer import AUDIENCE, ISSUER, claims, jwks, public_jwk, token

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


class World:
    """Every password is right that is ``right``; the issuer publishes its keys; a plugin knows the scheme Ticket."""

    def __init__(self) -> None:
        self.passwords: Mapping[bytes, PasswordEntry] = {}
        self.fetched: list[str] = []
        self.plugins: list[str] = []

    async def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        return jwks(public_jwk("RSA", kid="k0"))

    def set_passwords(self, entries: Mapping[bytes, PasswordEntry]) -> None:
        self.passwords = entries

    def check_password(self, address: bytes, user: bytes, password: bytes, answer: Callable[[Verdict], None]) -> None:
        answer(Verdict.PERMITTED if user in self.passwords and password == b"right" else Verdict.REFUSED)

    def plugin(self, name: str) -> Authenticator:
        self.plugins.append(name)
        if name == "no:plugin":
            raise ConfigError("gateway.auth.plugin: it is none")
        return Tickets()

    def close(self) -> None:
        pass


class Tickets:
    async def authenticate(self, credentials: Credentials) -> Principal | None:
        text = credentials.headers.get("Authorization", "")
        if not text.startswith("Ticket "):
            return None
        if text == "Ticket used":
            raise GatewayError(Status.UNAUTHENTICATED, "the ticket is used")
        return Principal(f"ticket:{text.removeprefix('Ticket ')}")


PASSWORD = entry_of_nobody(b"salt", bytes(32))
JWT = JwtConfig(issuer=ISSUER, audience=(AUDIENCE,), url="https://id.example/jwks.json")
EVERYTHING = AuthConfig(
    keys=(entry("alice", "admin"),),
    passwords={b"bob": replace(PASSWORD, roles=frozenset({"staff"}))},
    plugin="tickets:office",
    jwt=JWT,
    proxy=ProxyHeaders("X-User", "X-Groups"),
    mtls=MtlsConfig({"ops.example": frozenset({"ops"})}),
)


def basic(user: str, password: str) -> Credentials:
    return Credentials({"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()})


def bearer(text: str) -> Credentials:
    return Credentials({"Authorization": f"Bearer {text}"})


SOON = time.time() + 3600
TOKEN = token(claims(exp=SOON, iat=None))
SHOWN: dict[str, Credentials] = {
    "key:alice": by_key("alice"),
    "basic:bob": basic("bob", "right"),
    f"jwt:{ISSUER}#17": bearer(TOKEN),
    "proxy:carol": Credentials({"X-User": "carol", "X-Groups": "staff"}, is_proxied=True),
    "cert:ops.example": Credentials({}, certificate=Certificate("ops.example")),
    "ticket:dave": Credentials({"Authorization": "Ticket dave"}),
}
ROLES = {"key:alice": {"admin"}, "basic:bob": {"staff"}, f"jwt:{ISSUER}#17": {"staff"}, "proxy:carol": {"staff"},
         "cert:ops.example": {"ops"}, "ticket:dave": set()}  # fmt: skip


async def found(authentication: Authentication, shown: Credentials) -> Principal:
    return authentication.known(shown) or await authentication.authenticate(shown)


def run(test: Callable[[Authentication, World], Any], config: AuthConfig | None = EVERYTHING) -> None:
    async def main() -> None:
        world = World()
        authentication = Authentication(config, world)
        try:
            await test(authentication, world)
        finally:
            authentication.close()

    asyncio.run(asyncio.wait_for(main(), 10))


def test_each_way_leads_to_its_own_kind_of_name() -> None:
    async def test(authentication: Authentication, world: World) -> None:
        for name, shown in SHOWN.items():
            principal = await found(authentication, shown)
            assert (principal.name, principal.roles) == (name, ROLES[name])
            assert await found(authentication, shown) is principal
        assert world.fetched == [JWT.url]

    run(test)


@pytest.mark.parametrize(
    "shown",
    [
        by_key("mallory"), basic("bob", "wrong"), basic("mallory", "right"), bearer(TOKEN[:-4] + "AAAA"),
        bearer(token(claims(exp=SOON, iat=None), number=1)), Credentials({"Authorization": "Ticket used"}),
        Credentials({"Authorization": "Digest x"}),
        Credentials({"X-User": "a, b"}, is_proxied=True),
        Credentials({}, certificate=Certificate("")),
    ],
)  # fmt: skip
def test_a_bad_one_is_refused_and_not_the_next_one_s_turn(shown: Credentials) -> None:
    async def test(authentication: Authentication, world: World) -> None:
        # Whatever else is shown that would be good.
        headers = {"X-User": "carol", **shown.headers}
        certificate = shown.certificate or Certificate("ops.example")
        both = replace(shown, headers=headers, is_proxied=shown.is_proxied, certificate=certificate)
        for bad in (shown, both) if shown.headers else (shown,):
            with pytest.raises(GatewayError) as raised:
                await found(authentication, bad)
            assert raised.value.status is Status.UNAUTHENTICATED
            assert raised.value.reason is None

    run(test)


def test_what_is_refused_is_counted_once_by_its_kind() -> None:
    bad = [
        (by_key("mallory"), "key"), (basic("bob", "wrong"), "basic"), (bearer(TOKEN[:-4] + "AAAA"), "jwt"),
        (Credentials({"X-User": "a, b"}, is_proxied=True), "proxy"),
        (Credentials({"X-Api-Key": "a, b"}, repeated=frozenset({"X-Api-Key"})), "unclear"),
        (Credentials({}, certificate=Certificate("")), "cert"),
        (Credentials({"Authorization": "Ticket used"}), "other"),
    ]  # fmt: skip

    async def test(authentication: Authentication, world: World) -> None:
        for shown, kind in bad:
            authentication.failures.counts.clear()
            with pytest.raises(GatewayError):
                await found(authentication, shown)
            assert authentication.failures.counts == {kind: 1}
        authentication.failures.counts.clear()
        for shown in SHOWN.values():
            await found(authentication, shown)
        with pytest.raises(GatewayError):  # who may be known by a cookie
            await found(authentication, NOBODY)
        assert authentication.failures.counts == {}

    run(test)


def test_an_untrusted_address_says_nothing_of_users() -> None:
    async def test(authentication: Authentication, world: World) -> None:
        with pytest.raises(GatewayError) as raised:
            await found(authentication, Credentials({"X-User": "carol", "X-Groups": "admin"}))
        assert (raised.value.status, raised.value.reason) == (Status.UNAUTHENTICATED, NOT_SHOWN)

    run(test)


def test_a_list_of_groups_that_came_twice_is_refused() -> None:
    async def test(authentication: Authentication, world: World) -> None:
        shown = Credentials({"X-User": "carol", "X-Groups": "admin, staff"}, is_proxied=True, repeated={"X-Groups"})
        with pytest.raises(GatewayError, match="the header X-Groups came more than once"):
            await found(authentication, shown)

    run(test)


def test_a_socket_s_token_may_be_a_key_or_a_web_token() -> None:
    async def test(authentication: Authentication, world: World) -> None:
        assert (await found(authentication, Credentials({}, token="cara_alice"))).name == "key:alice"
        assert (await found(authentication, Credentials({}, token=TOKEN))).name == f"jwt:{ISSUER}#17"

    run(test)


def test_only_what_needs_the_outside_is_waited_for() -> None:
    async def test(authentication: Authentication, world: World) -> None:
        waits = {name for name, shown in SHOWN.items() if authentication.known(shown) is None}
        assert waits == {"basic:bob", f"jwt:{ISSUER}#17", "ticket:dave"}
        for shown in SHOWN.values():
            await authentication.authenticate(shown)
        # A plugin is asked each time, as only it knows how long its word holds.
        assert {name for name, shown in SHOWN.items() if authentication.known(shown) is None} == {"ticket:dave"}

    run(test)


def test_a_plugin_may_know_who_shows_nothing_that_we_know() -> None:
    async def test(authentication: Authentication, world: World) -> None:
        assert authentication.known(NOBODY) is None
        with pytest.raises(GatewayError) as raised:
            await authentication.authenticate(NOBODY)
        assert raised.value.reason == NOT_SHOWN
        authentication.reload(replace(EVERYTHING, required=False))
        assert await authentication.authenticate(NOBODY) is ANONYMOUS

    run(test)


def test_the_same_configuration_again_changes_nothing() -> None:
    async def test(authentication: Authentication, world: World) -> None:
        told: list[Principal] = []
        authentication.on_removed(told.append)
        before = [await found(authentication, shown) for shown in SHOWN.values()]
        authentication.reload(replace(EVERYTHING))
        assert [await found(authentication, shown) for shown in SHOWN.values()] == before
        assert told == []
        assert (world.fetched, world.plugins) == ([JWT.url], ["tickets:office"])

    run(test)


@pytest.mark.parametrize(
    ("change", "gone"),
    [
        ({"keys": None}, "key:alice"),
        ({"passwords": None}, "basic:bob"),
        ({"passwords": {b"bob": replace(PASSWORD, digest=b"1" * 32)}}, "basic:bob"),
        ({"jwt": None}, f"jwt:{ISSUER}#17"),
        ({"jwt": replace(JWT, audience=("other",))}, f"jwt:{ISSUER}#17"),
        ({"jwt": replace(JWT, url=None, keys=read_jwk_set(jwks(public_jwk("RSA", 1))))}, f"jwt:{ISSUER}#17"),
        ({"proxy": None}, "proxy:carol"),
        ({"proxy": ProxyHeaders("X-Other")}, "proxy:carol"),
        ({"mtls": None}, "cert:ops.example"),
        ({"plugin": None}, "ticket:dave"),
        ({"plugin": "other:office"}, "ticket:dave"),
    ],
)
def test_a_way_that_a_reload_takes_away_removes_its_principals_alone(change: dict[str, Any], gone: str) -> None:
    async def test(authentication: Authentication, world: World) -> None:
        told: list[Principal] = []
        authentication.on_removed(told.append)
        before = [await found(authentication, shown) for shown in SHOWN.values()]
        authentication.reload(replace(EVERYTHING, **change))
        assert [principal.name for principal in told] == [gone]
        assert [principal.name for principal in before if principal.is_removed] == [gone]

    run(test)


def test_a_plugin_that_cannot_be_used_changes_nothing() -> None:
    async def test(authentication: Authentication, world: World) -> None:
        alice = await found(authentication, by_key("alice"))
        with pytest.raises(ConfigError):
            authentication.reload(AuthConfig(plugin="no:plugin", keys=()))
        assert await found(authentication, by_key("alice")) is alice
        assert not alice.is_removed

    run(test)


BASIC = 'Basic realm="cara-gateway", charset="UTF-8"'
BEARER = 'Bearer realm="cara-gateway"'
BAD_TOKEN = f'{BEARER}, error="invalid_token"'


@pytest.mark.parametrize(
    ("config", "headers", "challenge"),
    [
        (EVERYTHING, {"Sec-Fetch-Mode": "navigate"}, BASIC),
        (EVERYTHING, {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}, BASIC),
        (EVERYTHING, {"Sec-Fetch-Mode": "cors"}, BEARER),
        (EVERYTHING, {"Sec-Fetch-Mode": "cors", "Accept": "text/html"}, BEARER),
        # Browsers send no Sec-Fetch-Mode over plain HTTP to other names than loopback.
        (EVERYTHING, {"Accept": "*/*"}, BEARER),
        (EVERYTHING, {}, BEARER),
        (EVERYTHING, {"Accept": "*/*", "Authorization": "bearer a.b.c"}, BAD_TOKEN),
        (EVERYTHING, {"Accept": "text/html", "Authorization": "Bearer key"}, f"{BAD_TOKEN}, {BASIC}"),
        (EVERYTHING, {"Accept": "text/html", "Authorization": "Basic key"}, BASIC),
        (replace(EVERYTHING, passwords=None), {"Accept": "text/html"}, BEARER),
        (EVERYTHING, {"Accept": "*/*", "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) …"}, BEARER),
        (EVERYTHING, {"Accept": "*/*", "User-Agent": "Wget/1.21.3"}, f"{BEARER}, {BASIC}"),
        (EVERYTHING, {"Authorization": "Bearer key", "User-Agent": "curl/7.88.1"}, f"{BAD_TOKEN}, {BASIC}"),
        (EVERYTHING, {"Sec-Fetch-Mode": "cors", "User-Agent": "node"}, BEARER),
        (replace(EVERYTHING, passwords=None), {"User-Agent": "Wget/1.21.3"}, BEARER),
    ],
)
def test_a_password_is_asked_for_of_who_opens_a_page_and_of_programs_where_there_are_some(
    config: AuthConfig, headers: dict[str, str], challenge: str
) -> None:
    async def test(authentication: Authentication, world: World) -> None:
        assert authentication.challenge(headers) == challenge

    run(test, config)


def test_an_issuer_s_keys_are_there_before_the_first_caller() -> None:
    async def test(authentication: Authentication, world: World) -> None:
        authentication.start()
        while authentication.known(bearer(TOKEN)) is None:
            await asyncio.sleep(0)
        assert world.fetched == [JWT.url]

    run(test)


def test_doors_can_have_it_as_their_gatekeeper() -> None:
    gatekeeper: Gatekeeper = Authentication()
    assert not gatekeeper.is_required

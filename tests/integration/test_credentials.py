"""Credentials at a real gateway, with a real issuer: who gets in, who does not, and what a good client beside sees."""

from __future__ import annotations

import base64
import http.client
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from cara_pseud.passwords import set_password
from gateway.access.issuer_keys import FETCH_S
from gateway.access.login_ration import FAILURES_AT_ONCE, SECONDS_EACH
from gateway.config.key_file import KeyEntry, digest_of
from tests.integration.conftest import HERE, WAIT_S, Answer, Process, Start
from tests.issuer import ISSUER, Publisher, claims, hang, jwks, public_jwk, publisher, text, token

KEY = "cara_the-key-of-alice"
PROXY = "127.0.0.2"
STRANGER = "127.0.0.3"
SOON = time.time() + 3600
SLOW_S = 1.0
"""Longer than a call of a good client takes, and shorter than anything that it could have to wait for."""


@dataclass
class Site:
    """A gateway and its issuer."""

    process: Process
    port: int
    issuer: Publisher

    def add(self, *headers: tuple[str, str], address: str = "127.0.0.1") -> Answer:
        """Make a call; headers as they are, so that one may come twice."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S, source_address=(address, 0))
        with closing(connection):
            connection.putrequest("POST", "/api/counting/add")
            for name, value in (("Content-Type", "application/json"), ("Content-Length", "3"), *headers):
                connection.putheader(name, value)
            connection.endheaders(b"[1]")
            answer = connection.getresponse()
            return Answer(
                answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
            )

    def good(self) -> None:
        """Be a client with a key, who notices nothing."""
        began = time.monotonic()
        answer = self.add(("X-API-Key", KEY))
        assert (answer.status, list(answer.json)) == (200, ["calls"])
        assert time.monotonic() - began < SLOW_S

    def refused(self, *headers: tuple[str, str], **more: Any) -> Answer:
        answer = self.add(*headers, **more)
        assert answer.status == 401, answer
        assert answer.code == "unauthenticated"
        assert "www-authenticate" in answer.headers
        self.good()
        return answer

    def logged(self) -> str:
        return self.process.log.read_text()


@contextmanager
def serving(start: Start, issuer: Publisher) -> Iterator[Site]:
    folder = start.folder
    _, endpoint = start.counting()
    keys = folder / "keys.txt"
    keys.write_text(KeyEntry("alice", frozenset({"staff"}), digest_of(KEY)).line())
    keys.chmod(0o600)
    set_password(folder / "passwd.txt", "bob", "the password of bob", ["staff"])
    process, web = start.gateway(f"""
[gateway]
trusted_proxies = ["{PROXY}"]
[gateway.auth]
keys = "keys.txt"
passwords = "passwd.txt"
[gateway.auth.jwt]
issuer = "{ISSUER}"
audience = "cara"
jwks = "{issuer.url}"
[gateway.auth.proxy]
user_header = "X-Forwarded-User"
roles_header = "X-Forwarded-Groups"
[services.counting]
schema = "{HERE}/counting.capnp"
interface = "Counting"
endpoint = "{endpoint}"
peer = "counting"
""")
    yield Site(process, web.port, issuer)


@pytest.fixture
def site(start: Start) -> Iterator[Site]:
    with publisher(text(jwks(public_jwk("RSA", kid="k0")))) as issuer, serving(start, issuer) as site:
        yield site


def bearer(value: str) -> tuple[str, str]:
    return "Authorization", f"Bearer {value}"


def basic(user: str, password: str) -> tuple[str, str]:
    return "Authorization", f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def good_token(**changes: Any) -> str:
    return token(claims(exp=SOON, iat=None, **changes))


def test_every_way_in_leads_in(site: Site) -> None:
    for headers in (
        [("X-API-Key", KEY)],
        [bearer(KEY)],
        [bearer(good_token())],
        [basic("bob", "the password of bob")],
    ):
        assert site.add(*headers).status == 200, headers
    assert site.add(("X-Forwarded-User", "carol"), address=PROXY).status == 200
    assert site.issuer.asked == ["/jwks.json"]


def test_whoever_is_nobody_stays_out_and_good_clients_notice_nothing(site: Site) -> None:
    assert site.refused().json["detail"].startswith("this gateway has to know who asks")
    for headers in (
        [("X-API-Key", "cara_guess")],
        [("X-API-Key", KEY[:-1])],
        [bearer("cara_guess")],
        [bearer(token(claims(exp=time.time() - 60, iat=None)))],
        [bearer(token(claims(exp=SOON, nbf=time.time() + 600, iat=None)))],
        [bearer(good_token(aud="others"))],
        [bearer(good_token(iss="https://evil.example"))],
        [bearer(token(claims(exp=SOON, iat=None), number=1))],
        [bearer("eyJhbGciOiJub25lIn0.eyJzdWIiOiIxNyJ9.")],
        [basic("bob", "wrong")],
        [basic("mallory", "the password of bob")],
        [("Authorization", "Digest x")],
        [("Authorization", "Basic ?")],
        # A good one behind a bad one.
        [("Authorization", "Bearer x"), ("X-API-Key", KEY)],
        # One header twice, even if both say the same.
        [("X-API-Key", KEY), ("X-API-Key", KEY)],
        [bearer(KEY), ("authorization", f"Bearer {KEY}")],
    ):
        site.refused(*headers)
    # Nothing was made for any of them, and none of what they showed is told to anybody.
    logged = site.logged()
    for secret in (KEY, "cara_guess", "the password of bob", "eyJ", digest_of(KEY).hex()):
        assert secret not in logged


def test_a_stranger_s_word_about_users_is_nothing(site: Site) -> None:
    claimed = [("X-Forwarded-User", "alice"), ("X-Forwarded-Groups", "admin")]
    for address in ("127.0.0.1", STRANGER):
        assert site.refused(*claimed, address=address).json["detail"].startswith("this gateway has to know who asks")
    assert site.add(*claimed, address=PROXY).status == 200
    # What a client put in front of the proxy's own is not taken for the proxy's.
    for name, value in claimed:
        site.refused(*claimed, (name, value), address=PROXY)


def test_made_up_key_ids_cost_one_fetch(site: Site) -> None:
    assert site.add(bearer(good_token())).status == 200
    for number in range(30):
        kid = f"../../etc/passwd{number}" if number % 2 else f"https://evil.example/{number}"
        site.refused(bearer(token(claims(exp=SOON, iat=None), headers={"kid": kid})))
    assert site.issuer.asked == ["/jwks.json"] * len(site.issuer.asked)
    # The one at the start, or that of the first token, counts for the pause.
    assert len(site.issuer.asked) == 1


def test_an_issuer_that_hangs_holds_only_those_whose_tokens_it_would_have_to_know(start: Start) -> None:
    with publisher(hang) as issuer, serving(start, issuer) as site:
        answers: list[Answer] = []
        began = time.monotonic()
        waiting = [threading.Thread(target=lambda: answers.append(site.add(bearer(good_token())))) for _ in range(20)]
        for thread in waiting:
            thread.start()
        while any(thread.is_alive() for thread in waiting):
            site.good()
        assert time.monotonic() - began < FETCH_S + 3
        assert {(answer.status, answer.code) for answer in answers} == {(503, "unavailable")}
        assert all(1 <= int(answer.headers["retry-after"]) <= 5 for answer in answers)
        assert len(issuer.asked) == 1
        assert "did not answer within 5 s" in site.logged()


@pytest.mark.parametrize(
    "answer",
    [
        text(b"<html>"), text(b" " * 300_000), text(b"", "500 No"),
        text(b"", "302 Found", "Location: http://127.0.0.1:1/"),
    ],
)  # fmt: skip
def test_an_issuer_that_fails_is_no_fault_of_its_tokens(start: Start, answer: Any) -> None:
    with publisher(answer) as issuer, serving(start, issuer) as site:
        for _ in range(5):
            refused = site.add(bearer(good_token()))
            assert (refused.status, refused.code) == (503, "unavailable")
            assert issuer.url not in refused.text
            site.good()
        assert len(issuer.asked) <= 2
        assert site.logged().count("the issuer's keys could not be fetched") == 1


def test_guesses_are_rationed_for_those_who_guess(site: Site) -> None:
    for number in range(FAILURES_AT_ONCE):
        site.refused(basic("bob", f"guess {number}"), address=STRANGER)
    late = site.add(basic("bob", "the password of bob"), address=STRANGER)
    assert (late.status, late.code) == (429, "resource_exhausted")
    assert 1 <= int(late.headers["retry-after"]) <= SECONDS_EACH
    assert json.loads(late.text)["retry_after"] == int(late.headers["retry-after"])
    site.good()
    # Bob is at home, and comes in; and at once the next time.
    assert site.add(basic("bob", "the password of bob")).status == 200
    began = time.monotonic()
    assert site.add(basic("bob", "the password of bob")).status == 200
    assert time.monotonic() - began < SLOW_S


@pytest.mark.parametrize(
    "command",
    [
        ("wget", "-q", "-O", "-", "--user=bob", "--password=the password of bob", "--post-data=[1]", "--header"),
        ("curl", "-s", "--anyauth", "-u", "bob:the password of bob", "-d", "[1]", "-H"),
    ],
    ids=["wget", "curl --anyauth"],
)
def test_a_program_that_shows_a_password_only_when_it_is_asked_is_asked(site: Site, command: tuple[str, ...]) -> None:
    url = f"http://127.0.0.1:{site.port}/api/counting/add"
    done = subprocess.run(
        [*command, "Content-Type: application/json", url], capture_output=True, text=True, timeout=WAIT_S, check=True
    )
    assert list(json.loads(done.stdout)) == ["calls"]


def test_a_browser_that_opens_a_page_is_asked_and_a_script_of_one_is_not(site: Site) -> None:
    assert site.add(("Accept", "text/html")).headers["www-authenticate"].startswith("Basic ")
    assert site.add(("Sec-Fetch-Mode", "navigate")).headers["www-authenticate"].startswith("Basic ")
    assert site.add(("Sec-Fetch-Mode", "cors")).headers["www-authenticate"].startswith("Bearer ")
    assert site.add().headers["www-authenticate"].startswith("Bearer ")

"""Real fetches of an issuer's keys, real checks of passwords, and real modules of somebody else's."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from cara_pseud.logins import Verdict
from cara_pseud.password_entries import entry_of_password
from gateway.access.credentials import Credentials
from gateway.access.outside import AuthOutside
from gateway.access.plugin import ForeignAuthenticator
from gateway.access.principals import Principal
from gateway.config.file import ConfigError
from gateway.config.jwk_set import MAX_SET_BYTES
from gateway.errors import GatewayError, Status
from tests.issuer import Answer, hang, jwks, public_jwk, publisher, text

ROOT = Path(__file__).resolve().parents[3]
KEYS = jwks(public_jwk("RSA", kid="a"))


def fetched(url: str) -> bytes:
    async def main() -> bytes:
        outside = AuthOutside()
        try:
            return await outside.fetch(url)
        finally:
            outside.close()

    return asyncio.run(asyncio.wait_for(main(), 10))


def refusal(url: str) -> str:
    with pytest.raises(ValueError, match=r"^http") as raised:
        fetched(url)
    return str(raised.value)


def test_keys_are_fetched_over_http() -> None:
    with publisher(text(KEYS)) as issuer:
        assert fetched(issuer.url) == KEYS
        assert issuer.asked == ["/jwks.json"]


async def _drip(writer: asyncio.StreamWriter) -> None:
    """Send a byte now and then, so that nothing but the whole takes too long."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def _endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
        await writer.drain()


async def _endless_head(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-More: " + b"a" * 8000 + b"\r\n")
        await writer.drain()


async def _garbage(writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x16\x03\x01\x02\x00\r\n\r\n")
    await writer.drain()


async def _nothing(writer: asyncio.StreamWriter) -> None:
    return


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (hang, "did not answer within 0.3 s"),
        (_drip, "did not answer within 0.3 s"),
        (_endless, "closed the connection, or sent more than 262144 bytes"),
        (_endless_head, "closed the connection, or sent more than 262144 bytes"),
        (_garbage, "closed the connection, or sent more than 262144 bytes"),
        (_nothing, "closed the connection, or sent more than 262144 bytes"),
        (text(b" " * (MAX_SET_BYTES + 1)), "closed the connection, or sent more than 262144 bytes"),
        (text(b"gone", "404 Not Found"), "answers with status 404"),
        (text(b"", "500 Internal Server Error"), "answers with status 500"),
    ],
)
def test_an_issuer_that_does_not_answer_as_it_should_is_given_up(
    answer: Answer, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.access.outside.FETCH_S", 0.3)
    with publisher(answer) as issuer:
        assert refusal(issuer.url) == f"{issuer.url} {reason}"


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent"])
def test_redirects_are_not_followed(status: str) -> None:
    with publisher(text(KEYS)) as elsewhere, publisher(text(b"", status, f"Location: {elsewhere.url}")) as issuer:
        assert "redirects, which is not followed" in refusal(issuer.url)
        assert elsewhere.asked == []


def test_an_issuer_that_is_not_there_is_told_of() -> None:
    assert "cannot be reached: " in refusal("http://127.0.0.1:1/jwks.json")
    assert "cannot be reached: " in refusal("http://nowhere.invalid/jwks.json")


def test_passwords_are_checked_on_threads() -> None:
    async def main() -> list[Verdict]:
        outside = AuthOutside()
        outside.set_passwords({b"alice": entry_of_password(b"hers", b"salt")})
        loop = asyncio.get_running_loop()
        verdicts = []
        for user, password in ((b"alice", b"hers"), (b"alice", b"wrong"), (b"bob", b"hers")):
            told: asyncio.Future[Verdict] = loop.create_future()
            outside.check_password(
                b"", user, password, lambda verdict, told=told: loop.call_soon_threadsafe(told.set_result, verdict)
            )
            verdicts.append(await asyncio.wait_for(told, 10))
        outside.set_passwords({})
        told = loop.create_future()
        outside.check_password(
            b"", b"alice", b"hers", lambda verdict: loop.call_soon_threadsafe(told.set_result, verdict)
        )
        verdicts.append(await asyncio.wait_for(told, 10))
        outside.close()
        return verdicts

    permitted, *refused = asyncio.run(main())
    assert permitted is Verdict.PERMITTED
    assert refused == [Verdict.REFUSED] * 3


LOOKED_FOR = "it is looked for among what is installed and in the folders of PYTHONPATH"
MODULE = """
class Tickets:
    async def authenticate(self, credentials):
        return None

made = Tickets()
not_callable = 17

def good():
    return made

def fails():
    raise RuntimeError("hush")

def ends():
    raise SystemExit("hush")

def gives_nothing():
    return None
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that can be imported."""
    folder = tmp_path / "ticket_office"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "tickets.py").write_text(MODULE)
    (folder / "broken.py").write_text("raise RuntimeError('hush')")
    (folder / "needy.py").write_text("import nowhere_to_be_found")
    (folder / "ends.py").write_text("raise SystemExit('hush')")
    monkeypatch.syspath_prepend(tmp_path)
    return "ticket_office.tickets"


def test_a_factory_gives_its_authenticator(module: str) -> None:
    made = AuthOutside().plugin(f"{module}:good")
    assert type(made).__name__ == "Tickets"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "nowhere_to_be_found:make",
            f"nowhere_to_be_found cannot be imported: No module named 'nowhere_to_be_found'; {LOOKED_FOR}",
        ),
        (
            "ticket_office.lost:make",
            f"ticket_office.lost cannot be imported: No module named 'ticket_office.lost'; {LOOKED_FOR}",
        ),
        ("ticket_office.needy:make", "ticket_office.needy cannot be imported: No module named 'nowhere_to_be_found'"),
        ("ticket_office.ends:make", "ticket_office.ends cannot be imported: it raised SystemExit"),
        ("ticket_office.broken:make", "ticket_office.broken cannot be imported: it raised RuntimeError"),
        ("ticket_office.tickets:missing", "ticket_office.tickets has no missing"),
        ("ticket_office.tickets:not_callable", "ticket_office.tickets is no function: not_callable"),
        ("ticket_office.tickets:fails", "ticket_office.tickets:fails() raised RuntimeError"),
        ("ticket_office.tickets:ends", "ticket_office.tickets:ends() raised SystemExit"),
        (
            "ticket_office.tickets:gives_nothing",
            "ticket_office.tickets:gives_nothing() gives a NoneType, expected an object with async "
            "authenticate(credentials)",
        ),
    ],
)
def test_one_that_cannot_be_used_is_complained_of(module: str, name: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        AuthOutside().plugin(name)
    assert raised.value.complaints == (f"gateway.auth.plugin: {said}",)


def test_the_plugin_of_the_documentation_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "security.md").read_text("utf-8")
    (listing,) = re.findall(r"```python\n(# tickets\.py.*?)```", page, re.DOTALL)
    (tmp_path / "tickets.py").write_text(listing)
    monkeypatch.syspath_prepend(tmp_path)
    foreign = ForeignAuthenticator(AuthOutside().plugin("tickets:office"), "tickets:office")

    async def asked(authorization: str) -> Principal | None:
        return await foreign.authenticate(Credentials({"Authorization": authorization}))

    guest = asyncio.run(asked("Ticket 17"))
    assert guest is not None
    assert (guest.name, guest.roles) == ("ticket:17", {"guest"})
    assert asyncio.run(asked("Bearer x")) is None
    with pytest.raises(GatewayError) as raised:
        asyncio.run(asked("Ticket 18"))
    assert raised.value.status is Status.UNAUTHENTICATED

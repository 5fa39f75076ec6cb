"""Hundreds of wrong logins at once, over real sockets: who knows a password gets in meanwhile, and few are checked."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq

import cara_pseud.password_entries
from cara_pseud.client import DOWN
from cara_pseud.logins import FAILURES_AT_ONCE, FAILURES_PER_S, Logins, Verdict
from cara_pseud.passwords import PasswordFile, set_password

WRONG = 400
# Less than a second mostly; the wrong ones alone take 25 s one after the other.
SOON_S = 3


def run(main: Any) -> None:
    asyncio.run(asyncio.wait_for(main, 30))


def guesses(users: str, count: int) -> Iterator[tuple[bytes, bytes]]:
    for _ in range(count):
        yield (b"ann" if users == "one user" else os.urandom(6).hex().encode()), os.urandom(6).hex().encode()


def plain_login(endpoint: str, user: bytes, password: bytes) -> socket.socket:
    """A connection that has shown a login by ZeroMQ's PLAIN and did not wait for what came of it."""
    sock = socket.create_connection(("127.0.0.1", int(endpoint.rpartition(":")[2])), 10)
    sock.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"PLAIN".ljust(20, b"\0") + bytes(32))
    while len(sock.recv(64, socket.MSG_PEEK)) < 64:
        """ZeroMQ's greeting comes in pieces."""
    hello = b"\x05HELLO" + bytes([len(user)]) + user + bytes([len(password)]) + password
    sock.sendall(bytes([4, len(hello)]) + hello)
    return sock


@pytest.fixture
def wrong_logins() -> Iterator[Callable[[str, str, int], None]]:
    """Shows wrong logins to a server, as many and of one or many users, over connections that stay."""
    sockets: list[socket.socket] = []

    def show(endpoint: str, users: str, count: int) -> None:
        sockets.extend(plain_login(endpoint, *login) for login in guesses(users, count))

    yield show
    for sock in sockets:
        sock.close()


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The passwords that were hashed."""
    hashed: list[bytes] = []
    real = cara_pseud.password_entries._scrypt

    def counted(password: bytes, *arguments: Any) -> bytes:
        hashed.append(password)
        return real(password, *arguments)

    monkeypatch.setattr(cara_pseud.password_entries, "_scrypt", counted)
    return hashed


@pytest.mark.parametrize("form", ["file", "function"])
@pytest.mark.parametrize("users", ["one user", "many users"])
def test_a_good_login_passes_among_hundreds_of_wrong_ones(
    serving: Any, connected: Any, wrong_logins: Any, tmp_path: Path, hashes: list[bytes], users: str, form: str
) -> None:
    set_password(tmp_path / "passwords", "ann", "secret")
    file = PasswordFile(tmp_path / "passwords")
    passwords = tmp_path / "passwords" if form == "file" else lambda user, password: file(user, password)

    async def main() -> None:
        async with serving(security_plugin="plain", passwords=passwords) as server:
            server.register_rpc(lambda: "pong", name="ping")
            hashes.clear()
            started = time.monotonic()
            wrong_logins(server.endpoint, users, WRONG)
            login: dict[str, Any] = {"security_plugin": "plain", "user_id": b"ann", "password": b"secret"}
            before = time.monotonic()
            async with connected(server.endpoint, timeout=20, **login) as client:
                assert await client.ping() == "pong"
            assert time.monotonic() - before < SOON_S
            bound = FAILURES_AT_ONCE + FAILURES_PER_S * (time.monotonic() - started) + 5
            assert len(hashes) <= bound < WRONG

    run(main())


def test_who_was_let_in_before_waits_for_nobody(
    serving: Any, connected: Any, wrong_logins: Any, tmp_path: Path, hashes: list[bytes]
) -> None:
    set_password(tmp_path / "passwords", "ann", "secret")

    async def main() -> None:
        async with serving(security_plugin="plain", passwords=tmp_path / "passwords") as server:
            server.register_rpc(lambda: "pong", name="ping")
            login: dict[str, Any] = {"security_plugin": "plain", "user_id": b"ann", "password": b"secret"}
            async with connected(server.endpoint, **login) as client:
                await client.ping()
            wrong_logins(server.endpoint, "one user", 50)
            async with connected(server.endpoint, **login) as client:
                await client.ping()
            assert hashes.count(b"secret") == 2, "once to write the file, once to check"
            set_password(tmp_path / "passwords", "ann", "another")
            async with connected(server.endpoint, timeout=20, **login) as client:
                with pytest.raises(cara_pseud.Unauthenticated):
                    await client.ping()

    run(main())


def test_a_client_that_has_to_come_again_was_not_refused(
    serving: Any, connected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []
    real = Logins.ask

    def busy_twice(self: Any, login: Any, asker: Any) -> Any:
        asked.append(login.user)
        return real(self, login, asker) if len(asked) > 2 else (Verdict.COME_AGAIN, [])

    monkeypatch.setattr(Logins, "ask", busy_twice)

    async def main() -> None:
        async with serving(security_plugin="plain", passwords=lambda user, password: True) as server:
            server.register_rpc(lambda: "pong", name="ping")
            login: dict[str, Any] = {"security_plugin": "plain", "user_id": b"ann", "password": b"secret"}
            states: list[str] = []
            before = time.monotonic()
            async with connected(server.endpoint, **login) as client:
                client.on_state(states.append)
                assert await client.ping() == "pong"
                assert DOWN not in states
            assert (asked, time.monotonic() - before < 2) == ([b"ann"] * 3, True)

    run(main())


@pytest.mark.parametrize("users", ["one user", "many users"])
def test_a_good_login_by_message_passes_among_hundreds_of_wrong_ones(
    serving: Any, connected: Any, raw_dealer: Any, tmp_path: Path, hashes: list[bytes], users: str
) -> None:
    set_password(tmp_path / "passwords", "ann", "secret")

    async def main() -> None:
        public, secret = zmq.curve_keypair()
        keys: dict[str, Any] = {"public_key": public, "secret_key": secret, "passwords": tmp_path / "passwords"}
        async with serving(security_plugin="untrusted_curve", **keys) as server:
            server.register_rpc(lambda: "pong", name="ping")
            hashes.clear()
            started = time.monotonic()
            own_public, own_secret = zmq.curve_keypair()
            options = {"curve_serverkey": public, "curve_publickey": own_public, "curve_secretkey": own_secret}
            dealers = [raw_dealer(server.endpoint, **options) for _ in range(10)]
            for number, guess in enumerate(guesses(users, WRONG)):
                frames = [b"", b"v1", number.to_bytes(16), b"\x02", msgpack.packb(guess)]
                dealers[number % len(dealers)].send_multipart(frames)
            while not hashes:
                await asyncio.sleep(0.002)
            before = time.monotonic()
            login: dict[str, Any] = {"peer_public_key": public, "user_id": b"ann", "password": b"secret"}
            async with connected(server.endpoint, security_plugin="untrusted_curve", timeout=20, **login) as client:
                assert await client.ping() == "pong"
            assert time.monotonic() - before < SOON_S
            assert len(hashes) <= FAILURES_AT_ONCE + FAILURES_PER_S * (time.monotonic() - started) + 5 < WRONG

    run(main())


def test_one_check_that_hangs_keeps_nobody_out(serving: Any, connected: Any) -> None:
    go_on = threading.Event()

    def check(user: bytes, password: bytes) -> bool:
        return user == b"ann" or go_on.wait(20)

    async def main() -> None:
        async with serving(security_plugin="plain", passwords=check) as server:
            server.register_rpc(lambda: "pong", name="ping")
            hanging = plain_login(server.endpoint, b"bob", b"x")
            login: dict[str, Any] = {"security_plugin": "plain", "user_id": b"ann", "password": b"secret"}
            async with connected(server.endpoint, **login) as client:
                assert await client.ping() == "pong"
            before = time.monotonic()
        assert time.monotonic() - before < 1, "stopping a server does not wait for a check"
        hanging.close()

    try:
        run(main())
    finally:
        go_on.set()

"""An issuer of JSON Web Tokens: it signs as a test wants, and publishes its keys over real HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import cache
from threading import Event, Thread
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt import PyJWS
from jwt.algorithms import get_default_algorithms

ISSUER = "https://id.example"
AUDIENCE = "cara"
NOW = 1_800_000_000.0
"""The time of tests whose clock stands."""


@cache
def private_key(kind: str, number: int = 0) -> Any:
    """A key pair, made once: RSA takes a while. ``number`` tells several of a kind from each other."""
    if kind == "EC":
        return ec.generate_private_key(ec.SECP256R1())
    if kind == "OKP":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, int(kind.removeprefix("RSA") or 2048))


ALGORITHMS = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}


def public_jwk(kind: str, number: int = 0, **members: Any) -> dict[str, Any]:
    """The public key as an issuer publishes it, with these members more; None takes one away."""
    algorithm = get_default_algorithms()[ALGORITHMS[kind.rstrip("0123456789")]]
    jwk: Any = algorithm.to_jwk(private_key(kind, number).public_key(), as_dict=True)
    return {name: value for name, value in {**jwk, **members}.items() if value is not None}


def jwks(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def claims(**changes: Any) -> dict[str, Any]:
    """What a good token says at NOW, with these changes; None takes a claim away."""
    told = {"iss": ISSUER, "aud": AUDIENCE, "sub": "17", "exp": NOW + 300, "iat": NOW, "roles": ["staff"]}
    return {name: value for name, value in {**told, **changes}.items() if value is not None}


def token(
    payload: dict[str, Any] | None = None, kind: str = "RSA", number: int = 0, *, key: Any = None,
    algorithm: str | None = None, headers: dict[str, Any] | None = None,
) -> str:  # fmt: skip
    """A signed token whose header names the key ``k0`` unless told otherwise."""
    # Not `jwt.encode`, which signs nothing that is odd.
    return PyJWS().encode(
        json.dumps(claims() if payload is None else payload).encode(),
        private_key(kind, number) if key is None else key,
        algorithm or ALGORITHMS[kind],
        {"kid": "k0", **(headers or {})},
    )


Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def text(body: bytes, status: str = "200 OK", *headers: str) -> Answer:
    """Answers with a body at once."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()

    return answer


async def hang(writer: asyncio.StreamWriter) -> None:
    """Do not answer."""
    await asyncio.sleep(60)


class Publisher:
    """A real HTTP server in a thread of its own.

    Attributes:
        answer: what it does with the next request.
        asked: the paths that were asked for.
        url: where the keys are.
    """

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.url = ""
        self.closes = asyncio.Event()
        self.loop: asyncio.AbstractEventLoop | None = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.asked.append(head.split(" ")[1])
            await self.answer(writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # The client had enough, which is what some tests want, or the test is over.
            return
        finally:
            writer.close()

    async def run(self, is_up: Event) -> None:
        self.loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"
        is_up.set()
        await self.closes.wait()
        server.close()


@contextmanager
def publisher(answer: Answer) -> Iterator[Publisher]:
    """Serve until the end of the block."""
    made, is_up = Publisher(answer), Event()
    thread = Thread(target=lambda: asyncio.run(made.run(is_up)), daemon=True)
    thread.start()
    assert is_up.wait(10)
    try:
        yield made
    finally:
        assert made.loop is not None
        made.loop.call_soon_threadsafe(made.closes.set)
        thread.join(10)

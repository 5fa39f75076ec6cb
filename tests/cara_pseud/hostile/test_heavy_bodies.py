"""Bodies that are cheap to send and dear to read: refused before anything is made of them, and others go on."""

from __future__ import annotations

import os

import msgpack

from tests.cara_pseud.hostile import children, heavy, zmtp
from tests.cara_pseud.hostile.children import compares_waits
from tests.cara_pseud.hostile.zmtp import Raw, RawServer

ROUNDS = 5


@compares_waits
def test_heavy_calls_are_refused_and_delay_nobody() -> None:
    with children.server() as (server, endpoint), zmtp.connect(endpoint) as raw:
        before = server.ask()["rss"]
        with children.undisturbed(endpoint):
            for what, value in heavy.VALUES.items():
                for _ in range(ROUNDS):
                    uid = os.urandom(16)
                    raw.connection.sendall(zmtp.call_of(heavy.as_call(value), uid))
                    kind, (name, text, _) = raw.answer_to(uid)
                    assert (kind, name) in [(b"\x10", "ProtocolError"), (b"\x10", "RpcError")], what
                    assert any(word in text for word in ("values", "capabilities", "keys of a map", "nested")), text
        said = server.ask()
        # ZeroMQ has read the whole frame before anybody is asked.
        assert said["rss"] < before + 64 * 2**20
        assert said["exports"] == 0


def test_heavy_calls_in_a_row_are_no_turn_of_the_loop_together() -> None:
    """Some are within the bounds, so they are read; nobody waits for all of them."""
    permitted = heavy.array_head(300_000) + b"\xa2ab" * 300_000
    with children.server() as (_, endpoint), children.good_client(endpoint) as good, zmtp.connect(endpoint) as raw:
        good.ask()
        for _ in range(40):
            raw.connection.sendall(zmtp.call_of(heavy.as_call(permitted), b"u" * 16))
        for _ in range(40):
            raw.answer_to(b"u" * 16)
        said = good.ask()
        assert said["failures"] == []
        assert said["max"] < 3, said


@compares_waits
def test_heavy_batches_are_refused_whole_and_delay_nobody() -> None:
    def array(length: int, of: bytes) -> bytes:
        return b"\xdc" + length.to_bytes(2, "big") + of * length

    bodies = [
        array(127, array(256, array(256, b"\x91\x00"))),
        array(256, array(256, array(256, b"\xa0"))),
        *heavy.VALUES.values(),
    ]
    with children.server() as (server, endpoint), zmtp.connect(endpoint) as raw:
        raw.greet()
        before = server.ask()["rss"]
        with children.undisturbed(endpoint):
            for body in bodies:
                raw.connection.sendall(zmtp.batch_of(body))
                assert raw.call("echo", 1) == 1
        said = server.ask()
        assert said["dropped"] == {"malformed batch": len(bodies)}
        assert said["rss"] < before + 64 * 2**20


def test_heavy_answers_are_refused_by_a_client() -> None:
    values = list(heavy.VALUES.values())
    answered: list[bytes] = []

    def serve(raw: Raw) -> None:
        zmtp.answer_greeting(raw)
        while True:
            for uid, _, content in raw.messages():
                if b"echo" not in content:
                    continue
                answer = msgpack.packb(1)
                if len(answered) < len(values):
                    answer = values[len(answered)]
                    answered.append(uid)
                raw.connection.sendall(zmtp.message(b"", b"v1", uid, b"\x01", answer))

    with RawServer(serve) as service, children.child("client", service.endpoint) as client:
        assert client.line() == "started"
        children.eventually(lambda: client.ask()["good"] > 20, 20)
        said = client.ask()
        assert (said["failed"], said["wrong"]) == (len(values), 0)
        assert service.connections == 1
        assert said["rss"] < 300 * 2**20

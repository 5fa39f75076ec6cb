"""A hundred thousand random and mutated messages in batches, while good clients work."""

from __future__ import annotations

import os
import random

import msgpack

from tests.cara_pseud.hostile import children, zmtp
from tests.cara_pseud.hostile.children import compares_waits

MESSAGES = int(os.environ.get("HOSTILE_MESSAGES", "100000"))
IN_ONE = 200
SEED = 20_261

BODIES = [
    *[zmtp.body("echo", value) for value in (None, 1, "text", b"data", [1, [2]], {"a": 1})],
    zmtp.body("give"),
    zmtp.body("slow", 0.01),
    zmtp.body("call", 7, 1, 0, (1,), {}),
    zmtp.body("echo", zmtp.capability(msgpack.packb((7, b"ann")))),
    zmtp.body("cara:call", {"deadline_ms": 5, "principal": "x", "roles": ["y"]}, "echo", (1,)),
    zmtp.body("cara:call", {}, "cara:call", ({}, "echo", (1,))),
    zmtp.body("cara:release", (1, 1), (2**64 - 1, -1), ("a", None)),
    zmtp.body("cara:cancel", b"u" * 16, 5, None),
    zmtp.body("cara:hello", {"version": 1}),
    zmtp.body("cara:hello", {"version": 2, "incarnation": b"j" * 16, "callback_timeout_s": -1}),
    zmtp.body("no.such.method"),
    msgpack.packb(("ValueError", "text", "cara-error:{}")),
    b"",
]
KINDS = [b"\x01", b"\x03", b"\x03", b"\x03", b"\x10"]


def hostile(chance: random.Random) -> tuple[bytes, bytes, bytes]:
    """A message that may stand in a batch, with whatever body."""
    body = bytearray(chance.choice(BODIES))
    for _ in range(chance.randrange(3)):
        mutation = chance.randrange(4)
        if mutation == 0 and body:
            body[chance.randrange(len(body))] = chance.randrange(256)
        elif mutation == 1 and body:
            del body[chance.randrange(len(body)) :]
        elif mutation == 2:
            body += chance.randbytes(chance.randrange(40))
        else:
            body = bytearray(chance.randbytes(chance.randrange(40)))
    uid = b"u" * 16 if chance.random() < 0.1 else chance.randbytes(16)
    return uid, chance.choice(KINDS), bytes(body)


def mutated(chance: random.Random, body: bytes) -> bytes:
    """A batch that most likely is none any more."""
    data = bytearray(body)
    for _ in range(chance.randrange(1, 4)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data[: chance.randrange(len(data))] if chance.random() < 0.3 else data)


@compares_waits
def test_no_reader_dies_and_nothing_good_is_lost() -> None:
    chance = random.Random(SEED)
    with children.server() as (server, endpoint), zmtp.connect(endpoint) as one, zmtp.connect(endpoint) as other:
        with children.undisturbed(endpoint):
            for raw in (one, other):
                raw.greet()
                raw.read_and_forget()
            for number in range(MESSAGES // IN_ONE):
                body = msgpack.packb([hostile(chance) for _ in range(IN_ONE)])
                raw = one if number % 2 else other
                raw.connection.sendall(zmtp.batch_of(body))
                if number % 10 == 0:
                    raw.connection.sendall(zmtp.batch_of(mutated(chance, body)))
            children.eventually(lambda: server.ask()["dropped"]["malformed or refused call"] > MESSAGES / 10)
        dropped = server.ask()["dropped"]
        assert dropped["malformed batch"] > 0
        assert dropped["answer to no call"] > MESSAGES / 10
        assert "internal error" not in dropped
        assert "batch of a peer that did not greet" not in dropped

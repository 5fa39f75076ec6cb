"""Fifty thousand random and mutated messages from several connections, while good clients work."""

from __future__ import annotations

import asyncio
import os
import random
from typing import Any

import msgpack
import zmq

from cara_pseud.local import LocalCapability
from tests.cara_pseud.waiting import until_readable

MESSAGES = 50_000
ATTACKERS = 4
SEED = 20_260

BODIES = [
    msgpack.packb(("add", (1, 2), {})),
    msgpack.packb(("add", (), {"a": 1, "b": 2})),
    msgpack.packb(("call", (1, 2, 0, (1,), {}), {})),
    msgpack.packb(("get", (msgpack.ExtType(100, msgpack.packb((7, b"ann"))),), {})),
    msgpack.packb(("cara:call", ({"deadline_ms": 5}, "add", (1, 2)), {})),
    msgpack.packb(("cara:release", ((1, 1),), {})),
    msgpack.packb(("cara:cancel", (b"u" * 16,), {})),
    msgpack.packb(("cara:hello", ({"version": 1},), {})),
    msgpack.packb(("ValueError", "text", "")),
    msgpack.packb((b"login", b"password")),
]
KINDS = [b"\x01", b"\x02", b"\x03", b"\x03", b"\x03", b"\x04", b"\x06", b"\x10", b"\x11", b"\x99", b""]


def hostile(rng: random.Random) -> list[bytes]:
    frames = [b"", b"v1", rng.randbytes(16), rng.choice(KINDS), rng.choice(BODIES)]
    for _ in range(rng.randrange(3)):
        place = rng.randrange(len(frames))
        frame = bytearray(frames[place])
        mutation = rng.randrange(5)
        if mutation == 0 and frame:
            frame[rng.randrange(len(frame))] = rng.randrange(256)
        elif mutation == 1 and frame:
            del frame[rng.randrange(len(frame)) :]
        elif mutation == 2:
            frame += rng.randbytes(rng.randrange(40))
        elif mutation == 3:
            frame = bytearray(rng.randbytes(rng.randrange(40)))
        elif len(frames) > 1:
            del frames[place]
            continue
        frames[place] = bytes(frame)
    if rng.random() < 0.02:
        frames += [b"x"] * rng.randrange(20)
    return frames


def rss_bytes() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Target:
    def invoke(self, interface_id: int, method: Any, args: Any, kwargs: Any, call: Any) -> Any:
        return args[0]

    def released(self) -> None:
        pass


def test_no_reader_dies_and_no_good_call_fails(serving: Any, connected: Any, raw_dealer: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as first, connected(server.endpoint) as second:
            server.register_rpc(lambda a, b: a + b, name="add")
            server.register_rpc(lambda: LocalCapability(Target()), name="get")
            rng = random.Random(SEED)
            attackers = [raw_dealer(server.endpoint) for _ in range(ATTACKERS)]
            over = asyncio.Event()
            good = 0

            async def work(client: Any) -> None:
                nonlocal good
                while not over.is_set():
                    thing = await client.get()
                    number = good
                    assert await thing.call(1, 0, (number,)) == number
                    assert await client.add(number, 1) == number + 1
                    thing.release()
                    good += 1
                    await asyncio.sleep(0.002)

            workers = [asyncio.create_task(work(client)) for client in (first, second)]

            async def attack(messages: int) -> None:
                for number in range(messages):
                    attacker = attackers[number % ATTACKERS]
                    try:
                        attacker.send_multipart(hostile(rng), zmq.NOBLOCK)
                    except zmq.Again:
                        # The server reads meanwhile.
                        await asyncio.sleep(0.001)
                    while attacker.poll(0):
                        attacker.recv_multipart()
                    if number % 50 == 0:
                        await asyncio.sleep(0)

            await attack(MESSAGES // 2)
            half_way = rss_bytes()
            await attack(MESSAGES // 2)
            over.set()
            await asyncio.gather(*workers)
            assert good > 20
            assert sum(server.dropped.values()) > MESSAGES / 10
            assert server.dropped["internal error"] == 0
            assert rss_bytes() < half_way * 1.1
            for attacker in attackers:
                attacker.close()
            until = asyncio.get_running_loop().time() + 5
            while len(server.connections) > 2 and asyncio.get_running_loop().time() < until:
                await asyncio.sleep(0.02)
            assert len(server.connections) == 2
            assert await first.add(1, 2) == 3

    asyncio.run(asyncio.wait_for(main(), 100))


def test_messages_of_any_length_between_answers_cost_no_answer(connected: Any) -> None:
    """A client reads the messages of its server as six frames each, and finds its way back where they are not."""
    calls = 3_000
    chance = random.Random(7)
    pieces = [b"", b"v1", b"server", b"u" * 16, b"\x01", b"\x03", b"x" * 300]
    context: zmq.Context[Any] = zmq.Context()
    router = context.socket(zmq.ROUTER)
    router.linger = 0
    router.routing_id = b"server"
    endpoint = f"tcp://127.0.0.1:{router.bind_to_random_port('tcp://127.0.0.1')}"

    def junk() -> list[bytes]:
        lengths = [1, 2, 3, 4, 6, 7, 8, 12, 40]  # and the routing id; five would be a message
        return [chance.choice(pieces) for _ in range(chance.choice(lengths))]

    async def answer_everything() -> None:
        while True:
            await until_readable(router)
            routing_id, _, _, uid, _, body = router.recv_multipart()
            name, args, _ = msgpack.unpackb(body)
            for _ in range(chance.choice([0, 0, 1, 2, 3])):
                router.send_multipart([routing_id, *junk()])
            if name == "echo":
                router.send_multipart([routing_id, b"", b"v1", uid, b"\x01", msgpack.packb(args[0])])
            else:
                router.send_multipart([routing_id, b"", b"v1", uid, b"\x10", msgpack.packb((name, "", ""))])

    async def main() -> None:
        serving = asyncio.create_task(answer_everything())
        async with connected(endpoint, timeout=10) as client:
            for start in range(0, calls, 20):
                numbers = list(range(start, start + 20))
                assert await asyncio.gather(*[client.echo(number) for number in numbers]) == numbers
            assert client.dropped["wrong number of frames"] > 1_000
        serving.cancel()

    try:
        asyncio.run(asyncio.wait_for(main(), 60))
    finally:
        router.close()
        context.term()

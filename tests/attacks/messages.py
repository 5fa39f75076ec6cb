"""Attacks by what stands in a message on a WebSocket."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, Final

from tests.attacks.attack import Attack, Run
from tests.attacks.wire import Target, call, dumped, frame

FULL: Final = 2**20 - 200
"""A message just within the limit of a mebibyte."""
SLICES: Final = "a message's elements are worked off in slices, others' calls pass in between"
VALUES: Final = "max_values, counted before anything is made"
THING: Final = {"name": "a thing of a somewhat longer name", "count": 3, "tags": ["a", "b"]}


def filled(element: bytes, room: int = FULL) -> bytes:
    """An array as large as may be."""
    return b"[" + b",".join([element] * (room // (len(element) + 1))) + b"]"


def numbered(method: str, params: Any = None, room: int = FULL, first: int = 1) -> bytes:
    """An array of calls with ids of their own, as large as may be."""
    size = len(dumped(call(10**7, method, params))) + 1
    return dumped([call(first + index, method, params) for index in range(room // size)])


def repeated(payloads: Iterable[bytes], hello: bool = True) -> Run:
    """Send these messages again and again on one socket."""
    frames = [frame(payload) for payload in payloads]

    async def run(target: Target) -> None:
        async with target.socket(hello) as socket:
            for data in itertools.cycle(frames):
                await socket.send(data)

    return run


def calls_of(method: str, params: bytes, hello: bool = True) -> Run:
    """Call a method again and again with parameters that are JSON already."""

    async def run(target: Target) -> None:
        async with target.socket(hello, reads=False) as socket:
            for id in itertools.count(1):
                await socket.message(
                    b'{"jsonrpc":"2.0","id":%d,"method":"%s","params":%s}' % (id, method.encode(), params)
                )
                while (await socket.received()).get("id") != id:
                    pass

    return run


async def storm_of_calls(target: Target) -> None:
    async with target.socket() as socket:
        for first in itertools.count(1, 1000):
            await socket.calls(*(call(id, "victim.slow", {"seconds": 60}) for id in range(first, first + 1000)))
            await socket.calls(*(call(None, "rpc.cancel", {"id": id}) for id in range(first, first + 1000)))


async def chain_of_failures(target: Target) -> None:
    async with target.socket() as socket:
        for first in itertools.count(1, 900):
            chain = [call(first, "victim.fail", {"depth": 3, "bytes": 100})]
            chain += [call(first + step, f"#{first + step - 1}.object.self") for step in range(1, 900)]
            await socket.message(dumped(chain))


async def waits_for_what_never_ends(target: Target) -> None:
    async with target.socket() as socket:
        for first in itertools.count(1, 900):
            await socket.calls(call(first, "victim.slow", {"seconds": 300}))
            await socket.calls(*(call(first + step, f"#{first}.object.poke") for step in range(1, 900)))


async def one_id_for_all(target: Target) -> None:
    async with target.socket() as socket:
        await socket.calls(call(1, "victim.slow", {"seconds": 60}))
        flood = b"".join([frame(dumped(call(1, "victim.slow", {"seconds": 60})))] * 500)
        while True:
            await socket.send(flood)


def attacks() -> Iterator[Attack]:
    kind = "What a WebSocket message holds"
    none = b"[]"
    for name, element in (("ones", b"1"), ("empty objects", b"{}"), ("empty arrays", none), ("texts", b'"x"')):
        yield Attack(
            kind, f"an array of {name} after hello", "no message: close 4000 at the first", repeated([filled(element)])
        )
        yield Attack(
            kind, f"an array of {name} before hello", "max_batch_messages", repeated([filled(element)], hello=False)
        )
    yield Attack(
        kind, "a batch of calls before hello", "max_batch_messages", repeated([numbered("victim.add")], hello=False)
    )
    yield Attack(
        kind,
        "a thousand calls in a batch before hello",
        SLICES,
        repeated([dumped([call(id, "victim.add", [1, 2]) for id in range(1000)])], hello=False),
    )
    for method, params in (
        ("victim.add", {"first": 1, "second": 2}), ("victim.nope", None), ("rpc.nope", None),
        ("rpc.describe", {"service": "victim"}), ("rpc.release", {"handle": "none", "count": 1}),
        ("rpc.cancel", {"id": 7}), ("rpc.describe", {"interface": "Nope"}), ("@none.poke", None),
        ("rpc.ack", {"received": 0}), ("rpc.hello", {"protocol": 1}),
    ):  # fmt: skip
        said = f"{method} {dumped(params).decode()}" if params else method
        yield Attack(kind, f"a frame full of {said}", SLICES, repeated([numbered(method, params)]))
    yield Attack(
        kind,
        "a frame full of notifications",
        SLICES,
        repeated([filled(b'{"jsonrpc":"2.0","method":"victim.add","params":[1,2]}')]),
    )
    yield Attack(
        kind,
        "a frame full of answers to nothing",
        SLICES,
        repeated([filled(b'{"jsonrpc":"2.0","id":"g:9","result":{}}')]),
    )
    yield Attack(
        kind,
        "a message nested to the limit of bytes",
        "max_depth, before anything is made",
        calls_of("victim.tree", b"[" * (FULL // 2) + b"]" * (FULL // 2)),
    )
    tree = b'{"tree":' + b'{"children":[' * 20 + b"{}" + b"]}" * 20 + b"}"
    yield Attack(
        kind,
        "a frame full of nested trees",
        SLICES,
        repeated([filled(b'{"jsonrpc":"2.0","method":"victim.tree","params":%s}' % tree)]),
    )
    yield Attack(kind, "the same id for every call", "an id in use is refused", one_id_for_all)
    yield Attack(
        kind, "a thousand slow calls and their cancellation, again and again", "max_calls_per_session", storm_of_calls
    )
    yield Attack(
        kind, "a failing chain of 900 calls", "a cause is one level deep; max_calls_per_session", chain_of_failures
    )
    yield Attack(kind, "900 calls that wait for one", "max_calls_per_session; deadlines", waits_for_what_never_ends)

    kind = "What a call's parameters hold"
    legal = "one large value costs its bytes; large ones are worked off one a turn"
    for clients in (1, 4):
        some = f"from {clients} clients" if clients > 1 else "from one client"
        yield Attack(
            kind,
            f"a list of 90,000 numbers, {some}",
            legal,
            calls_of("victim.numbers", b'{"list":%s}' % filled(b"1234567890", 90_000 * 11)),
            clients,
        )
        yield Attack(
            kind,
            f"a megabyte of structs, {some}",
            legal,
            calls_of("victim.things", b'{"list":%s}' % filled(dumped(THING), FULL - 100)),
            clients,
        )
        yield Attack(
            kind,
            f"a megabyte of text, {some}",
            legal,
            calls_of("victim.texts", b'{"list":["%s"]}' % (b"x" * (FULL - 100))),
            clients,
        )
        yield Attack(
            kind,
            f"a megabyte of escapes, {some}",
            legal,
            calls_of("victim.texts", b'{"list":["%s"]}' % (b"\\u0000" * (FULL // 6 - 100))),
            clients,
        )
        yield Attack(
            kind,
            f"a megabyte of base64, {some}",
            legal,
            calls_of("victim.data", b'{"data":"%s"}' % (b"QUJD" * (FULL // 4 - 100))),
            clients,
        )
    yield Attack(
        kind,
        "numbers, the last one wrong",
        "a refused value costs at most two good ones",
        calls_of("victim.numbers", b'{"list":%s,"x"]}' % filled(b"123456789", 900_000)[:-1]),
        4,
    )
    yield Attack(
        kind,
        "structs, the last one wrong",
        "a refused value costs at most two good ones",
        calls_of("victim.things", b'{"list":%s,5]}' % filled(dumped(THING), FULL - 100)[:-1]),
        4,
    )
    yield Attack(
        kind, "350,000 empty objects", VALUES, calls_of("victim.things", b'{"list":%s}' % filled(b"{}", FULL - 100)), 4
    )
    yield Attack(kind, "500,000 ones", VALUES, calls_of("victim.numbers", b'{"list":%s}' % filled(b"1", FULL - 100)), 4)
    yield Attack(
        kind,
        "a reference in each of many structs",
        "objects are asked for after the value was found right",
        calls_of("victim.take", b'{"objects":%s}' % filled(b'{"$handle":"nothing"}', FULL - 100)),
        4,
    )
    yield Attack(
        kind,
        "a name of a megabyte",
        "names are shortened where they are shown",
        calls_of("victim.add", b'{"%s":1}' % (b"n" * (FULL - 100))),
        4,
    )
    yield Attack(
        kind,
        "100,000 names that no method has",
        VALUES,
        calls_of("victim.add", b"{" + b",".join(b'"n%d":1' % index for index in range(80_000)) + b"}"),
        4,
    )
    yield Attack(
        kind,
        "one name, many times",
        VALUES,
        calls_of("victim.add", b"{" + b",".join([b'"first":1'] * 100_000) + b"}"),
        4,
    )
    yield Attack(
        kind,
        "a number of a million digits",
        "its digits are not read: no integer has so many",
        calls_of("victim.add", b'{"first":1%s,"second":1}' % (b"0" * (FULL - 200))),
        4,
    )
    yield Attack(
        kind,
        "floats of many digits",
        legal,
        calls_of("victim.numbers", b'{"list":%s}' % filled(b"0.1234567890123456789012345678901234567890e-5", 900_000)),
        4,
    )
    yield Attack(
        kind,
        "a number that no double holds among many",
        VALUES,
        calls_of("victim.numbers", b'{"list":%s,9007199254740993.0]}' % filled(b"1", FULL - 200)[:-1]),
        4,
    )
    yield Attack(
        kind,
        "a frame full of numbers that no double holds",
        SLICES,
        repeated([filled(b'{"jsonrpc":"2.0","method":"victim.add","params":[9007199254740993.0]}')]),
    )
    yield Attack(
        kind,
        "floats between 2^53 and 2^64",
        legal,
        calls_of("victim.numbers", b'{"list":%s}' % filled(b"1234567890123456789e1", 900_000)),
        4,
    )
    yield Attack(
        kind,
        "a method's name of a megabyte",
        "names are shortened where they are shown",
        repeated([b'{"jsonrpc":"2.0","id":1,"method":"victim.%s"}' % (b"m" * FULL)[: FULL - 60]]),
    )
    yield Attack(
        kind,
        "a path into a result with 100,000 steps",
        VALUES,
        repeated(
            [
                dumped(
                    [
                        call(1, "victim.slow", {"seconds": 1}),
                        call(2, "victim.take", {"objects": [{"$result": 1, "path": ["a"] * 100_000}]}),
                    ]
                )
            ]
        ),
    )

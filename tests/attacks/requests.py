"""Attacks by HTTP requests: heads, bodies, and readers that do not read."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Iterator

from tests.attacks.attack import Attack, Run
from tests.attacks.messages import FULL, THING, VALUES, filled
from tests.attacks.wire import Connection, Target, call, dumped

BY_THE_BOOK = "refused as the RFC says"


def sent(head: str, body: bytes = b"", *headers: bytes) -> Run:
    """A request again and again on one connection, each after the answer to the one before."""
    verb, path = head.split(" ", 1)

    async def run(target: Target) -> None:
        async with target.connection() as opened:
            data = target.request(verb, path, body, *headers)
            while True:
                await opened.send(data)
                await opened.answer()

    return run


def posted(method: str, params: bytes, *headers: bytes) -> Run:
    return sent(f"POST /api/victim/{method}", params, *headers)


def raw(*lines: bytes, body: bytes = b"") -> Run:
    """A request that need not be one; the connection is read to its end."""

    async def run(target: Target) -> None:
        async with target.connection() as opened:
            await opened.send(b"\r\n".join(lines) % {b"host": b"Host: 127.0.0.1:%d" % target.port} + b"\r\n\r\n" + body)
            while await opened.reader.read(2**16):
                pass

    return run


def pipelined(head: str, count: int, reads: bool) -> Run:
    """Many requests at once, whose answers are read or not."""
    verb, path = head.split(" ", 1)

    async def run(target: Target) -> None:
        async with target.connection() as opened:
            if reads:
                opened.forget()
            data = target.request(verb, path) * count
            while True:
                await opened.send(data)

    return run


def unread(head: str, body: bytes = b"") -> Run:
    """A request whose answer nobody reads, and the connection stays."""
    verb, path = head.split(" ", 1)

    async def run(target: Target) -> None:
        async with target.connection() as opened:
            opened.reader._transport.pause_reading()  # type: ignore[attr-defined]
            await opened.send(target.request(verb, path, body))
            await asyncio.sleep(60)

    return run


def dripping(part: str) -> Run:
    """A head or a body that comes byte by byte, and never whole."""

    async def run(target: Target) -> None:
        async with target.connection() as opened:
            data = target.post("numbers", b'{"list":[1]}', b"X-Filler: " + b"x" * 10_000)
            if part == "body":
                whole = target.request("POST", "/api/victim/numbers", b"[" + b"1" * 100_000)
                data, rest = whole[:-100_000], whole[-100_000:]
                await opened.send(data)
                data = rest
            for index in range(len(data) - 1):
                await opened.send(data[index : index + 1])
                await asyncio.sleep(0.05)

    return run


async def idle(target: Target) -> None:
    async with target.connection():
        await asyncio.sleep(60)


async def idle_after_a_request(target: Target) -> None:
    async with target.connection() as opened:
        await opened.send(target.request("GET", "/healthz"))
        await opened.answer()
        await asyncio.sleep(60)


async def half_a_head(target: Target) -> None:
    async with target.connection() as opened:
        await opened.send(target.request("GET", "/healthz")[:-2])
        await asyncio.sleep(60)


async def connections(target: Target) -> None:
    async with target.connection():
        pass


async def chunks_of_one_byte(target: Target) -> None:
    async with target.connection() as opened:
        opened.forget()
        head = target.request(
            "POST", "/api/victim/texts", b"", b"Content-Type: application/json", b"Transfer-Encoding: chunked"
        )
        await opened.send(head)
        while True:
            await opened.send(b"1\r\n[\r\n" * 5_000)


async def cancelled(target: Target) -> None:
    """Calls whose clients leave at once."""
    async with target.connection() as opened:
        await opened.send(target.post("slow", {"seconds": 60}))


async def sessions(target: Target) -> None:
    async with target.connection() as opened:
        while True:
            await opened.send(target.request("POST", "/api/session", b"{}"))
            await opened.answer()


async def guessed(target: Target) -> None:
    async with target.connection() as opened:
        while True:
            for verb in ("GET", "DELETE"):
                await opened.send(
                    target.request(verb, "/api/session", b"", b"Session-Id: " + os.urandom(16).hex().encode())
                )
                await opened.answer()


async def _session(opened: Connection, target: Target) -> bytes:
    await opened.send(target.request("POST", "/api/session", b"{}"))
    answer = await opened.answer()
    for line in answer.split(b"\r\n"):
        if line.lower().startswith(b"session-id:"):
            return b"Session-Id: " + line.split(b":", 1)[1].strip()
    raise ConnectionError(f"no session: {answer[:200]!r}")


async def listeners(target: Target) -> None:
    """Event streams that come and go, in one session."""
    async with target.connection() as opened:
        id = await _session(opened, target)
        while True:
            async with target.connection() as events:
                await events.send(target.request("GET", "/api/events", b"", id))
                await events.head()


async def unread_events(target: Target) -> None:
    """An event stream that nobody reads, and callbacks that are called."""
    async with target.connection() as opened, target.connection() as events:
        id = await _session(opened, target)
        await events.send(target.request("GET", "/api/events", b"", id))
        await events.head()
        events.reader._transport.pause_reading()  # type: ignore[attr-defined]
        for number in itertools.count():
            params = {"listener": {"$callback": f"c{number % 100}"}, "times": 50}
            await opened.send(target.post("watch", params, id))
            await opened.answer()


def attacks() -> Iterator[Attack]:
    kind = "HTTP bodies"
    legal = "one large body is read a turn, in fairness by address"
    numbers, things = (
        b'{"list":%s}' % filled(b"1234567890", 90_000 * 11),
        b'{"list":%s}' % filled(dumped(THING), FULL - 100),
    )
    for clients in (1, 4):
        some = f"from {clients} clients" if clients > 1 else "from one client"
        yield Attack(kind, f"90,000 numbers, {some}", legal, posted("numbers", numbers), clients)
        yield Attack(kind, f"a megabyte of structs, {some}", legal, posted("things", things), clients)
        yield Attack(
            kind,
            f"a megabyte of text, {some}",
            legal,
            posted("texts", b'{"list":["%s"]}' % (b"x" * (FULL - 100))),
            clients,
        )
    yield Attack(
        kind,
        "structs, the last one wrong",
        "a refused value costs at most two good ones",
        posted("things", things[:-2] + b",5]}"),
        4,
    )
    yield Attack(kind, "350,000 empty objects", VALUES, posted("things", b'{"list":%s}' % filled(b"{}", FULL - 100)), 4)
    yield Attack(kind, "nested arrays", "max_depth, before anything is made", posted("tree", b"[" * FULL), 4)
    yield Attack(kind, "bodies of two megabytes", "max_message_bytes", posted("texts", b"x" * 2**21), 4)
    yield Attack(kind, "chunks of one byte", "max_message_bytes; a chunk costs its bytes", chunks_of_one_byte, 4)
    yield Attack(kind, "bodies that come byte by byte", "a least rate for bodies", dripping("body"), 200)
    yield Attack(
        kind, "300,000 objects in one answer", "counted before any is made", posted("objects", b'{"count":300000}')
    )
    yield Attack(
        kind,
        "an answer with details 300 levels deep",
        "replaced by one that can be written",
        posted("fail", b'{"depth":300,"bytes":10}'),
    )
    yield Attack(
        kind,
        "an error of five megabytes",
        "max_message_bytes holds outwards, too",
        posted("fail", b'{"depth":1,"bytes":5000000}'),
    )
    yield Attack(
        kind, "answers of 100,000 structs", "max_values holds outwards, too", posted("many", b'{"count":30000}'), 4
    )

    for name, body in (
        ("a thousand calls in one batch", dumped([call(id, "victim.add", [1, 2]) for id in range(1000)])),
        ("an array of ones for JSON-RPC", filled(b"1")),
    ):
        yield Attack(kind, name, "max_batch_messages; sixty-four calls at once", sent("POST /rpc", body), 4)

    kind = "HTTP heads"
    yield Attack(
        kind, "heads that come byte by byte", "bounds on half-open requests, and their time", dripping("head"), 200
    )
    yield Attack(kind, "a head of 60 KB", "64 KiB", sent("GET /api/victim", b"", b"X-Filler: " + b"x" * 60_000), 4)
    yield Attack(
        kind,
        "2,000 header lines",
        "64 KiB",
        sent("GET /api/victim", b"", *[b"X-%d: 1" % index for index in range(2000)]),
        4,
    )
    yield Attack(
        kind,
        "a head of a megabyte",
        "64 KiB, then 431",
        raw(b"GET / HTTP/1.1", b"%(host)s", b"X-Filler: " + b"x" * 2**20),
        4,
    )
    yield Attack(
        kind,
        "a query that goes 10,000 levels deep",
        "max_depth",
        sent("GET /api/victim/find?node." + "next." * 10_000 + "name=x"),
        4,
    )
    yield Attack(
        kind,
        "a query of 10,000 names",
        VALUES,
        sent("GET /api/victim/find?" + "&".join(f"n{index}=1" for index in range(8_000))),
        4,
    )
    yield Attack(kind, "a path of 60 KB", "64 KiB; shortened where it is shown", sent("GET /api/" + "x" * 60_000), 4)
    yield Attack(
        kind, "an idempotency key of 60 KB", "bounded", posted("add", b"[1,2]", b"Idempotency-Key: " + b"x" * 60_000), 4
    )
    yield Attack(
        kind,
        "both lengths",
        BY_THE_BOOK,
        raw(
            b"POST /api/victim/add HTTP/1.1",
            b"%(host)s",
            b"Content-Length: 5",
            b"Transfer-Encoding: chunked",
            body=b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        ),
        4,
    )
    yield Attack(
        kind,
        "a length that is no number",
        BY_THE_BOOK,
        raw(b"POST /api/victim/add HTTP/1.1", b"%(host)s", b"Content-Length: 0x10", body=b"x" * 16),
        4,
    )
    yield Attack(kind, "no HTTP", BY_THE_BOOK, raw(os.urandom(2000).replace(b"%", b"p")), 4)
    yield Attack(
        kind,
        "methods that nobody knows",
        BY_THE_BOOK,
        raw(b"BREW /api/victim/add HTTP/1.1", b"%(host)s", b"Connection: close"),
        4,
    )
    yield Attack(
        kind,
        "OPTIONS of another origin",
        "no handler runs",
        sent("OPTIONS /api/victim/add", b"", b"Origin: http://evil.example", b"Access-Control-Request-Method: POST"),
        4,
    )

    kind = "Connections"
    yield Attack(kind, "connections that come and go", "max_connections_per_address", connections, 8)
    yield Attack(kind, "400 connections that say nothing", "bounds on half-open requests", idle, 400)
    yield Attack(kind, "400 heads that do not end", "bounds on half-open requests", half_a_head, 400)
    yield Attack(kind, "400 idle connections after a request", "idle ones go first", idle_after_a_request, 400)
    yield Attack(
        kind, "1,000 requests at once, again and again", "one at a time", pipelined("GET /healthz", 1000, reads=True)
    )
    yield Attack(
        kind,
        "1,000 requests at once, no answer read",
        "what is not read stops the next",
        pipelined("GET /api/victim", 1000, reads=False),
    )
    yield Attack(
        kind,
        "answers of a megabyte that nobody reads",
        "closed after 30 s without progress",
        unread("GET /api/victim/large?bytes=1000000"),
        50,
    )
    yield Attack(
        kind, "files that nobody reads", "closed after 30 s without progress", unread("GET /client/gateway.js"), 50
    )
    yield Attack(kind, "documents, again and again", "made once", sent("GET /openapi.json"), 4)
    yield Attack(kind, "calls whose clients leave", "cancelled", cancelled, 8)

    kind = "Sessions over REST"
    yield Attack(
        kind, "objects without a cookie", "provisional_session_s; a share per address", posted("object", b"{}"), 4
    )
    yield Attack(kind, "new sessions", "provisional_session_s; a share per address", sessions, 4)
    yield Attack(kind, "guessed sessions", "128 random bits", guessed, 4)
    yield Attack(kind, "event streams that come and go", "one listener a session", listeners, 4)
    yield Attack(kind, "an event stream that nobody reads", "send_buffer_bytes", unread_events, 4)
    yield Attack(kind, "answers to callbacks that nobody has", "refused", sent("POST /api/callbacks/g%3A1", b"{}"), 4)

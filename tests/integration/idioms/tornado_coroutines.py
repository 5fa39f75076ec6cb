"""A program of Tornado's coroutines, whose loop is interrupted by Ctrl-C and run again."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import tornado.gen
import tornado.ioloop

import cara_pseud
from cara_pseud import pseud

endpoint, url, path = sys.argv[1:]
schema: Any = cara_pseud.load(path)
loop = tornado.ioloop.IOLoop()
told: list[str] = []


@tornado.gen.coroutine  # type: ignore[untyped-decorator]
def connected() -> Any:
    client = pseud.Client(b"counting", io_loop=loop, timeout=30)
    client.connect(endpoint)
    client = cara_pseud.setup_client(client)
    yield client.start()
    gateway = yield cara_pseud.gateway.connect(url)
    return client, gateway


def use(counting: Any) -> None:
    @tornado.gen.coroutine  # type: ignore[untyped-decorator]
    def begin() -> Any:
        failed = yield counting.flood(told.append, 3, 2)
        assert failed == 0
        obj = yield counting.object()
        return obj

    @tornado.gen.coroutine  # type: ignore[untyped-decorator]
    def wait() -> Any:
        # When this waits: Ctrl-C that came before would end this function, and not the loop that it is in.
        loop.add_callback(print, "waiting", flush=True)
        # It goes on while the loop is interrupted, and ends with the connection.
        with contextlib.suppress(cara_pseud.OutcomeUnknown):
            yield counting.slow(60_000)

    @tornado.gen.coroutine  # type: ignore[untyped-decorator]
    def after() -> Any:
        name = yield obj.name()
        assert name == "object"
        failed = yield counting.flood(told.append, 1, 2)
        assert failed == 0

    told.clear()
    obj = loop.run_sync(begin)
    loop.spawn_callback(wait)
    try:
        loop.start()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    loop.run_sync(after)
    assert told == ["xx"] * 4


client, gateway = loop.run_sync(connected)
use(schema.Counting(client))
use(gateway.service("counting", schema.Counting))
loop.run_sync(gateway.close)
loop.run_sync(client.stop)
print("done")

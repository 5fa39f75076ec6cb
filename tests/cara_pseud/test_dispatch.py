"""What the service's log and its callers get to know of a call that failed."""

from __future__ import annotations

import asyncio
from typing import Any

import msgpack
import pytest

import cara_pseud
from cara_pseud import errors
from cara_pseud.capabilities import CallOptions
from tests.cara_pseud.waiting import until_greeted, until_readable

SCHEMA = """@0xd4c9b2a1f0e3d5ab;
interface Base { old @0 () -> (n :Int8); }
interface Service extends(Base) {
  one @0 () -> (n :Int8);
  several @1 () -> (n :Int8, item :Item);
  count @2 () -> (counter :Counter);
  fails @3 () -> ();
}
interface Counter { next @0 () -> (n :Int8); }
struct Item { list @0 :List(Sub); struct Sub { qty @0 :Int8; } }
"""


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("schemas") / "dispatch.capnp"
    path.write_text(SCHEMA)
    return cara_pseud.load(path)


def run(main: Any) -> None:
    asyncio.run(asyncio.wait_for(main, 20))


async def later(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


def fails() -> None:
    raise ZeroDivisionError("by hand")


@pytest.mark.parametrize(
    ("method", "returned", "path", "kind"),
    [
        ("one", "text", "$.n", TypeError),
        ("one", 300, "$.n", ValueError),
        ("old", None, "$.n", TypeError),
        ("several", {"n": 1, "item": {"list": [{"qty": 1}, {"qty": "x"}]}}, "$.item.list[1].qty", TypeError),
        ("several", {"nope": 1}, "nope", ValueError),
        ("several", 5, "Multiple output parameters for several", TypeError),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_a_wrong_result_is_internal_and_stands_in_the_log(
    schema: Any, serving: Any, connected: Any, caplog: pytest.LogCaptureFixture,
    method: str, returned: Any, path: str, kind: type, at_once: bool,
) -> None:  # fmt: skip
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            names = ("one", "several", "old")
            handlers = {name: lambda: returned if at_once else later(returned) for name in names}
            cara_pseud.register_interface(server, schema.Service, {**handlers, "count": fails, "fails": fails})
            service = schema.Service(client)
            with pytest.raises(kind):  # as with the original, whoever is asking
                await getattr(service, method)()
            await until_greeted(client)
            caplog.clear()
            with pytest.raises(errors.RemoteError) as caught:
                await getattr(cara_pseud.with_options(service, request_id="r-1"), method)()
            assert isinstance(caught.value, kind)
            assert caught.value.code == "internal"
            assert path in str(caught.value)
            (message,) = caplog.messages
            assert message.startswith(f"a wrong result: Service.{method}, called anonymously, request 'r-1': ")
            assert path in message

    run(main())


def test_others_than_our_own_peers_are_told_no_status(schema: Any, serving: Any, raw_dealer: Any) -> None:
    async def main() -> None:
        async with serving() as server:
            cara_pseud.register_interface(server, schema.Counter, lambda: "text")
            dealer = raw_dealer(server.endpoint)
            dealer.send_multipart([b"", b"v1", bytes(16), b"\x03", msgpack.packb(("next", (), {}))])
            await until_readable(dealer)
            kind, body = dealer.recv_multipart()[3:]
            # They would take it for a traceback and show it to their user.
            assert (kind, msgpack.unpackb(body)[::2]) == (b"\x10", ["TypeError", ""])

    run(main())


def test_a_result_that_cannot_be_sent_is_internal(serving: Any, connected: Any, caplog: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            server.register_rpc(lambda: object(), name="odd")
            with pytest.raises(errors.RemoteError, match="the result cannot be sent: object has no form on the wire"):
                await client.odd()
            assert caplog.messages[0].startswith("a wrong result: 'odd', called anonymously: the result cannot be sent")
            await until_greeted(client)
            with pytest.raises(errors.RemoteError) as caught:
                await client.odd()
            assert caught.value.code == "internal"

    run(main())


def test_a_handler_that_failed_is_named_with_its_caller(
    schema: Any, serving: Any, connected: Any, caplog: pytest.LogCaptureFixture
) -> None:
    plain = {"security_plugin": "plain"}

    async def main() -> None:
        async with (
            serving(**plain, passwords={"ann": "secret"}, gateways=["ann"]) as server,
            connected(server.endpoint, **plain, user_id=b"ann", password=b"secret") as client,
        ):
            handlers: dict[str, Any] = dict.fromkeys(("one", "several", "old", "fails"), fails)
            handlers["count"] = lambda: {"next": fails}
            cara_pseud.register_interface(server, schema.Service, handlers)
            server.register_rpc(fails, name="bare\nname")
            service = schema.Service(client)
            counter = await service.count()
            await until_greeted(client)
            options = CallOptions(request_id="r" * 500, principal="key:bob")
            for call, line in (
                (service.fails, "a handler failed: Service.fails, called by b'ann'"),
                (service.old, "a handler failed: Service.old, called by b'ann'"),
                (counter.next, "a handler failed: Counter.next, called by b'ann'"),
                (getattr(client, "bare\nname"), "a handler failed: 'bare\\nname', called by b'ann'"),
                (
                    cara_pseud.with_options(service, principal="key:bob", request_id="r-1").fails,
                    "a handler failed: Service.fails, called by b'ann', for 'key:bob', request 'r-1'",
                ),
            ):
                caplog.clear()
                with pytest.raises(ZeroDivisionError):
                    await call()
                assert caplog.messages == [line]
                assert caplog.records[0].exc_info is not None
            caplog.clear()
            with pytest.raises(ZeroDivisionError):
                await cara_pseud.with_options(service, **options._asdict()).fails()
            assert len(caplog.messages[0]) < 200

    run(main())


def test_a_handler_s_own_mistake_with_a_value_stands_in_the_log(
    schema: Any, serving: Any, connected: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            server.register_rpc(lambda: schema.Item(list=5), name="mistake")
            with pytest.raises(errors.RemoteError):
                await client.mistake()
            assert caplog.messages == ["a handler failed: 'mistake', called anonymously"]

    run(main())


def test_what_a_caller_did_wrong_does_not_stand_in_the_log(
    schema: Any, serving: Any, connected: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            cara_pseud.register_interface(server, schema.Counter, lambda: 1)
            await client.next()
            await until_greeted(client)
            for call, code in ((client.next(x=5), "invalid_argument"), (client.nosuch(), "unimplemented")):
                with pytest.raises(errors.RpcError) as caught:
                    await call
                assert caught.value.code == code
            assert caplog.messages == []

    run(main())

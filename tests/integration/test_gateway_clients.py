"""Programs in Python that use services through a gateway: values, objects, callbacks and errors as over pseud."""

from __future__ import annotations

import asyncio
import gc
import http.client
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import cara_pseud
from cara_pseud.errors import DeadlineExceeded, InvalidValue, RpcError, Unauthenticated, Unavailable
from cara_pseud.gateway import GatewaySession
from tests.integration.conftest import HERE, Start
from tests.integration.thing_service import SCHEMA

schema: Any = cara_pseud.load(SCHEMA)
counting_schema: Any = cara_pseud.load(HERE / "counting.capnp")

CONFIG = """
[gateway.limits]
max_values = 2000
[services.thing]
schema = "{schema}"
interface = "Thing"
endpoint = "{thing}"
[services.counting]
schema = "{folder}/counting.capnp"
interface = "Counting"
endpoint = "{counting}"
peer = "counting"
[services.nowhere]
schema = "{folder}/counting.capnp"
interface = "Counting"
endpoint = "ipc://nowhere.sock"
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ExitStack() as stack:
        start = Start(tmp_path_factory.mktemp("clients"), stack)
        thing = start.process(str(HERE / "thing_service.py"), "tcp://127.0.0.1:*").line()
        _, counting = start.counting()
        config = CONFIG.format(schema=SCHEMA, thing=thing, counting=counting, folder=HERE)
        yield start.gateway(config)[1].url


def run(url: str, test: Callable[[GatewaySession], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), cara_pseud.gateway.connect(url) as gateway:
            await test(gateway)

    asyncio.run(main())


async def living(gateway: GatewaySession, *names: str) -> None:
    """Wait until the service has exactly these objects."""
    thing = gateway.service("thing", schema.Thing)
    async with asyncio.timeout(20):
        while sorted((await thing.base()).partition("; ")[0].split()[2:]) != sorted(names):
            gc.collect()
            await asyncio.sleep(0.01)


EVERY = {
    "bool": True, "small": -128, "big": 2**64 - 1, "half": 0.5, "text": "Zoë \N{GRINNING FACE}", "bytes": b"\x00\xff",
    "color": "class", "every": {"text": "inner", "half": math.inf}, "many": [{"text": "a"}, {}, {"big": 2**53 + 1}],
    "table": [[1, 2], [], [-3]], "any": {"a": [1, 2.5, None, True, {"b": "c"}]}, "items": "i", "import": "im",
    "shape": {"square": 2.0}, "place": {"x": -5}, "two": {"value": 7}, "person": {"name": "Ann"},
    "box": {"value": "boxed"},
}  # fmt: skip


def test_every_kind_of_value_comes_back_as_it_was_sent(url: str) -> None:
    async def test(gateway: GatewaySession) -> None:
        thing = gateway.service("thing", schema.Thing)
        every = await thing.whole(EVERY)
        assert type(every) is schema.Every
        assert every == schema.Every(EVERY)
        assert every.which() == "two"
        assert every.shape.which() == "square"
        assert every.color is schema.Color["class"]
        assert await thing.whole(schema.Every()) == await thing.whole({})
        assert await thing.whole(small=5, color="green") == await thing.whole(schema.Every(small=5, color=1))
        for number in (math.nan, math.inf, -math.inf, 1e-40):
            back = (await thing.whole(half=number)).half
            assert back == pytest.approx(number, nan_ok=True, rel=1e-3)
        assert [each.text for each in await thing.list("p", limit=2)] == ["p0", "p1"]
        assert len(await thing.list(prefix="p")) == 3
        assert await thing.generic([1, {"a": "b"}]) == [1, {"a": "b"}]
        assert await thing.import_("four") == 4
        assert await thing["import"](from_="four") == 4
        await thing.send({"text": "streamed"})
        assert "streamed" in await thing.base()

    run(url, test)


def test_several_results_have_their_names(url: str) -> None:
    async def test(gateway: GatewaySession) -> None:
        result = await gateway.service("thing", schema.Thing).several("red")
        assert (result.first, result["items"], type(result.thing)) == (0, "red", schema.Thing.__proxy_class__)
        await result.thing.base()
        del result
        await living(gateway)

    run(url, test)


def test_objects_live_as_long_as_somebody_has_them(url: str) -> None:
    async def test(gateway: GatewaySession) -> None:
        thing = gateway.service("thing", schema.Thing)
        (first,) = await thing.list("new one")
        (second,) = await thing.list("new two")
        await living(gateway, "one", "two")
        assert (await first.thing.base()).startswith("one, ")
        same = (await thing.whole(thing=first.thing)).thing
        assert same == first.thing
        assert same != second.thing
        assert (await same.base()).startswith("one, ")
        with second.thing:
            pass
        with pytest.raises(RpcError, match="was released") as caught:
            await second.thing.base()
        assert caught.value.code == "failed_precondition"
        cara_pseud.release(same)
        await living(gateway, "one")
        assert (await first.thing.base()).startswith("one, ")
        assert (await thing.generic(first.thing)).cast(schema.Thing) == first.thing
        # What the schema says nothing of, and less than it is.
        assert await thing.whole(any=first.thing).any.cast(schema.Thing).import_("abc") == 3
        assert (await (await thing.whole(any=first.thing)).any.cast(schema.Thing).base()).startswith("one, ")
        assert (await schema.Base(first.thing).base()).startswith("one, ")
        del first, same
        await living(gateway)

    run(url, test)


def test_what_has_not_come_can_be_called_and_passed_on(url: str) -> None:
    async def test(gateway: GatewaySession) -> None:
        thing = gateway.service("thing", schema.Thing)
        several = thing.several("green")
        text = several.thing.base()
        listed = thing.list("new later")[0].thing.base()
        assert (await thing.list("new named").all[0].thing.base()).startswith("named, ")
        passed = thing.whole(text="call", thing=several.thing)
        assert (await text).startswith("green, ")
        assert (await listed).startswith("later, ")
        back = await passed
        # The text has who lives at that moment, of whom the others above may be some.
        assert back.place.x >= len("green, and green; given up ")
        wrong = thing.whole(text="wrong").every.thing.base()
        with pytest.raises(RpcError, match="too wrong") as caught:
            await wrong
        assert caught.value.code == "out_of_range"
        with pytest.raises(RpcError, match=r"is no|no object|null") as caught:
            await thing.whole({}).thing.base()
        assert caught.value.code == "invalid_argument"
        with pytest.raises(AttributeError, match="has no member 'nosuch'"):
            several.thing.list("x").nosuch  # noqa: B018
        with pytest.raises(TypeError, match="was not awaited"):
            f"{several}"
        del several, back, passed
        await living(gateway)

    run(url, test)


def test_objects_of_ours_are_called(url: str) -> None:
    async def test(gateway: GatewaySession) -> None:
        thing = gateway.service("thing", schema.Thing)
        told: list[Any] = []

        class Listener(schema.Thing.Listener):  # type: ignore[misc, name-defined]
            async def told(self, every: Any) -> None:
                # The call that it is called in is still under way.
                told.append((every.text, every.color.name, every.many[0].big, await thing.import_("abc")))
                assert (await every.thing.base()).startswith("told, ")

        await thing.watch(Listener())
        await thing.watch(told.append)
        await thing.watch({"told": lambda every: told.append(every.text)})
        assert told[0] == ("first", "green", 2**60, 3)
        assert [told[1].text, told[2]] == ["first", "first"]

        def fails(every: Any) -> None:
            raise RpcError("already_exists", "told before")

        with pytest.raises(RpcError, match="told before") as caught:
            await thing.watch(fails)
        assert caught.value.code == "already_exists"

        class Mine(schema.Thing):  # type: ignore[misc, name-defined]
            def base(self) -> str:
                return "mine"

        back = await thing.whole(text="call", thing=Mine())
        assert back.place.x == len("mine")
        assert (await thing.whole(text="call any", any=Mine())).place.x == len("mine")

    run(url, test)


def test_an_object_at_a_peer_is_called_through_this_process(url: str) -> None:
    async def test(gateway: GatewaySession) -> None:
        class Mine(schema.Thing):  # type: ignore[misc, name-defined]
            def base(self) -> str:
                return "at a peer"

        async with cara_pseud.Server(b"server") as server, cara_pseud.Client(b"server") as client:
            server.bind("tcp://127.0.0.1:*")
            cara_pseud.register_interface(server, schema.Thing, {"several": lambda color: (1, "x", Mine())})
            client.connect(server.endpoint)
            elsewhere = (await schema.Thing(client).several("red")).thing
            back = await gateway.service("thing", schema.Thing).whole(text="call", thing=elsewhere)
            assert back.place.x == len("at a peer")

    run(url, test)


def test_errors_are_those_of_peers(url: str) -> None:
    async def test(gateway: GatewaySession) -> None:
        thing = gateway.service("thing", schema.Thing)
        counting = gateway.service("counting", counting_schema.Counting)
        with pytest.raises(RpcError, match="too wrong") as caught:
            await thing.whole(text="wrong")
        assert (caught.value.code, caught.value.details) == ("out_of_range", {"path": "$.text"})
        assert caught.value.problem is not None
        assert caught.value.problem["request_id"]
        with pytest.raises(InvalidValue, match=r"^\$\.small: 300 is out of range for Int8"):
            thing.whole(small=300)
        with pytest.raises(cara_pseud.ArgumentError, match=r"Param nosuch does not exist for method several"):
            thing.several(nosuch=1)
        with pytest.raises(Unavailable):
            await gateway.service("nowhere", counting_schema.Counting).count()
        with pytest.raises(DeadlineExceeded):
            await cara_pseud.with_options(counting, timeout=0.05).slow(60_000)
        with pytest.raises(RpcError) as caught:
            await counting.crash()
        assert caught.value.code == "unknown"
        with pytest.raises(RpcError, match=r"no service") as caught:
            await gateway.service("nosuch", schema.Thing).base()
        assert caught.value.code == "not_found"
        with pytest.raises(RpcError, match="values") as caught:
            await thing.whole(table=[[1] * 3000])
        assert caught.value.code == "too_large"
        with pytest.raises(cara_pseud.ArgumentError, match="by its token"):
            cara_pseud.with_options(thing, principal="somebody").base()
        with pytest.raises(RpcError, match="bytes cannot go through a gateway as AnyPointer") as caught:
            await thing.generic(b"x")
        assert caught.value.code == "invalid_argument"

    run(url, test)


def test_calls_are_awaitable_in_every_idiom_and_can_be_given_up(url: str) -> None:
    async def test(gateway: GatewaySession) -> None:
        counting = gateway.service("counting", counting_schema.Counting)
        given_up = await counting.cancelled()
        assert await asyncio.gather(counting.big(3), counting.big(4)) == ["xxx", "xxxx"]
        async with asyncio.TaskGroup() as group:
            task = group.create_task(counting.big(2))
        assert task.result() == "xx"
        done, _ = await asyncio.wait([asyncio.create_task(counting.big(1))])
        assert [each.result() for each in done] == ["x"]
        assert await asyncio.wait_for(asyncio.shield(counting.big(5)), 10) == "xxxxx"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await counting.slow(60_000)
        call = counting.slow(60_000)
        await counting.big(1)
        call.cancel()
        while await counting.cancelled() < given_up + 2:
            await asyncio.sleep(0.01)
        # From another thread the call is made in the loop, and waited for there.
        assert await asyncio.to_thread(lambda: counting.big(3).result(10)) == "xxx"

    run(url, test)


def test_programs_without_a_schema_have_plain_values(url: str) -> None:
    async def test(gateway: GatewaySession) -> None:
        thing = gateway.service("thing")
        several = await thing.several("red")
        assert (several["first"], several["items"]) == (0, "red")
        assert (await several["thing"].base()).startswith("red, ")
        assert (await thing.whole({"text": "x", "place": {"x": 1}}))["place"] == {"x": 1, "y": 0}
        assert await thing.generic({"a": [1, None, True]}) == {"a": [1, None, True]}
        assert (await thing.several(color="green").thing.base()).startswith("green, ")
        assert len(await thing.list("new", 1)) == 1
        told: list[Any] = []
        await thing.watch({"told": lambda every: told.append(every["text"])})
        assert told == ["first"]
        with pytest.raises(cara_pseud.ArgumentError, match="by position or by name"):
            thing.list("x", limit=1)
        with pytest.raises(RpcError, match=r"\$\[0\]\.small: 300 is out of range") as caught:
            await thing.whole({"small": 300})
        assert caught.value.problem is not None
        assert caught.value.problem["path"] == "$[0].small"
        with pytest.raises(RpcError, match="cannot be sent"):
            await thing.generic(object())
        assert (await gateway.describe("thing"))["methods"]
        del several
        await living(gateway)

    run(url, test)


def test_scripts_wait_for_their_calls(url: str) -> None:
    told: list[Any] = []
    with cara_pseud.gateway.connect(url) as gateway:
        thing, plain = gateway.service("thing", schema.Thing), gateway.service("thing")
        assert thing.whole(EVERY) == schema.Every(EVERY)
        several = thing.several("red")
        assert several.thing.base().startswith("red, ")
        with plain.several("green")["thing"] as green:
            assert green.base().startswith("green, ")
            assert plain.whole({"text": "call", "thing": green})["place"]["x"] > 0
        thing.watch(lambda every: told.append((every.text, every.thing.base()[:4], thing.import_("abc"))))
        plain.watch({"told": lambda it: told.append((it["text"], it["thing"].base()[:4], plain["import"]("ab")))})
        assert told == [("first", "told", 3), ("first", "told", 2)]
        with pytest.raises(RpcError, match="too wrong"):
            thing.whole(text="wrong")
        with pytest.raises(DeadlineExceeded):
            cara_pseud.with_options(thing, timeout=0.05).whole(text="slow")
        assert gateway.describe("thing")["methods"]
        assert (gateway.state, gateway.limits["max_values"], bool(gateway.session)) == ("open", 2000, True)
    with pytest.raises(RuntimeError, match="closed"):
        thing.base()


def test_a_session_is_shared_with_rest_and_taken_over(url: str) -> None:
    async def test(gateway: GatewaySession) -> None:
        (each,) = await gateway.service("thing", schema.Thing).list("new shared")
        token = each.thing.__capability__.target.token
        async with cara_pseud.gateway.connect(url, session=gateway.session) as other:
            assert other.session == gateway.session
        connection = http.client.HTTPConnection(url.removeprefix("http://"))
        headers = {"Session-Id": str(gateway.session)}
        await asyncio.to_thread(connection.request, "GET", f"/api/handles/{token}", headers=headers)
        assert connection.getresponse().status == 200
        connection.close()
        resets: list[Any] = []
        async with cara_pseud.gateway.connect(url, resume=gateway.resumption) as heir:
            assert heir.session == gateway.session
            # Who had the stream before opens another in the session.
            gateway.on("reset", resets.append)
            while not resets:
                await asyncio.sleep(0.01)
            assert resets[0].same_session
        lost: list[Any] = []
        async with cara_pseud.gateway.connect(url, resume={"session": "x", "stream": "y", "received": 3}) as anew:
            anew.on("reset", lost.append)
            assert await anew.service("counting").big(1) == "x"
            assert lost
            assert not lost[0].same_session

    run(url, test)


def test_a_gateway_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(Unavailable, match=r"could not be reached .*Connection refused"):
            await cara_pseud.gateway.connect("ws://127.0.0.1:9")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await cara_pseud.gateway.connect("ws://127.0.0.1:9", retry=True)
        with pytest.raises(InvalidValue, match="no address of a gateway"):
            cara_pseud.gateway.connect("tcp://127.0.0.1:9")
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


@asynccontextmanager
async def guarded(start: Start, folder: Path) -> AsyncIterator[str]:
    key = start.process("-m", "gateway", "key", "alice", "--file", str(folder / "keys.txt")).line()
    _, counting = start.counting()
    config = f"""
    [gateway.auth]
    required = true
    keys = "keys.txt"
    [services.counting]
    schema = "{HERE}/counting.capnp"
    interface = "Counting"
    endpoint = "{counting}"
    peer = "counting"
    """
    process, web = start.gateway(config)
    yield f"{web.url} {key}"
    process.end()


def test_a_token_says_who_calls(start: Start, tmp_path: Path) -> None:
    async def main() -> None:
        async with guarded(start, tmp_path) as url_and_key:
            url, key = url_and_key.split()
            asked: list[str] = []

            async def token() -> str:
                asked.append(key)
                return key

            for good in (key, token, lambda: key):
                async with cara_pseud.gateway.connect(url, token=good) as gateway:
                    assert await gateway.service("counting").big(1) == "x"
            assert asked == [key]
            with pytest.raises(Unauthenticated):
                await cara_pseud.gateway.connect(url, token="nobody")
            with pytest.raises(Unauthenticated, match="there is no token: no keyring"):
                await cara_pseud.gateway.connect(url, token=no_keyring)

    asyncio.run(main())


def no_keyring() -> str:
    raise OSError("no keyring")


def test_a_restarted_gateway_has_new_sessions_and_nothing_hangs(start: Start) -> None:
    _, counting = start.counting()
    config = CONFIG.format(schema=SCHEMA, thing="ipc://none.sock", counting=counting, folder=HERE)
    process, web = start.gateway(config)

    async def main() -> None:
        async with asyncio.timeout(60), cara_pseud.gateway.connect(web.url) as gateway:
            service = gateway.service("counting", counting_schema.Counting)
            obj = await service.object()
            states: list[str] = []
            gateway.on("state", lambda change: states.append(change.state.value))
            running = service.slow(60_000)
            await service.big(1)
            process.end()
            start.process("-m", "gateway", "serve", "--config", str(start.folder / "gateway.toml"), "--listen",
                          f"127.0.0.1:{web.port}").line()  # fmt: skip
            while not states:
                await asyncio.sleep(0.01)
            # What was not sent is made in the new session.
            assert await service.big(2) == "xx"
            with pytest.raises(cara_pseud.OutcomeUnknown):
                await running
            with pytest.raises(RpcError) as caught:
                await obj.name()
            assert caught.value.code == "not_found"
            assert states == ["reconnecting", "open"]

    began = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - began < 40

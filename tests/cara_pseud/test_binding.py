"""Every form of register_interface, and interfaces called over real sockets."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import tornado.gen

import cara_pseud
from cara_pseud import errors

SCHEMA = """@0xd4c9b2a1f0e3d5aa;
interface Echo { echo @0 (text :Text) -> (text :Text); }
interface Pair { one @0 () -> (n :Int32); two @1 () -> (n :Int32); }
interface Grandparent { oldest @0 () -> (n :Int32); }
interface Parent extends(Grandparent) { older @0 () -> (n :Int32); }
interface Child extends(Parent) { young @0 () -> (n :Int32); }
interface Other { echo @0 () -> (); more @1 () -> (); }
interface Caller { call @0 () -> (n :Int32); ring @1 () -> (n :Int32); }
interface Stoppable { stop @0 () -> (n :Int32); timeout @1 () -> (n :Int32); packer @2 () -> (n :Int32); }
interface Counter { increment @0 (by :Int32) -> (value :Int32); clone @1 () -> (counter :Counter); }
interface Shop {
  counter @0 (start :Int32) -> (counter :Counter);
  useCounter @1 (counter :Counter, by :Int32) -> (value :Int32);
  ask @2 (listener :Echo) -> (answer :Text);
  narrow @3 (n :Int8) -> (n :Int8);
  wrong @4 () -> (n :Int8);
  divMod @5 (a :Int32, b :Int32 = 7) -> (q :Int32, r :Int32);
}
"""


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("schemas") / "binding.capnp"
    path.write_text(SCHEMA)
    return cara_pseud.load(path)


def run(main: Any) -> None:
    asyncio.run(asyncio.wait_for(main, 20))


def forms(schema: Any, server: Any) -> dict[str, Any]:
    class Plain:
        def echo(self, text: str) -> str:
            return text

    class Derived(schema.Echo):  # type: ignore[misc]
        def __init__(self, prefix: str = "") -> None:
            self.prefix = prefix

        def echo(self, text: str) -> str:
            return self.prefix + text

    def function(text: str) -> str:
        return text

    register = cara_pseud.register_interface
    return {
        "decorated subclass": lambda: register(server)(Derived) is Derived,
        "instance by decorator": lambda: register(server)(Derived()) is not None,
        "instance": lambda: register(server, Derived("")) is not None,
        "decorated class with interface": lambda: register(server, schema.Echo)(Plain) is Plain,
        "decorated function": lambda: register(server, schema.Echo)(function) is function,
        "interface and object": lambda: register(server, schema.Echo, Plain()) is not None,
        "interface and class": lambda: register(server, schema.Echo, Plain) is Plain,
        "interface and function": lambda: register(server, schema.Echo, function) is function,
        "interface and dict": lambda: register(server, schema.Echo, {"echo": function}) is not None,
    }


@pytest.mark.parametrize(
    "form",
    [
        "decorated subclass",
        "instance by decorator",
        "instance",
        "decorated class with interface",
        "decorated function",
        "interface and object",
        "interface and class",
        "interface and function",
        "interface and dict",
    ],
)
def test_every_form_serves_the_interface(schema: Any, serving: Any, connected: Any, form: str) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            assert forms(schema, cara_pseud.setup_server(server))[form]()
            assert await schema.Echo(cara_pseud.setup_client(client)).echo("hello") == "hello"

    run(main())


def test_bad_registrations_are_refused_with_the_reason(schema: Any) -> None:
    server = cara_pseud.Server("server")
    register = cara_pseud.register_interface
    cases: list[tuple[tuple[Any, ...], str]] = [
        ((lambda text: text,), "Interface must be specified for registering a single function."),
        ((schema.Pair, lambda: 1), "has too many methods to be registered with only a function."),
        ((object(),), "No interface inferable from"),
        ((schema.Pair, 5), "is no Pair"),
        ((5, 6), "is no interface class"),
    ]
    for arguments, text in cases:
        with pytest.raises(errors.RegistrationError, match=text):
            register(server, *arguments)
    with pytest.raises(errors.RegistrationError, match="use what setup_server"):
        register(object())  # type: ignore[call-overload]
    assert server.served == {}


def test_a_collision_names_both_interfaces_and_registers_nothing(schema: Any) -> None:
    server = cara_pseud.Server("server")
    cara_pseud.register_interface(server, schema.Echo, lambda text: text)
    with pytest.raises(errors.RegistrationError, match=r"Other cannot be registered: its method 'echo' is .* by Echo"):
        cara_pseud.register_interface(server, schema.Other, {"echo": print, "more": print})
    assert server.served == {"echo": "Echo"}


def test_methods_of_every_ancestor_are_served(schema: Any, serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:

            @cara_pseud.register_interface(server)
            class Implementation(schema.Child):  # type: ignore[misc]
                def young(self) -> int:
                    return 1

                def older(self) -> int:
                    return 2

                def oldest(self) -> int:
                    return 3

            assert await schema.Child(client).oldest() == 3
            assert await schema.Grandparent(client).oldest() == 3
            assert await client.older() == 2

    run(main())


def test_a_method_named_call_does_not_replace_the_protocols(schema: Any, serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            with pytest.warns(RuntimeWarning, match=r"Caller\.call is reachable on objects only"):
                cara_pseud.register_interface(server, schema.Caller, {"call": lambda: 1, "ring": lambda: 2})
            cara_pseud.register_interface(server, schema.Shop, shop(schema))
            assert await schema.Caller(client).ring() == 2
            assert await (await schema.Shop(client).counter(4)).increment(1) == 5

    run(main())


def test_names_of_the_clients_own_attributes_are_remote_methods(schema: Any, serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            numbers = {"stop": lambda: 1, "timeout": lambda: 2, "packer": lambda: 3}
            cara_pseud.register_interface(server, schema.Stoppable, numbers)
            remote = schema.Stoppable(client)
            assert [await remote.stop(), await remote.timeout(), await remote.packer()] == [1, 2, 3]

    run(main())


def shop(schema: Any) -> Any:
    class Counter(schema.Counter):  # type: ignore[misc]
        def __init__(self, start: int) -> None:
            self.total = start

        def increment(self, by: int) -> int:
            self.total += by
            return self.total

        def clone(self) -> Any:
            return Counter(self.total)

    class Shop(schema.Shop):  # type: ignore[misc]
        def counter(self, start: int) -> Any:
            return Counter(start)

        @tornado.gen.coroutine
        def useCounter(self, counter: Any, by: int) -> Any:
            value = yield counter.increment(by)
            return value

        async def ask(self, listener: Any) -> str:
            return f"the caller said {await listener.echo('who?')}"

        def narrow(self, n: int) -> int:
            return n

        def wrong(self) -> int:
            return 10**6

        def divMod(self, a: int, b: int) -> Any:
            return divmod(a, b)

    return Shop()


def test_objects_and_callbacks_go_both_ways(schema: Any, serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            cara_pseud.register_interface(server, shop(schema))
            remote = schema.Shop(client)
            counter = await remote.counter(10)
            assert await counter.increment(5) == 15
            copy = await counter.clone()
            assert (await copy.increment(1), await counter.increment(0)) == (16, 15)
            assert await remote.useCounter(counter, 2) == 17
            assert await remote.useCounter({"increment": lambda by: by * 100, "clone": lambda: None}, 7) == 700
            assert await remote.ask(lambda text: text.upper()) == "the caller said WHO?"

    run(main())


def test_what_does_not_fit_is_an_error_on_either_side(schema: Any, serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            cara_pseud.register_interface(server, shop(schema))
            remote = schema.Shop(client)
            with pytest.raises(errors.InvalidValue, match=r"1000 is out of range for Int8 \(-128 … 127\)"):
                await remote.narrow(1000)
            with pytest.raises(errors.RpcError, match="1000 is out of range for Int8") as caught:
                await client.narrow(1000)
            assert caught.value.code == "invalid_argument"
            with pytest.raises(errors.RpcError, match="1000000 is out of range for Int8"):
                await remote.wrong()
            with pytest.raises(errors.ArgumentError, match=r"divMod\(a :Int32, b :Int32 = 7\)"):
                await remote.divMod(1, 2, 3)
            both = await remote.divMod(23)
            assert (both.q, both["r"]) == (3, 2)

    run(main())


def test_an_answer_that_does_not_fit_is_an_error_at_the_caller(schema: Any, serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            server.register_rpc(lambda n: "no number", name="narrow")
            with pytest.raises(errors.Error, match="no Int8"):
                await schema.Shop(client).narrow(1)

    run(main())


def test_a_view_with_options_has_its_own_deadline(schema: Any, serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:

            async def slow(text: str) -> str:
                await asyncio.sleep(5)
                return text

            cara_pseud.register_interface(server, schema.Echo, slow)
            hasty = cara_pseud.with_options(schema.Echo(client), timeout=0.05)
            with pytest.raises(errors.DeadlineExceeded):
                await hasty.echo("x")

    run(main())


def test_released_proxies_free_their_object(schema: Any, serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            cara_pseud.register_interface(server, shop(schema))
            counter = await schema.Shop(client).counter(1)
            while not client.connections[0].extended:
                await asyncio.sleep(0.001)
            cara_pseud.release(counter)
            while len(server.connections[0].exports):
                await asyncio.sleep(0.001)
            with pytest.raises(errors.RpcError, match="no such object"):
                await counter.increment(1)

    run(main())


def test_loading_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(errors.SchemaError, match=r"nowhere\.capnp"):
        cara_pseud.load(tmp_path / "nowhere.capnp")

"""Every form of register_interface, and interfaces called over real sockets."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import tornado.gen

import cara_pseud
from cara_pseud import errors
from tests.cara_pseud.waiting import until_greeted

SCHEMA = """@0xd4c9b2a1f0e3d5aa;
interface Echo { echo @0 (text :Text) -> (text :Text); }
interface Pair { one @0 () -> (n :Int32); two @1 () -> (n :Int32); }
interface Grandparent { oldest @0 () -> (n :Int32); }
interface Parent extends(Grandparent) { older @0 () -> (n :Int32); }
interface Child extends(Parent) { young @0 () -> (n :Int32); }
interface Other { echo @0 () -> (); more @1 () -> (); }
interface Caller { call @0 (a :Int32, b :Text) -> (n :Int32); ring @1 () -> (n :Int32); }
interface BackAndForth {
  interface Callback { callback @0 (callback :Callback) -> (result :Text); }
  callMeMaybe @0 (callback :Callback) -> ();
  otherFunc @1 () -> ();
}
interface Adder { addTwo @0 (first :Int32, second :Int32) -> (sum :Int32); take @1 (counter :Counter) -> (); }
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
        "interface by name": lambda: register(server, interface=schema.Echo)(Plain) is Plain,
        "function by name": lambda: register(server, interface=schema.Echo)(function) is function,
        "both by name": lambda: register(server, interface=schema.Echo, obj_or_cls=Plain) is Plain,
        "all by name": lambda: register(obj_or_cls=function, interface=schema.Echo, server=server) is function,
        "class by name": lambda: register(server, obj_or_cls=Derived) is Derived,
        "instance by name": lambda: register(server, obj_or_cls=Derived()) is not None,
        "object by name": lambda: register(server, schema.Echo, obj_or_cls=Plain()) is not None,
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
        "interface by name",
        "function by name",
        "both by name",
        "all by name",
        "class by name",
        "instance by name",
        "object by name",
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


def test_handlers_that_cannot_take_the_parameters_are_refused(schema: Any) -> None:
    server = cara_pseud.Server("server")
    method = r"; the method is addTwo\(first :Int32, second :Int32\) -> \(sum :Int32\)$"

    class TooMany:
        def addTwo(self, first: int, second: int, third: int) -> int:
            return 1

    class Attribute:
        addTwo = 5

    def keyword(first: int, *, other: int) -> int:
        return 1

    for implementation, reason in (
        (TooMany(), r"it requires 3 arguments \(first, second, third\) and gets 2"),
        (TooMany, r"it requires 3 arguments \(first, second, third\) and gets 2"),
        ({"addTwo": keyword}, "it requires other by name, which is no parameter"),
        (Attribute(), "it is no function"),
    ):
        with pytest.raises(errors.RegistrationError, match=r"cannot be Adder\.addTwo: " + reason + method):
            cara_pseud.register_interface(server, schema.Adder, implementation)

    class Derived(schema.Adder):  # type: ignore[misc]
        def addTwo(self) -> int:
            return 1

        def take(self, counter: Any, more: int) -> None: ...

    with pytest.raises(errors.RegistrationError, match=r"Adder\.take: it requires 2 arguments \(counter, more\)"):
        cara_pseud.register_interface(server, Derived())
    assert server.served == {}


@pytest.mark.parametrize("name", ["add_two", "addtwo", "addTow", "adTwo", "addTwoo", "AddTwo"])
def test_a_misspelt_method_is_refused_with_both_names(schema: Any, name: str) -> None:
    server = cara_pseud.Server("server")
    methods = {name: lambda self, first, second: first + second, "take": lambda self, counter: None}
    text = f"Adder has no method '{name}', and 'addTwo' is not implemented"
    for implementation in (type("Plain", (), methods)(), type("Derived", (schema.Adder,), methods)):
        with pytest.raises(errors.RegistrationError, match=text):
            cara_pseud.register_interface(server, schema.Adder, implementation)
    with pytest.raises(errors.RegistrationError, match=f"Adder has no method '{name}'"):
        cara_pseud.register_interface(server, schema.Adder, {name: lambda: 1})
    assert server.served == {}


def test_other_methods_are_nobodys_business_and_missing_ones_are_named(
    schema: Any, serving: Any, connected: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Mine(schema.Adder):  # type: ignore[misc]
        def take(self, counter: Any) -> None: ...

        def takes(self) -> None: ...

        def _addTwo(self) -> None: ...

        def close(self) -> None: ...

    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            cara_pseud.register_interface(server, Mine)
            assert caplog.messages == ["Adder is served without addTwo: calls of these are unimplemented"]
            with pytest.raises(errors.RpcError) as caught:
                await schema.Adder(client).addTwo(1, 2)
            assert caught.value.code == "unimplemented"

    run(main())


@pytest.mark.parametrize("security", [{}, {"security_plugin": "plain"}])
def test_raw_calls_and_raw_handlers_carry_interfaces(
    schema: Any, serving: Any, connected: Any, security: dict[str, Any]
) -> None:
    class Echo(schema.Echo):  # type: ignore[misc]
        def echo(self, text: str) -> str:
            return text.upper()

    async def main() -> None:
        given = {**security, "passwords": {"ann": "secret"}} if security else {}
        login = {**security, "user_id": b"ann", "password": b"secret"} if security else {}
        async with serving(**given) as server, connected(server.endpoint, **login) as client:
            kept: list[Any] = []

            @server.register_rpc
            async def callback(listener: Any, among: Any = None) -> Any:
                kept.append(listener)
                return await schema.Echo(listener).echo("hi")

            @server.register_rpc
            def give() -> Any:
                return {"echo": Echo(), "same": kept[0]}

            assert await client.callback(Echo()) == "HI"
            assert await client.callback(schema.Echo(lambda text: text + "!")) == "hi!"
            assert await client.callback(listener=schema.Echo({"echo": lambda text: "dict"})) == "dict"
            assert await client.callback(Echo(), among=[Echo(), {"deep": Echo()}]) == "HI"
            given_back = await client.give()
            assert await schema.Echo(given_back["echo"]).echo("x") == "X"
            # A proxy, and an object that comes home, as raw arguments.
            assert await client.callback(schema.Echo(given_back["echo"])) == "HI"
            assert await client.callback(given_back["same"]) == "HI"
            with pytest.raises(errors.InvalidValue, match="function has no form on the wire"):
                await client.callback(lambda text: text)

    run(main())


def test_the_originals_example_of_callbacks_runs(schema: Any, serving: Any, connected: Any) -> None:
    async def main() -> None:
        answers: list[str] = []
        async with serving() as server, connected(server.endpoint) as client:

            @cara_pseud.register_interface(server)
            class Implementation(schema.BackAndForth):  # type: ignore[misc]
                def callMeMaybe(self, callback: Any) -> Any:
                    # The function has fewer parameters than the schema, and the other side passes none.
                    return callback(lambda: "internal callback")

                def otherFunc(self) -> None: ...

            remote = schema.BackAndForth(client)

            @remote.callMeMaybe
            def callback(callback: Any = None) -> Any:
                answers.append((yield callback()))

            await callback
            assert answers == ["internal callback"]
            assert await remote.otherFunc() is None

    run(main())


def test_a_raw_call_reaches_an_interface_that_calls_back_with_nothing(
    schema: Any, serving: Any, connected: Any
) -> None:
    async def main() -> None:
        called = asyncio.Event()

        class Foo(schema.BackAndForth.Callback):  # type: ignore[misc]
            def callback(self) -> str:
                called.set()
                return ""

        async with serving() as server, connected(server.endpoint) as client:

            @cara_pseud.register_interface(server, schema.BackAndForth.Callback)
            def calls_back(foo: Any) -> str:
                keep.append(foo.callback())
                return "sent"

            keep: list[Any] = []
            assert await client.callback(Foo()) == "sent"
            await called.wait()

    run(main())


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
            caller = schema.Caller({"call": lambda a, b: a + len(b), "ring": lambda: 2})
            cara_pseud.register_interface(server, schema.Caller, caller)
            cara_pseud.register_interface(server, schema.Shop, shop(schema))
            remote = schema.Caller(client)
            for _ in range(2):  # bare first, then as one peer of cara_pseud calls another
                assert await remote.ring() == 2
                assert await (await schema.Shop(client).counter(4)).increment(1) == 5
                assert await remote.call(1, "two") == 4
                assert await remote.call(b="two", a=1) == 4
                assert await client.call(1, "two") == 4
            with pytest.raises(errors.RpcError, match="missing 1 required positional argument: 'b'"):
                await client.call(1)


def test_an_interface_whose_method_is_called_call_can_be_passed_around(
    schema: Any, serving: Any, connected: Any
) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            got: list[Any] = []
            server.register_rpc(got.append, name="take")
            await client.take(schema.Caller({"call": lambda a: a * 2, "ring": lambda: 2}))
            assert await schema.Caller(got[0]).call(4, "") == 8

    run(main())


def test_without_a_method_called_call_the_name_is_the_protocols(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            with pytest.raises(errors.RpcError, match="a call on an object must have an object id"):
                await client.call(1)
            server.register_rpc(lambda *args: len(args), name="call")
            assert await client.call(1) == 1
            assert await client.call(1, 2, 3, 4, 5) == 5
            with pytest.raises(errors.RpcError, match="there is no such object"):
                await client.call(1, 2, 3, [], {})

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
            await until_greeted(client)
            cara_pseud.release(counter)
            while len(server.connections[0].exports):
                await asyncio.sleep(0.001)
            with pytest.raises(errors.RpcError, match="no such object"):
                await counter.increment(1)

    run(main())


def test_loading_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(errors.SchemaError, match=r"nowhere\.capnp"):
        cara_pseud.load(tmp_path / "nowhere.capnp")

"""What was wrong with cara and its peers, fault by fault: ours does not have it."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Awaitable
from typing import Any

import msgpack
import pytest

import cara_pseud
from cara_pseud import errors
from cara_pseud.local import LocalCapability
from tests.cara_pseud.waiting import until_readable

SCHEMA = """@0xd4c9b2a1f0e3d5c2;
struct Person {
  name @0 :Text;
  age @1 :UInt8;
  boss @2 :Person;
  addresses @3 :List(Address);
  greeting @4 :Text = "Hello";
  small @5 :Int8;
  tags @6 :List(Text);
}
struct Address { city @0 :Text; }
interface Echo { echo @0 (text :Text) -> (text :Text); }
interface Other { echo @0 () -> (); }
interface Grandparent { oldest @0 () -> (n :Int32); }
interface Parent extends(Grandparent) { older @0 () -> (n :Int32); }
interface Child extends(Parent) { young @0 () -> (n :Int32); }
interface Caller { call @0 () -> (n :Int32); }
interface Calls {
  page @0 (prefix :Text, limit :UInt16 = 50) -> (text :Text);
  small @1 (n :Int8) -> (n :Int8);
  wrong @2 () -> (n :Int8);
  person @3 () -> (person :Person);
  any @4 (value :AnyPointer) -> (value :AnyPointer);
  keep @5 [T] (value :T) -> (value :T);
  echo @6 () -> (echo :Echo);
  hear @7 (echo :Echo) -> (text :Text);
}
"""


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("schemas") / "faults.capnp"
    path.write_text(SCHEMA)
    return cara_pseud.load(path)


def run(main: Awaitable[None]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(main, 20)

    asyncio.run(bounded())


class Calls:
    """Implements the interface of that name, wrongly where the name says so."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def page(self, prefix: str, limit: int) -> str:
        return f"{prefix}:{limit}"

    def small(self, n: int) -> int:
        return n

    def wrong(self) -> Any:
        return "text"

    def person(self) -> Any:
        return {"boss": {"age": 300}}

    async def any(self, value: Any) -> Any:
        return value

    def keep(self, value: Any) -> Any:
        return value

    def echo(self) -> Any:
        return lambda text: text

    async def hear(self, echo: Any) -> str:
        return str(await echo.echo("heard"))


def login(user: bytes) -> dict[str, Any]:
    return {"security_plugin": "plain", "user_id": user, "password": b"_"}


# Capabilities.


def test_remote_ids_cannot_be_guessed(schema: Any, serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            cara_pseud.register_interface(server, schema.Calls, Calls())
            kept = [await schema.Calls(client).echo() for _ in range(200)]
            ids = sorted(proxy.__capability__.id for proxy in kept)
            assert len(set(ids)) == 200
            # Neither a counter nor addresses of one heap: spread over all 64 bits.
            assert ids[-1] - ids[0] > 2**62
            with pytest.raises(errors.RpcError, match="no such object"):
                await client.call(ids[0] + 1, schema.Echo.__id__, 0, ("x",), {})

    run(main())


def test_no_other_peer_may_call_an_object(schema: Any, serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with (
            serving(security_plugin="trusted_peer") as server,
            connected(server.endpoint, **login(b"ann")) as ann,
            connected(server.endpoint, **login(b"bob")) as bob,
        ):
            cara_pseud.register_interface(server, schema.Calls, Calls())
            echo = await schema.Calls(ann).echo()
            assert await echo.echo("hi") == "hi"
            with pytest.raises(errors.RpcError, match="no such object") as caught:
                await bob.call(echo.__capability__.id, schema.Echo.__id__, 0, ("hi",), {})
            assert caught.value.code == "not_found"

    run(main())


def test_no_other_user_can_be_named_in_an_object(schema: Any, serving: Any, connected: Any, raw_dealer: Any) -> None:
    async def main() -> None:
        called: list[Any] = []
        async with (
            serving(security_plugin="trusted_peer") as server,
            connected(server.endpoint, **login(b"ann")) as ann,
        ):
            cara_pseud.register_interface(server, schema.Calls, Calls())
            ann.register("call", lambda call, args, kwargs: called.append(args))
            server.register_rpc(lambda: None, name="ping")
            await ann.ping()
            bob = raw_dealer(server.endpoint, plain_username=b"bob", plain_password=b"_")
            forged = msgpack.ExtType(100, msgpack.packb((7, b"ann"), use_bin_type=False))
            bob.send_multipart([b"", b"v1", bytes(16), b"\x03", msgpack.packb(("hear", (forged,), {}))])
            await until_readable(bob)
            *_, kind, body = bob.recv_multipart()
            name, text, _ = msgpack.unpackb(body)
            assert (kind, name, text) == (
                b"\x10", "RpcError", "an object may only be passed by the user that has it",
            )
            assert called == []

    run(main())


def test_a_second_login_gets_none_of_the_firsts_calls(schema: Any, serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with (
            serving(security_plugin="trusted_peer") as server,
            connected(server.endpoint, **login(b"ann")) as first,
            connected(server.endpoint, **login(b"ann")) as thief,
        ):
            kept: list[Any] = []
            server.register_rpc(lambda: None, name="ping")

            async def keep(echo: Any) -> None:
                kept.append(echo)

            server.register_rpc(keep)
            await first.keep(LocalCapability(Answering("first")))
            await thief.ping()
            thief.register("call", lambda call, args, kwargs: "stolen")
            assert await kept[0].call(1, 0, ("x",)) == "first"
            # Nor are the first one's objects the second one's to call.
            assert server.connections[0].exports is not server.connections[1].exports

    run(main())


class Answering:
    """A target with one answer."""

    def __init__(self, answer: str) -> None:
        self.answer = answer

    def invoke(self, *_: Any) -> str:
        return self.answer

    def released(self) -> None:
        """Nobody asks."""


def test_objects_are_released_and_end_with_their_connection(schema: Any, serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server:
            cara_pseud.register_interface(server, schema.Calls, Calls())
            async with connected(server.endpoint) as client:
                released, kept = [await schema.Calls(client).echo() for _ in range(2)]
                (connection,) = server.connections
                assert len(connection.exports) == 2
                cara_pseud.release(released)
                while len(connection.exports) > 1:
                    await asyncio.sleep(0.002)
                assert await kept.echo("x") == "x"
            while len(connection.exports):
                await asyncio.sleep(0.002)

    run(main())


def test_an_interface_in_an_any_pointer_slot_can_be_used(schema: Any, serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            cara_pseud.register_interface(server, schema.Calls, Calls())
            calls = schema.Calls(client)
            back = schema.Echo(await calls.any(schema.Echo({"echo": lambda text: text.upper()})))
            assert await back.echo("hi") == "HI"
            theirs = await calls.echo()
            assert await schema.Echo(await calls.any(theirs)).echo("hi") == "hi"

    run(main())


# Registering and answering.


def test_a_method_named_call_leaves_the_protocols_alone(schema: Any, serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            cara_pseud.register_interface(server, schema.Calls, Calls())
            cara_pseud.register_interface(server, schema.Caller, {"call": lambda: 5})
            assert await (await schema.Calls(client).echo()).echo("hi") == "hi"
            assert await schema.Caller(client).call() == 5

    run(main())


def test_two_interfaces_with_one_method_name_are_an_error(schema: Any) -> None:
    server = cara_pseud.Server("server")
    cara_pseud.register_interface(server, schema.Echo, lambda text: text)
    with pytest.raises(errors.RegistrationError, match=r"Echo.*Other|Other.*Echo"):
        cara_pseud.register_interface(server, schema.Other, lambda: None)


def test_methods_of_grandparents_are_served(schema: Any, serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            implementation = {"oldest": lambda: 1, "older": lambda: 2, "young": lambda: 3}
            cara_pseud.register_interface(server, schema.Child, implementation)
            child = schema.Child(client)
            assert (await child.oldest(), await child.older(), await child.young()) == (1, 2, 3)

    run(main())


def test_the_registering_decorator_leaves_what_it_decorated(schema: Any) -> None:
    @cara_pseud.register_interface(cara_pseud.Server("server"))
    class Mine(schema.Echo):  # type: ignore[misc]
        def echo(self, text: str) -> str:
            return text

    assert isinstance(Mine, type)
    assert Mine.__name__ == "Mine"


def test_generic_methods_work_through_a_subclass(schema: Any, serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:

            class Mine(schema.Calls):  # type: ignore[misc]
                page = small = wrong = person = any = echo = hear = lambda self: None

                def keep(self, value: Any) -> Any:
                    return value

            cara_pseud.register_interface(server, Mine())
            assert await schema.Calls(client).keep[cara_pseud.Text]("x") == "x"

    run(main())


@pytest.mark.parametrize(
    ("handler", "text"),
    [
        pytest.param(lambda: object(), "the result cannot be sent", id="cannot be packed"),
        pytest.param(lambda: _nested(5000), "the result cannot be sent", id="nested 5000 deep"),
        pytest.param(lambda: _exit(), "3", id="SystemExit"),
    ],
)
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_every_end_of_a_handler_is_answered(
    serving: Any, connected: Any, handler: Any, text: str, kind: str
) -> None:
    async def main() -> None:
        async def later() -> Any:
            await asyncio.sleep(0)
            return handler()

        async with serving() as server, connected(server.endpoint) as client:
            server.register_rpc(handler if kind == "def" else later, name="end")
            server.register_rpc(lambda: "alive", name="ping")
            server.register_rpc(lambda: _nested(500), name="deep")
            with pytest.raises(errors.RpcError, match=text):
                await client.end()
            assert await client.deep()
            assert await client.ping() == "alive"

    run(main())


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def _exit() -> None:
    raise SystemExit(3)


@pytest.mark.parametrize("depth", [600, 5000, 200_000])
def test_arguments_nested_too_deeply_are_answered(serving: Any, raw_dealer: Any, connected: Any, depth: int) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            server.register_rpc(lambda value: "taken", name="take")
            dealer = raw_dealer(server.endpoint)
            body = b"\x93\xa4take\x91" + b"\x91" * depth + b"\x01\x80"
            dealer.send_multipart([b"", b"v1", bytes(16), b"\x03", body])
            await until_readable(dealer)
            assert dealer.recv_multipart()[3] in (b"\x01", b"\x10")
            assert await client.take(1) == "taken"

    run(main())


# Arguments and results.


def test_extra_positional_arguments_are_not_dropped_in_silence(schema: Any, serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            cara_pseud.register_interface(server, schema.Calls, Calls())
            with pytest.raises(errors.ArgumentError, match=r"small\(n :Int8\)"):
                await schema.Calls(client).small(1, 2)
            # A caller with a newer schema has parameters that this one does not know; they are counted.
            assert await client.small(1, 2) == await client.small(1)
            assert server.dropped == {"surplus arguments": 1}

    run(main())


def test_parameter_defaults_of_the_schema_are_applied(schema: Any, serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            cara_pseud.register_interface(server, schema.Calls, Calls())
            assert await schema.Calls(client).page("a") == "a:50"
            assert await client.page("raw") == "raw:50"

    run(main())


def test_values_are_checked_at_both_ends(schema: Any, serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            cara_pseud.register_interface(server, schema.Calls, Calls())
            with pytest.raises(errors.InvalidValue, match="1000000 is out of range for Int8"):
                await schema.Calls(client).small(10**6)
            with pytest.raises(errors.RpcError, match="1000000 is out of range for Int8"):
                await client.small(10**6)
            with pytest.raises(errors.RpcError, match="b'x' is no Text"):
                await client.page(b"x")

    run(main())
    with pytest.raises(errors.InvalidValue, match="out of range for Int8"):
        schema.Person(small=10**6)
    with pytest.raises(errors.WrongType, match="is no Text"):
        schema.Person(name=b"bytes")


@pytest.mark.parametrize("method", ["wrong", "person"])
def test_a_result_that_does_not_convert_is_an_error(schema: Any, serving: Any, connected: Any, method: str) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            cara_pseud.register_interface(server, schema.Calls, Calls())
            with pytest.raises(errors.RpcError):
                await getattr(schema.Calls(client), method)()
        async with serving() as server, connected(server.endpoint) as client:
            # A server that does not check: the caller does.
            server.register_rpc(lambda: {0: b"no text"} if method == "person" else "text", name=method)
            with pytest.raises((errors.RpcError, errors.Error)):
                await getattr(schema.Calls(client), method)()

    run(main())


# Structs.


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda person: person.boss.boss, id="reading a struct"),
        pytest.param(lambda person: person.addresses[:], id="reading a list"),
        pytest.param(hash, id="hash"),
        pytest.param(lambda person: person == {"name": "b"}, id="=="),
        pytest.param(repr, id="repr"),
        pytest.param(lambda person: person.ToDict(), id="ToDict"),
    ],
)
def test_reading_changes_nothing(schema: Any, read: Any) -> None:
    person = schema.Person(name="a")
    before = msgpack.packb(person)
    read(person)
    assert msgpack.packb(person) == before == b"\x81\x00\xa1a"


def test_an_append_to_an_unset_list_is_kept(schema: Any) -> None:
    person = schema.Person()
    person.addresses.append({"city": "Rome"})
    assert person.ToDict(with_field_names=True) == {"addresses": [{"city": "Rome"}]}


def test_unset_fields_read_as_their_defaults(schema: Any) -> None:
    person = schema.Person()
    assert (person.name, person.age, person.greeting, person.tags, person.boss) == ("", 0, "Hello", [], {})


@pytest.mark.parametrize("key", [-1, 7, 99, True, False, 1.0, "-1", "nope", b"nope", "", None, (0,)])
def test_what_is_no_field_is_an_error(schema: Any, key: Any) -> None:
    person = schema.Person(name="a", tags=["last"])
    with pytest.raises(errors.UnknownField) as caught:
        person[key]
    assert isinstance(caught.value, KeyError)
    with pytest.raises(errors.UnknownField):
        person[key] = "x"
    with pytest.raises(errors.UnknownField):
        schema.Person({key: "x"})


def test_every_way_to_change_a_struct_takes_names_and_checks(schema: Any) -> None:
    person = schema.Person()
    person.update({"name": "a"}, boss={"name": "b"})
    assert dict(person) == {0: "a", 2: {0: "b"}}
    assert type(person.boss) is schema.Person
    assert person.pop("name") == "a"
    assert person.setdefault("age", 3) == 3
    assert dict(person) == {1: 3, 2: {0: "b"}}
    del person["age"], person.boss
    assert dict(person) == {}
    for change in (
        lambda: person.update(age=300),
        lambda: person.setdefault("age", 300),
        lambda: person.__ior__({"age": 300}),
        lambda: person | {"age": 300},
    ):
        with pytest.raises(errors.InvalidValue, match=r"\$.age: 300 is out of range"):
            change()
    assert dict(person) == {}


def test_every_way_to_change_a_list_converts_and_checks(schema: Any) -> None:
    addresses = schema.Person().addresses
    addresses.extend([{"city": "a"}])
    addresses += [{"city": "b"}]
    addresses[1:1] = [{"city": "c"}]
    addresses.insert(0, {"city": "d"})
    assert [type(address) for address in addresses] == [schema.Address] * 4
    assert [address.city for address in addresses] == ["d", "a", "c", "b"]
    for change in (
        lambda: addresses.extend([{"city": 5}]),
        lambda: addresses.__iadd__([{"city": 5}]),
        lambda: addresses.__setitem__(slice(0, 1), [{"city": 5}]),
        lambda: addresses.insert(0, {"city": 5}),
    ):
        with pytest.raises(errors.WrongType, match="5 is no Text"):
            change()
    assert len(addresses) == 4


def test_structs_are_copied_and_pickled(schema: Any) -> None:
    person = schema.Person(name="a", boss={"name": "b"}, addresses=[{"city": "c"}])
    for twin in (copy.deepcopy(person), pickle.loads(pickle.dumps(person))):
        assert twin == person
        assert [type(twin), type(twin.boss), type(twin.addresses)] == [
            type(person), type(person.boss), type(person.addresses),
        ]
        twin.boss.name = "changed"
        assert person.boss.name == "b"

"""Two vats that talk to each other, and one that hears what no honest peer says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cara_pseud.capabilities import Capability, IncomingCall
from cara_pseud.errors import OutcomeUnknown, RpcError, Unavailable
from cara_pseud.local import LocalCapability
from cara_pseud.schema.loader import compile_schema
from cara_pseud.schema.nodes import InterfaceNode, Kind, Type
from gateway.bridge import rpc_messages as messages
from gateway.bridge.framing import Framing
from gateway.bridge.named_structs import SchemaStructs
from gateway.bridge.native_methods import NativeMethods
from gateway.bridge.objects import Broken, NativeObject
from gateway.bridge.pointers import ReceivedMessage
from gateway.bridge.rpc_messages import Came, Descriptor, Hosted, MessageKind
from gateway.bridge.vat import Vat

SCHEMA = """@0xe1f0c4a2b3d59687;
interface House {
  room @0 (name :Text) -> (room :Room);
  greet @1 (guest :Guest) -> (text :Text);
  passed @2 (guest :Guest) -> (text :Text);
  rooms @3 () -> (rooms :List(Room));
}
interface Room {
  name @0 () -> (name :Text);
  door @1 () -> (room :Room);
}
interface Guest {
  speak @0 () -> (text :Text);
  friend @1 () -> (guest :Guest);
}
"""

Handler = Callable[..., Any]


class Object:
    """An object of functions, by their methods' ids."""

    def __init__(self, *handlers: Handler) -> None:
        self.handlers = handlers

    def invoke(
        self, interface_id: int, method: int | str, args: Sequence[Any], kwargs: Mapping[str, Any], call: IncomingCall
    ) -> Any:
        assert isinstance(method, int)
        return self.handlers[method](*args)

    def released(self) -> None: ...


def local(*handlers: Handler) -> LocalCapability:
    return LocalCapability(Object(*handlers))


class Wire:
    """Two vats; what one sends is given to the other when `run` says so.

    Attributes:
        said: the kinds of messages that each side has sent.
    """

    def __init__(self, methods: NativeMethods, first: Capability) -> None:
        loop = asyncio.get_running_loop()
        self.said: dict[str, list[int]] = {"client": [], "server": []}
        self._waiting: list[tuple[str, bytes]] = []
        self.client = Vat(methods, loop, lambda sent: self._waiting.append(("client", bytes(sent))))
        self.server = Vat(methods, loop, lambda sent: self._waiting.append(("server", bytes(sent))))
        self.server.first = first, interface(methods, "House")

    async def run(self) -> None:
        """Let everything be said and done that can be."""
        for _ in range(20):
            while self._waiting:
                sender, octets = self._waiting.pop(0)
                for segments in Framing(2**20).take(octets):
                    self.said[sender].append(messages.read_message(ReceivedMessage(segments))[0])
                    (self.server if sender == "client" else self.client).receive(segments)
            await asyncio.sleep(0)

    async def house(self) -> NativeObject:
        asked = self.client.bootstrap()
        await self.run()
        root = await asked
        assert isinstance(root, NativeObject)
        root.seen_as(interface(self.client.methods, "House"))
        return root


def interface(methods: NativeMethods, name: str) -> Type:
    node = methods.schema.find(name)
    assert isinstance(node, InterfaceNode)
    return Type(Kind.INTERFACE, node.id)


@pytest.fixture(scope="module")
def methods(tmp_path_factory: pytest.TempPathFactory) -> NativeMethods:
    path: Path = tmp_path_factory.mktemp("vat") / "house.capnp"
    path.write_text(SCHEMA, "utf-8")
    schema = compile_schema([path])
    return NativeMethods(schema, SchemaStructs(schema))


def called(target: NativeObject, name: str, *args: Any) -> Any:
    methods = target.vat.methods
    (type,) = target.types
    return target.invoke(type.node_id, methods.find((type,), type.node_id, name).id, args, {}, IncomingCall(b""))


def into(question: Any, type: Type, method: int) -> Any:
    """Call the only object of an answer that has not come."""
    return question.promised((0,)).target.invoke(type.node_id, method, (), {}, IncomingCall(b""))


def play(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 5))  # type: ignore[arg-type]


def test_an_object_is_released_as_often_as_it_was_sent(methods: NativeMethods) -> None:
    async def scenario() -> None:
        room = local(lambda: "hall")
        wire = Wire(methods, local(lambda name: room, None, None, lambda: [room, room]))
        house = await wire.house()
        first, several = called(house, "room", "hall"), called(house, "rooms")
        await wire.run()
        rooms = [await first, *await several]
        assert len({id(each) for each in rooms}) == 1
        assert wire.server.held == 2
        reply = called(rooms[0], "name")
        await wire.run()
        assert await reply == "hall"
        del rooms, first, several, reply
        await wire.run()
        assert wire.server.held == 1, "the house itself"
        assert wire.said["client"].count(MessageKind.RELEASE) == 1

    play(scenario)


def test_calls_into_an_answer_that_has_not_come(methods: NativeMethods) -> None:
    async def scenario() -> None:
        later: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        wire = Wire(methods, local(lambda name: later))
        house = await wire.house()
        room = called(house, "room", "hall")
        type = interface(methods, "Room")
        door = into(room, type, 1)
        name = into(door, type, 0)
        await wire.run()
        assert not name.done()
        inner = local(lambda: "closet")
        later.set_result(local(lambda: "hall", lambda: inner))
        await wire.run()
        assert await name == "closet"
        assert await room is not await door

    play(scenario)


def test_what_depends_on_a_call_that_fails_fails_too(methods: NativeMethods) -> None:
    async def scenario() -> None:
        later: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        wire = Wire(methods, local(lambda name: later))
        room = called(await wire.house(), "room", "hall")
        type = interface(methods, "Room")
        name = into(room, type, 0)
        await wire.run()
        later.set_exception(RpcError("not_found", "no hall"))
        await wire.run()
        for failed in (room, name):
            with pytest.raises(RpcError):
                await failed

    play(scenario)


def test_the_service_calls_what_it_was_given_and_it_comes_home(methods: NativeMethods) -> None:
    async def scenario() -> None:
        guest = local(lambda: "hello", None)

        async def greet(someone: Capability) -> str:
            return str(await someone.call(interface(methods, "Guest").node_id, 0))

        wire = Wire(methods, local(None, greet, lambda someone: someone))
        house = await wire.house()
        text = called(house, "greet", guest)
        await wire.run()
        assert await text == "hello"
        await wire.run()
        assert (wire.client.held, wire.server.held) == (0, 1)

    play(scenario)


def test_a_call_that_is_given_up_is_cancelled_at_the_other_side(methods: NativeMethods) -> None:
    async def scenario() -> None:
        later: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        wire = Wire(methods, local(lambda name: later))
        room = called(await wire.house(), "room", "hall")
        await wire.run()
        room.cancel()
        await wire.run()
        assert later.cancelled()
        # Its number is free again only when its answer has come.
        assert (wire.client._given_up, wire.client._answers, wire.server._answers) == ({}, {}, {})

    play(scenario)


@pytest.mark.parametrize("given_up", [False, True])
def test_objects_in_parameters_are_let_go_by_an_answer_that_says_so(methods: NativeMethods, given_up: bool) -> None:
    async def scenario() -> None:
        vat = Vat(methods, asyncio.get_running_loop(), lambda sent: None)
        house = NativeObject(vat, 0)
        house.seen_as(interface(methods, "House"))
        for keeps in (True, False):
            question = called(house, "greet", local())
            if given_up:
                question.cancel()
            returned = messages.return_other(question.id, Came.CANCELED)
            returned[messages.FRAME_BYTES + 3 * 8 + 4] = keeps  # releaseParamCaps, whose default is true
            before = vat.held
            receive(vat, returned)
            assert before - vat.held == (0 if keeps else 1)
            await asyncio.gather(question, return_exceptions=True)

    play(scenario)


def test_a_call_may_end_with_another_one_that_the_service_makes_of_us(methods: NativeMethods) -> None:
    """What C++ calls a tail call."""

    async def scenario() -> None:
        wire = Wire(methods, local())
        house = await wire.house()
        guest = local(lambda: "hello")
        text = called(house, "passed", guest)
        type = interface(methods, "Guest")
        speak = methods.find((type,), type.node_id, "speak")
        wire._waiting.clear()  # the service answers in its own way
        octets = speak.form.begin(7, 1)
        octets[messages.FRAME_BYTES + 3 * 8 + 6] = 1  # sendResultsTo.yourself
        receive(wire.client, octets)
        await wire.run_client()
        returned = messages.return_other(text.id, Came.TAKEN_FROM_OTHER)
        returned[messages.FRAME_BYTES + 4 * 8] = 7
        receive(wire.client, returned)
        # The results are those of another method, which has the same names but is another struct.
        with pytest.raises(RpcError) as mixed:
            await text
        assert mixed.value.code == "internal"

    async def run_client(self: Wire) -> None:
        for _ in range(10):
            self._waiting.clear()
            await asyncio.sleep(0)

    Wire.run_client = run_client  # type: ignore[attr-defined]
    play(scenario)


async def passed_on(methods: NativeMethods, begun: asyncio.Future[Any]) -> tuple[Vat, list[int], Any]:
    """A vat whose call of the service's `guest` is to end as a call of the service's does that has just begun: its
    messages' kinds from then on, and the call of ours."""
    sent: list[int] = []

    def send(octets: bytes | bytearray) -> None:
        for segments in Framing(2**20).take(bytes(octets)):
            sent.append(messages.read_message(ReceivedMessage(segments))[0])

    vat = Vat(methods, asyncio.get_running_loop(), send)
    guest = interface(methods, "Guest")
    stranger = NativeObject(vat, 0)
    stranger.seen_as(guest)
    id = vat.export(local(lambda: begun), guest)
    text = called(stranger, "speak")
    speak = methods.find((guest,), guest.node_id, "speak")
    octets = speak.form.begin(7, id)
    octets[messages.FRAME_BYTES + 3 * 8 + 6] = 1  # sendResultsTo.yourself
    receive(vat, octets)
    returned = messages.return_other(text.id, Came.TAKEN_FROM_OTHER)
    returned[messages.FRAME_BYTES + 4 * 8] = 7
    receive(vat, returned)
    sent.clear()
    return vat, sent, text


def test_a_call_ends_when_the_one_does_that_it_was_passed_on_to(methods: NativeMethods) -> None:
    """The service says so at once, while the other call is under way here."""

    async def scenario() -> None:
        begun: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        _, sent, text = await passed_on(methods, begun)
        await asyncio.sleep(0)
        # It is finished with only then: the service would end the other call with it.
        assert (text.done(), sent) == (False, [])
        begun.set_result("hello")
        assert await text == "hello"
        assert text.found == {0: "hello"}
        assert sorted(sent) == [MessageKind.RETURN, MessageKind.FINISH]

    play(scenario)


def test_a_call_that_was_passed_on_fails_is_given_up_and_is_lost_as_others_are(methods: NativeMethods) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        begun: asyncio.Future[Any] = loop.create_future()
        _, _, text = await passed_on(methods, begun)
        begun.set_exception(RpcError("not_found", "nobody"))
        with pytest.raises(RpcError, match="nobody"):
            await text

        vat, sent, text = await passed_on(methods, begun := loop.create_future())
        text.cancel()
        assert sent == [MessageKind.FINISH]
        assert (vat._questions, vat._given_up, vat._passed_on, vat._free) == ({}, {}, set(), [0])
        begun.set_result("too late")
        await asyncio.sleep(0)

        vat, _, text = await passed_on(methods, begun := loop.create_future())
        vat.close()
        with pytest.raises(OutcomeUnknown):
            await text
        begun.set_result("too late")
        await asyncio.sleep(0)

    play(scenario)


def receive(vat: Vat, octets: bytes | bytearray) -> None:
    for segments in Framing(2**20).take(bytes(octets)):
        vat.receive(segments)


def test_everything_ends_with_the_connection(methods: NativeMethods) -> None:
    async def scenario() -> None:
        wire = Wire(methods, local(lambda name: asyncio.get_running_loop().create_future()))
        house = await wire.house()
        room = called(house, "room", "hall")
        await wire.run()
        wire.client.close()
        wire.server.close()
        with pytest.raises(OutcomeUnknown):
            await room
        with pytest.raises(Unavailable):
            called(house, "room", "hall")
        assert not house.alive

    play(scenario)


BAD: dict[str, Callable[[], bytes | bytearray]] = {
    "an answer to nothing": lambda: messages.return_other(99, Came.CANCELED),
    "the end of what was never asked": lambda: messages.finish(99, releases=True),
    "a call of an object that it does not hold": lambda: messages.CallForm(
        1, 0, messages.content_pointer(0, 0), 0
    ).begin(1, 99),
    "an abort": lambda: messages.abort("I do not like you"),
    "an empty segment": lambda: bytes(8),
    "a pointer out of the segment": lambda: b"\0\0\0\0\1\0\0\0" + (4 | 1 << 32).to_bytes(8, "little"),
    "a list where a struct must be": lambda: b"\0\0\0\0\1\0\0\0" + (1).to_bytes(8, "little"),
    "a segment that there is not": lambda: b"\0\0\0\0\1\0\0\0" + (2 | 5 << 32).to_bytes(8, "little"),
}


@pytest.mark.parametrize("name", BAD)
def test_who_does_not_keep_to_the_protocol_is_no_peer_any_more(methods: NativeMethods, name: str) -> None:
    async def scenario() -> None:
        vat = Vat(methods, asyncio.get_running_loop(), lambda sent: None)
        with pytest.raises(Broken):
            receive(vat, BAD[name]())

    play(scenario)


def test_what_is_no_message_of_level_one_is_sent_back(methods: NativeMethods) -> None:
    async def scenario() -> None:
        sent: list[bytes] = []
        vat = Vat(methods, asyncio.get_running_loop(), lambda octets: sent.append(bytes(octets)))
        join = bytearray(messages.finish(3, releases=True))
        join[messages.FRAME_BYTES + 8] = 12
        receive(vat, join)
        (segments,) = Framing(2**20).take(sent[0])
        kind, view = messages.read_message(ReceivedMessage(segments))
        assert (kind, view.struct(0).number(16, 0)) == (MessageKind.UNIMPLEMENTED, 12)

    play(scenario)


def test_results_that_are_none_fail_their_call_and_nothing_else(methods: NativeMethods) -> None:
    async def scenario() -> None:
        sent: list[bytes] = []
        vat = Vat(
            methods, asyncio.get_running_loop(), lambda octets: sent.append(bytes(octets)), max_objects=3
        )
        house = NativeObject(vat, 0)
        house.seen_as(interface(methods, "House"))

        def answered(question: Any, change: Callable[[bytearray], None], words: int = 1) -> None:
            b = messages.begin_return(question.id, messages.content_pointer(words, 1 << 16), words)
            change(b)
            receive(vat, messages.seal(b))

        def many(b: bytearray) -> None:
            messages.put_table(b, messages.RETURN_CONTENT + 8, [Descriptor(Hosted.BY_SENDER, id) for id in range(4)])

        def no_object(b: bytearray) -> None:
            b[messages.RETURN_BYTES : messages.RETURN_BYTES + 8] = messages.object_pointer(5).to_bytes(8, "little")

        def text(b: bytearray) -> None:
            b[messages.RETURN_BYTES : messages.RETURN_BYTES + 8] = (1 | 2 << 32 | 99 << 35).to_bytes(8, "little")

        cases = ((many, "too_large", "it holds 4"), (no_object, "internal", "$.room: "), (text, "internal", "$.room: "))
        for change, code, place in cases:
            question = called(house, "room", "hall")
            answered(question, change)
            with pytest.raises(RpcError) as told:
                await question
            assert told.value.code == code
            assert f"the answer to House.room cannot be read: {place}" in told.value.message
        good = called(house, "room", "hall")
        answered(good, lambda b: None)
        assert await good is None

    play(scenario)

"""docs/wire.md is true: its bytes are those that peers send, its figures those of the code.

Every table with a column ``bytes`` is encoded anew, every table with a column ``figure`` is compared with the
constants, and the conversation is played against a real server and a real client.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq
import zmq.asyncio

import cara_pseud
from cara_pseud import (
    backlog,
    batches,
    bodies,
    client,
    deadlines,
    dependents,
    errors,
    greeting,
    inbox,
    kept_answers,
    limits,
    link,
    outbox,
    peer,
    promised,
    references,
    server,
    wire,
)
from cara_pseud.capabilities import CallOptions
from cara_pseud.client import Client
from cara_pseud.schema.nodes import StructNode
from cara_pseud.server import Server

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "wire.md").read_text("utf-8")
TIMEOUT_S = 20


# Reading the page.


def pack(value: Any) -> bytes:
    packed: bytes = msgpack.packb(value)
    return packed


def value_of(text: str) -> Any:
    """A value in the page's notation."""
    python = re.sub(r"h'([0-9a-f]*)'", r"bytes.fromhex('\1')", text)
    names = {"nil": None, "true": True, "false": False, "bytes": bytes, "pack": pack, "ext": lambda code, content:
             msgpack.ExtType(code, pack(content))}  # fmt: skip
    return eval(python, {"__builtins__": {}}, names)


def tables() -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """The page's tables: section, column heads, rows."""
    for section in re.split(r"^##+ ", PAGE, flags=re.MULTILINE)[1:]:
        title = section.partition("\n")[0]
        for table in re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE):
            rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
            yield title, rows[0], rows[2:]


def code(cell: str) -> str:
    found = re.search(r"`(.+?)`", cell)
    assert found is not None, cell
    return found[1]


@dataclass(frozen=True)
class Example:
    section: str
    name: str
    value: Any
    data: bytes


def examples() -> list[Example]:
    found = []
    for section, heads, rows in tables():
        if "bytes" not in heads:
            continue
        place = heads.index("bytes")
        for row in rows:
            if row[place]:
                text = code(row[place - 1])
                value = text.encode() if row[place - 1].startswith("the text") else value_of(text)
                found.append(Example(section, row[0], value, bytes.fromhex(code(row[place]))))
    return found


EXAMPLES = examples()


def bytes_of(section: str, name: str) -> bytes:
    [found] = [example.data for example in EXAMPLES if (example.section, example.name) == (section, name)]
    return found


def figures() -> dict[tuple[str, str], str]:
    """The page's figures by section and what stands before them."""
    found = {}
    for section, heads, rows in tables():
        if "figure" in heads:
            place = heads.index("figure")
            for row in rows:
                key = (section, ": ".join(row[:place]))
                assert key not in found, f"two figures for {key}"
                found[key] = row[place]
    return found


UNITS = {"": 1, "bytes": 1, "ms": 0.001, "s": 1, "KiB": 2**10, "MiB": 2**20}


def numbers(text: str) -> list[float]:
    """``1,000`` → [1000], ``5, 80 ms`` → [0.005, 0.08], ``16 MiB`` → [16777216]."""
    listed, unit = re.fullmatch(r"([\d,. ]*\d) ?([a-zA-Z]*)", text).groups()  # type: ignore[union-attr]
    return [float(number.replace(",", "")) * UNITS[unit] for number in re.split(r", ", listed)]


# Bytes.


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example.section}: {example.name}")
def test_the_bytes_of_an_example_are_its_value(example: Example) -> None:
    raw = example.section == "Login by messages" and type(example.value) is bytes
    assert (example.value if raw else pack(example.value)) == example.data


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The page's schema, loaded."""
    [schema] = re.findall(r"```capnp\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path_factory.mktemp("page") / "room.capnp"
    path.write_text(schema)
    return cara_pseud.load(str(path))


THIRD = bytes.fromhex("c0" + 14 * "00" + "03")
"""The uuid of the conversation's third call."""


def no_export(obj: Any) -> msgpack.ExtType:
    raise TypeError


CODEC = wire.BodyCodec(no_export, lambda id, user: (id, user))


def call_bytes(method: Any, *args: Any, **kwargs: Any) -> bytes:
    positional, named = method.signature().outgoing(args, kwargs)
    return CODEC.packb((method.name, positional, dict(named)))


def result_bytes(method: Any, result: Any) -> bytes:
    return CODEC.packb(method.signature().send_result(result))


def test_the_values_of_the_examples_are_what_the_library_sends(room: Any) -> None:
    person, methods = room.Person, room.Room.__methods__
    sent = {
        ("Values", "name Ann, nick A, city Bonn"): pack(person(name="Ann", nick="A", address={"city": "Bonn"})),
        ("Values", "with an e-mail address"): pack(person(contact={"email": "a@b"})),
        ("Values", "nothing set"): pack(person()),
        ("Calls", "`divide(17, 5)`"): call_bytes(methods["divide"], 17, 5),
        ("Calls", "the same by name"): call_bytes(methods["divide"], dividend=17, divisor=5),
        ("Calls", "a struct as an argument"): call_bytes(methods["greet"], {"name": "Ann"}),
        ("Calls", "`rename`, whose parameter list is a struct"): call_bytes(methods["rename"], name="Ann"),
        ("Calls", "one"): result_bytes(methods["greet"], "hello Ann"),
        ("Calls", "several"): result_bytes(methods["divide"], (3, 2)),
        ("Calls", "none, `stream`"): result_bytes(methods["wait"], None),
        ("Calls", "a struct (`rename`)"): result_bytes(methods["rename"], {"name": "Ann"}),
        ("Errors", "an exception"): CODEC.packb(wire.error_triple(ValueError("no"))),
        ("Errors", "a status"): CODEC.packb(wire.error_triple(errors.RpcError("not_found", "gone"))),
        ("Objects", "server → client"): extension(wire.capability_payload(0x5E00000000000001, None, False)),
        ("Objects", "client → server, no user"): extension(wire.capability_payload(0xC000000000000001, None, True)),
        ("Objects", "client → server, user ann"): extension(wire.capability_payload(0xC000000000000001, b"ann", True)),
        ("Calls into answers", "on the only result"): pack(
            ["cara:call", [{}, "call", [promised.written(THIRD, (0,)), 0xD2B4F6A8C0E21435, 0, [2], {}]], {}]
        ),
        ("Batches", "one answer"): pack([(bytes.fromhex("c0" + 14 * "00" + "02"), wire.OK, b"\x07")]),
    }  # fmt: skip
    for (section, name), data in sent.items():
        assert data.hex(" ") == bytes_of(section, name).hex(" "), name


def extension(payload: bytes) -> bytes:
    return pack(msgpack.ExtType(wire.EXT_CAPABILITY, payload))


def test_the_library_reads_the_examples(room: Any) -> None:
    assert CODEC.unpackb(bytes_of("Objects", "server → client")) == (0x5E00000000000001, None)
    assert CODEC.unpackb(bytes_of("Objects", "client → server, no user")) == (0xC000000000000001, b"")
    assert CODEC.unpackb(bytes_of("Objects", "client → server, user ann")) == (0xC000000000000001, b"ann")
    status = wire.parse_error(CODEC.unpackb(bytes_of("Errors", "a status")))
    assert (status.code, status.message, status.details) == ("not_found", "gone", None)
    assert wire.parse_error(CODEC.unpackb(bytes_of("Errors", "an unknown method"))).code == "unimplemented"
    assert bytes_of("The greeting", "version 2").startswith(wire.HELLO_BEGINS)
    assert f"`{wire.HELLO_BEGINS.hex(' ')}`" in PAGE
    assert [kind for _, kind, _ in batches.parse(bytes_of("Batches", "one answer"))] == [wire.OK]
    _, [_, _, [named, *_]], _ = CODEC.unpack_work(bytes_of("Calls into answers", "on the only result"))
    assert (named.uid.hex(), named.path) == ("c0" + 14 * "00" + "03", (0,))
    assert CODEC.take_promises() == [named]


def test_the_ids_of_the_fields_are_those_of_the_compiled_schema(room: Any) -> None:
    node = room.Person.__declaration__.node
    schema = room.Person.__declaration__.classes.schema
    compiled = {}

    def collect(struct: StructNode, prefix: str) -> None:
        for field in struct.fields:
            compiled[prefix + field.name] = ("" if field.ordinal is None else str(field.ordinal), str(field.id))
            if field.group_id is not None:
                collect(schema.struct(field.group_id), f"{prefix}{field.name}.")

    collect(node, "")
    [rows] = [rows for _, heads, rows in tables() if heads == ["field of Person", "ordinal", "id"]]
    assert {code(name): (ordinal, id) for name, ordinal, id in rows} == compiled


def test_the_types_and_words_are_those_in_the_code() -> None:
    [rows] = [rows for section, heads, rows in tables() if section == "Frames" and heads[0] == "type"]
    assert {name: bytes.fromhex(code(byte)) for name, byte, *_ in rows} == {
        name: getattr(wire, name)
        for name in ("OK", "HELLO", "WORK", "AUTHENTICATED", "HEARTBEAT", "ERROR", "UNAUTHORIZED", "BATCH")
    }
    listed = re.search(r"The codes are (.*?)\. An unknown one", PAGE, re.DOTALL)
    assert listed is not None
    assert tuple(re.findall(r"`(\w+)`", listed[1])) == errors.CODES
    for name in (wire.EXT_HELLO, wire.EXT_CALL, wire.EXT_CANCEL, wire.EXT_RELEASE, wire.DETAILS_PREFIX):
        assert f"`{name}`" in PAGE
    [keys] = [rows for section, heads, rows in tables() if section == "The greeting" and heads == ["key", "value"]]
    assert [code(key) for key, _ in keys] == list(greeting.written(b"", 2, 1.0))
    [keys] = [rows for section, heads, rows in tables() if section == "Extension calls" and heads == ["key", "value"]]
    everything = CallOptions(1.0, "r", "p", "t", "i", ("a",))
    assert {code(key) for key, _ in keys} == set(outbox.metadata(everything, 1.0))


# Figures.

_IN_CODE: dict[tuple[str, str], Any] = {
    ("Heartbeats", "client: sends one to a server of version 2 if it has sent nothing for"): client._BEAT_S,
    ("Heartbeats", "server: looks this often who has been silent"): server._LISTEN_S,
    ("Heartbeats", "server: takes a peer of version 2 for gone that was silent so many times in a row"): (
        server._SILENT_ROUNDS
    ),
    ("The client's connection", "between attempts to connect; each varied by a fifth"): link.CONNECT_AGAIN_S,
    ("The client's connection", "after refused credentials"): link.AFTER_REFUSAL_S,
    ("The client's connection", "after a loss until calls fail at once"): link.GRACE_S,
    ("The client's connection", "silence after which calls go bare"): greeting.SILENCE_S,
    ("The client's connection", "between attempts to send the greeting, as long as nobody has the name"): (
        link.GREET_AGAIN_S
    ),
    ("The client's connection", "how long those are made"): link.NOBODY_S,
    ("The client's connection", "between those after that"): link.ASK_FOR_NAME_AGAIN_S,
    ("The client's connection", "after a greeting that was answered with a status"): client._AGAIN_S,
    ("The client's connection", "what a verified holder has lives on after a loss"): link.HOLDER_GRACE_S,
    ("The client's connection", "a call without a deadline of its own waits"): Client(b"server").timeout,
    ("The client's connection", "accuracy of deadlines"): 1 / deadlines._PER_SECOND,
    ("The client's connection", "a server asks whether a lost connection's routing id still leads anywhere, after"): (
        server._PROBE_AFTER_S
    ),
    ("The client's connection", "a peer that does not read is tried again after; doubled up to the second"): (
        backlog.RETRY_S,
        backlog.MAX_RETRY_S,
    ),
    ("Bounds", "one body*"): limits.DEFAULT_MAX_MESSAGE_BYTES,
    ("Bounds", "one frame"): 2 * limits.DEFAULT_MAX_MESSAGE_BYTES,
    ("Bounds", "values in one body*: elements and members, not keys"): limits.DEFAULT_MAX_VALUES,
    ("Bounds", "objects in one body*"): limits.DEFAULT_MAX_CAPABILITIES,
    ("Bounds", "calls under way in one direction of a connection*"): limits.DEFAULT_MAX_CALLS,
    ("Bounds", "objects that one holder has; of a verified user in all its incarnations*"): limits.DEFAULT_MAX_EXPORTS,
    ("Bounds", "waiting for peers that do not read, all together*"): limits.DEFAULT_MAX_BACKLOG_BYTES,
    ("Bounds", "of that for one peer"): limits.DEFAULT_MAX_BACKLOG_BYTES // backlog.QUEUE_SHARE,
    ("Bounds", "calls that wait for a greeting, per connection"): 4 * limits.DEFAULT_MAX_MESSAGE_BYTES,
    ("Bounds", "messages in one batch"): batches.MAX_MESSAGES,
    ("Bounds", "size of one batch, counted as the bodies and 32 bytes for each"): batches.MAX_BYTES,
    ("Bounds", "messages of one turn that are sent before the turn is over"): outbox.TOGETHER,
    ("Bounds", "messages of batches handled per peer and turn"): inbox.IN_ONE_TURN,
    ("Bounds", "messages of batches waiting at a server"): server._MAX_BEHIND,
    ("Bounds", "bytes of batches waiting at a client"): limits.DEFAULT_MAX_BACKLOG_BYTES,
    ("Bounds", "messages in a row that a client did not ask for"): client._MAX_JUNK,
    ("Bounds", "references given back before the greeting is answered"): references._MAX_DROPPED,
    ("Bounds", "unanswered calls kept while a login is under way"): client._MAX_UNANSWERED,
    ("Bounds", "`callback_timeout_s`"): greeting._MAX_PATIENCE_S,
    ("Bounds", "answers kept for calls into them, per connection"): kept_answers.MOST_ANSWERS,
    ("Bounds", "objects kept of one answer"): kept_answers.MOST_OBJECTS,
    ("Bounds", "fields on the way to an object in an answer"): promised.MAX_PATH,
    ("Bounds", "calls under way that one call waits for"): dependents.MOST_FIRSTS,
    ("Bounds", "an error that is kept for calls into it"): kept_answers.MOST_ERROR_BYTES,
    ("Bounds", "a uuid"): wire.UUID_BYTES,
    ("Bounds", "an incarnation"): wire.INCARNATION_BYTES,
}


def test_the_page_has_the_figures_of_the_code_and_no_others() -> None:
    written = figures()
    assert written.keys() == _IN_CODE.keys()
    for key, value in _IN_CODE.items():
        values = list(value) if isinstance(value, tuple) else [value]
        assert numbers(written[key]) == pytest.approx(values), key
    assert batches._HEAD_BYTES == 32
    assert [client._spread(1.0) for _ in range(1000)] == pytest.approx([1.0] * 1000, abs=0.2)


def test_every_time_and_size_on_the_page_stands_in_a_table_of_figures() -> None:
    text = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    known = {number for figure in figures().values() for number in numbers(figure)}
    said = re.findall(r"(?<![\w.])([\d,.]*\d) (ms|s|KiB|MiB)\b", text)
    assert said
    for number, unit in said:
        assert numbers(f"{number} {unit}")[0] in known, f"{number} {unit} is in no table"


def test_msgpack_takes_as_many_levels_as_the_page_says() -> None:
    found = re.search(r"the library's\s+takes\s+([\d,]+)\s+levels", PAGE)
    assert found is not None
    levels = int(found[1].replace(",", ""))
    CODEC.unpackb(levels * b"\x91" + b"\xc0")
    with pytest.raises(errors.ProtocolError):
        CODEC.unpackb((levels + 1) * b"\x91" + b"\xc0")


def test_bodies_know_the_extension_types_of_the_page() -> None:
    assert {bytes([wire.EXT_CAPABILITY]), bytes([wire.EXT_ANY_CAPABILITY])} == set(bodies._CAPABILITY_TYPES)
    for kind in (99, 102, 123, 126):
        with pytest.raises(errors.ProtocolError):
            CODEC.unpackb(pack(msgpack.ExtType(kind, b"\x01")))


def test_the_socket_options_are_those_of_real_peers() -> None:
    [rows] = [rows for section, heads, rows in tables() if section == "Sockets" and heads[0] == "option"]
    fresh = zmq.Context.instance().socket(zmq.ROUTER)
    unset = {
        code(option): fresh.getsockopt(getattr(zmq, code(option))) for option, *_ in rows if _is_readable(code(option))
    }
    fresh.close()
    for column, made in ((1, Client(b"server")), (2, Server(b"server"))):
        made.bind("tcp://127.0.0.1:*")
        socket = made.socket
        for row in rows:
            option, said = code(row[0]), row[column].replace(",", "")
            if _is_readable(option):
                expected = b"server" if said == "its name" else unset[option] if said == "not set" else int(said)
                assert socket.getsockopt(getattr(zmq, option)) == expected, option
        made._transport.close()


def _is_readable(option: str) -> bool:
    # ZeroMQ does not tell these; what they do is tried in tests/cara_pseud/independent.
    return option not in ("ROUTER_MANDATORY", "ROUTER_HANDOVER", "PROBE_ROUTER")


# The conversation.


@dataclass(frozen=True)
class Line:
    """A message of the conversation; batches are taken apart."""

    sent: bool
    uid: bytes
    kind: bytes
    body: bytes


def messages(frames: list[bytes]) -> list[tuple[bytes, bytes, bytes]]:
    uid, kind, body = frames[-3:]
    return batches.parse(body) if kind == wire.BATCH else [(uid, kind, body)]


def conversation() -> list[Line]:
    found = []
    for block in re.findall(r"```wire\n(.*?)```", PAGE, re.DOTALL):
        for arrow, uid, kind, text, data in re.findall(
            r"^([→←]) (\S+) (\w\w) (.*)\n((?:  [0-9a-f ]+\n)+)", block, re.MULTILINE
        ):
            body = bytes.fromhex(data)
            assert pack(value_of(text)) == body, text
            frames = [bytes.fromhex(uid.strip("-")), bytes.fromhex(kind), body]
            found += [Line(arrow == "→", *message) for message in messages(frames)]
    return found


CONVERSATION = conversation()


class Predictable:
    """Stands in for the module ``secrets``: a peer's random bytes as the page has them."""

    def __init__(self, uid_prefix: str, incarnation: str) -> None:
        self._bytes = {8: bytes.fromhex(uid_prefix), 16: bytes.fromhex(incarnation)}
        self._ids = int.from_bytes(self._bytes[8], "big")

    def token_bytes(self, count: int) -> bytes:
        return self._bytes[count]

    def randbits(self, bits: int) -> int:
        self._ids += 1
        return self._ids


class Rest:
    """The other side of the conversation, at a raw socket; sees to it that the peer says its part, byte by byte."""

    def __init__(self, raw: zmq.asyncio.Socket, head: list[bytes], peer_is_client: bool) -> None:
        self._raw, self._head, self._peer_is_client = raw, head, peer_is_client

    async def play(self, lines: list[Line]) -> None:
        heard: list[tuple[bytes, bytes, bytes]] = []
        for line in lines:
            if line.sent == self._peer_is_client:
                while not heard:
                    frames = await self._raw.recv_multipart()
                    if self._head:
                        self._head = [frames[0]]
                    heard += [message for message in messages(frames) if message[1] != wire.HEARTBEAT]
                assert heard.pop(0) == (line.uid, line.kind, line.body)
            else:
                await self._raw.send_multipart([*self._head, b"", b"v1", line.uid, line.kind, line.body])
        assert not heard


def in_time(play: Callable[[], Any]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(play(), TIMEOUT_S)

    asyncio.run(limited())


def make_counter(room: Any) -> Any:
    class Tally(room.Counter):  # type: ignore[misc]
        total = 0

        def add(self, by: int) -> int:
            self.total += by
            return self.total

    return Tally()


def test_a_real_server_says_its_part(room: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class MyRoom(room.Room):  # type: ignore[misc]
        def greet(self, person: Any) -> str:
            return f"hello {person.name}"

        def divide(self, dividend: int, divisor: int) -> tuple[int, int]:
            return divmod(dividend, divisor)

        def rename(self, person: Any) -> Any:
            return person

        def counter(self) -> Any:
            return make_counter(room)

        async def count(self, counter: Any, by: int) -> int:
            total: int = await counter.add(by)
            return total

        async def wait(self) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr(peer, "secrets", Predictable("5e00000000000000", "5eca0000000000000000000000000001"))

    async def play() -> None:
        served = Server(b"server")
        served.bind("tcp://127.0.0.1:*")
        cara_pseud.register_interface(served, MyRoom())
        async with served:
            with zmq.asyncio.Context() as zmq_context, zmq_context.socket(zmq.DEALER) as raw:
                raw.linger = 0
                raw.connect(served.endpoint)
                await Rest(raw, [], peer_is_client=False).play(CONVERSATION)
            assert not served.dropped

    in_time(play)


def test_a_real_client_says_its_part(room: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "secrets", Predictable("c000000000000000", "c1ca0000000000000000000000000001"))

    async def speak(used: Client) -> None:
        remote = room.Room(used)
        while used.state != cara_pseud.client.UP:
            await asyncio.sleep(0)
        divided, given = remote.divide(17, 5), remote.counter()
        assert dict(await divided) == {"quotient": 3, "remainder": 2}
        counter = await given
        del given
        assert await counter.add(2) == 2
        assert await remote.count(make_counter(room), 1) == 1
        cara_pseud.release(counter)
        while used._connection.outbox.messages or used._connection._dropped:
            await asyncio.sleep(0)
        waiting = used._connection.request("wait", options=CallOptions(timeout=2.0))
        await asyncio.sleep(0)
        waiting.cancel()

    async def play() -> None:
        with zmq.asyncio.Context() as zmq_context, zmq_context.socket(zmq.ROUTER) as raw:
            raw.linger = 0
            raw.routing_id = b"server"
            port = raw.bind_to_random_port("tcp://127.0.0.1")
            used = Client(b"server")
            used.connect(f"tcp://127.0.0.1:{port}")
            async with used, asyncio.TaskGroup() as both:
                both.create_task(speak(used))
                both.create_task(Rest(raw, [b""], peer_is_client=True).play(CONVERSATION))

    in_time(play)


def test_a_turn_of_calls_is_the_batch_of_the_page() -> None:
    sent = [line for line in CONVERSATION if line.sent][1:3]
    [(message, stands_for)] = batches.together([(line.uid, line.kind, line.body) for line in sent])
    shown = re.search(r"^→ - 21 (.*)$", PAGE, re.MULTILINE)
    assert shown is not None
    assert (message, stands_for) == ((b"", wire.BATCH, pack(value_of(shown[1]))), 2)

"""The recorded exchanges of tests/vectors/wire_cases.json with our server, then our client, in the original's place.

Every case is played twice over real sockets. Our server is sent the recorded frames of the clients; our client makes
the recorded call and is sent the recorded frames of the server. Its own frames must be the recorded ones but for what
belongs to one run: uuids, routing ids, object ids, tracebacks. Where the original was at fault, and where we differ
on purpose, the tables `AT_SERVER` and `AT_CLIENT` say what happens instead.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq
import zmq.asyncio
import zmq.auth.asyncio

import cara_pseud
from cara_pseud import errors
from cara_pseud.wire import ERROR, HEARTBEAT, OK, WORK

RECORDING = json.loads((Path(__file__).parents[1] / "vectors" / "wire_cases.json").read_text("utf-8"))
CASES = {case["name"]: case for case in RECORDING["vectors"]}
INTERFACES = {name: int(id, 16) for name, id in RECORDING["meta"]["interface_ids"].items()}

SERVER_KEYS = zmq.curve_keypair()
CLIENT_KEYS = zmq.curve_keypair()
PASSWORDS = {"john": "secret", "carol": "carol"}
# How the server knows its clients; the others log in by name and are believed.
PLUGINS = {
    "plain_good_password": "plain",
    "null_callback": "noop_auth_backend",
    "sync_client": "noop_auth_backend",
    "datetime_stock_to_cara_server": "noop_auth_backend",
    "stock_pseud_datetime": "noop_auth_backend",
    "stock_pseud_date": "noop_auth_backend",
    "trusted_curve_call": "curve",
    "untrusted_curve_ok": "untrusted_curve",
}
REMOTE_TRACEBACK = re.compile(r"\n-- Beginning of remote traceback --.*-- End of remote traceback --\n\n", re.DOTALL)
PICKLE = bytes.fromhex(CASES["stock_pseud_date"]["messages"][2]["hex"][-1])


def pack(*work: Any) -> bytes:
    packed: bytes = msgpack.packb(work[0] if len(work) == 1 else work)
    return packed


@dataclass(frozen=True)
class Step:
    """One message between a client, which gives the exchange its name, and the server."""

    peer: str
    from_server: bool
    uid: bytes
    kind: bytes
    body: bytes
    whole: bool = True
    """Whether the text of an error must be this one, or only contain it."""


def recorded(case: Mapping[str, Any]) -> Iterator[Step]:
    """The messages of a case that reached somebody, in the order in which they were sent."""
    messages = case["messages"]
    for place, message in enumerate(messages):
        if message["dir"] == "send":
            tail = message["hex"][-4:]
            received = [later for later in messages[place:] if later["dir"] == "recv" and later["hex"][-4:] == tail]
            peer = received[0]["peer"] if message["peer"] == "server" and received else message["peer"]
            if peer != "server":
                name = "sync" if case["name"] == "sync_client" else peer
                yield Step(name, message["peer"] == "server", *(bytes.fromhex(frame) for frame in tail[1:]))


def story(case: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A case and those before it that made the objects it uses or changed them."""

    def beginning(of: Mapping[str, Any]) -> str:
        return beginning(CASES[of["after"]]) if of["after"] else of["name"]

    names = list(CASES)
    return [CASES[name] for name in names[: names.index(case["name"]) + 1] if beginning(CASES[name]) == beginning(case)]


def object_ids(decoded: Any) -> Iterator[int]:
    if isinstance(decoded, dict):
        inner = decoded.get("inner_msgpack")
        first = inner[0] if isinstance(inner, list) else inner
        if isinstance(first, int) and first > 2**32:
            yield first
    for item in decoded.values() if isinstance(decoded, dict) else decoded if isinstance(decoded, list) else ():
        yield from object_ids(item)


OBJECT_IDS = {id.to_bytes(8, "big") for case in CASES.values() for id in object_ids(case["messages"])}
OBJECT_ID = re.compile(b"(" + b"|".join(map(re.escape, OBJECT_IDS)) + b")")


class Translation:
    """Which of our object ids and uuids stands for which recorded one; learned while an exchange goes on."""

    def __init__(self) -> None:
        self.live: dict[bytes, bytes] = {}

    def to_live(self, data: bytes) -> bytes:
        for value, live in self.live.items():
            data = data.replace(value, live)
        return data

    def matches(self, expected: bytes, body: bytes) -> bool:
        """Whether a body is the recorded one but for object ids not seen so far, which are learned."""
        parts = OBJECT_ID.split(expected)
        unknown = [part for part in parts[1::2] if part not in self.live]
        pattern = b"".join(
            re.escape(part) if place % 2 == 0 else re.escape(self.live[part]) if part in self.live else b"(.{8})"
            for place, part in enumerate(parts)
        )
        match = re.fullmatch(pattern, body, re.DOTALL)
        self.live.update(zip(unknown, match.groups() if match else (), strict=False))
        return match is not None

    def check(self, step: Step, uid: bytes, kind: bytes, body: bytes) -> None:
        """Assert that a message of ours is the recorded one."""
        if kind == WORK and step.uid not in self.live:
            self.live[step.uid] = uid
        shown = (kind, body)
        if kind == ERROR == step.kind:
            name, text, detail = msgpack.unpackb(body)
            expected_name, expected_text, _ = msgpack.unpackb(step.body)
            expected_text = REMOTE_TRACEBACK.sub("", expected_text)
            assert name == expected_name, shown
            assert text == expected_text if step.whole else expected_text in text, shown
            assert "Traceback" not in detail
            assert body == pack(name, text, detail)
        else:
            assert kind == step.kind, shown
            assert self.matches(step.body, body), (body.hex(), step.body.hex())
        assert uid == self.live.get(step.uid, step.uid)


class Raw:
    """A socket that speaks frames and knows no protocol but for the extensions, which it knows nothing of."""

    HELLO = b"\x93\xaacara:hello"

    def __init__(self, socket: zmq.asyncio.Socket, *before: bytes) -> None:
        self.socket = socket
        self.before = list(before)

    async def send(self, uid: bytes, kind: bytes, body: bytes) -> None:
        while True:
            try:
                await self.socket.send_multipart([*self.before, b"v1", uid, kind, body])
                return
            except zmq.ZMQError as error:
                # ZeroMQ does not tell when it has learned the server's name.
                if error.errno != zmq.EHOSTUNREACH:
                    raise
                await asyncio.sleep(0.001)

    async def receive(self) -> tuple[bytes, bytes, bytes]:
        while True:
            *self.before, version, uid, kind, body = await self.socket.recv_multipart()
            assert version == b"v1"
            if kind != WORK or not body.startswith(self.HELLO):
                return uid, kind, body
            await self.send(uid, ERROR, pack("ServiceNotFoundError", "cara:hello", "Traceback"))


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("vectors") / "vectors.capnp"
    path.write_text(RECORDING["schema"], "utf-8")
    return cara_pseud.load(path)


def run(main: Any) -> None:
    asyncio.run(asyncio.wait_for(main, 10))


# Our server, and raw clients.

SERVER, CLIENT = "server", "client"
CALLBACK_UID = b"callback of ours"

AT_SERVER: dict[str, Sequence[tuple[str, bytes, Any]]] = {
    # Fault: no type checks.
    "data_given_str": [(SERVER, ERROR, ("RpcError", "'str' is no Data"))],
    # Not marked as that fault, but described as "no range check": Int32 ends at 2147483647.
    "negative_and_big_ints": [(SERVER, ERROR, ("RpcError", "2147483648 is out of range for Int32"))],
    # Fault: generic methods fail through an Interface subclass.
    "generic_method_struct": [(SERVER, OK, {0: "hi"})],
    # Fault: a result that cannot be packed, no reply. The method has no results, so whatever it returns is dropped.
    "error_unpackable": [(SERVER, OK, None)],
    # Fault: unknown id is an IndexError.
    "unknown_field_raw_id": [(SERVER, ERROR, ("RpcError", "Person has no field 99"))],
    # Fault: an interface in an AnyPointer slot is unusable. It comes back as what it is, the client's own object.
    "interface_through_anypointer": [(SERVER, OK, bytes.fromhex("c70964cf00007f0b438fc9d0"))],
    # Fault: a client may name another user in ext 100.
    "forged_user_id": [(SERVER, ERROR, ("RpcError", "an object may only be passed by the user that has it"))],
    # Fault: no reply at all.
    "ext_bad_payload": [(SERVER, ERROR, ("ProtocolError", "extension type 100 holds no msgpack"))],
    # Fault: any peer may call any object.
    "bob_calls_alices_object": [(SERVER, ERROR, ("RpcError", "there is no such object"))],
    # Fault: pickle (ext 123-126) is refused.
    "datetime_stock_to_cara_server": [(SERVER, ERROR, ("ProtocolError", "extension type 125 is not permitted"))],
    "stock_pseud_datetime": [(SERVER, ERROR, ("ProtocolError", "extension type 125 is not permitted"))],
    "stock_pseud_date": [(SERVER, ERROR, ("ProtocolError", "extension type 126 is not permitted"))],
    # Recorded as an AttributeError of None. An id without a user means the sender's own connection.
    "ext_int_only_from_client": [
        (SERVER, WORK, ("call", (7, INTERFACES["Callback"], 0, ("hello from server",), {}), {})),
        (CLIENT, OK, "I am here"),
        (SERVER, OK, "client said I am here"),
    ],
    # Recorded as four messages to nobody and a TimeoutError. Calls go back over the connection the object came from.
    "null_callback": [
        (SERVER, WORK, bytes.fromhex(CASES["null_callback"]["messages"][2]["hex"][-1])),
        (CLIENT, OK, "I am here"),
        (SERVER, OK, "client said I am here"),
    ],
}

# Where the original's client sent nothing: what one without its checks would send, and how ours answers.
UNCHECKED: dict[str, tuple[tuple[Any, ...], tuple[bytes, Any]]] = {
    # The nearest to 2**64 that msgpack can carry.
    "uint64_overflow": (("big", (2.0**64,), {}), (ERROR, ("RpcError", "$.n: 1.8446744073709552e+19 is no UInt64"))),
    "enum_bad_int": (("color", (99,), {}), (ERROR, ("RpcError", "$.c: 99 is no Color"))),
    "enum_name": (("color", ("purple",), {}), (ERROR, ("RpcError", "$.c: 'purple' is no Color"))),
    "generic_method_without_template": (("generic", ("hi",), {}), (OK, "hi")),
    "unknown_kwarg": (("add", (1,), {"third": 2}), (ERROR, ("TypeError", "Param third does not exist for method add"))),
    "unknown_field": (("greet", ({"nope": 1},), {}), (ERROR, ("RpcError", "Person has no field 'nope'"))),
    "wrong_type_struct": (("greet", (5,), {}), (ERROR, ("RpcError", "$.person: 5 is no Person"))),
    "wrong_type_list": (("list", (5,), {}), (ERROR, ("RpcError", "$.l: 5 is no List(Person)"))),
}


def step_of(first: Step, who: str, kind: bytes, content: Any) -> Step:
    """A step that was not recorded; the callback that it may be part of has a uuid of its own."""
    body = content if isinstance(content, bytes) else pack((*content, "") if kind == ERROR else content)
    uid = CALLBACK_UID if (who, kind == WORK) in ((SERVER, True), (CLIENT, False)) else first.uid
    return Step(first.peer, who == SERVER, uid, kind, body, whole=False)


def steps_at_server(case: Mapping[str, Any]) -> list[Step]:
    if case["name"] in UNCHECKED:
        work, answer = UNCHECKED[case["name"]]
        first = Step("alice", False, os.urandom(16), WORK, pack(work))
        return [first, step_of(first, SERVER, *answer)]
    steps = list(recorded(case))
    if case["name"] in AT_SERVER:
        return [steps[0], *(step_of(steps[0], *step) for step in AT_SERVER[case["name"]])]
    return steps


def serve(schema: Any, server: Any, case: Mapping[str, Any]) -> None:
    names: dict[str, Any] = {"V": schema, "asyncio": asyncio}
    exec(compile(RECORDING["server"], "wire_cases.json", "exec"), names)  # the handlers are a part of the recording
    implementation: Any = names["Impl"]()
    if case["name"].endswith("plain_object"):
        implementation = type("Plain", (), {"generic": lambda self, value: value})()
    cara_pseud.register_interface(server, schema.Everything, implementation)
    cara_pseud.register_interface(server, names["DerivedImpl"]())
    server.register_rpc(lambda value: value, name="ident")


def raw_client(socket: zmq.asyncio.Socket, endpoint: str, peer: str, plugin: str) -> Raw:
    socket.linger = 0
    if plugin in ("plain", "trusted_peer"):
        socket.plain_username = socket.plain_password = peer.encode()
    elif "curve" in plugin:
        socket.curve_publickey, socket.curve_secretkey = CLIENT_KEYS
        socket.curve_serverkey = SERVER_KEYS[0]
    if peer == "sync":
        socket.connect(endpoint)
        return Raw(socket)
    socket.router_mandatory = True
    socket.connect(endpoint)
    return Raw(socket, b"server", b"")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_our_server_answers_as_recorded(case: Mapping[str, Any], schema: Any, serving: Any) -> None:
    plugin = PLUGINS.get(case["name"], "trusted_peer")
    arguments: dict[str, Any] = {"security_plugin": plugin}
    if plugin in ("plain", "untrusted_curve"):
        arguments["passwords"] = PASSWORDS
    if "curve" in plugin:
        arguments |= {"public_key": SERVER_KEYS[0], "secret_key": SERVER_KEYS[1]}
        arguments["allowed_keys"] = {CLIENT_KEYS[0]: "bob"}

    async def main() -> None:
        async with serving(**arguments) as server:
            serve(schema, server, case)
            translation = Translation()
            clients: dict[str, Raw] = {}
            with zmq.asyncio.Context() as zmq_context, ExitStack() as stack:
                for step in [step for chapter in story(case) for step in steps_at_server(chapter)]:
                    if step.peer not in clients:
                        kind = zmq.REQ if step.peer == "sync" else zmq.ROUTER
                        socket = stack.enter_context(zmq_context.socket(kind))
                        clients[step.peer] = raw_client(socket, server.endpoint, step.peer, plugin)
                    client = clients[step.peer]
                    if step.from_server:
                        translation.check(step, *await client.receive())
                    else:
                        await client.send(translation.to_live(step.uid), step.kind, translation.to_live(step.body))
                for client in clients.values():
                    # Nothing else comes before the answer to one more call.
                    await client.send(os.urandom(16), WORK, pack("end", (), {}))
                    assert msgpack.unpackb((await client.receive())[-1])[:2] == ["ServiceNotFoundError", "end"]

    run(main())


# Our client, and a raw server.


class World:
    """Who takes part in a case at the clients' side, and what earlier cases of its story gave."""

    def __init__(self, schema: Any, clients: Mapping[str, cara_pseud.Client]) -> None:
        self.schema = schema
        self.clients = clients
        self.given: dict[str, Any] = {}

    @property
    def client(self) -> Any:
        """The only client, or the first."""
        return next(iter(self.clients.values()))

    @property
    def everything(self) -> Any:
        return self.schema.Everything(self.client)

    @property
    def hasty(self) -> Any:
        """The same for calls that nobody answers."""
        return cara_pseud.with_options(self.everything, timeout=0.05)

    @property
    def bobs(self) -> Any:
        return self.schema.Everything(self.clients["bob"])

    @property
    def counter(self) -> Any:
        return self.given["return_interface"]

    def call_counter(self, peer: str, interface_id: int, method: int | str, *args: Any) -> Any:
        id = self.counter.__capability__.id
        return self.clients[peer].send_work(b"server", "call", id, interface_id, method, list(args), {})


async def beats(client: Any) -> None:
    for _ in range(2):
        while not client._transport.send(client.peer_routing_id, b"", HEARTBEAT, b""):
            await asyncio.sleep(0.001)


async def pickled(client: Any, value: Any) -> Any:
    with pytest.raises(errors.InvalidValue, match="the arguments cannot be sent"):
        await client.ident(value)
    return await client.ident(1)


ANN = {
    "name": "Ann", "phoneNumber": "1", "boss": {"name": "B"},
    "addresses": [{"lines": {"line1": "x"}, "state": "NY"}],
}
IN_ORDER = ("name", "phoneNumber", "addresses", "boss")
ALL_TYPES = {
    "void": None, "bool": True, "int8": -8, "int16": -300, "int32": -70000, "int64": -(2**40), "uint8": 255,
    "uint16": 2**16 - 1, "uint32": 2**32 - 1, "uint64": 2**64 - 1, "float32": 1.5, "float64": 3.141592653589793,
    "text": "txt", "data": b"\1\2", "list": [1, 2, 300], "nestedList": [["a"], [], ["b", "c"]], "color": 2,
    "person": {"name": "N", "addresses": [{"lines": {"line1": "l1", "line2": "l2"}}]}, "people": [{"name": "x"}],
    "any": {"free": [1, "two", b"3"]}, "colors": [0, 1, 2], "datas": [b"a", b"b"],
}  # fmt: skip
COUNTER = INTERFACES["Counter"]
A_PROXY = object()

# The recorded call, and its result or the kind of its error.
CALLS: dict[str, tuple[Callable[[World], Any], Any]] = {
    "void_call": (lambda w: w.everything.ping(), None),
    "positional": (lambda w: w.everything.add(2, 5), 7),
    "kwargs": (lambda w: w.everything.add(first=2, second=5), 7),
    "mixed_args": (lambda w: w.everything.add(2, second=5), 7),
    # Without the interface nothing is checked.
    "negative_and_big_ints": (lambda w: w.client.add(-1, 2**31), 2**31 - 1),
    "uint64_overflow": (lambda w: w.everything.big(2**64), errors.InvalidValue),
    "struct_arg_inline": (lambda w: w.everything.greet({name: ANN[name] for name in IN_ORDER}), "Hello Ann"),
    "struct_param_empty": (lambda w: w.everything.byStruct(), TypeError),
    "struct_result": (lambda w: w.everything.structOut(), {"name": "Struct Out", "phoneNumber": "555"}),
    "multiple_results": (lambda w: w.everything.divMod(17, 5), {"q": 3, "r": 2}),
    "enum_arg": (lambda w: w.everything.color(w.schema.Color.blue), 2),
    "enum_bad_int": (lambda w: w.everything.color(99), ValueError),
    "enum_name": (lambda w: w.everything.color("blue"), 2),
    "data": (lambda w: w.everything.data(b"\0\xff\1"), b"\0\xff\1"),
    "data_given_str": (lambda w: w.everything.data("str"), errors.WrongType),
    "text_unicode": (lambda w: w.everything.text("h\u00e9llo \u2603 \U0001f600"), "h\u00e9llo \u2603 \U0001f600"),
    "list_empty": (lambda w: w.everything.list([]), []),
    "all_types": (lambda w: w.everything.echoAll(ALL_TYPES), ALL_TYPES),
    "union_void": (lambda w: w.everything.shape({"nothing": None}), {"nothing": None}),
    "group_union": (
        lambda w: w.everything.shape({"label": "L", "kind": {"b": "x"}, "after": 9}),
        {"label": "L", "kind": {"b": "x"}, "after": 9},
    ),
    "generic_method_struct": (lambda w: w.everything.generic[w.schema.Person]({"name": "hi"}), TypeError),
    "generic_method_without_template": (lambda w: w.everything.generic("hi"), "hi"),
    "anypointer": (
        lambda w: w.everything.anything({"a": [1, b"x", None, 1.5, True]}), {"a": [1, b"x", None, 1.5, True]}
    ),
    "error_value": (lambda w: w.everything.fail("value"), ValueError),
    "error_custom": (lambda w: w.everything.fail("custom"), errors.RemoteError),
    "error_key": (lambda w: w.everything.fail("key"), KeyError),
    "error_empty": (lambda w: w.everything.fail("empty"), errors.RemoteError),
    "error_stop": (lambda w: w.everything.fail("stop"), RuntimeError),
    "error_os": (lambda w: w.everything.fail("os"), FileNotFoundError),
    "error_unpackable": (lambda w: w.hasty.fail("unpackable"), TimeoutError),
    "unknown_method": (lambda w: w.client.nosuch.method(1, x=2), errors.RemoteError),
    "too_many_args": (lambda w: w.everything.add(1, 2, 3), TypeError),
    "too_few_args": (lambda w: w.everything.add(1), TypeError),
    "unknown_kwarg": (lambda w: w.everything.add(1, third=2), TypeError),
    "unknown_kwarg_raw": (lambda w: w.client.add(1, third=2), TypeError),
    "unknown_field": (lambda w: w.everything.greet({"nope": 1}), KeyError),
    "unknown_field_raw_id": (lambda w: w.client.greet({99: 1}), IndexError),
    "names_on_the_wire": (lambda w: w.client.greet({"name": "by name"}), "Hello by name"),
    "digit_string_ids": (lambda w: w.client.greet({"0": "by digit str"}), "Hello by digit str"),
    "bytes_key": (lambda w: w.client.greet({b"name": "bytes key"}), "Hello bytes key"),
    "wrong_type_struct": (lambda w: w.everything.greet(5), errors.WrongType),
    "wrong_type_list": (lambda w: w.everything.list(5), TypeError),
    "return_interface": (lambda w: w.everything.getCounter(10), A_PROXY),
    "call_returned_interface": (lambda w: w.counter.increment(5), 15),
    "call_returned_interface_kw": (lambda w: w.counter.increment(by=5), 20),
    "returned_interface_returns_interface": (lambda w: w.counter.clone(), A_PROXY),
    "pass_back_server_interface": (lambda w: w.everything.useCounter(w.counter, 1), 21),
    "pass_client_interface": (lambda w: w.everything.useCounter({"increment": lambda by: by * 100}, 7), 700),
    "callback_function": (
        lambda w: w.everything.subscribe(lambda text: f"ack:{text}"), "client said ack:hello from server"
    ),
    "callback_instance": (
        lambda w: w.everything.subscribe(instance_of(w.schema.Callback, notify=lambda self, text: f"cls:{text}")),
        "client said cls:hello from server",
    ),
    "callback_raises": (lambda w: w.everything.subscribe(failing), ValueError),
    "echo_back_interface": (lambda w: w.everything.echoBack(lambda text: text), A_PROXY),
    "put_counter_alice": (lambda w: w.everything.putCounter({"increment": lambda by: by + 1000}), None),
    "take_counter_bob": (lambda w: w.bobs.takeCounter(), A_PROXY),
    "three_party_call": (lambda w: w.given["take_counter_bob"].increment(1), 1001),
    "get_derived": (lambda w: w.everything.getDerived(), A_PROXY),
    "derived_own_method": (lambda w: w.given["get_derived"].derivedMethod(1), 2001),
    "derived_overlapped": (lambda w: w.given["get_derived"].overlapped(), "derived-impl"),
    "direct_derived_super": (lambda w: w.schema.Derived(w.client).baseMethod(1), 1001),
    "direct_super_via_base_wrapper": (lambda w: w.schema.Base(w.client).baseMethod(1), 1001),
    "direct_overlapped": (lambda w: w.schema.Derived(w.client).overlapped(), "derived-impl"),
    "generic_method_registered_as_plain_object": (lambda w: w.everything.generic[cara_pseud.Text]("hi"), "hi"),
    "generic_method_struct_plain_object": (
        lambda w: w.everything.generic[w.schema.Person]({"name": "hi"}), {"name": "hi"}
    ),
    "interface_through_anypointer": (
        lambda w: w.everything.anything(w.schema.Callback(lambda text: text)), A_PROXY
    ),
    "bob_registers_callback": (
        lambda w: w.bobs.subscribe(lambda text: f"BOB was called: {text}"),
        "client said BOB was called: hello from server",
    ),
    "forged_user_id": (lambda w: w.schema.Everything(w.clients["alice"]).subscribe(lambda text: text), "ok"),
    "ext_bad_payload": (lambda w: w.client.subscribe(1), errors.ProtocolError),
    "ext_int_only_from_client": (lambda w: w.everything.subscribe(lambda text: text), AttributeError),
    "call_bad_method_id": (lambda w: w.call_counter("alice", COUNTER, 77), KeyError),
    "call_bad_iface_id": (lambda w: w.call_counter("alice", 1, 0, 1), KeyError),
    "call_method_by_name": (lambda w: w.call_counter("alice", COUNTER, "increment", 1), 22),
    "bob_calls_alices_object": (lambda w: w.call_counter("bob", COUNTER, 0, 1), 23),
    "plain_good_password": (lambda w: w.everything.add(1, 2), 3),
    "null_callback": (lambda w: w.everything.subscribe(lambda text: text), TimeoutError),
    "sync_client": (lambda w: w.client.add(1, 2), 3),
    "datetime_stock_to_cara_server": (lambda w: pickled(w.client, datetime.datetime(2020, 1, 2)), errors.ProtocolError),
    "stock_pseud_datetime": (lambda w: pickled(w.client, datetime.datetime(2020, 1, 2)), errors.ProtocolError),
    "stock_pseud_date": (lambda w: pickled(w.client, datetime.date(2020, 1, 2)), errors.ProtocolError),
    "heartbeat": (lambda w: beats(w.client), None),
    "trusted_curve_call": (lambda w: w.client.ident(1), 1),
    "untrusted_curve_ok": (lambda w: w.client.ident(1), 1),
}


def failing(text: str) -> str:
    raise ValueError("callback failed")


def instance_of(interface: Any, **methods: Callable[..., Any]) -> Any:
    return type("Implementation", (interface,), methods)()


ALICE_SUBSCRIBES = bytes.fromhex(CASES["callback_function"]["messages"][0]["hex"][-1])

AT_CLIENT: dict[str, Sequence[tuple[str, bytes, Any]]] = {
    # Faults: no type checks; extra positional arguments are dropped silently. Nothing is sent.
    "data_given_str": [],
    "too_many_args": [],
    # Recorded as a ValueError. Names of enumerants are values of ours.
    "enum_name": [(CLIENT, WORK, ("color", (2,), {})), (SERVER, OK, 2)],
    # Fault: generic methods fail through an Interface subclass.
    "generic_method_without_template": [(CLIENT, WORK, ("generic", ("hi",), {})), (SERVER, OK, "hi")],
    # Fault: an interface in an AnyPointer slot is unusable.
    "interface_through_anypointer": [
        (CLIENT, WORK, bytes.fromhex(CASES["interface_through_anypointer"]["messages"][0]["hex"][-1])),
        (SERVER, OK, msgpack.ExtType(100, pack(5))),
    ],
    # Fault: a client may name another user in ext 100. Ours names itself.
    "forged_user_id": [(CLIENT, WORK, ALICE_SUBSCRIBES), (SERVER, OK, "ok")],
    # Fault: no reply at all. A payload of that kind in an answer fails its call.
    "ext_bad_payload": [(CLIENT, WORK, ("subscribe", (1,), {})), (SERVER, OK, bytes.fromhex("d464c1"))],
    # Ours always sends the pair.
    "ext_int_only_from_client": [
        (CLIENT, WORK, ALICE_SUBSCRIBES),
        (SERVER, ERROR, ("AttributeError", "'NoneType' object has no attribute 'call'")),
    ],
    # Fault: pickle (ext 123-126) is refused.
    "datetime_stock_to_cara_server": [(CLIENT, WORK, ("ident", (1,), {})), (SERVER, OK, PICKLE)],
    "stock_pseud_datetime": [(CLIENT, WORK, ("ident", (1,), {})), (SERVER, OK, PICKLE)],
    "stock_pseud_date": [(CLIENT, WORK, ("ident", (1,), {})), (SERVER, OK, PICKLE)],
}


def steps_at_client(case: Mapping[str, Any]) -> list[Step]:
    if case["name"] not in AT_CLIENT:
        return list(recorded(case))
    peer = next(iter(recorded(case)), None)
    first = Step(peer.peer if peer else "alice", False, os.urandom(16), WORK, b"")
    return [
        Step(first.peer, who == SERVER, first.uid, kind, step_of(first, who, kind, content).body)
        for who, kind, content in AT_CLIENT[case["name"]]
    ]


def our_client(endpoint: str, peer: str, plugin: str) -> cara_pseud.Client:
    login: dict[str, Any] = {"user_id": peer, "security_plugin": "plain" if plugin == "trusted_peer" else plugin}
    if plugin != "noop_auth_backend":
        login["password"] = PASSWORDS.get(peer, "_")
    if "curve" in plugin:
        login |= {"public_key": CLIENT_KEYS[0], "secret_key": CLIENT_KEYS[1], "peer_public_key": SERVER_KEYS[0]}
    client = cara_pseud.Client(b"server", **login)
    client.connect(endpoint)
    return client


def raw_server(socket: zmq.asyncio.Socket, plugin: str) -> Raw:
    socket.linger = 0
    socket.routing_id = b"server"
    if plugin in ("plain", "trusted_peer"):
        socket.plain_server = True
    elif "curve" in plugin:
        socket.curve_server = True
        socket.curve_publickey, socket.curve_secretkey = SERVER_KEYS
    socket.bind("tcp://127.0.0.1:*")
    return Raw(socket)


async def make_call(world: World, name: str) -> None:
    call, expected = CALLS[name]
    if isinstance(expected, type) and issubclass(expected, Exception):
        with pytest.raises(expected):
            await call(world)
        return
    world.given[name] = await call(world)
    if expected is A_PROXY:
        assert hasattr(world.given[name], "__capability__")
    else:
        assert world.given[name] == expected


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_our_client_calls_as_recorded(case: Mapping[str, Any], schema: Any) -> None:
    plugin = PLUGINS.get(case["name"], "trusted_peer")
    script = {chapter["name"]: steps_at_client(chapter) for chapter in story(case)}
    peers = list(dict.fromkeys(step.peer for steps in script.values() for step in steps)) or ["alice"]

    async def main() -> None:
        with zmq.asyncio.Context() as zmq_context:
            # Believes every login, as the recorded server did.
            authenticator = zmq.auth.asyncio.AsyncioAuthenticator(zmq_context)
            authenticator.start()
            authenticator.configure_plain(passwords={peer: PASSWORDS.get(peer, "_") for peer in peers})
            authenticator.configure_curve(location=zmq.auth.CURVE_ALLOW_ANY)
            translation = Translation()
            async with AsyncExitStack() as stack:
                stack.callback(authenticator.stop)
                servers = {
                    peer: raw_server(stack.enter_context(zmq_context.socket(zmq.ROUTER)), plugin) for peer in peers
                }
                clients = {
                    peer: our_client(server.socket.last_endpoint.decode(), peer, plugin)
                    for peer, server in servers.items()
                }
                for client in clients.values():
                    await stack.enter_async_context(client)
                world = World(schema, clients)
                for name, steps in script.items():
                    call = asyncio.ensure_future(make_call(world, name))
                    for step in steps:
                        server = servers[step.peer]
                        if step.from_server:
                            await server.send(translation.to_live(step.uid), step.kind, translation.to_live(step.body))
                        else:
                            translation.check(step, *await server.receive())
                    await call
                for peer, server in servers.items():
                    # Nothing else comes before one more call.
                    end = world.clients[peer].request("end")
                    assert (await server.receive())[-1] == pack("end", (), {})
                    end.cancel()

    run(main())

"""A service without a network: its schema is real, what it answers is said by the test. And schemas from text."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cara_pseud.capabilities import CallOptions, Capability, IncomingCall
from cara_pseud.errors import RpcError, Unavailable
from cara_pseud.local import LocalCapability
from cara_pseud.schema.loader import compile_schema
from cara_pseud.schema.nodes import Kind, Schema, Type
from gateway.calls import Call, Calls
from gateway.catalogue import Catalogue, Served, Service, ServiceMethod
from gateway.config.limits import Limits
from gateway.errors import GatewayError
from gateway.protocols.jsonrpc.conversation import Conversation
from gateway.routes import HttpRoutes, ServiceRoutes
from gateway.sessions.sessions import Sessions
from gateway.turns import Turns
from gateway.upstream.base import Endpoint, ObjectName
from tests.codecs import Codec

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "json_cases.json"
WAIT_S = 5.0


class FakeCall(asyncio.Future[Any]):
    """A call under way. ``reply`` resolves it as a peer does: the transport value is converted on arrival."""

    method: str
    args: Sequence[Any]
    options: CallOptions
    convert: Callable[[Any], Any]

    def reply(self, transport: Any) -> None:
        try:
            self.set_result(self.convert(transport))
        except Exception as error:
            self.set_exception(error)


class FakeObject(Capability):
    """An object of a service that answers when the test says so.

    Attributes:
        calls: all that came.
    """

    __slots__ = ("_arrived", "alive", "calls", "disowned", "error", "given_back", "released")

    def __init__(self, key: object = "object") -> None:
        self.key = key
        self.alive = True  # type: ignore[misc]
        self.calls: list[FakeCall] = []
        self._arrived: asyncio.Queue[FakeCall] = asyncio.Queue()
        self.released = self.given_back = self.disowned = 0
        self.error: Exception | None = None

    def invoke(
        self,
        bound: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        options: CallOptions | None = None,
        convert: Callable[[Any], Any] | None = None,
    ) -> FakeCall:
        assert options is not None
        assert convert is not None
        call = FakeCall()
        call.method, call.args, call.options, call.convert = bound.method.name, args, options, convert
        self.calls.append(call)
        self._arrived.put_nowait(call)
        if self.error is not None:
            call.set_exception(self.error)
        return call

    async def next_call(self) -> FakeCall:
        """The next call, for a test that waits for it; within a deadline."""
        async with asyncio.timeout(WAIT_S):
            return await self._arrived.get()

    def release(self) -> None:
        self.released += 1

    def give_back(self, count: int) -> None:
        self.given_back += count
        self.release()

    def disown(self, count: int) -> None:
        self.disowned += count


class FakeUpstream:
    """A connection whose state the test sets."""

    def __init__(self) -> None:
        self.root = FakeObject("root")
        self.state = "up"
        self.trouble = ""
        self.endpoint = "tcp://service:1"
        self.stopped = self.has_calls = False
        self.incarnation: str | None = None
        self.unknown_ids: set[int] = set()
        self.adopted: list[tuple[FakeObject, int]] = []
        self.on_trouble = self.on_state
        self._listeners: list[Callable[[str], None]] = []

    @property
    def connections(self) -> Sequence[FakeUpstream]:
        return (self,)

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        return (Endpoint(self.endpoint, self.state, 3, self.trouble),)  # type: ignore[arg-type]

    def home_of(self, target: Capability) -> FakeUpstream:
        return self

    def owns(self, capability: Capability) -> bool:
        return False  # of an upstream that is the handle's own nobody asks

    def beside(self, target: Capability, object: Capability) -> Capability:
        return target

    def name_of(self, capability: Capability) -> ObjectName | None:
        return None if self.incarnation is None else ObjectName(self.incarnation, int(str(capability.key)))

    def adopt(self, name: ObjectName, references: int) -> Capability:
        if name.id in self.unknown_ids:
            raise Unavailable("not yet")
        if name.incarnation != self.incarnation:
            raise RpcError("not_found", "the object ended with the process that had it")
        made = FakeObject(str(name.id))
        self.adopted.append((made, references))
        return made

    def on_state(self, callback: Callable[[str], None]) -> Callable[[], None]:
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    def become(self, state: str) -> None:
        self.state = state
        for listener in list(self._listeners):
            listener(state)

    async def start(self) -> None:
        """Nothing to connect."""

    async def stop(self) -> None:
        self.stopped = True


class FakeTimeLoop(asyncio.SelectorEventLoop):
    """A loop whose clock the test moves."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


def timers() -> int:
    """How many timers of the running loop are set."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, FakeTimeLoop)
    return sum(not timer.cancelled() for timer in loop._scheduled)  # type: ignore[attr-defined]


async def pass_time(seconds: float) -> None:
    """Move the clock and let everything run that is due."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, FakeTimeLoop)
    loop.ahead += seconds
    await settle()


async def settle() -> None:
    """Let everything run that can run now."""
    for _ in range(10):
        await asyncio.sleep(0)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine in a loop with a clock that can be moved. What it began and ended leaves no timer."""

    async def checked() -> None:
        await main
        await settle()
        assert timers() == 0

    with asyncio.Runner(loop_factory=FakeTimeLoop) as runner:
        runner.run(checked())


LIMITS = Limits(
    max_calls_per_session=5, max_callbacks_per_session=2, max_message_bytes=10_000, send_buffer_bytes=20_000
)


class Begun:
    """Who waits for one call: a `gateway.calls.CallWaiter` that can be awaited."""

    def __init__(self, calls: Calls, method: ServiceMethod, target: Capability, params: Any, **more: Any) -> None:
        self._outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._outcome.add_done_callback(asyncio.Future.exception)  # not every test asks for it
        self.call = calls.begin(self, 1, method, target, params, **more)

    def answered(self, call: Call, result: Any) -> bool:
        self._outcome.set_result(result)
        return True

    def failed(self, call: Call, error: GatewayError) -> None:
        self._outcome.set_exception(error)

    def __await__(self) -> Any:
        return self._outcome.__await__()

    def done(self) -> bool:
        return self._outcome.done()

    def cancel(self) -> None:
        assert self.call is not None
        self.call.cancel()


class FakeChannel:
    """A channel whose network takes everything, or nothing while the test says that it ``is_full``."""

    conversation: Conversation

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.closed: tuple[int, str] | None = None
        self.is_full = False
        self.progress = 0
        self.held = False

    def hold(self, holds: bool) -> None:
        self.held = holds

    def send(self, data: bytes) -> bool:
        assert self.closed is None
        self.sent.append(json.loads(data))
        return self.is_full

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    def cut(self, code: int, reason: str) -> None:
        self.sent.clear()
        self.close(code, reason)

    def carry(self, conversation: Conversation) -> None:
        self.conversation = conversation


class Play:
    """A conversation with its service at one side and its client at the other."""

    def __init__(
        self, *services: Service, sessions: Sessions | None = None, turns: Turns | None = None, **limits: Any
    ) -> None:
        self.limits = replace(LIMITS, **limits)
        self.services = {service.name: service for service in services}
        self.served = Served(Catalogue(self.services, HttpRoutes([]), {}))
        self.sessions = Sessions(self.limits) if sessions is None else sessions
        self.channel = FakeChannel()
        self.turns = Turns() if turns is None else turns
        self.conversation = self._conversation()
        self.channel.conversation = self.conversation

    def _conversation(self) -> Conversation:
        limits = self.limits
        return Conversation(self.served, Calls(limits), self.sessions, limits, self.channel, turns=self.turns)

    @property
    def roots(self) -> Sequence[Any]:
        return [service.upstream.root for service in self.services.values()]

    @property
    def calls(self) -> list[Any]:
        calls: list[Any] = self.roots[0].calls
        return calls

    def says(self, method: str, params: Any = None, id: Any = 1, **members: Any) -> None:
        self.conversation.receive(
            json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params or {}, **members})
        )

    def notifies(self, method: str, params: Any = None) -> None:
        self.conversation.receive(json.dumps({"jsonrpc": "2.0", "method": method, "params": params or {}}))

    def answers(self, request: Mapping[str, Any], **outcome: Any) -> None:
        self.conversation.receive(json.dumps({"jsonrpc": "2.0", "id": request["id"], **outcome}))

    async def hears(self) -> list[Any]:
        """What was sent since the last time."""
        await settle()
        sent, self.channel.sent = self.channel.sent, []
        return sent

    def cut(self, code: int | None = None) -> None:
        """Lose the channel; what was sent and not heard yet is lost too."""
        channel, self.channel = self.channel, FakeChannel()
        channel.sent.clear()
        channel.conversation.channel_closed(channel, code)

    async def resume(self, hello: Mapping[str, Any], received: int) -> list[Any]:
        """Connect again and ask for the stream; what comes, the answer first."""
        self.conversation = self._conversation()
        self.channel.conversation = self.conversation
        self.says("rpc.hello", {"protocol": 1, "received": received, **{k: hello[k] for k in ("session", "stream")}})
        self.conversation = self.channel.conversation
        return await self.hears()

    async def hello(self, **params: Any) -> dict[str, Any]:
        self.says("rpc.hello", {"protocol": 1, **params})
        (answer,) = await self.hears()
        result: dict[str, Any] = answer["result"]
        return result

    async def pass_callback(self, name: str = "f") -> LocalCapability:
        """Have the client pass an object to `map` of the calculator; the call stays under way."""
        self.says("calculator.map", {"values": [1], "transform": {"$callback": name}}, id=f"pass {len(self.calls)}")
        capability = self.calls[-1].args[1]
        assert isinstance(capability, LocalCapability)
        return capability


def invoke(service: Service, capability: LocalCapability, value: int) -> Any:
    """The service calls `apply` of a client's object that is a Transform."""
    node = service.schema.find("Calculator.Transform")
    assert node is not None
    return capability.target.invoke(node.id, 0, [value], {}, IncomingCall(b""))


WORKSHOP = """@0xd2b90e2d3c2f7f11;
interface Workshop {
  tool @0 () -> (tool :Tool);
  use @1 (times :List(Int32), tool :Tool) -> (done :Bool);
  add @2 (first :Int32, second :Int32) -> (result :Int32);
  tools @4 () -> (tools :List(Tool));
  hire @3 (craftsman :Craftsman) -> ();
  interface Tool { turn @0 (times :Int32) -> (); }
  interface Craftsman { take @0 (tool :Tool) -> (); }
}
"""


@pytest.fixture(scope="session")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Schema]:
    path = tmp_path_factory.mktemp("schemas") / "workshop.capnp"
    path.write_text(WORKSHOP, "utf-8")
    examples = {name: compile_schema([SCHEMAS / f"{name}.capnp"]) for name in ("calculator", "addressbook")}
    return {**examples, "workshop": compile_schema([path])}


@pytest.fixture
def service_of() -> Callable[[str, Schema, str], Service]:
    """A service of that name whose interface is in a schema."""

    def make(name: str, schema: Schema, interface: str) -> Service:
        node = schema.find(interface)
        assert node is not None
        routes = ServiceRoutes(name, schema, Type(Kind.INTERFACE, node.id))
        return Service(routes, Codec(schema), FakeUpstream(), 30.0)  # type: ignore[arg-type]

    return make


@pytest.fixture
def make_service(
    schemas: Mapping[str, Schema], service_of: Callable[[str, Schema, str], Service]
) -> Callable[[str, str], Service]:
    return lambda name, interface: service_of(name, schemas[name], interface)


@pytest.fixture
def calculator(make_service: Callable[[str, str], Service]) -> Service:
    return make_service("calculator", "Calculator")


@pytest.fixture
def workshop(make_service: Callable[[str, str], Service]) -> Service:
    """A service that takes the objects that it gives."""
    return make_service("workshop", "Workshop")


@pytest.fixture
def addressbook(make_service: Callable[[str, str], Service]) -> Service:
    return make_service("addressbook", "AddressBook")


@pytest.fixture
def fakes() -> Any:
    """The names of this module, for tests that make objects or move the clock themselves."""

    class Fakes:
        Begun = Begun
        LIMITS = LIMITS
        Object = FakeObject
        Upstream = FakeUpstream
        Play = Play
        pass_time = staticmethod(pass_time)
        settle = staticmethod(settle)
        run = staticmethod(run)
        timers = staticmethod(timers)
        invoke = staticmethod(invoke)

    return Fakes


@pytest.fixture(scope="session")
def compile_text(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Schema]:
    """Compile the text of a schema, without its id line; a text is compiled once for all tests."""
    known: dict[str, Schema] = {}

    def compile_text(text: str) -> Schema:
        if text not in known:
            path = tmp_path_factory.mktemp("schema") / "main.capnp"
            path.write_text("@0xb5f3c07e56b6a7d1;\n" + text)
            known[text] = compile_schema([path])
        return known[text]

    return compile_text


@pytest.fixture(scope="session")
def vector_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The schemas of the conformance cases, with their import, as files."""
    directory = tmp_path_factory.mktemp("vectors")
    vectors = json.loads(VECTORS.read_text())
    for name, text in {**vectors["schemas"], **vectors["imports"]}.items():
        path = directory / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


@pytest.fixture(scope="session")
def vector_schemas(vector_directory: Path) -> dict[str, Schema]:
    """Those schemas compiled, by file name."""
    names = [path.name for path in vector_directory.glob("*.capnp")]
    return {name: compile_schema([vector_directory / name], [vector_directory]) for name in names}


@pytest.fixture(scope="session")
def struct_type() -> Callable[[Schema, str], Type]:
    """The type of a struct (or interface) by its name in the schema's file."""

    def struct_type(schema: Schema, name: str) -> Type:
        node = schema.find(name)
        assert node is not None, name
        kind = Kind.INTERFACE if hasattr(node, "methods") else Kind.STRUCT
        return Type(kind, node.id)

    return struct_type


@pytest.fixture
def tokens() -> Callable[[], str]:
    """Tokens that a test can foresee: t1, t2 …"""
    numbers: Iterator[int] = iter(range(1, 1_000_000))
    return lambda: f"t{next(numbers)}"

"""What was wrong with pseud, fault by fault: ours does not have it. Real sockets throughout."""

from __future__ import annotations

import asyncio
import builtins
import gc
import importlib.metadata
import json
import os
import pickle
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq

import cara_pseud
from cara_pseud import errors
from cara_pseud.client import Client
from cara_pseud.server import Server
from tests.cara_pseud.waiting import until_readable

UID = bytes(range(16))


def run(main: Awaitable[None]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(main, 20)

    asyncio.run(bounded())


def add(first: int, second: int) -> int:
    return first + second


def work(name: str, *args: Any) -> bytes:
    return bytes(msgpack.packb((name, args, {})))


async def received(socket: zmq.Socket[bytes]) -> list[bytes]:
    await until_readable(socket)
    return socket.recv_multipart()


class Impostor:
    """A server of raw frames: it answers every WORK with whatever messages the test wants."""

    def __init__(self, answers: Callable[[bytes], list[tuple[bytes, bytes, bytes]]]) -> None:
        self._answers = answers
        self._context: zmq.Context[Any] = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.linger = 0
        self._socket.routing_id = b"server"
        self.endpoint = f"tcp://127.0.0.1:{self._socket.bind_to_random_port('tcp://127.0.0.1')}"
        self._task: asyncio.Task[None] | None = None

    async def _serve(self) -> None:
        while True:
            routing_id, _, _, uid, kind, body = await received(self._socket)
            name = msgpack.unpackb(body, strict_map_key=False)[0] if kind == b"\x03" else ""
            if name == "add":
                answers = [(uid, b"\x01", msgpack.packb(3))]
            elif name == "odd":
                answers = self._answers(uid)
            else:
                answers = [(uid, b"\x10", msgpack.packb(("ServiceNotFoundError", name, "")))]
            for answer in answers:
                self._socket.send_multipart([routing_id, b"", b"v1", *answer])

    async def __aenter__(self) -> Impostor:
        self._task = asyncio.create_task(self._serve())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])
        self._socket.close()
        self._context.term()


# Installation.


def test_what_pseud_needs_is_declared_as_a_dependency() -> None:
    declared = importlib.metadata.requires("cara-gateway") or []
    names = {re.split(r"[^\w.-]", line)[0].replace(".", "-") for line in declared}
    assert {"pseud", "pyzmq", "msgpack", "zope-interface", "zope-component"} <= names


def test_calls_work_with_a_msgpack_of_today(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            server.register_rpc(lambda text, data: [text, data], name="both")
            assert msgpack.version >= (1, 0, 0)
            assert await client.both("ä", b"\xff") == ("ä", b"\xff")

    run(main())


# What the peer may make us do.


class _Exploit:
    def __init__(self, path: str) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (self._path,)


@pytest.mark.parametrize("code", [123, 124, 125, 126])
@pytest.mark.parametrize("place", ["argument", "keyword", "login"])
def test_a_pickle_in_an_extension_type_runs_no_code_at_the_server(
    serving: Any, connected: Any, raw_dealer: Any, tmp_path: Path, code: int, place: str
) -> None:
    target = tmp_path / "owned"
    payload = pickle.dumps(_Exploit(str(target)))
    exploit = msgpack.ExtType(code, payload)
    kind, body = {
        "argument": (b"\x03", ("add", (exploit, 2), {})),
        "keyword": (b"\x03", ("add", (1,), {"second": exploit})),
        "login": (b"\x02", ("ann", exploit)),
    }[place]

    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            server.register_rpc(add)
            dealer = raw_dealer(server.endpoint)
            dealer.send_multipart([b"", b"v1", UID, kind, msgpack.packb(body)])
            dealer.send_multipart([b"", b"v1", UID[::-1], b"\x03", work("add", 1, 2)])
            *_, uid, kind_back, body_back = await received(dealer)
            if kind == b"\x03":
                assert (uid, kind_back) == (UID, b"\x10")
                name, text, _ = msgpack.unpackb(body_back)
                assert (name, text) == (
                    "ProtocolError", f"msgpack extension type {code} is not permitted; only 100 and 101 are",
                )
                *_, uid, kind_back, body_back = await received(dealer)
            assert (uid, kind_back, body_back) == (UID[::-1], b"\x01", b"\x03")
            assert await client.add(1, 2) == 3

    run(main())
    assert not target.exists()
    # The bytes are no dud: an unpickler would have been taken.
    pickle.loads(payload)
    assert target.exists()


@pytest.mark.parametrize("kind", [b"\x01", b"\x10"])
def test_a_pickle_in_an_answer_runs_no_code_at_the_client(connected: Any, tmp_path: Path, kind: bytes) -> None:
    target = tmp_path / "owned"
    body = msgpack.packb(msgpack.ExtType(123, pickle.dumps(_Exploit(str(target)))))

    async def main() -> None:
        async with Impostor(lambda uid: [(uid, kind, body)]) as server, connected(server.endpoint) as client:
            with pytest.raises(errors.ProtocolError, match="extension type 123 is not permitted"):
                await client.odd()
            assert await client.add(1, 2) == 3

    run(main())
    assert not target.exists()


BUILTINS = [
    "print", "input", "open", "exit", "quit", "breakpoint", "SystemExit", "KeyboardInterrupt", "GeneratorExit",
    "BaseException",
]


@pytest.mark.parametrize("name", BUILTINS)
def test_an_error_named_like_a_builtin_calls_no_builtin(
    connected: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    called: list[str] = []
    text = str(tmp_path / "owned")
    original = getattr(builtins, name)
    if not isinstance(original, type):

        def spy(*args: Any, **kwargs: Any) -> Any:
            called.extend(arg for arg in args if arg == text)
            return original(*args, **kwargs)

        monkeypatch.setattr(builtins, name, spy)
    body = msgpack.packb((name, text, "Traceback (most recent call last)"))

    async def main() -> None:
        async with Impostor(lambda uid: [(uid, b"\x10", body)]) as server, connected(server.endpoint) as client:
            with pytest.raises(errors.RemoteError) as caught:
                await client.odd()
            assert (type(caught.value), caught.value.exception_class) == (errors.RemoteError, name)
            assert caught.value.message == text
            assert await client.add(1, 2) == 3

    run(main())
    assert not called
    assert capsys.readouterr().out == ""


# Nothing that a peer sends stops a reader.


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([b"", b"v9", UID, b"\x03", work("add", 1, 2)], id="bad version"),
        pytest.param([b"", b"v1", UID], id="too few frames"),
        pytest.param([b"", b"v1", UID, b"\x03", b"\xc1\xff"], id="bad msgpack"),
        pytest.param([b"", b"v1", UID, b"\x03", msgpack.packb({"name": "add"})], id="wrong WORK shape"),
        pytest.param([b"", b"v1", UID, b"\x03", msgpack.packb(("add", {}, ()))], id="wrong shape of arguments"),
        pytest.param([b"", b"v1", UID, b"\x77", b""], id="unknown type"),
        pytest.param([b"", b"v1", UID, b"\x11", b"no"], id="UNAUTHORIZED"),
        pytest.param([b"", b"v1", UID, b"\x01", b"\x07"], id="unsolicited OK"),
        pytest.param([b"", b"v1", UID, b"\x10", msgpack.packb(("E", "m", ""))], id="unsolicited ERROR"),
        pytest.param([b"", b"v1", UID, b"\x03", work("unpackable")], id="a result that cannot be packed"),
    ],
)
def test_the_servers_reader_survives(serving: Any, connected: Any, raw_dealer: Any, frames: list[bytes]) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            server.register_rpc(add)
            server.register_rpc(lambda: object(), name="unpackable")
            dealer = raw_dealer(server.endpoint)
            dealer.send_multipart(frames)
            dealer.send_multipart([b"", b"v1", UID[::-1], b"\x03", work("add", 2, 3)])
            while (answer := await received(dealer))[2] != UID[::-1]:
                # What is recognised as a call gets an error, not silence.
                assert answer[3] == b"\x10"
            assert answer[3:] == [b"\x01", b"\x05"]
            assert await client.add(1, 2) == 3

    run(main())


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        pytest.param(b"\x01", b"\x07", id="OK"),
        pytest.param(b"\x10", msgpack.packb(("ValueError", "late", "")), id="ERROR"),
    ],
)
@pytest.mark.parametrize("ended_by", ["deadline", "cancel", "first answer"])
def test_the_clients_reader_survives_a_late_answer(connected: Any, kind: bytes, body: bytes, ended_by: str) -> None:
    held: list[bytes] = []

    def answers(uid: bytes) -> list[tuple[bytes, bytes, bytes]]:
        if ended_by == "first answer":
            return [(uid, kind, body), (uid, kind, body)]
        held.append(uid)
        # The answer to the call before comes with that to this one.
        return [(uid, kind, body) for uid in held] if len(held) > 1 else []

    async def main() -> None:
        async with Impostor(answers) as server, connected(server.endpoint) as client:
            options = cara_pseud.CallOptions(timeout=0.05 if ended_by == "deadline" else None)
            first = client.request("odd", options=options)
            if ended_by == "deadline":
                with pytest.raises(errors.DeadlineExceeded):
                    await first
            elif ended_by == "cancel":
                while not held:
                    await asyncio.sleep(0.002)
                first.cancel()
            else:
                await asyncio.wait([first])
                first.exception()
            if ended_by != "first answer":
                second = client.odd()
                await asyncio.wait([second])
                second.exception()
            assert await client.add(1, 2) == 3
            assert client.dropped == {"answer to no call": 1}

    run(main())


@pytest.mark.parametrize("name", ["UnicodeDecodeError", "UnicodeEncodeError", "UnicodeTranslateError"])
def test_the_clients_reader_survives_an_error_whose_constructor_wants_more(
    serving: Any, connected: Any, name: str
) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:

            def fail() -> None:
                {"UnicodeDecodeError": lambda: b"\xff".decode(), "UnicodeEncodeError": lambda: "\udc00".encode()}.get(
                    name, _raise_translate_error
                )()

            server.register_rpc(fail)
            server.register_rpc(add)
            with pytest.raises(ValueError) as caught:  # noqa: PT011 - its text is Python's
                await client.fail()
            # A stock client makes the exception that is named, of one text.
            assert isinstance(caught.value, errors.RemoteError)
            assert caught.value.exception_class == "UnicodeError"
            assert await client.add(1, 2) == 3

    run(main())


def _raise_translate_error() -> None:
    raise UnicodeTranslateError("x", 0, 1, "odd")


# Calls.


def test_a_slow_handler_blocks_no_other_client_and_no_other_call(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as one, connected(server.endpoint) as other:
            go_on = asyncio.Event()
            server.register_rpc(go_on.wait, name="slow")
            server.register_rpc(add)
            slow = one.slow()
            assert await one.add(1, 2) == 3
            assert await other.add(1, 2) == 3
            assert not slow.done()
            go_on.set()
            assert await slow is True

    run(main())


def test_a_handler_that_calls_its_caller_back_is_answered(serving: Any, connected: Any) -> None:
    async def main() -> None:
        login: dict[str, Any] = {"security_plugin": "plain", "user_id": b"ann", "password": b"_"}
        async with (
            serving(security_plugin="trusted_peer") as server,
            connected(server.endpoint, **login) as client,
        ):

            async def there_and_back(depth: int) -> int:
                return depth if depth == 0 else 1 + await server.send_to(b"ann").back(depth)

            async def back(depth: int) -> int:
                return int(await client.there_and_back(depth - 1))

            server.register_rpc(there_and_back)
            client.register_rpc(back)
            assert await client.there_and_back(5) == 5

    run(main())


def test_futures_that_handlers_return_are_awaited(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            loop = asyncio.get_running_loop()

            def later() -> asyncio.Future[str]:
                future: asyncio.Future[str] = loop.create_future()
                loop.call_later(0.01, future.set_result, "done")
                return future

            server.register_rpc(later)
            assert await client.later() == "done"

    run(main())


def test_a_call_that_is_cancelled_in_the_turn_it_came_in_is_answered_and_forgotten(
    serving: Any, raw_dealer: Any
) -> None:
    async def main() -> None:
        async with serving() as server:
            begun: list[str] = []

            @server.register_rpc  # type: ignore[untyped-decorator]
            async def hang() -> None:
                begun.append("yes")
                await asyncio.sleep(60)

            dealer = raw_dealer(server.endpoint)
            dealer.send_multipart([b"", b"v1", UID, b"\x03", work("cara:hello")])
            await received(dealer)
            # Both lie in the server's socket before it looks: it reads them in one turn of its loop.
            dealer.send_multipart([b"", b"v1", b"h" * 16, b"\x03", work("hang")])
            dealer.send_multipart([b"", b"v1", b"c" * 16, b"\x03", work("cara:cancel", b"h" * 16)])
            # Until they have crossed the loopback; a loop that is blocked cannot ask.
            time.sleep(0.1)  # noqa: ASYNC251
            answers = {(await received(dealer))[2] for _ in range(2)}
            assert answers == {b"h" * 16, b"c" * 16}
            (connection,) = server.connections
            assert (connection.running, begun) == ({}, ["yes"])

    run(main())


def test_a_stop_in_the_turn_that_a_call_came_in_leaves_no_coroutine_behind(serving: Any, raw_dealer: Any) -> None:
    async def main() -> None:
        async with serving() as server:
            started = asyncio.get_running_loop().create_future()

            async def hang() -> None:
                await asyncio.sleep(60)

            def stop_and_hang() -> Any:
                started.set_result(asyncio.ensure_future(server.stop()))
                return hang()

            server.register_rpc(stop_and_hang)
            dealer = raw_dealer(server.endpoint)
            dealer.send_multipart([b"", b"v1", UID, b"\x03", work("stop_and_hang")])
            await (await started)
            await asyncio.sleep(0)
            assert [connection.running for connection in server.connections] in ([], [{}])
        gc.collect()

    run(main())


CALLS = os.environ.get("LEAK_CALLS", "20000")
"""A million takes about half a minute."""


def test_thousands_of_calls_leave_nothing_behind() -> None:
    program = Path(__file__).parent / "churn" / "census.py"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, str(program), CALLS]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    grown = json.loads(done.stdout)
    assert (grown.pop("deadlines"), grown.pop("kept")) == (0, 0)
    assert grown.pop("timers") < 5
    # A batch's own futures may wait for the loop's next turn; a leak would have thousands.
    assert {name: count for name, count in grown.items() if count > 60} == {}


def test_a_look_up_takes_as_many_steps_among_five_thousand_methods_as_among_ten(serving: Any, connected: Any) -> None:
    async def steps(methods: int) -> int:
        async with serving() as server, connected(server.endpoint) as client:
            for number in range(methods):
                server.register_rpc(add, name=f"method{number}")
            server.register_rpc(add)
            for _ in range(20):
                await client.add(1, 2)
            count = 0

            def step(frame: Any, event: str, argument: Any) -> None:
                nonlocal count
                count += 1

            handler = server._dispatcher.handler
            sys.setprofile(step)
            try:
                handler("add")
            finally:
                sys.setprofile(None)
            return count

    async def main() -> None:
        assert await steps(10) == await steps(5_000)

    run(main())


def test_no_traceback_and_no_path_goes_to_the_peer(serving: Any, raw_dealer: Any) -> None:
    async def main() -> None:
        async with serving() as server:
            server.register_rpc(lambda: 1 // 0, name="fail")
            dealer = raw_dealer(server.endpoint)
            dealer.send_multipart([b"", b"v1", UID, b"\x03", work("fail")])
            *_, kind, body = await received(dealer)
            assert (kind, msgpack.unpackb(body)) == (
                b"\x10", ["ZeroDivisionError", "integer division or modulo by zero", ""],
            )

    run(main())


def test_sizes_are_limited_both_ways(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving(max_message_bytes=1000) as server, connected(server.endpoint) as client:
            server.register_rpc(lambda data: len(data), name="take")
            server.register_rpc(lambda count: b"x" * count, name="give")
            for call in (client.take(b"x" * 2000), client.give(2000)):
                with pytest.raises(errors.RpcError, match="at most 1000 are permitted") as caught:
                    await call
                assert caught.value.code == "too_large"
            assert await client.take(b"x" * 500) == 500

    run(main())


def test_an_unknown_peer_is_an_error_at_once(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server:
            started = time.monotonic()
            with pytest.raises(errors.Unavailable, match="no client b'nobody' is connected"):
                await server.send_to(b"nobody").ping()
            assert time.monotonic() - started < 0.3

    run(main())


def test_calls_collide_with_no_name_of_the_client(tmp_path: Path, serving: Any, connected: Any) -> None:
    path = tmp_path / "odd.capnp"
    names = ["stop", "start", "timeout", "packer", "socket", "connect", "loop", "root", "state", "request"]
    methods = "".join(f"  {name} @{number} () -> (name :Text);\n" for number, name in enumerate(names))
    path.write_text(f"@0xd4c9b2a1f0e3d5c1;\ninterface Odd {{\n{methods}}}\n")
    schema = cara_pseud.load(path)

    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            cara_pseud.register_interface(server, schema.Odd, {name: (lambda name=name: name) for name in names})
            odd = schema.Odd(client)
            assert [await getattr(odd, name)() for name in names] == names
            assert client.timeout == 5

    run(main())


def test_a_namespace_can_be_kept(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            server.register_rpc(lambda: "a", name="ns.a")
            server.register_rpc(lambda: "b", name="ns.b")
            ns = client.ns
            assert (await ns.a(), await ns.b(), await ns.a()) == ("a", "b", "a")

    run(main())


def test_peers_are_made_where_there_is_no_loop() -> None:
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
    server, client = Server(b"server"), Client(b"server")
    server.bind("tcp://127.0.0.1:*")
    client.connect(server.endpoint)

    async def main() -> None:
        async with server, client:
            server.register_rpc(add)
            assert await client.add(1, 2) == 3

    # A loop of another kind than the one that made them.
    run(main())


def test_async_with_gives_the_peer(serving: Any) -> None:
    async def main() -> None:
        async with Server(b"server") as server, Client(b"server") as client:
            assert (type(server), type(client)) == (Server, Client)

    run(main())

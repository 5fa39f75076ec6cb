"""Server and client against each other and against hostile frames, over real sockets."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
from typing import Any

import msgpack
import pytest
import zmq

import cara_pseud.dispatch
from cara_pseud import errors
from cara_pseud.capabilities import CallOptions
from cara_pseud.client import Client
from cara_pseud.local import LocalCapability
from cara_pseud.server import Server
from tests.cara_pseud.waiting import until_greeted, until_readable, until_state


class Recorder:
    """A target that keeps the calls it got and answers with a function of the arguments."""

    def __init__(self, answer: Any = lambda *args: args) -> None:
        self.answer = answer
        self.calls: list[tuple[Any, ...]] = []
        self.gone = asyncio.Event()

    def invoke(self, interface_id: int, method: Any, args: Any, kwargs: Any, call: Any) -> Any:
        self.calls.append((interface_id, method, tuple(args)))
        return self.answer(*args)

    def released(self) -> None:
        self.gone.set()


def add(a: int, b: int) -> int:
    return a + b


def run(main: Any) -> None:
    asyncio.run(asyncio.wait_for(main, 20))


def test_a_call_is_answered(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            server.register_rpc(add)
            assert await client.add(2, 5) == 7
            assert await client.add(2, b=5) == 7
            assert await client.send_work(b"server", "add", 1, 2) == 3

    run(main())


def test_a_slow_handler_does_not_delay_another_client(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as slow, connected(server.endpoint) as quick:
            waiting = asyncio.Event()

            async def wait() -> str:
                await waiting.wait()
                return "done"

            server.register_rpc(wait)
            server.register_rpc(add)
            first = slow.wait()
            assert await quick.add(1, 2) == 3
            assert not first.done()
            waiting.set()
            assert await first == "done"

    run(main())


def test_a_handler_gets_the_answer_of_its_callers_callback(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:

            async def ask(callback: Any) -> Any:
                return await callback.call(7, 3, ("how are you",))

            server.register_rpc(ask)
            target = Recorder(lambda text: text.upper())
            assert await client.ask(LocalCapability(target)) == "HOW ARE YOU"
            assert target.calls == [(7, 3, ("how are you",))]

    run(main())


@pytest.mark.parametrize(
    ("failing", "kind", "text"),
    [
        (lambda: 1 / 0, ZeroDivisionError, "division by zero"),
        (lambda: {}["missing"], KeyError, "'missing'"),
        (lambda: (_ for _ in ()).throw(SystemExit(3)), errors.RemoteError, "3"),
        (lambda: object(), errors.RemoteError, "the result cannot be sent"),
        (lambda: next(iter(())), errors.RemoteError, "StopIteration"),
        (lambda: {"deep": _nested(3000)}, errors.RemoteError, "the result cannot be sent"),
        (lambda: 2**64, errors.RemoteError, "the result cannot be sent"),
    ],
)
def test_a_failing_handler_fails_its_call_only(
    serving: Any, connected: Any, failing: Any, kind: Any, text: str
) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            server.register_rpc(failing, name="fail")
            server.register_rpc(add)
            with pytest.raises(kind, match=text):
                await client.fail()
            assert await client.add(1, 2) == 3

    run(main())


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_the_status_a_handler_chose_reaches_the_caller(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:

            async def find(name: str) -> None:
                raise errors.RpcError("not_found", f"no {name}", {"name": name})

            server.register_rpc(find)
            with pytest.raises(errors.RpcError) as caught:
                await client.find("Ann")
            assert (caught.value.code, caught.value.message, caught.value.details) == (
                "not_found", "no Ann", {"name": "Ann"},
            )

    run(main())


def test_no_traceback_travels_unless_debugging(serving: Any, raw_dealer: Any) -> None:
    async def main() -> None:
        for debug in (False, True):
            async with serving(debug=debug) as server:
                server.register_rpc(add)
                dealer = raw_dealer(server.endpoint)
                body = await exchange(dealer, msgpack.packb(("add", (1, "x"), {})))
                assert ("Traceback" in body[2]) is debug
                assert body[0] == "TypeError"

    run(main())


PICKLE = b"cos\nsystem\n(S'true'\ntR."


async def exchange(dealer: Any, body: bytes, kind: bytes = b"\x03") -> Any:
    dealer.send_multipart([b"", b"v1", os.urandom(16), kind, body])
    await until_readable(dealer)
    return msgpack.unpackb(dealer.recv_multipart()[-1])


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"\xc1", "no msgpack"),
        (b"", "no msgpack"),
        (msgpack.packb(5), "must be an array"),
        (msgpack.packb(("add", (1, 2))), "must be an array"),
        (msgpack.packb(("add", {}, {})), "must be an array"),
        (msgpack.packb(("add", (), {1: 2})), "text as names"),
        (msgpack.packb(("add", (msgpack.ExtType(125, PICKLE),), {})), "type 125 is not permitted"),
        (msgpack.packb(("add", (msgpack.ExtType(100, b"\xc1"),), {})), "holds no msgpack"),
        (msgpack.packb(("add", (msgpack.ExtType(100, b"\x93\x01\x02\x03"),), {})), "an object id"),
        (msgpack.packb(("call", (1, 2, 3), {})), "a call on an object"),
        (msgpack.packb(("call", (1, 2, 3, (), {}), {})), "no such object"),
        (msgpack.packb(("cara:call", (1, 2), {})), "takes metadata"),
        (b"\x91" * 100_000, "no msgpack"),
    ],
)
def test_a_malformed_call_gets_an_error_and_nothing_else_happens(
    serving: Any, connected: Any, raw_dealer: Any, body: bytes, text: str
) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            server.register_rpc(add)
            error = await exchange(raw_dealer(server.endpoint), body)
            assert text in error[1]
            assert await client.add(1, 2) == 3

    run(main())


UID = b"u" * 16


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ([b""], "probe"),
        ([b"", b"v1"], "wrong number of frames"),
        ([b"", b"v1", UID, b"\x03"], "wrong number of frames"),
        ([b""] * 50, "wrong number of frames"),
        ([b"", b"v2", UID, b"\x03", b""], "not pseud v1"),
        ([b"x", b"v1", UID, b"\x03", b""], "not pseud v1"),
        ([b"", b"v1", b"short", b"\x03", msgpack.packb(("add", (1, 2), {}))], "bad uuid"),
        ([b"", b"v1", UID, b"\x99", b""], "unknown message type"),
        ([b"", b"v1", UID, b"\x01", b"\x07"], "answer to no call"),
        ([b"", b"v1", UID, b"\x10", b"\x07"], "answer to no call"),
    ],
)
def test_frames_that_are_no_message_are_counted_and_dropped(
    serving: Any, connected: Any, raw_dealer: Any, frames: list[bytes], reason: str
) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            server.register_rpc(add)
            dealer = raw_dealer(server.endpoint)
            dealer.send_multipart(frames)
            assert (await exchange(dealer, msgpack.packb(("add", (1, 2), {})))) == 3
            assert server.dropped == {reason: 1}
            assert await client.add(1, 2) == 3

    run(main())


def test_random_frames_do_not_disturb_good_calls(serving: Any, connected: Any, raw_dealer: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            server.register_rpc(add)
            rng = random.Random(7)
            dealer = raw_dealer(server.endpoint)
            good = [b"", b"v1", UID, b"\x03", msgpack.packb(("add", (1, 2), {}))]
            for number in range(2000):
                frames = [bytes(frame) for frame in good]
                for _ in range(rng.randrange(1, 4)):
                    place = rng.randrange(len(frames))
                    frames[place] = rng.randbytes(rng.randrange(20)) if rng.random() < 0.5 else frames[place][:-1]
                dealer.send_multipart(frames[: rng.randrange(1, 6)] if rng.random() < 0.2 else frames)
                while dealer.poll(0):
                    dealer.recv_multipart()
                if number % 100 == 0:
                    assert await client.add(number, 1) == number + 1

    run(main())


def test_only_the_asked_peer_can_answer(serving: Any, connected: Any, raw_dealer: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            asked = asyncio.Event()

            async def answer(text: str) -> str:
                asked.set()
                # Slower than the one who was not asked.
                await asyncio.sleep(0.05)
                return text

            async def ask(callback: Any) -> Any:
                return await callback.call(1, 0, ("honest",))

            server.register_rpc(ask)
            dealer = raw_dealer(server.endpoint)
            dealer.send(b"")
            result = client.ask(LocalCapability(Recorder(answer)))
            await asked.wait()
            (connection,) = [known for known in server.connections if known.pending]
            (uid,) = connection.pending
            dealer.send_multipart([b"", b"v1", uid, b"\x01", msgpack.packb("forged")])
            assert await result == "honest"
            assert server.dropped["answer to no call"] == 1

    run(main())


def test_metadata_travels_between_our_peers(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with (
            serving(security_plugin="trusted_peer", gateways=[b"gate"]) as server,
            connected(server.endpoint, security_plugin="plain", user_id=b"gate", password=b"_") as gate,
            connected(server.endpoint, security_plugin="plain", user_id=b"eve", password=b"_") as eve,
        ):

            def who() -> Any:
                call = cara_pseud.dispatch.current_call()
                return call.user, call.principal, call.request_id, call.deadline is not None

            server.register_rpc(who)
            options = CallOptions(timeout=3, request_id="r1", principal="ann")
            for client, expected in ((gate, (b"gate", "ann", "r1", True)), (eve, (b"eve", None, "r1", True))):
                await client.who()
                await until_greeted(client)
                assert await client.request("who", options=options) == expected

    run(main())


def test_a_call_given_up_in_the_turn_that_made_it_is_never_sent(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            heard: list[int] = []
            server.register_rpc(heard.append, name="hear")
            await client.hear(0)
            client.hear(1).cancel()
            await client.hear(2)
            assert heard == [0, 2]
            assert client.connections[0].pending == {}

    run(main())


def test_a_watcher_is_told_once_however_its_call_ends(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            told: list[str] = []

            def watched(name: str, future: Any) -> Any:
                future.watcher = lambda ended: told.append(
                    f"{name} cancelled" if ended.cancelled() else f"{name} {ended.exception() or ended.result()}"
                )
                return future

            async def wait() -> None:
                await asyncio.Event().wait()

            server.register_rpc(lambda: 7, name="seven")
            server.register_rpc(wait)
            assert await watched("answered", client.seven()) == 7
            # It was told before whoever awaits.
            assert told == ["answered 7"]
            given_up = watched("given up", client.wait())
            given_up.cancel()
            given_up.cancel()
            assert told == ["answered 7"]
            await asyncio.sleep(0)
            assert told.pop() == "given up cancelled"
            late = watched("late", client.request("wait", options=CallOptions(timeout=0.01)))
            with pytest.raises(errors.DeadlineExceeded):
                await late
            await asyncio.sleep(0)
            assert told.pop() == "late no answer within the deadline"
            lost = watched("lost", client.wait())
            # Until it is sent.
            await asyncio.sleep(0.01)
            await client.stop()
            with pytest.raises(errors.OutcomeUnknown):
                await lost
            await asyncio.sleep(0)
            assert told.pop() == "lost the client was stopped before the answer came"
            assert told == ["answered 7"]

    run(main())


def _send_to_nobody(server: Any) -> None:
    assert not server._transport.send(b"nobody", b"u" * 16, b"\x03", b"")


def _bind_again(server: Any) -> None:
    server.bind("tcp://127.0.0.1:*")


def _bind_in_vain(server: Any) -> None:
    with pytest.raises(zmq.ZMQError):
        server.bind(server.endpoint)


@pytest.mark.parametrize("operation", [_send_to_nobody, _bind_again, _bind_in_vain])
def test_a_message_is_seen_though_another_operation_took_its_signal(
    operation: Any, serving: Any, connected: Any
) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            server.register_rpc(lambda: "pong", name="ping")
            assert await client.ping() == "pong"
            await until_greeted(client)
            answer = client.ping()
            await asyncio.sleep(0)  # the call leaves at the end of the turn
            # It lies in the server's socket, and the signal with it, when the operation comes.
            time.sleep(0.05)  # noqa: ASYNC251
            operation(server)
            assert await asyncio.wait_for(answer, 2) == "pong"

    run(main())


def test_calls_of_one_turn_keep_their_order(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            heard: list[int] = []
            server.register_rpc(heard.append, name="hear")
            await asyncio.gather(*[client.hear(number) for number in range(100)])
            assert heard == list(range(100))

    run(main())


def test_a_cancelled_call_is_cancelled_at_the_server(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            started, ended = asyncio.Event(), asyncio.Event()

            async def wait() -> None:
                started.set()
                try:
                    await asyncio.sleep(60)
                finally:
                    ended.set()

            server.register_rpc(wait)
            server.register_rpc(add)
            await client.add(1, 1)
            await until_greeted(client)
            call = client.wait()
            await started.wait()
            call.cancel()
            await ended.wait()
            assert await client.add(1, 2) == 3
            assert not client.connections[0].pending
            assert len(client.deadlines) == 0

    run(main())


def test_a_deadline_ends_the_call_and_a_late_answer_is_forgotten(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:

            async def wait(seconds: float) -> None:
                # Longer than the deadline.
                await asyncio.sleep(seconds)

            server.register_rpc(wait)
            with pytest.raises(TimeoutError) as caught:
                await client.request("wait", (0.15,), options=CallOptions(timeout=0.05))
            assert isinstance(caught.value, errors.DeadlineExceeded)
            await client.wait(0.2)
            assert client.dropped == {"answer to no call": 1}

    run(main())


def test_a_call_waits_for_the_first_connection() -> None:
    async def main() -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            endpoint = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        async with Client(b"server") as client:
            client.connect(endpoint)
            result = client.add(1, 2)
            # As long as there is no server.
            await asyncio.sleep(0.1)
            server = Server(b"server")
            server.register_rpc(add)
            server.bind(endpoint)
            async with server:
                assert await result == 3

    run(main())


def test_a_server_that_goes_and_comes_gets_no_late_call() -> None:
    async def main() -> None:
        calls: list[int] = []

        begun = asyncio.Event()

        async def hang() -> None:
            begun.set()
            await asyncio.sleep(60)

        async def serve(endpoint: str) -> Server:
            server = Server(b"server")
            server.register_rpc(calls.append, name="count")
            server.register_rpc(hang)
            server.bind(endpoint)
            await server.start()
            return server

        server = await serve("tcp://127.0.0.1:*")
        endpoint = server.endpoint
        async with Client(b"server") as client:
            client.connect(endpoint)
            await client.count(1)
            hanging = client.hang()
            await begun.wait()
            await server.stop()
            with pytest.raises(errors.OutcomeUnknown):
                await hanging
            with pytest.raises(errors.Unavailable):
                await client.count(2)
            assert client.state == "down"
            started = time.perf_counter()
            with pytest.raises(errors.Unavailable):
                await client.count(3)
            assert time.perf_counter() - started < 0.2
            server = await serve(endpoint)
            await until_state(client, "up")
            await client.count(4)
            assert calls == [1, 4]
            await server.stop()

    run(main())


def test_an_answer_that_is_too_large_is_an_error_of_its_call(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint, max_message_bytes=1000) as client:
            server.register_rpc(lambda size: b"x" * size, name="give")
            with pytest.raises(errors.TooLarge, match="at most 1000 are permitted"):
                await client.give(1500)
            with pytest.raises(errors.TooLarge, match="at most 1000 are permitted"):
                await client.give(b"x" * 1500)
            assert await client.give(10) == b"x" * 10

    run(main())


def test_names_of_builtins_on_the_wire_are_only_text(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            for name in ("SystemExit", "KeyboardInterrupt", "print", "exit", "UnicodeDecodeError", "BaseException"):
                failing = type(name, (Exception,), {})
                server.register_rpc(_raiser(failing), name="fail")
                with pytest.raises(errors.RemoteError, match="text") as caught:
                    await client.fail()
                # A client of pseud calls what is named.
                assert caught.value.exception_class == "Exception"

    run(main())


def _raiser(kind: type[Exception]) -> Any:
    def fail() -> None:
        raise kind("text")

    return fail


def test_names_are_told_apart_attribute_by_attribute(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            server.register_rpc(lambda: "a", name="space.a")
            server.register_rpc(lambda: "b", name="space.b")
            space = client.space
            assert (await space.a(), await space.b()) == ("a", "b")

    run(main())


def test_a_thousand_calls_leave_nothing_behind(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            server.register_rpc(add)
            assert await asyncio.gather(*[client.add(number, 1) for number in range(1000)]) == list(range(1, 1001))
            await until_greeted(client)
            assert len(client.deadlines) == 0
            assert not client.connections[0].pending
            assert not server.connections[0].running

    run(main())


def test_who_says_something_and_goes_is_forgotten(serving: Any, raw_dealer: Any) -> None:
    async def main() -> None:
        async with serving() as server:
            for _ in range(20):
                dealer = raw_dealer(server.endpoint)
                # Nothing is answered, so that no answer can tell that nobody is there.
                dealer.send_multipart([b"", b"v1", b"", b"\x99", b""])
                dealer.close(linger=1000)
            while server.dropped["unknown message type"] < 20:
                await asyncio.sleep(0.001)
            while server.connections:
                await asyncio.sleep(0.001)

    run(main())


def test_what_a_client_said_before_it_went_is_done(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server:
            heard: list[int] = []
            server.register_rpc(heard.append, name="hear")
            for turn in range(20):
                async with connected(server.endpoint) as client:
                    await client.hear(-1)
                    # A batch, which only a greeted connection may send, right before the end.
                    calls = [client.hear(number) for number in range(10)]
                    await client.stop()
                    await asyncio.gather(*calls, return_exceptions=True)
                while len(heard) < 11 * (turn + 1):
                    await asyncio.sleep(0.001)
            assert not server.dropped

    run(main())

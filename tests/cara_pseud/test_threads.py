"""Calls from other threads than the loop's."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

import pytest

from cara_pseud import errors
from cara_pseud.client import Client
from cara_pseud.local import LocalCapability


class Target:
    def invoke(self, interface_id: int, method: Any, args: Any, kwargs: Any, call: Any) -> Any:
        return [threading.get_ident(), *args]

    def released(self) -> None:
        pass


def with_server(serving: Any, connected: Any, inside: Callable[[Any, Any], Any]) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            cancelled = asyncio.Event()

            async def slow() -> None:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    cancelled.set()
                    raise

            def fail() -> None:
                raise errors.RpcError("not_found", "no such person")

            server.register_rpc(slow)
            server.register_rpc(fail)
            server.register_rpc(cancelled.wait, name="was_cancelled")
            server.register_rpc(lambda a, b: a + b, name="add")
            server.register_rpc(lambda: LocalCapability(Target()), name="give")
            await inside(server, client)

    asyncio.run(asyncio.wait_for(main(), 20))


def test_result_waits_for_the_answer_in_its_thread(serving: Any, connected: Any) -> None:
    async def inside(server: Any, client: Any) -> None:
        def work() -> list[int]:
            return [client.add(number, 1).result(10) for number in range(200)]

        each = await asyncio.gather(*[asyncio.to_thread(work) for _ in range(4)])
        assert each == [list(range(1, 201))] * 4

    with_server(serving, connected, inside)


def test_a_call_can_be_awaited_in_another_loop(serving: Any, connected: Any) -> None:
    async def inside(server: Any, client: Any) -> None:
        async def work() -> Any:
            assert await client.add(1, 2) == 3
            assert await asyncio.gather(*[asyncio.wrap_future(client.add(number, 1)) for number in range(50)]) == list(
                range(1, 51)
            )
            thing = await client.give()
            return await thing.call(1, 0, ("x",))

        assert await asyncio.to_thread(asyncio.run, work()) == (threading.get_ident(), "x")

    with_server(serving, connected, inside)


def test_what_goes_wrong_is_raised_in_the_thread(serving: Any, connected: Any) -> None:
    async def inside(server: Any, client: Any) -> None:
        def work() -> None:
            with pytest.raises(errors.RpcError, match="no such person"):
                client.fail().result(10)
            with pytest.raises(errors.InvalidValue):
                client.add(object(), 1).result(10)
            with pytest.raises(TimeoutError):
                client.slow().result(0.01)

        await asyncio.to_thread(work)

    with_server(serving, connected, inside)


def test_a_call_that_is_cancelled_in_the_thread_is_cancelled_at_the_server(serving: Any, connected: Any) -> None:
    async def inside(server: Any, client: Any) -> None:
        assert await client.add(1, 2) == 3

        def work() -> None:
            call = client.slow()
            assert client.add(1, 2).result(10) == 3
            assert call.cancel()
            with pytest.raises(CancelledError):
                call.result(10)

        await asyncio.to_thread(work)
        assert await client.was_cancelled() is True

        async def in_another_loop() -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.slow(), 0.05)

        await asyncio.to_thread(asyncio.run, in_another_loop())
        while any(connection.running for connection in server.connections):
            await asyncio.sleep(0.002)

    with_server(serving, connected, inside)


def test_a_handler_may_call_its_caller_back_from_a_thread(serving: Any, connected: Any) -> None:
    async def inside(server: Any, client: Any) -> None:
        async def ask(listener: Any) -> Any:
            def work() -> Any:
                said = listener.call(1, 0, ("from a thread",)).result(10)
                listener.release()
                return said[1]

            return await asyncio.to_thread(work)

        server.register_rpc(ask)
        calls = [client.ask(LocalCapability(Target())) for _ in range(20)]
        assert await asyncio.gather(*calls) == ["from a thread"] * 20

    with_server(serving, connected, inside)


def test_objects_that_are_let_go_in_threads_are_released(serving: Any, connected: Any) -> None:
    async def inside(server: Any, client: Any) -> None:
        def work() -> None:
            for _ in range(100):
                client.give().result(10).release()
                client.give().result(10)  # left to the collector

        await asyncio.gather(*[asyncio.to_thread(work) for _ in range(4)])
        (connection,) = server.connections
        while len(connection.exports):
            await asyncio.sleep(0.005)

    with_server(serving, connected, inside)


def test_a_call_from_a_thread_after_the_loop_has_ended_says_so() -> None:
    async def main() -> Any:
        async with Client(b"server") as client:
            client.connect("tcp://127.0.0.1:1")
        return client

    client = asyncio.run(main())
    with pytest.raises(RuntimeError, match="closed"):
        threading_result(lambda: client.add(1, 2))


def threading_result(work: Callable[[], Any]) -> Any:
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append((work(), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20)
    value, error = outcome[0]
    if error is not None:
        raise error
    return value


def test_many_threads_do_not_abort_the_process() -> None:
    """In a process of its own, since an abort would be the end of this one."""
    script = """
        import asyncio, threading
        from cara_pseud.client import Client
        from cara_pseud.server import Server

        async def main():
            server = Server(b"server")
            server.bind("tcp://127.0.0.1:*")
            server.register_rpc(lambda value: value, name="echo")
            client = Client(b"server")
            client.connect(server.endpoint)
            async with server, client:
                def work():
                    for number in range(300):
                        call = client.echo(b"x" * (number * 300))
                        if number % 7 == 0:
                            call.cancel()
                        else:
                            assert len(call.result(10)) == number * 300
                calling = [asyncio.to_thread(work) for _ in range(6)]
                own = [asyncio.ensure_future(client.echo(number)) for number in range(300)]
                await asyncio.gather(*calling, *own)
            print("alive")

        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "alive\n", "")

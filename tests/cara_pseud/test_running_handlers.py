"""The tasks of handlers: loops that run them at once, callers that give up a million times."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cara_pseud import errors


def test_a_task_that_is_done_when_it_is_made_takes_no_place(serving: Any, connected: Any) -> None:
    async def main() -> None:
        def eager(loop: asyncio.AbstractEventLoop, coro: Any, **more: Any) -> Any:
            # As asyncio.eager_task_factory of Python 3.12.
            if "_answer_later" not in coro.__qualname__:
                return asyncio.Task(coro, loop=loop, **more)
            done: asyncio.Future[Any] = loop.create_future()
            try:
                coro.send(None)
            except StopIteration as end:
                done.set_result(end.value)
            return done

        async with serving(max_calls=3) as server, connected(server.endpoint) as client:

            async def ping() -> str:
                return "pong"

            server.register_rpc(ping)
            assert await client.ping() == "pong"
            asyncio.get_running_loop().set_task_factory(eager)
            assert [await client.ping() for _ in range(5)] == ["pong"] * 5
            assert not any(connection.running for connection in server.connections)
            asyncio.get_running_loop().set_task_factory(None)

    asyncio.run(asyncio.wait_for(main(), 20))


def test_a_call_is_cancelled_once_however_often_it_is_given_up(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            begun = asyncio.Event()
            cancelled: list[int] = []

            async def hang() -> None:
                begun.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    task = asyncio.current_task()
                    assert task is not None
                    cancelled.append(task.cancelling())

            server.register_rpc(hang)
            hanging = client.hang()
            await begun.wait()
            client._connection.notify("cara:cancel", (hanging.uid,) * 1000)
            with pytest.raises(errors.RpcError, match="the handler was cancelled"):
                await hanging
            assert cancelled == [1]

    asyncio.run(asyncio.wait_for(main(), 20))

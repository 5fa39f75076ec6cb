"""A call can be awaited in every way that asyncio has: directly, as a task, in a group, with a timeout, with others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import cara_pseud
from cara_pseud.errors import RpcError

schema: Any = cara_pseud.load(Path(__file__).parents[1] / "integration" / "counting.capnp")


class Counting(schema.Counting):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        self.begun = self.given_up = 0

    def add(self, number: int) -> int:
        return number + 1

    async def slow(self, milliseconds: int) -> bool:
        self.begun += 1
        try:
            # As slow as it is told to be.
            await asyncio.sleep(milliseconds / 1000)
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        return True

    def short(self, milliseconds: int) -> None:
        raise RpcError("not_found", "no")

    def anything(self, value: Any) -> Any:
        return value


async def in_a_group(calls: list[Any]) -> list[Any]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(call) for call in calls]
    return [task.result() for task in tasks]


async def as_tasks(calls: list[Any]) -> list[Any]:
    return [await task for task in [asyncio.create_task(call) for call in calls]]


async def with_timeouts(calls: list[Any]) -> list[Any]:
    async with asyncio.timeout(10):
        return [await call for call in calls]


async def waited_for(calls: list[Any]) -> list[Any]:
    return [await asyncio.wait_for(call, 10) for call in calls]


async def gathered(calls: list[Any]) -> list[Any]:
    return list(await asyncio.gather(*calls))


async def shielded(calls: list[Any]) -> list[Any]:
    return [await asyncio.shield(call) for call in calls]


async def as_completed(calls: list[Any]) -> list[Any]:
    return sorted([await call for call in asyncio.as_completed(calls)])


async def waited_as_tasks(calls: list[Any]) -> list[Any]:
    done, _ = await asyncio.wait([asyncio.create_task(call) for call in calls])
    return sorted(task.result() for task in done)


WAYS: list[Callable[[list[Any]], Awaitable[list[Any]]]] = [
    in_a_group, as_tasks, with_timeouts, waited_for, gathered, shielded, as_completed, waited_as_tasks,
]


@pytest.fixture(params=["remote", "local"])
def called(request: pytest.FixtureRequest) -> Callable[[Callable[[Any, Counting], Awaitable[None]]], None]:
    """Runs a test with a proxy of an object elsewhere, or of one of this process."""

    def run(test: Callable[[Any, Counting], Awaitable[None]]) -> None:
        async def main() -> None:
            counting = Counting()
            server = cara_pseud.Server(b"server")
            server.bind("tcp://127.0.0.1:*")
            cara_pseud.register_interface(server, counting)
            client = cara_pseud.Client(b"server")
            async with server, asyncio.timeout(20):
                client.connect(server.endpoint)
                async with client:
                    proxy = schema.Counting(client)
                    if request.param == "local":
                        proxy = schema.Counting(await proxy.anything(counting))
                    await test(proxy, counting)

        asyncio.run(main(), debug=True)

    return run


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_every_way_gives_the_results(way: Any, called: Any) -> None:
    async def test(proxy: Any, _: Counting) -> None:
        assert await way([proxy.add(number) for number in range(3)]) == [1, 2, 3]

    called(test)


@pytest.mark.parametrize("way", WAYS[:6], ids=lambda way: way.__name__)
def test_every_way_raises_what_the_call_does(way: Any, called: Any) -> None:
    async def test(proxy: Any, _: Counting) -> None:
        with pytest.raises((RpcError, ExceptionGroup)) as caught:
            await way([proxy.short(1)])
        error = caught.value.exceptions[0] if isinstance(caught.value, ExceptionGroup) else caught.value
        assert error.code == "not_found"  # type: ignore[union-attr]

    called(test)


def test_a_task_that_is_cancelled_gives_the_call_up(called: Any) -> None:
    async def test(proxy: Any, counting: Counting) -> None:
        task = asyncio.create_task(proxy.slow(60_000))
        while not counting.begun:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(proxy.slow(60_000), 0.05)
        while counting.given_up < 2:
            await asyncio.sleep(0.01)

    called(test)

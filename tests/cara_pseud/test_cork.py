"""What is put off to the end of a stretch of work."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import pytest

from cara_pseud.client import Client
from cara_pseud.cork import Cork
from tests.cara_pseud.waiting import until_greeted


def test_without_a_stretch_it_is_done_in_the_loop_s_next_turn() -> None:
    async def main() -> None:
        done: list[str] = []
        Cork().at_end(asyncio.get_running_loop(), lambda: done.append("x"))
        assert done == []
        await asyncio.sleep(0)
        assert done == ["x"]

    asyncio.run(main())


def test_it_is_done_in_order_at_the_end_of_the_outermost_stretch() -> None:
    async def main() -> None:
        loop, cork = asyncio.get_running_loop(), Cork()
        done: list[int] = []
        with cork:
            cork.at_end(loop, lambda: done.append(1))
            with cork:
                cork.at_end(loop, lambda: done.append(2))
            assert done == []
        assert done == [1, 2]

    asyncio.run(main())


def test_what_an_action_puts_off_is_left_to_the_loop() -> None:
    async def main() -> None:
        loop, cork = asyncio.get_running_loop(), Cork()
        done: list[int] = []

        def again() -> None:
            done.append(len(done))
            cork.at_end(loop, again)

        with cork:
            cork.at_end(loop, again)
        assert done == [0]
        await asyncio.sleep(0)
        assert done == [0, 1]

    asyncio.run(main())


def test_a_failure_of_the_work_or_of_an_action_keeps_nothing_from_being_done(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        loop, cork = asyncio.get_running_loop(), Cork()
        done: list[str] = []

        def work() -> None:
            with cork:
                cork.at_end(loop, lambda: done.append("x"[1]))
                cork.at_end(loop, lambda: done.append("y"))
                raise KeyError

        with pytest.raises(KeyError):
            work()
        assert done == ["y"]
        cork.at_end(loop, lambda: done.append("z"))
        assert done == ["y"]

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert "IndexError" in caplog.text


def test_clients_that_share_a_turn_send_at_its_end(serving: Any, connected: Any) -> None:
    async def main() -> None:
        cork = Cork()
        async with serving() as one, serving() as other:
            one.register_rpc(lambda: "one", name="name")
            other.register_rpc(lambda: "other", name="name")
            async with connected(one.endpoint, cork=cork) as first, connected(other.endpoint, cork=cork) as second:
                assert (await first.name(), await second.name()) == ("one", "other")
                for client in (first, second):
                    await until_greeted(client)  # greetings are calls, too
                with cork:
                    calls = [client.name() for client in (first, second, first)]
                    cancelled = first.name()
                    cancelled.cancel()
                    assert _waiting(first) == 2
                    assert _waiting(second) == 1
                assert (_waiting(first), _waiting(second)) == (0, 0)
                assert await asyncio.gather(*calls) == ["one", "other", "one"]

    asyncio.run(asyncio.wait_for(main(), 20))


def _waiting(client: Client) -> int:
    return len(client._connection.outbox.waiting())


def test_answers_leave_before_a_handler_that_blocks_the_loop(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server:
            answered_at: list[float] = []
            server.register_rpc(lambda: None, name="quick")
            # A handler that blocks the loop is what this is about.
            server.register_rpc(lambda: time.sleep(0.4), name="block")

            def call() -> None:
                """Make calls in a loop of its own, since the server's is blocked."""

                async def ask() -> None:
                    async with connected(server.endpoint) as client:
                        await client.quick()
                        # It is known to block from the first time on that others waited for it.
                        await asyncio.gather(client.quick(), client.block())
                        began = time.perf_counter()
                        quick, block = client.quick(), client.block()
                        await quick
                        answered_at.append(time.perf_counter() - began)
                        await block
                        answered_at.append(time.perf_counter() - began)

                asyncio.run(ask())

            await asyncio.to_thread(call)
            assert answered_at[0] < 0.3 < 0.4 <= answered_at[1]

    asyncio.run(asyncio.wait_for(main(), 20))

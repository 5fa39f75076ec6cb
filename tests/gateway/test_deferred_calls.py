"""Calls that begin later: whoever gives one up, and what becomes of what never reached a service."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from gateway.deferred_calls import once_admitted
from tests.gateway.conftest import settle


class Service:
    """Where the call goes.

    Attributes:
        future: of the call; None as long as it was not made.
        unsent: how often it was said that it was not.
    """

    def __init__(self) -> None:
        self.future: asyncio.Future[Any] | None = None
        self.unsent = 0

    def invoke(self) -> asyncio.Future[Any]:
        self.future = asyncio.get_running_loop().create_future()
        return self.future

    def never_sent(self) -> None:
        self.unsent += 1


def test_the_answer_is_that_of_the_call(fakes: Any) -> None:
    async def main() -> None:
        service, admitted = Service(), asyncio.get_running_loop().create_future()
        call = once_admitted(admitted, service.invoke, service.never_sent)
        await settle()
        assert service.future is None
        admitted.set_result(None)
        await settle()
        assert service.future is not None
        service.future.set_result(7)
        assert await call == 7
        assert service.unsent == 0

    fakes.run(main())


def test_a_call_that_is_not_admitted_is_never_made(fakes: Any) -> None:
    async def main() -> None:
        service, admitted = Service(), asyncio.get_running_loop().create_future()
        call = once_admitted(admitted, service.invoke, service.never_sent)
        admitted.set_exception(ValueError("too many"))
        with pytest.raises(ValueError, match="too many"):
            await call
        assert (service.future, service.unsent) == (None, 1)

    fakes.run(main())


@pytest.mark.parametrize("turns", [0, 3])
def test_a_call_that_is_given_up_before_is_never_made(fakes: Any, turns: int) -> None:
    async def main() -> None:
        service, admitted = Service(), asyncio.get_running_loop().create_future()
        call = once_admitted(admitted, service.invoke, service.never_sent)
        for _ in range(turns):
            await asyncio.sleep(0)
        call.cancel()
        await settle()
        assert (service.future, service.unsent, admitted.cancelled()) == (None, 1, True)

    fakes.run(main())


def test_a_call_that_is_given_up_afterwards_is_cancelled(fakes: Any) -> None:
    async def main() -> None:
        service, admitted = Service(), asyncio.get_running_loop().create_future()
        call = once_admitted(admitted, service.invoke, service.never_sent)
        admitted.set_result(None)
        await settle()
        call.cancel()
        await settle()
        assert service.future is not None
        assert service.future.cancelled()
        assert service.unsent == 0

    fakes.run(main())


def test_a_call_that_cannot_be_made_fails_as_it_would(fakes: Any) -> None:
    async def main() -> None:
        service, admitted = Service(), asyncio.get_running_loop().create_future()

        def broken() -> asyncio.Future[Any]:
            raise KeyError("no such object")

        call = once_admitted(admitted, broken, service.never_sent)
        admitted.set_result(None)
        with pytest.raises(KeyError):
            await call
        assert service.unsent == 1

    fakes.run(main())


def test_a_call_that_fails_at_once_was_never_sent(fakes: Any) -> None:
    async def main() -> None:
        service, admitted = Service(), asyncio.get_running_loop().create_future()

        def failing() -> asyncio.Future[Any]:
            service.invoke().set_exception(ValueError("it is down"))
            assert service.future is not None
            return service.future

        call = once_admitted(admitted, failing, service.never_sent)
        admitted.set_result(None)
        with pytest.raises(ValueError, match="it is down"):
            await call
        assert service.unsent == 1

    fakes.run(main())


class Ended(asyncio.Future[Any]):
    """One that is left alone when it has ended, as those of calls are; asyncio's own forgets that nobody looked."""

    def cancel(self, msg: Any | None = None) -> bool:
        return not self.done() and super().cancel(msg)


def test_nothing_is_logged_of_a_call_that_fails_as_it_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        admitted = asyncio.get_running_loop().create_future()
        made = [Ended()]
        call = once_admitted(admitted, lambda: made[0])
        admitted.set_result(None)
        await settle()
        made.pop().set_exception(ValueError("hush"))
        call.cancel()
        await settle()

    asyncio.run(main())
    gc.collect()
    assert caplog.text == ""

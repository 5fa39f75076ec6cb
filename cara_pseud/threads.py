"""Calls made from other threads than the loop's: they are made in the loop, and their results come back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import suppress
from typing import Any

from cara_pseud.capabilities import Drivable


class ThreadCall(Drivable, Future[Any]):
    """The result of a call made from another thread: ``result()`` waits for it there, ``await`` in that thread's loop.

    Cancelling it gives the call up.
    """

    def __await__(self) -> Generator[Any, None, Any]:
        return asyncio.wrap_future(self).__await__()


def call_in_loop(loop: asyncio.AbstractEventLoop, make: Callable[[], asyncio.Future[Any]]) -> ThreadCall:
    """Make a call in a loop, from outside of its thread.

    Raises:
        RuntimeError: the loop is closed.
    """
    result = ThreadCall()

    def begin() -> None:
        if result.cancelled():
            return
        call = make()
        call.add_done_callback(pass_on)
        result.add_done_callback(lambda given_up: given_up.cancelled() and loop.call_soon_threadsafe(call.cancel))

    def pass_on(call: asyncio.Future[Any]) -> None:
        error = CancelledError() if call.cancelled() else call.exception()
        # Meanwhile the caller may have given it up, which is the end of it.
        with suppress(InvalidStateError):
            if error is not None:
                result.set_exception(error)
            else:
                result.set_result(call.result())

    loop.call_soon_threadsafe(begin)
    return result

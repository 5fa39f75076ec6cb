"""A call that may begin when somebody else has said so: one future in the place of the one that the call will have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any


def once_admitted(
    admitted: asyncio.Future[None],
    invoke: Callable[[], asyncio.Future[Any]],
    never_sent: Callable[[], None] | None = None,
) -> asyncio.Future[Any]:
    """Give the future of a call that begins when `admitted` is done.

    Those that wait for one answer begin in the order in which they came. No coroutine waits for it: a task that is
    cancelled before it begins could let go of nothing.

    Args:
        invoke: makes the call.
        never_sent: called where the call never reached the service.
    """
    call: asyncio.Future[Any] = admitted.get_loop().create_future()

    def begin(admitted: asyncio.Future[None]) -> None:
        future: asyncio.Future[Any] | None = None
        try:
            if not call.done():
                admitted.result()
                future = invoke()
        except Exception as error:
            call.set_exception(error)
        if never_sent is not None and (future is None or _has_failed(future)):
            never_sent()
        if future is not None:
            # Harmless when it has ended; else the call was given up.
            call.add_done_callback(partial(_cancel, future))
            future.add_done_callback(pass_on)

    def pass_on(future: asyncio.Future[Any]) -> None:
        if call.done():
            if not future.cancelled():
                # It failed as it was given up. Nobody else looks at it, and asyncio would log the service's words of
                # what nobody looks at, secrets and all.
                future.exception()
        elif future.cancelled():
            call.cancel()
        elif (error := future.exception()) is not None:
            call.set_exception(error)
        else:
            call.set_result(future.result())

    call.add_done_callback(partial(_cancel, admitted))
    admitted.add_done_callback(begin)
    return call


def _cancel(future: asyncio.Future[Any], _: object) -> None:
    future.cancel()


def _has_failed(future: asyncio.Future[Any]) -> bool:
    return future.done() and (future.cancelled() or future.exception() is not None)

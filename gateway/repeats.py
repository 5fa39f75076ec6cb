"""A call that may run twice is made a second time if nobody knows what became of the first, and no oftener.

Knows neither what is called nor how: it is told how to make the call again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from cara_pseud.errors import OutcomeUnknown
from gateway.upstream.base import Upstream


async def at_most_twice(
    first: asyncio.Future[Any], again: Callable[[float], asyncio.Future[Any] | None], upstream: Upstream, until: float
) -> Any:
    """Await a call of an idempotent method; if its connection is lost, repeat it once, before the same deadline.

    Args:
        again: makes the call that has so many seconds left; None if it cannot be made as it was.
    """
    loop = asyncio.get_running_loop()
    try:
        return await first
    except OutcomeUnknown as lost:
        if upstream.stopped:
            raise
        is_up = loop.create_future()
        forget = upstream.on_state(lambda state: is_up.set_result(None) if state == "up" and not is_up.done() else None)
        try:
            if upstream.state != "up":
                await asyncio.wait_for(is_up, until - loop.time())
        except TimeoutError:
            raise lost from None
        finally:
            forget()
        second = again(max(until - loop.time(), 0.001))
        if second is None:
            raise
        return await second

"""What an attack is: what it sends, from how many clients at once, and what keeps it from harming others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from tests.attacks.wire import Target

RETRY_S = 0.02
Run = Callable[[Target], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Attack:
    """One hostile input.

    Attributes:
        kind: the heading under which it is reported.
        name: what a client does.
        bound: what limits it, for the report.
        run: does it once, or until it is cancelled.
        clients: how many do so at once.
    """

    kind: str
    name: str
    bound: str
    run: Run
    clients: int = 1

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


async def attack(what: Attack, target: Target, seconds: float) -> int:
    """Attack for so long; how often a client began, as the gateway may close its connection."""
    until = time.monotonic() + seconds
    begun = 0

    async def client() -> None:
        nonlocal begun
        while time.monotonic() < until:
            begun += 1
            # That the gateway hangs up on it is no failure of an attack.
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await what.run(target)
            await asyncio.sleep(RETRY_S)

    clients = [asyncio.ensure_future(client()) for _ in range(what.clients)]
    done, late = await asyncio.wait(clients, timeout=seconds)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    for task in done:
        task.result()
    return begun

"""What many callers want done once, at the end of what the loop is doing: sending together what they had to say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

_LOG: Final = logging.getLogger(__name__)


class Cork:
    """Holds back, as TCP_CORK does, what a stretch of work has to say, such as handling all that one read gave.

    ``with cork:`` is around the work. What is put off meanwhile is done at its end, and at other times in the loop's
    next turn, which costs as much as a call. Peers and whoever calls them may share one: what came in at one side has
    then left at the other when it is handled.
    """

    __slots__ = ("_actions", "_depth")

    def __init__(self) -> None:
        self._depth = 0
        self._actions: list[Callable[[], None]] = []

    def at_end(self, loop: asyncio.AbstractEventLoop, action: Callable[[], None]) -> None:
        """Have something done at the end of the stretch, or in the loop's next turn."""
        if self._depth:
            self._actions.append(action)
        else:
            loop.call_soon(action)

    @property
    def waits(self) -> bool:
        """Whether something was put off in this stretch."""
        return bool(self._actions)

    def settle(self) -> None:
        """Do now what was put off in this stretch: something comes that may take long."""
        actions, self._actions = self._actions, []
        _do(actions)

    def __enter__(self) -> None:
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth or not self._actions:
            return
        # What they put off in turn is the loop's: two sides that go on answering each other must not keep it.
        actions, self._actions = self._actions, []
        _do(actions)


def _do(actions: list[Callable[[], None]]) -> None:
    for action in actions:
        try:
            action()
        except Exception:
            _LOG.exception("something that was put off failed")

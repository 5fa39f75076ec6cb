"""When a stream confirms what it took: a second after the first message of which its client was not told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

_AFTER_S: Final = 1.0


class Acknowledgements:
    """The timer of one stream.

    Args:
        confirm: called when it is time.
    """

    __slots__ = ("_confirm", "_timer")

    def __init__(self, confirm: Callable[[], None]) -> None:
        self._confirm = confirm
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Messages have come."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_AFTER_S, self._expire)

    def stop(self) -> None:
        """There is nobody to be told."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._timer = None
        self._confirm()

"""What the client of a gateway needs of time; an asyncio loop has it, and tests have one that they move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """Something that was put off."""

    def cancel(self) -> None:
        """Never do it, unless it is done."""


class Clock(Protocol):
    """Time in seconds."""

    def time(self) -> float:
        """Now, counted from anywhere."""

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer:
        """Do something after so many seconds."""

    def call_soon(self, callback: Callable[[], object], /) -> object:
        """Do something when what is being done is done."""

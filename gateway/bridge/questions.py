"""Calls of a native service that wait for their answers."""

from __future__ import annotations

from typing import Any, Protocol

from cara_pseud.capabilities import Pending
from gateway.bridge.native_methods import NativeMethod


class AskedVat(Protocol):
    """Where a question was asked."""

    def give_up(self, question: Question) -> None:
        """Tell the service that nobody waits for an answer any more."""


class Question(Pending):
    """A call of ours, and what comes of it. Cancelling it gives the call up."""

    __slots__ = ("exported", "id", "method", "vat")

    id: int
    vat: AskedVat
    method: NativeMethod | None
    exported: tuple[int, ...]

    @property
    def label(self) -> str:
        """What was asked, for errors."""
        return "the service's first object" if self.method is None else self.method.label

    def cancel(self, msg: Any | None = None) -> bool:
        if self.done():
            return False
        self.vat.give_up(self)
        super().cancel(msg)
        self.tell()
        return True

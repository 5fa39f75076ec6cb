"""The call that a handler is answering at the moment, wherever in it somebody asks."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from cara_pseud.capabilities import IncomingCall

CURRENT: Final[ContextVar[IncomingCall]] = ContextVar("cara_pseud.current_call")
"""Set by who runs a handler; a task has it as it was when the task was made."""


def current_call() -> IncomingCall:
    """The call that the running handler is answering.

    Raises:
        LookupError: not called from a handler.
    """
    try:
        return CURRENT.get()
    except LookupError:
        raise LookupError("current_call() is only known while a handler runs") from None

"""Which call is being answered, wherever that counts: in its handler, and in the tasks that its handler starts."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from cara_pseud.capabilities import CallOptions, IncomingCall

CURRENT: Final[ContextVar[IncomingCall]] = ContextVar("cara_pseud.current_call")
"""Set while a handler runs, by whoever runs it."""


def in_current_trace(options: CallOptions) -> CallOptions:
    """The options of a call that is made now: it belongs to the trace of the call that is answered, if there is one.

    Args:
        options: what is said of it; they name no trace.
    """
    call = CURRENT.get(None)
    if call is None or call.traceparent is None:
        return options
    return options._replace(traceparent=call.traceparent)


def current_call() -> IncomingCall:
    """The call that the running handler is answering.

    Raises:
        LookupError: not called from a handler.
    """
    try:
        return CURRENT.get()
    except LookupError:
        raise LookupError("current_call() is only known while a handler runs") from None

"""Which trace a call belongs to, as its caller says (W3C Trace Context): two texts, ``traceparent`` and ``tracestate``.

https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import re
from typing import Final

_TRACEPARENT: Final = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?",
    re.ASCII,
)
MAX_CHARS: Final = 512
"""Of either text. A traceparent of the first version has 55, and of a tracestate nobody must keep more."""
_NO_VERSION: Final = "ff"
_FIRST_VERSION: Final = "00"


def is_traceparent(text: str) -> bool:
    """Whether a text names a trace and a span in it, by section 3.2 of the specification.

    A version that is not known yet may have more at its end; the first one has not.
    """
    found = _TRACEPARENT.fullmatch(text)
    return (
        found is not None
        and found["version"] != _NO_VERSION
        and (found["more"] is None or found["version"] != _FIRST_VERSION)
        and found["trace"].strip("0") != ""
        and found["parent"].strip("0") != ""
    )


def asked_in(traceparent: str | None) -> str | None:
    """What a caller said of its trace, as it may go on to somebody else; None if it said nothing that can be read."""
    if traceparent is None or len(traceparent) > MAX_CHARS or not is_traceparent(traceparent):
        return None
    return traceparent


def stated(tracestate: object) -> str | None:
    """What a caller said in ``tracestate``; None if that is nothing that could be kept. It never fails a call."""
    return tracestate if isinstance(tracestate, str) and len(tracestate) <= MAX_CHARS else None


def trace_id_of(traceparent: str) -> str | None:
    """The id of the trace, 32 hexadecimal digits; None for what is no traceparent."""
    return traceparent[3:35] if is_traceparent(traceparent) else None

"""Errors of native services as callers here are told them, and errors from here as native services are.

Texts of exceptions come from strangers, and go to browsers: no traceback, no stack, no path of a file, and not long.
"""

from __future__ import annotations

import re
from typing import Final

from cara_pseud.errors import OutcomeUnknown, RemoteError, ResourceExhausted, RpcError
from cara_pseud.wire import MAX_NAME_CHARS
from gateway.bridge.rpc_messages import NativeFault

MAX_CHARS: Final = 1000

_TRACEBACK: Final = "Traceback (most recent call last):"
_PYTHON: Final = re.compile(r"([A-Za-z_][\w.]*)(?:: (.*))?", re.DOTALL)
_PYTHON_CLASS: Final = re.compile(r"<class '([\w.]+)'>:(.*)", re.DOTALL)
_PLACE: Final = re.compile(r"^\S+:\d+: (?:failed|overloaded|disconnected|unimplemented): ", re.IGNORECASE)
_STACK: Final = re.compile(r"\s*(?:;\s*)?\b(?:stack|trace):.*", re.DOTALL | re.IGNORECASE)
_PATH: Final = re.compile(r"(?<![\w/:])(?:[A-Za-z]:)?(?:[/\\][^\s/\\:;,'\"()<>|]+){2,}[/\\]?")
_REMOTE: Final = "remote exception: "


def error_of(reason: str, fault: int, method: str) -> RpcError:
    """What a caller is told of an exception.

    Args:
        method: what was called, for the text.
    """
    if fault == NativeFault.DISCONNECTED:
        return OutcomeUnknown("the service lost the connection to something behind it before the answer came")
    if fault == NativeFault.UNIMPLEMENTED:
        return RpcError("unimplemented", f"the service does not implement {method}")
    name, text = readable(reason)
    if fault == NativeFault.OVERLOADED:
        return ResourceExhausted(text or "the service is overloaded")
    return RemoteError(name, text)


def readable(reason: str) -> tuple[str, str]:
    """The name of an exception's class as far as it is known, and its text without what is nobody's business."""
    reason = reason[: 64 * MAX_CHARS].removeprefix(_REMOTE)
    reason = _PLACE.sub("", reason)
    name, text = "NativeError", reason
    if _TRACEBACK in reason:
        lines = reason.rpartition(_TRACEBACK)[2].splitlines()
        # Frames are indented; what follows the last one is the exception.
        ends = [index for index, line in enumerate(lines) if line.startswith("  ")]
        text = "\n".join(lines[ends[-1] + 1 if ends else 0 :]).strip()
        name, text = _split(_PYTHON, text, name)
    elif reason.startswith("<class "):
        name, text = _split(_PYTHON_CLASS, reason, name)
    text = _PATH.sub(lambda found: "…/" + re.split(r"[/\\]", found[0].rstrip("/\\"))[-1], _STACK.sub("", text))
    text = text.strip()
    return name, text if len(text) <= MAX_CHARS else text[: MAX_CHARS - 1] + "…"


def _split(pattern: re.Pattern[str], text: str, name: str) -> tuple[str, str]:
    found = pattern.fullmatch(text)
    if found is None:
        return name, text
    last = found[1].rpartition(".")[2]
    return (last if len(last) <= MAX_NAME_CHARS else name), found[2] or ""


_FAULTS: Final = {
    "unimplemented": NativeFault.UNIMPLEMENTED,
    "resource_exhausted": NativeFault.OVERLOADED,
    "too_large": NativeFault.OVERLOADED,
    "unavailable": NativeFault.DISCONNECTED,
    "outcome_unknown": NativeFault.DISCONNECTED,
}


def exception_of(error: BaseException) -> tuple[str, int]:
    """What a native service is told when an object of ours failed: a reason and a type."""
    if isinstance(error, RpcError):
        reason = f"{error.code}: {error}" if str(error) != error.code else error.code
        return reason[:MAX_CHARS], _FAULTS.get(error.code, NativeFault.FAILED)
    return f"internal: {type(error).__name__}", NativeFault.FAILED

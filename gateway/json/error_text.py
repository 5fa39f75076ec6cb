"""Errors as JSON text that can always be written: whatever a service put into one, its caller has an answer.

What a service says for programs (`RpcError.details`) has no schema. It may be deeper or larger than any message, or
hold what JSON has no word for; such parts are written as what comes next to them, or left out and named.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.errors import GatewayError, shortened
from gateway.json.text import JSON, dump

_MAX_DEPTH: Final = 64
"""As deep as any message may be."""
_MAX_VALUES: Final = 10_000
"""More is no explanation of an error any more, and looking at it would keep others waiting."""


def write_error(error: GatewayError, form: Callable[[GatewayError], JSON], max_bytes: int) -> bytes:
    """The text of an error that has at most so many bytes, if a short one has.

    Args:
        form: makes the object to be written of an error.
    """
    try:
        text = dump(form(error))
    except GatewayError:
        text = None
    if text is not None and len(text) <= max_bytes:
        return text
    if text is None:
        text = dump(form(_rebuilt(error, error.detail, _writable_details(error.details), error.cause)))
        if len(text) <= max_bytes:
            return text
    omitted = None
    if error.details is not None:
        omitted = {"omitted": f"the answer took {len(text)} bytes, more than the {max_bytes} that it may have"}
    return dump(form(_rebuilt(error, shortened(error.detail), omitted, None, shortened)))


def _rebuilt(
    error: GatewayError,
    detail: str,
    details: Mapping[str, Any] | None,
    cause: Mapping[str, Any] | None,
    cut: Callable[[str], str] = str,
) -> GatewayError:
    texts = {
        name: None if (value := getattr(error, name)) is None else cut(_writable_text(value))
        for name in ("path", "service", "method", "request_id", "reason")
    }
    code = error.jsonrpc_error()["code"]
    return GatewayError(
        error.status,
        _writable_text(detail),
        **texts,
        cause=cause,
        details=details,
        retry_after=error.retry_after,
        jsonrpc=code,
    )


def _writable_details(details: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if details is None:
        return None
    try:
        plain = _Plain().of(details, 0)
    except _TooMuch as error:
        return {"omitted": str(error)}
    assert isinstance(plain, dict)
    return plain


def _writable_text(text: str) -> str:
    # Half of a surrogate pair is no character and has no bytes.
    return text.encode("utf-8", "replace").decode("utf-8")


class _TooMuch(Exception):
    """Details are deeper or more than is told."""


class _Plain:
    """Makes values that can be written of any."""

    def __init__(self) -> None:
        self._values = 0

    def of(self, value: Any, depth: int) -> JSON:
        self._values += 1
        if depth > _MAX_DEPTH:
            raise _TooMuch(f"the details are more than {_MAX_DEPTH} levels deep")
        if self._values > _MAX_VALUES:
            raise _TooMuch(f"the details hold more than {_MAX_VALUES} values")
        if value is None or isinstance(value, bool | float):
            return value
        if isinstance(value, int):
            return value if -(2**63) <= value < 2**64 else hex(value)  # whose cost grows with its length alone
        if isinstance(value, str):
            return _writable_text(value)
        if isinstance(value, bytes | bytearray | memoryview):
            return base64.b64encode(value).decode("ascii")
        if isinstance(value, Mapping):
            return {self._key(key): self.of(member, depth + 1) for key, member in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.of(element, depth + 1) for element in value]
        return f"<{type(value).__name__}>"

    def _key(self, key: Any) -> str:
        plain = self.of(key, 0)
        return plain if isinstance(plain, str) else dump(plain).decode("utf-8")

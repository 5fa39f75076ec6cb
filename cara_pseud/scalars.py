"""Checks of the builtin types: a Python value in, the value as it is stored and sent out. Knows no schema.

Each check returns the value in its plain Python type or raises `InvalidValue`. ``test`` expressions are the part of a
check that passes nearly always; generated code has them inline (see `Conversion.test`).
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

from cara_pseud.errors import InvalidValue, WrongType
from cara_pseud.schema.nodes import INT_RANGES, Kind

Check = Callable[[Any], Any]

_FLOAT32: Final = struct.Struct("<f")
_MAX32: Final = "3.4028235e+38"
_MAX64: Final = "1.7976931348623157e+308"
_SHOWN_CHARS: Final = 60


def shown(value: object) -> str:
    """A value for an error message: short, and never more than the kind of what may be large or secret."""
    if value is None or isinstance(value, bool | int | float | str | bytes):
        try:
            text = repr(value)
        except ValueError:  # Python refuses to print an integer of more than 4300 digits.
            return "an integer of many thousand digits"
        return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    name = type(value).__name__
    return f"{'an' if name[:1] in 'AEIOUaeiou' else 'a'} {name}"


def integer_check(kind: Kind) -> Check:
    """Accept whole numbers within the kind's range; a bool is none."""
    low, high = INT_RANGES[kind]

    def check_integer(value: Any) -> int:
        if type(value) is not int:
            if isinstance(value, bool) or not hasattr(type(value), "__index__"):
                raise WrongType(f"{shown(value)} is no {kind.value}")
            value = int(operator.index(value))
        if low <= value <= high:
            return value  # type: ignore[no-any-return]
        raise InvalidValue(f"{shown(value)} is out of range for {kind.value} ({low} … {high})")

    return check_integer


def check_float64(value: Any) -> float:
    """Accept floats and whole numbers; a bool is neither."""
    if type(value) is float:
        return value
    if isinstance(value, bool) or not hasattr(type(value), "__float__"):
        raise WrongType(f"{shown(value)} is no Float64")
    try:
        return float.__float__(float(value))
    except (OverflowError, TypeError, ValueError):
        raise InvalidValue(f"{shown(value)} is out of range for Float64 (-{_MAX64} … {_MAX64})") from None


def check_float32(value: Any) -> float:
    """As Float64, rounded to what 32 bits hold, so that both sides see the same number."""
    try:
        number = check_float64(value)
        return _FLOAT32.unpack(_FLOAT32.pack(number))[0]  # type: ignore[no-any-return]
    except WrongType:
        raise WrongType(f"{shown(value)} is no Float32") from None
    except (InvalidValue, OverflowError):
        raise InvalidValue(f"{shown(value)} is out of range for Float32 (-{_MAX32} … {_MAX32})") from None


def check_bool(value: Any) -> bool:
    """Accept True and False."""
    if value is True or value is False:
        return value
    raise WrongType(f"{shown(value)} is no Bool")


def check_text(value: Any) -> str:
    """Accept text that UTF-8 can carry."""
    if type(value) is not str:
        if not isinstance(value, str):
            raise WrongType(f"{shown(value)} is no Text")
        value = str.__str__(value)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            reason = f"holds the lone surrogate U+{ord(value[error.start]):04X}, which is no character"
            raise InvalidValue(f"{shown(value)} {reason}") from None
    return value  # type: ignore[no-any-return]


def check_data(value: Any) -> bytes:
    """Accept bytes and copies of what else holds bytes; text is none."""
    if type(value) is bytes:
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise WrongType(f"{shown(value)} is no Data")


def check_void(value: Any) -> None:
    """Accept None."""
    if value is not None:
        raise WrongType(f"{shown(value)} is no Void, whose only value is None")


CHECKS: Final[dict[Kind, Check]] = {
    Kind.VOID: check_void,
    Kind.BOOL: check_bool,
    **{kind: integer_check(kind) for kind in INT_RANGES},
    Kind.FLOAT32: check_float32,
    Kind.FLOAT64: check_float64,
    Kind.TEXT: check_text,
    Kind.DATA: check_data,
}

TESTS: Final[dict[Kind, str]] = {
    Kind.VOID: "{0} is None",
    Kind.BOOL: "({0} is True or {0} is False)",
    **{kind: f"type({{0}}) is int and {low} <= {{0}} <= {high}" for kind, (low, high) in INT_RANGES.items()},
    Kind.FLOAT64: "type({0}) is float",
    Kind.TEXT: "type({0}) is str and {0}.isascii()",
    Kind.DATA: "type({0}) is bytes",
}

def _all_of(type_: type) -> Callable[[Sequence[Any]], bool]:
    wanted = {type_}
    return lambda items: wanted.issuperset(map(type, items))


def _all_within(low: int, high: int) -> Callable[[Sequence[Any]], bool]:
    are_integers = _all_of(int)
    return lambda items: not items or (are_integers(items) and low <= min(items) and max(items) <= high)


def _are_ascii(items: Sequence[Any]) -> bool:
    return {str}.issuperset(map(type, items)) and all(map(str.isascii, items))


WHOLE_TESTS: Final[dict[Kind, Callable[[Sequence[Any]], bool]]] = {
    Kind.BOOL: _all_of(bool),
    **{kind: _all_within(low, high) for kind, (low, high) in INT_RANGES.items()},
    Kind.FLOAT64: _all_of(float),
    Kind.TEXT: _are_ascii,
    Kind.DATA: _all_of(bytes),
}
"""As TESTS, for all items of a list at once and at the speed of C."""

ZEROS: Final[dict[Kind, Any]] = {
    Kind.VOID: None,
    Kind.BOOL: False,
    **dict.fromkeys(INT_RANGES, 0),
    Kind.FLOAT32: 0.0,
    Kind.FLOAT64: 0.0,
    Kind.TEXT: "",
    Kind.DATA: b"",
}
"""What a value that is not there reads as."""

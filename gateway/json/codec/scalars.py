"""Single values between JSON and wire: numbers, texts, bytes, enums. The careful way, with reasons for refusal.

The generated code of `source` does the usual cases itself; everything unusual and every error ends here.
"""

from __future__ import annotations

import binascii
import math
import re
import struct
from collections.abc import Mapping
from typing import Any, Final

from cara_pseud.schema.nodes import INT_RANGES, Kind
from gateway.errors import nearest, quote
from gateway.json.codec.layout import EnumLayout, Form
from gateway.json.text import JSON, FloatWord, InexactFloat

EXACT: Final = 2**53
"""Integers up to here are exact in the doubles that JSON readers elsewhere make of numbers."""

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)", re.ASCII)
_FLOAT = re.compile(
    r"[+-]?(?:inf(?:inity)?|nan|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)", re.ASCII | re.IGNORECASE
)
_FLOAT32 = struct.Struct("<f")
MAX_FLOAT32: Final = (2 - 2**-23) * 2.0**127
WIDE: Final = (Kind.INT64, Kind.UINT64)
"""The integers that a double may not hold."""


class Misfit(Exception):
    """A value does not fit its type; the text is the reason without the path.

    Attributes:
        index: which element of an array is to blame, None for the value itself.
    """

    def __init__(self, reason: str, index: int | None = None) -> None:
        super().__init__(reason)
        self.index = index


def show(value: Any) -> str:
    """A value from outside as it stands in a message: short, and what it is rather than all of it."""
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, int | float):
        return str(value) if abs(value) < 1e30 else f"{value:.6g}"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "an array"
    if isinstance(value, bytes):
        return "bytes"
    return f"a {type(value).__name__}"


def same_bool(value: Any) -> bool:
    """A truth value, which is the same in JSON and on the wire."""
    if value is not True and value is not False:
        raise Misfit(f"expected Bool, got {show(value)}")
    return value


def same_text(value: Any) -> str:
    """A text, which is the same in JSON and on the wire."""
    if not isinstance(value, str):
        raise Misfit(f"expected Text, got {show(value)}")
    return value


def read_int(value: JSON, kind: Kind) -> int:
    """A number or its decimal text; 1.0 and 1e2 are whole numbers too."""
    low, high = INT_RANGES[kind]
    if isinstance(value, bool):
        raise Misfit(f"expected {kind.value}, got {show(value)}")
    if isinstance(value, str):
        # 20 characters hold every 64-bit integer; a longer one is out of range and never converted.
        if not _INTEGER.fullmatch(value):
            raise Misfit(f"expected {kind.value}, got {show(value)}")
        number = int(value) if len(value) <= 20 else (low - 1 if value[0] == "-" else high + 1)
        if not low <= number <= high:
            raise Misfit(_out_of_range(value if len(value) <= 40 else quote(value), kind))
        return number
    if isinstance(value, float):
        if not value.is_integer():
            raise Misfit(f"expected {kind.value}, got {show(value)}")
        if isinstance(value, InexactFloat) and low <= value <= high:
            raise Misfit(_inexact("this number"))
        number = int(value)
    elif isinstance(value, int):
        number = value
    else:
        raise Misfit(f"expected {kind.value}, got {show(value)}")
    if not low <= number <= high:
        raise Misfit(_out_of_range(str(number) if abs(number) < 10**30 else show(value), kind))
    if abs(number) > EXACT and kind in WIDE and float(number) != number:
        raise Misfit(_inexact(str(number)))
    return number


def _out_of_range(shown: str, kind: Kind) -> str:
    low, high = INT_RANGES[kind]
    return f"{shown} is out of range for {kind.value} ({low} … {high})"


def _inexact(shown: str) -> str:
    return f"{shown} is not exact as a JSON number; write it as a string"


def read_float(value: JSON, kind: Kind) -> float:
    """A number, null for NaN, or a text as in C: "Infinity", "-inf", "NaN", "1e3". Float32 is rounded.

    A number beyond the range does not fit, while a text becomes an infinity, as in C.
    """
    if value is None:
        return math.nan
    if isinstance(value, str) and len(value) <= 400 and _FLOAT.fullmatch(value):
        number = float(value)
        return round_to_float32(number) if kind is Kind.FLOAT32 else number
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Misfit(f"expected {kind.value}, got {show(value)}")
    try:
        return nearest_float32(value) if kind is Kind.FLOAT32 else float(value)
    except OverflowError:
        raise Misfit(f"{show(value)} is out of range for Float32 (±{MAX_FLOAT32:.8g})") from None


def nearest_float32(number: float) -> float:
    """The nearest Float32.

    Raises:
        OverflowError: the number is beyond its range.
    """
    rounded: float = _FLOAT32.unpack(_FLOAT32.pack(number))[0]
    return rounded


def round_to_float32(number: float) -> float:
    """The nearest Float32; what is beyond its range becomes an infinity, as in C."""
    try:
        return nearest_float32(number)
    except OverflowError:
        return math.copysign(math.inf, number)


def read_bytes(value: JSON, form: Form) -> bytes:
    """Data: an array of bytes or base64 text; a field with $base64 or $hex takes that text alone."""
    if form is Form.PLAIN and isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, bool) or not isinstance(item, int | float) or item // 1 != item or not 0 <= item <= 255:
                raise Misfit(f"expected a byte (0 … 255), got {show(item)}", index)
        return bytes(int(item) for item in value)
    if value is None and form is not Form.PLAIN:
        return b""  # as the standard tool does
    if not isinstance(value, str):
        expected = "an array of bytes or base64" if form is Form.PLAIN else f"{form.value} text"
        raise Misfit(f"expected {expected}, got {show(value)}")
    try:
        if form is Form.HEX:
            return binascii.unhexlify(value)
        return binascii.a2b_base64(value, strict_mode=True)
    except ValueError:
        word = "hex" if form is Form.HEX else "base64 (RFC 4648, with padding)"
        raise Misfit(f"{show(value)} is no {word}") from None


def read_enum(value: JSON, layout: EnumLayout) -> int:
    """An enumerant's JSON name, or its number (also one that this schema does not know yet)."""
    if isinstance(value, str):
        number = layout.numbers.get(value)
        if number is None:
            raise Misfit(f"{show(value)} is no {layout.label}{nearest(value, layout.names)}")
        return number
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise Misfit(f"expected {layout.label} ({', '.join(layout.names[:8])}), got {show(value)}")
    if not 0 <= value <= 65535:
        raise Misfit(f"{show(value)} is out of range for the number of an enum (0 … 65535)")
    return int(value)


def write_int(value: Any, kind: Kind, policy: str) -> JSON:
    """An integer of the wire; 64-bit ones by the ``int64`` policy."""
    low, high = INT_RANGES[kind]
    if not isinstance(value, int) or isinstance(value, bool):
        raise Misfit(f"expected {kind.value}, got {show(value)}")
    if not low <= value <= high:
        raise Misfit(_out_of_range(str(value), kind))
    if kind in WIDE and (policy == "string" or (policy == "auto" and abs(value) > EXACT)):
        return str(int(value))
    return int(value)


def write_float(value: Any, kind: Kind) -> JSON:
    """A float of the wire; what JSON has no number for becomes a text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Misfit(f"expected {kind.value}, got {show(value)}")
    return float_out(round_to_float32(value) if kind is Kind.FLOAT32 else float(value))


def float_out(number: float) -> JSON:
    """A float as JSON: a number, or one of the words "NaN", "Infinity" and "-Infinity"."""
    if math.isfinite(number):
        return number
    return FloatWord("NaN" if number != number else "Infinity" if number > 0 else "-Infinity")


def write_bytes(value: Any, form: Form, policy: str) -> JSON:
    """Bytes of the wire, by the field's annotation, else by the ``data`` policy."""
    if not isinstance(value, bytes):
        raise Misfit(f"expected Data, got {show(value)}")
    if form is Form.HEX:
        return value.hex()
    if form is Form.BASE64 or policy == "base64":
        return base64_out(value)
    return list(value)


def base64_out(value: bytes) -> str:
    """Standard base64 with padding, in one line."""
    return binascii.b2a_base64(value, newline=False).decode("ascii")


def write_enum(value: Any, layout: EnumLayout) -> JSON:
    """An enumerant's JSON name; the number itself where this schema knows no name."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 65535:
        raise Misfit(f"expected {layout.label}, got {show(value)}")
    return layout.names[value] if value < len(layout.names) else int(value)

"""JSON text to Python values and back, strict by RFC 8259, with the place of an error.

orjson does the work and refuses what must be refused (lone surrogates, control characters, numbers beyond a double,
bad UTF-8, a depth over 1,024). One thing it does silently is caught here: a number that a double cannot hold.
"""

from __future__ import annotations

import gc
import json
import re
from decimal import Decimal
from typing import Any, Final

import orjson

from gateway.errors import GatewayError, Status

JSON = Any
"""What `parse` returns: dict, list, str, int, float, bool or None."""


class InexactFloat(float):
    """A number that a double cannot hold exactly; a 64-bit integer must not be made of it.

    orjson gives such floats for integers outside of 64 bits and for 9007199254740993.0.
    """

    __slots__ = ()


class FloatWord(str):
    """"NaN", "Infinity" or "-Infinity" in the place of a float, which JSON has no number for."""

    __slots__ = ()


_TO_CLASSES: Final = bytes.maketrans(b"0123456789E:,[- \t\r\n", b"0" * 10 + b"e" + b":" * 8)
_TO_NUMBERS: Final = bytes.maketrans(b"0123456789.eE+-", b"0" * 15)
_LONG_NUMBER: Final = b"0" * 16
SHORT_BYTES: Final = 256
"""Below so many it pays to look for a long number first."""
_LARGE_BYTES: Final = 65_536
_LONG_INTEGER: Final = b":" + b"0" * 16
_LONG_MANTISSA: Final = b"0" * 16 + b"e"


def parse(text: str | bytes) -> JSON:
    """Parse one JSON text.

    Raises:
        GatewayError: it is no JSON, or holds what `gateway.json.grammar` permits; the detail says why and where (line
            and column from 1).
    """
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    obj, is_exact = parse_quickly(data)
    try:
        return obj if is_exact else parse_exactly(data)
    except RecursionError:
        raise GatewayError.unparsable("no JSON: nested too deeply") from None


def parse_quickly(data: bytes) -> tuple[JSON, bool]:
    """Parse one JSON text; beside the value, whether every number in it is exact. If not, `parse_exactly` tells which.

    Raises:
        GatewayError: as `parse`.
    """
    try:
        obj = orjson.loads(data) if len(data) < _LARGE_BYTES else _loads_large(data)
    except orjson.JSONDecodeError as error:
        raise GatewayError.unparsable(_complaint(error, data)) from None
    # Most messages are short and have short numbers.
    may_be_inexact = (len(data) >= SHORT_BYTES or _LONG_NUMBER in data.translate(_TO_NUMBERS)) and _may_be_inexact(data)
    return obj, not may_be_inexact


def parse_usual(data: bytes) -> dict[str, JSON] | None:
    """Parse what most texts are: an object with short numbers in fewer than `SHORT_BYTES`; None if it is anything else,
    or no JSON. It is the first half of `parse_quickly`, for who has no time for the rest."""
    try:
        obj = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return None if type(obj) is not dict or _LONG_NUMBER in data.translate(_TO_NUMBERS) else obj


def parse_exactly(data: bytes) -> JSON:
    """Parse a text that `parse_quickly` takes, ten times as slowly, with `InexactFloat` where it has to be.

    It reads by recursion, so a text that may be deep is for `gateway.json.grammar`.
    """
    return EXACT_DECODER.decode(data.decode("utf-8"))


class ExactElements:
    """The elements of an array, which is known to be JSON and not nested too deeply, parsed exactly and one by one."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = self._text.index("[") + 1

    def take(self, *, exactly: bool = True) -> JSON:
        """The next element, of which there must be one.

        Args:
            exactly: False is faster and for those that nobody needs.
        """
        begin = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
        element, self._at = (EXACT_DECODER if exactly else _INEXACT).raw_decode(self._text, begin)
        return element


def _loads_large(data: bytes) -> JSON:
    # Nothing of what is made here is garbage yet; the collector would look through it again and again, for a third
    # of the time.
    collects = gc.isenabled()
    gc.disable()
    try:
        return orjson.loads(data)
    finally:
        if collects:
            gc.enable()


def dump(obj: JSON) -> bytes:
    """Write a JSON value as UTF-8 text without spaces.

    Raises:
        GatewayError: INTERNAL, the value is no JSON (a lone surrogate, an integer over 64 bits, too deep).
    """
    try:
        data = orjson.dumps(obj)
        # What orjson gives holds on to the kilobytes that it wrote into, so that 8 MiB of kept answers took 800.
        return b"%b" % data if len(data) < _LARGE_BYTES else data
    except TypeError as error:
        raise GatewayError(Status.INTERNAL, f"an answer cannot be written as JSON: {error}") from None


def dump_cautiously(obj: JSON) -> bytes:
    """Write a parsed value as `dump` does, but each `InexactFloat` as a text.

    Whoever reads it refuses it then, and never takes another number for it.

    Raises:
        GatewayError: as of `dump`.
    """
    try:
        return orjson.dumps(obj, repr)
    except TypeError as error:
        raise GatewayError(Status.INTERNAL, f"a message cannot be written as JSON: {error}") from None


def dump_marked(obj: JSON) -> bytes:
    """Write a JSON value as `dump` does, but each `FloatWord` as ``{"$float": "NaN"}``.

    For those who read without a schema, and could not tell such a word from a text.

    Raises:
        GatewayError: as of `dump`.
    """
    try:
        return orjson.dumps(obj, _mark, orjson.OPT_PASSTHROUGH_SUBCLASS)
    except TypeError as error:
        raise GatewayError(Status.INTERNAL, f"an answer cannot be written as JSON: {error}") from None


def _mark(value: Any) -> JSON:
    if type(value) is FloatWord:
        return {"$float": str(value)}
    # What orjson writes by itself where it is not asked to leave subclasses to us.
    bases: tuple[type[Any], ...] = (str, int, dict, list)
    for base in bases:
        if isinstance(value, base):
            return base(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


def _may_be_inexact(data: bytes) -> bool:
    """Whether some number may need more than a double; a few passes in C, as every message goes through here.

    What is beyond 2^53 has 16 digits before its point, or an exponent behind 16 digits with or without a point.
    """
    classes = (b":" + data).translate(_TO_CLASSES)
    if _LONG_INTEGER in classes:
        return True
    return b"0e" in classes and _LONG_MANTISSA in data.translate(_TO_CLASSES, b".")


def _complaint(error: orjson.JSONDecodeError, data: bytes) -> str:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as bad:
        line = data.count(b"\n", 0, bad.start) + 1
        column = bad.start - data.rfind(b"\n", 0, bad.start)
        return f"no JSON: not valid UTF-8 at line {line} column {column}"
    return f"no JSON: {error.msg} at line {error.lineno} column {error.colno}"


def _exact_or_marked(text: str) -> float:
    value = float(text)
    if abs(value) < 2**53 or Decimal(text) == Decimal(value):
        return value
    return InexactFloat(value)


def _int_or_marked(text: str) -> int | float:
    # Beyond 20 characters no 64-bit integer follows, and int() of a long text is quadratic.
    value = int(text) if len(text) <= 20 else 2**64
    if -(2**63) <= value < 2**64:
        return value
    return InexactFloat(float(text))


EXACT_DECODER: Final = json.JSONDecoder(parse_float=_exact_or_marked, parse_int=_int_or_marked)
"""Python's own, with `InexactFloat` where it has to be; it reads what `parse_quickly` does not take, too."""
_INEXACT: Final = json.JSONDecoder(parse_int=float)
_SPACE: Final = re.compile(r"[ \t\r\n,]*")

"""A slower look at a text that the quick parser refuses: it may be JSON all the same.

RFC 8259's grammar permits what cannot be taken for a value: half of a surrogate pair, a number beyond every double,
nesting without end. JavaScript itself writes the first. Who counts messages has to tell such a text from one that is no
JSON, and what is wrong in one message is no fault of those beside it. So the text is read with these in it, and
`fault_in` says of each message what cannot be taken, and where. Time and memory are linear in the text's length.
"""

from __future__ import annotations

import json
import math
import re
import sys
from typing import Final, NoReturn

from gateway.errors import GatewayError
from gateway.json.codec.value_paths import Path, render_steps, steps_of
from gateway.json.text import EXACT_DECODER, JSON, parse_exactly, parse_quickly
from gateway.json.value_count import exceeds, may_exceed, too_many

FOLD_LEVELS: Final = 512
"""Arrays and objects are read by recursion down to here, for which Python's stack has room; below, they are folded."""

_STRING: Final = r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)'
_BRACKETS: Final = re.compile(
    # In front stands whatever opens and closes no level that counts: most of every text, in one step. As everything
    # matches up to the end, no character is looked at more than a few times.
    rf'(?:[^"\[\]{{}}]++|{_STRING}|[\[{{](?:[^"\[\]{{}}]++|{_STRING})*+[\]}}])*+(\[++|\]++|[{{}}]|\Z)',
    re.DOTALL,
)
_HALF: Final = re.compile("[\ud800-\udfff]")
_FOLDED: Final = "\ud800 nested more deeply than is read \ud800"
_FOLDED_TEXT: Final = json.dumps(_FOLDED)


def parse_within(data: bytes, most: int, max_depth: int) -> JSON:
    """Parse one JSON text.

    Raises:
        GatewayError: TOO_LARGE, it holds more values than that; INVALID_ARGUMENT, it is no JSON, or holds what cannot
            be taken, with the path then.
    """
    try:
        obj, is_exact = parse_quickly(data)
    except GatewayError as complaint:
        return _taken(Grammatical(data, complaint), data, most, max_depth)
    if may_exceed(data, most) and exceeds(obj, most):
        raise too_many(most)
    if is_exact:
        return obj
    return _taken(Grammatical(data), data, most, max_depth) if is_deep(data) else parse_exactly(data)


def _taken(text: Grammatical, data: bytes, most: int, max_depth: int) -> JSON:
    if may_exceed(data, most) and exceeds(text.obj, most):
        raise too_many(most)
    fault = fault_in(text.obj, max_depth)
    if fault is not None:
        raise fault
    return text.exactly()


def is_deep(data: bytes) -> bool:
    """Whether a text may be nested so deeply that it has to be read by `Grammatical`; mostly told at a glance."""
    return _may_be_deep(data) and folded(data.decode("utf-8")) is not None


def _may_be_deep(data: bytes) -> bool:
    return data.count(b"[") + data.count(b"{") > FOLD_LEVELS


class Grammatical:
    """A text that is JSON by the grammar.

    Attributes:
        text: the same with one string in the place of each array or object that is nested too deeply.
        obj: what it says, numbers not exact.
    """

    __slots__ = ("obj", "text")

    def __init__(self, data: bytes, complaint: GatewayError | None = None) -> None:
        """Read it.

        Args:
            complaint: what the quick parser said; None: it takes the text.

        Raises:
            GatewayError: that complaint: it is no JSON at all.
        """
        try:
            text = data.decode("utf-8")
            self.text = folded(text) or text if _may_be_deep(data) else text
            self.obj: JSON = _DECODER.decode(self.text)
        except ValueError:  # of the decoders of UTF-8 and of JSON
            assert complaint is not None  # who takes it finds it to be JSON
            raise complaint from None

    def exactly(self) -> JSON:
        """The same with exact numbers, ten times as slowly."""
        return EXACT_DECODER.decode(self.text)


def folded(text: str) -> str | None:
    """A text with a string in the place of what is nested deeper than `FOLD_LEVELS`; None if nothing is.

    Raises:
        ValueError: what is folded is no JSON.
    """
    # Each list is what was taken over of an array or object that begins at a multiple of those levels.
    parts: list[list[str]] = [[]]
    depth = at = 0
    for found in _BRACKETS.finditer(text):
        begin, end = found.span(1)
        if begin == end:
            break
        if text[begin] in "[{":
            first = max(depth + -depth % FOLD_LEVELS, FOLD_LEVELS) - depth
            for opened in range(begin + first, end, FOLD_LEVELS):
                parts[-1].append(text[at:opened])
                parts.append([])
                at = opened
            depth += end - begin
        else:
            for closed in range(begin + ((depth - 1) % FOLD_LEVELS + 1), end + 1, FOLD_LEVELS):
                if len(parts) == 1:
                    break
                inner = parts.pop()
                inner.append(text[at:closed])
                _DECODER.decode("".join(inner))
                parts[-1].append(_FOLDED_TEXT)
                at = closed
            depth -= end - begin
    if len(parts) > 1:
        raise ValueError("an array or object is not closed")
    if not at:
        return None
    parts[0].append(text[at:])
    return "".join(parts[0])


def fault_in(value: JSON, max_depth: int) -> GatewayError | None:
    """What of a value cannot be taken, and where, seen from its root; None if all can.

    Args:
        max_depth: how many levels a value may have, which is told of one whose levels are not all looked at.
    """
    waiting: list[tuple[JSON, Path | None]] = [(value, None)] if _is_suspect(value) else []
    while waiting:
        value, path = waiting.pop()
        if type(value) is list:
            suspects = [(item, (path, index)) for index, item in enumerate(value) if _is_suspect(item)]
        elif type(value) is dict:
            if (name := next(filter(_has_half, value), None)) is not None:
                return _refused(f"the name of a member {_half(name)}", path)
            suspects = [(item, (path, name)) for name, item in value.items() if _is_suspect(item)]
        elif value == _FOLDED:
            return too_deep(path, max_depth)
        elif type(value) is str:
            return _refused(_half(value), path)
        else:
            return _refused(f"the number is beyond what a double holds (±{sys.float_info.max:.4g})", path)
        suspects.reverse()  # the first is looked at first
        waiting += suspects
    return None


def too_deep(path: Path | None, max_depth: int) -> GatewayError:
    """The error of a value that has more levels, at that place."""
    steps = steps_of(path)
    return GatewayError.invalid(f"nested more than {max_depth} levels deep", render_steps(steps[-max_depth:]))


def whole_characters(text: str) -> str:
    """A text for people, with the mark of a character that got lost in the place of each half of one."""
    return _HALF.sub("\ufffd", text)


def _is_suspect(value: JSON) -> bool:
    kind = type(value)
    if kind is str:
        return not value.isascii() and _HALF.search(value) is not None
    if kind is list or kind is dict:
        return bool(value)
    return isinstance(value, float) and math.isinf(value)


def _has_half(text: str) -> bool:
    return _HALF.search(text) is not None


def _half(text: str) -> str:
    found = _HALF.search(text)
    assert found is not None  # that is why it is looked at
    return f"holds the lone surrogate U+{ord(found[0]):04X}, which is no character"


def _refused(reason: str, path: Path | None) -> GatewayError:
    return GatewayError.invalid(reason, render_steps(steps_of(path)))


def _no_json(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


# Python's own floats, and no integers: these would take a time that grows with the square of their length.
_DECODER: Final = json.JSONDecoder(parse_int=float, parse_constant=_no_json)

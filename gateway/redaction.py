"""A text from outside as a log may show it: without a call's secrets, however they are written, and their parts."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import quote, quote_plus

LEFT_OUT: Final = "…"
WHOLE: Final = "the text is left out, as it may hold a secret"

_PART: Final = 4
"""So many characters in a row that a secret has as well are a part of it: fewer are in any two texts."""
_SHORTEST_NUMBER: Final = 3
"""Digits of a number that is looked for; a shorter one, which any text may have, tells nobody anything."""
_MOST_SECRET_CHARS: Final = 20_000
"""Beyond it a text is left out as a whole: each character of a secret is looked for in several spellings."""
_URL_SAFE: Final = str.maketrans("+/", "-_")
_MOST_SHOWN_CHARS: Final = 2_000
"""What is kept of a text in which secrets are looked for."""


def redacted(text: str, secrets: Iterable[Any]) -> str:
    """The text without the secrets.

    Args:
        secrets: texts, bytes and numbers.
    """
    long: list[str] = []
    short: set[str] = set()
    chars = 0
    for secret in secrets:
        for spelling in _spellings(secret):
            chars += len(spelling)
            if chars > _MOST_SECRET_CHARS:
                return WHOLE
            if len(spelling) > _PART:
                long.append(spelling)
            elif spelling:
                short.add(spelling)
    if not long and not short:
        return text
    return _without_words(_without_parts(text[:_MOST_SHOWN_CHARS], long), short)


def _spellings(secret: Any) -> Iterator[str]:
    if isinstance(secret, bool) or secret is None:
        return
    if isinstance(secret, int | float):
        for number in {str(secret), f"{secret:,}", f"{secret:x}" if isinstance(secret, int) else f"{secret:g}"}:
            if len(number.lstrip("-")) >= _SHORTEST_NUMBER:
                yield number
        return
    data: bytes
    if isinstance(secret, str):
        data = secret.encode("utf-8", "surrogatepass")
        yield secret
        written = {repr(secret)[1:-1], ascii(secret)[1:-1], json.dumps(secret)[1:-1], repr(data)[2:-1]}
        yield from (written | {quote(data, safe=""), quote_plus(data)}) - {secret}
    else:
        data = bytes(secret)
        yield repr(data)[2:-1]
        yield str(list(data))[1:-1]
        yield data.decode("utf-8", "replace")
    yield data.hex()
    for before in range(3):
        # Three bytes make four characters, so what is in front of it decides which; and what is behind it, the last.
        encoded = base64.b64encode(bytes(before) + data).rstrip(b"=")[(0, 2, 3)[before] : -1].decode()
        yield encoded
        yield encoded.translate(_URL_SAFE)


def _without_parts(text: str, spellings: Iterable[str]) -> str:
    parts = {
        folded[start : start + _PART]
        for spelling in spellings
        for folded in (_folded(spelling),)
        for start in range(len(folded) - _PART + 1)
    }
    folded = _folded(text)
    shown: list[str] = []
    place = 0
    while place < len(text):
        end = place
        start = place
        while folded[start : start + _PART] in parts:
            end = start + _PART
            start += 1
        if end > place:
            shown.append(LEFT_OUT)
            place = end
        else:
            shown.append(text[place])
            place += 1
    return "".join(shown)


def _folded(text: str) -> str:
    """In small letters, as long as it was: some capitals have two of them."""
    return "".join(small if len(small := char.lower()) == 1 else char for char in text)


def _without_words(text: str, spellings: Iterable[str]) -> str:
    """Leave short secrets out where they stand by themselves: within other words they are any letters."""
    for spelling in spellings:
        text = re.sub(rf"(?<!\w){re.escape(spelling)}(?!\w)", LEFT_OUT, text, flags=re.IGNORECASE)
    return text

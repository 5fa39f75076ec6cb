"""Paths as a log may show them: short, and without what could be a secret where nothing is."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

from gateway.redaction import LEFT_OUT
from gateway.sensitive import SecretPaths

_BEFORE_SECRETS: Final = frozenset({"handles", "session", "sessions"})
"""Behind these stand handles and the ids of sessions, at the paths that there are."""
_LONG_WORD: Final = re.compile(r"[A-Za-z0-9_-]{20,}")
_DIGIT: Final = re.compile(r"[0-9]")
_MOST_LAYERS: Final = 3
"""So often a path may be escaped again, as each program on its way may do once."""
_MOST_PARTS: Final = 20
"""What stands behind so many is left out: heads may be large, and no path that there is has so many."""
_MAX_CHARS: Final = 1000
"""Of a path in the log; a longer one is not there by accident, and heads may be large."""
_BETWEEN: Final = re.compile(r"[/\\]+")


def shortened(path: str) -> str:
    """A path, or as much of it as anybody reads."""
    return path if len(path) <= _MAX_CHARS else f"{path[:_MAX_CHARS]}{LEFT_OUT}"


def without_stray_secrets(raw_path: str, secret_paths: SecretPaths) -> str:
    """The path as it came, if nothing in it could be a secret; else with single slashes and without that."""
    path = raw_path
    for _ in range(_MOST_LAYERS):
        path = unquote(path)
    parts = [part for part in _BETWEEN.split(path) if part]
    # Below a prefix that somebody has put in front, it is as secret.
    firsts = [secret_paths.first_secret(parts[place:]) for place in range(min(len(parts), _MOST_PARTS))]
    begin = min((place + first for place, first in enumerate(firsts) if first is not None), default=_MOST_PARTS)
    hidden = [
        place >= begin or before.lower() in _BEFORE_SECRETS or _has_token(part)
        for place, (before, part) in enumerate(zip(["", *parts], parts, strict=False))
    ]
    if not any(hidden):
        return raw_path
    written = raw_path.split("/")[1:]
    if [unquote(part) for part in written] != parts:
        written = [quote(part) for part in parts]
    told = [LEFT_OUT if is_hidden else part for part, is_hidden in zip(written, hidden, strict=True)]
    return "/" + "/".join(told)


def _has_token(part: str) -> bool:
    """Whether there is what looks like a handle, the id of a session, a key or a token; names of pages have no digits.

    In two steps, so that it takes as long as the part is, and not its square.
    """
    return any(_DIGIT.search(word) for word in _LONG_WORD.findall(part))


def without_token(path: str) -> str:
    """A path without the secret that a handle's token is."""
    parts = path.split("/")
    return "/".join([*parts[:3], LEFT_OUT, *parts[4:]])

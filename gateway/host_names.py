"""Names of hosts: the form in which they are compared, and patterns of them. Knows no request and no configuration."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address
from typing import Final

ANY_HOST: Final = "*"
"""The pattern of every name."""
_BELOW: Final = "*."

_HOST: Final = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::[0-9]*)?")
_NAME: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?")


def host_name(host: str) -> str:
    """The name in a ``Host`` header or an origin, as names are compared, without the port.

    Letters are small, a dot at the end is left out, IPv6 is in brackets and as short as can be. Empty if there is none.
    """
    matched = _HOST.fullmatch(host.lower())
    if matched is None:
        return ""
    name = matched[1]
    if not name.startswith("["):
        return name.removesuffix(".")
    try:
        return f"[{IPv6Address(name[1:-1])}]"
    except ValueError:
        return ""


def is_address(name: str) -> bool:
    """Whether a name as `host_name` gives it is an address: one that no name server can lead elsewhere."""
    try:
        ip_address(name[1:-1] if name.startswith("[") else name)
    except ValueError:
        return False
    return True


def host_pattern(text: str) -> str:
    """A name or pattern in the form in which `matches` compares it.

    Args:
        text: a name, an address, ``*.example.org`` for all names below one, or ``*``.

    Raises:
        ValueError: it is none of these; the text says why.
    """
    if text == ANY_HOST:
        return text
    below, name = (_BELOW, text[len(_BELOW) :]) if text.startswith(_BELOW) else ("", text)
    if ANY_HOST in name:
        raise ValueError('a "*" stands for all names, or at the beginning of "*.example.org" for all below that one')
    if not below and ":" in name:
        # An address of IPv6, with brackets or without, and not a name with a port.
        try:
            return f"[{IPv6Address(name.removeprefix('[').removesuffix(']'))}]"
        except ValueError:
            raise ValueError("it has a scheme or a port, or is no address of IPv6") from None
    try:
        # Browsers send names of other letters in this form.
        name = name.removesuffix(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise ValueError("it is no name of a host") from None
    if not _NAME.fullmatch(name):
        raise ValueError("it is no name of a host")
    return below + name


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern stands for a name, both in their forms for it. ``*.example.org`` is no ``example.org``."""
    if pattern in (ANY_HOST, name):
        return bool(name)
    return pattern.startswith(_BELOW) and name.endswith(pattern[1:]) and len(name) > len(pattern) - 1

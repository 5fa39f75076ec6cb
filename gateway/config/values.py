"""The kinds of values that a configuration has: what is permitted, and how the text of a variable is read.

Each kind turns a TOML value into the value that the program uses; a ValueError's text names what is permitted. Knows
no key and no file.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote as percent_encoded

from gateway.config.limits import MOST_LEVELS
from gateway.errors import quote
from gateway.host_names import ANY_HOST, host_pattern
from gateway.path_prefix import path_prefix
from gateway.routes import FIXED_ROUTES

NUL: Final = "\0"
"""No path, name or address has one, and the system's functions refuse it in their own words."""
_MOST: Final = sys.float_info.max
"""A whole number beyond is none that a clock could count to, and no float either."""
UNIX_URL: Final = "http+unix://"
"""How addresses of unix sockets begin; their path stands where a host would, with %2F for a slash."""


@dataclass(frozen=True, slots=True)
class UnixListen:
    """A unix socket at which the gateway accepts connections."""

    path: Path

    def __str__(self) -> str:
        return f"unix:{self.path}"

    @property
    def url(self) -> str:
        """Its address, as programs that have one for unix sockets write it."""
        return UNIX_URL + percent_encoded(str(self.path.absolute()), safe="")


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the gateway accepts connections; port 0 picks one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def overlap(one: Listen | UnixListen, other: Listen | UnixListen) -> bool:
    """Whether the two cannot both be bound, however they are written; what other names mean is not looked up."""
    if isinstance(one, UnixListen) or isinstance(other, UnixListen):
        return one == other
    if one.port != other.port or not one.port:
        return False
    return any(_meet(mine, theirs) for mine in _addresses(one.host) for theirs in _addresses(other.host))


def _addresses(host: str) -> tuple[str, ...]:
    name = host.lower()
    if name == "localhost":
        return "127.0.0.1", "::1"
    try:
        return (str(ip_address(name)),)
    except ValueError:
        return (name,)


def _meet(one: str, other: str) -> bool:
    # All addresses of a family are one of them, too; a name may be any.
    everywhere = (str(IPv4Address(0)), "."), (str(IPv6Address(0)), ":")
    return one == other or any(
        all_of_them in (one, other) and mark in one and mark in other for all_of_them, mark in everywhere
    )


@dataclass(frozen=True, slots=True)
class ValueKind:
    """A kind of value: ``read`` checks what TOML holds, ``parse`` makes that of the text of an environment variable."""

    read: Callable[[Any], Any]
    parse: Callable[[str], Any] = str


def shown(value: object) -> str:
    """A value of the file as it stands in a message."""
    return quote(value) if isinstance(value, str) else quote(repr(value))[1:-1]


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or NUL in value:
        raise ValueError(f"expected a text, not {shown(value)}")
    return value


def _secret(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("expected a text")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, not {shown(value)}")
    return value


def _parse_flag(text: str) -> Any:
    return {"true": True, "false": False}.get(text.strip().lower(), text)


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item and NUL not in item for item in value):
        raise ValueError(f"expected a list of texts, not {shown(value)}")
    return tuple(value)


def _parse_texts(text: str) -> Any:
    return [part for part in (part.strip() for part in text.split(",")) if part]


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"expected a whole number from 1 on, not {shown(value)}")
    return value


def _levels(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_LEVELS:
        raise ValueError(f"expected a whole number from 1 to {MOST_LEVELS}, not {shown(value)}")
    return value


def _seconds(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= _MOST:
        raise ValueError(f"expected a number of seconds above 0, not {shown(value)}")
    return float(value)


def _delay(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= _MOST:
        raise ValueError(f"expected a number of seconds from 0 on, not {shown(value)}")
    return float(value)


def _fraction(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise ValueError(f"expected a number from 0 to 1, not {shown(value)}")
    return float(value)


def _parse_number(text: str) -> Any:
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _listen(value: Any) -> Listen | UnixListen:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and text.startswith(_UNIX):
        return _unix_listen(text)
    matched = _LISTEN.fullmatch(text) if isinstance(text, str) else None
    if matched is None or int(matched["port"]) > 65535:
        raise ValueError(
            f'expected "HOST:PORT", "[IPv6]:PORT" or a port up to 65535, not {shown(value)}; '
            'or "unix:PATH" for a unix socket'
        )
    return Listen(matched["ipv6"] or matched["host"] or "127.0.0.1", int(matched["port"]))


_LISTEN = re.compile(r"(?:(?:\[(?P<ipv6>[0-9a-fA-F:.]+)\]|(?P<host>[^\s:/\[\]]+))?:)?(?P<port>\d{1,5})")
_UNIX = "unix:"


def _unix_listen(text: str) -> UnixListen:
    path = text.removeprefix(_UNIX)
    # "unix://…" is an address as some programs write it; three slashes begin an absolute path.
    path = path.removeprefix("//") if path.startswith("///") else path
    if not path or path.endswith("/") or path.startswith("//") or "\0" in path:
        raise ValueError(f'expected "unix:" and the path of a socket, like "unix:/run/gateway.sock", not {shown(text)}')
    return UnixListen(Path(path))


def _endpoint(value: Any) -> str:
    if not isinstance(value, str) or not _ENDPOINT.fullmatch(value):
        raise ValueError(f'expected "tcp://HOST:PORT", "ipc://PATH" or "unix:PATH", not {shown(value)}')
    if value.startswith("tcp://") and int(value.rpartition(":")[2]) > _MAX_PORT:
        raise ValueError(f"the port of {shown(value)} is larger than {_MAX_PORT}")
    return value


_MAX_PORT = 65535
_ENDPOINT = re.compile(r"tcp://[^\s/]+:\d{1,5}|ipc://\S+|unix:(?!//)\S+")


def _endpoints(value: Any) -> tuple[str, ...]:
    """One endpoint, or a list of several that serve the same."""
    if not isinstance(value, list):
        return (_endpoint(value),)
    if not value:
        raise ValueError('expected "tcp://HOST:PORT", "ipc://PATH" or "unix:PATH", or a list of at least one, not []')
    endpoints = tuple(_endpoint(item) for item in value)
    for endpoint in endpoints:
        if endpoints.count(endpoint) > 1:
            raise ValueError(f"{shown(endpoint)} stands there twice; each endpoint is to be named once")
    return endpoints


def _origin(value: Any) -> tuple[str, ...]:
    origins = _texts(value)
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(f'expected origins like "https://app.example.org", not {shown(origin)}')
        if "*" in origin:
            raise ValueError(f"no origin has a \"*\", so {shown(origin)} would match none; each has to be named")
    return tuple(_as_browsers_write(origin.lower()) for origin in origins)


def _as_browsers_write(origin: str) -> str:
    """An origin without a port that its scheme has anyway, and with a name of other letters as name servers have it."""
    scheme, _, host = origin.partition("://")
    name, colon, port = host.rpartition(":")
    if colon and port == _DEFAULT_PORTS.get(scheme):
        host = name
    if not host.isascii():
        name, colon, port = host.partition(":")
        host = host_pattern(name) + colon + port
    return f"{scheme}://{host}"


_DEFAULT_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}


_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@]+", re.IGNORECASE)


def _host(value: Any) -> tuple[str, ...]:
    patterns = []
    for host in _texts(value):
        try:
            patterns.append(host_pattern(host))
        except ValueError as reason:
            expected = f'expected host names without scheme and port, like "api.example.org", not {shown(host)}'
            raise ValueError(f"{expected}: {reason}" if ANY_HOST in host else expected) from None
    return tuple(patterns)


def _networks(value: Any) -> tuple[str, ...]:
    networks = []
    for text in _texts(value):
        if text == "unix:":
            networks.append(text)
            continue
        try:
            networks.append(str(ip_network(text, strict=False)))
        except ValueError:
            expected = 'expected addresses and networks like "10.0.0.0/8", or "unix:" for whoever uses a unix socket'
            raise ValueError(f"{expected}, not {shown(text)}") from None
        if not _is_network(text):
            raise ValueError(f"{shown(text)} is an address within a network; did you mean {shown(networks[-1])}?")
    return tuple(networks)


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def _base_path(value: Any) -> str:
    if value == "":
        return ""
    prefix = path_prefix(value) if isinstance(value, str) else None
    if prefix is None:
        raise ValueError(
            f'expected a path like "/gw", of letters, digits, ".", "_", "~", "@", "-" and escapes, not {shown(value)}'
        )
    if prefix.split("/")[1:2] and prefix.split("/")[1] in FIXED_ROUTES:
        raise ValueError(
            f"{shown(value)} begins like the gateway's own paths, which could not be told from those below it"
        )
    return prefix


def _mode(value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(r"(?:0o?)?[0-7]{3}", value):
        return int(value[-3:], 8)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= 0o777:
        raise ValueError(f'expected permission bits like 0o660 or "660", not {shown(value)}')
    return value


def _curve_key(value: Any) -> str:
    # ZeroMQ RFC 32: 32 bytes as 40 characters.
    if not isinstance(value, str) or len(value) != 40 or not value.isascii():
        raise ValueError("expected a key of 40 characters in Z85, as zmq.curve_keypair() makes it")
    return value


def one_of(*permitted: str) -> ValueKind:
    """A text out of a closed set."""

    def read(value: Any) -> str:
        if value not in permitted:
            raise ValueError(f"expected {_listed(permitted)}, not {shown(value)}")
        return str(value)

    return ValueKind(read)


def _listed(words: Sequence[str]) -> str:
    quoted = [f'"{word}"' for word in words]
    return f"{', '.join(quoted[:-1])} or {quoted[-1]}"


TEXT = ValueKind(_text)
SECRET = ValueKind(_secret)
FLAG = ValueKind(_flag, _parse_flag)
TEXTS = ValueKind(_texts, _parse_texts)
COUNT = ValueKind(_count, _parse_number)
LEVELS = ValueKind(_levels, _parse_number)
SECONDS = ValueKind(_seconds, _parse_number)
DELAY = ValueKind(_delay, _parse_number)
FRACTION = ValueKind(_fraction, _parse_number)
LISTEN = ValueKind(_listen)
ENDPOINTS = ValueKind(_endpoints, _parse_texts)
ORIGINS = ValueKind(_origin, _parse_texts)
HOSTS = ValueKind(_host, _parse_texts)
NETWORKS = ValueKind(_networks, _parse_texts)
BASE_PATH = ValueKind(_base_path)
MODE = ValueKind(_mode)
CURVE_KEY = ValueKind(_curve_key)

"""Python values of programs that load no schema, to the JSON that travels and back; the gateway checks their types.

Dicts, lists, numbers, text and bytes are data. A function, a dict of functions and an object with methods of its own is
an object that the service may call.
"""

from __future__ import annotations

import binascii
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from cara_pseud.errors import InvalidValue, WrongType
from cara_pseud.gateway.messages import JSON
from cara_pseud.gateway.targets import handle_in
from cara_pseud.interfaces import Interface
from cara_pseud.python_names import python_name
from cara_pseud.scalars import check_text, shown
from cara_pseud.structs import Struct

_MAX_DEPTH: Final = 64
"""The gateway's own limit; here it also ends the walk through a list that contains itself."""


class PlainReferences(Protocol):
    """What writing needs to know of references.

    Attributes:
        values: elements and members that were written.
    """

    values: int

    def reference(self, value: object, holder: Any, key: str | int, path: str) -> JSON:
        """The JSON of a remote object, or of a result that has not come; None for every other value."""

    def own(self, value: object) -> JSON:
        """The JSON of an object of this process."""


HandleReader = Callable[[str, "str | None"], Any]
"""Makes the proxy of a handle, of that token and with that interface's name."""


def written(params: Sequence[Any] | Mapping[str, Any], outgoing: PlainReferences) -> JSON:
    """Parameters by position or by name. The outermost object is never a callback.

    Raises:
        InvalidValue: a value cannot be sent.
    """
    if isinstance(params, Mapping):
        return _members(params, "$", 1, outgoing)
    return _list(params, "$", 1, outgoing)


def written_result(value: Any, outgoing: PlainReferences) -> dict[str, JSON]:
    """One value, such as the result of a callback, as the member ``value``: one that has not come fills it later.

    Raises:
        InvalidValue: it cannot be sent.
    """
    holder: dict[str, JSON] = {"value": None}
    holder["value"] = _value(value, holder, "value", "$", 1, outgoing)
    return holder


def _value(value: Any, holder: Any, key: str | int, path: str, depth: int, outgoing: PlainReferences) -> JSON:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, path)
    if isinstance(value, int):
        if -(2**63) <= value < 2**64:
            return int(value)
        raise InvalidValue(f"{shown(value)} has more than 64 bits", path)
    if isinstance(value, float):
        # JSON has no word for these; the gateway reads the names, as Cap'n Proto's own tool does.
        return value if math.isfinite(value) else "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, bytes | bytearray | memoryview):
        return binascii.b2a_base64(bytes(value), newline=False).decode("ascii")
    reference = outgoing.reference(value, holder, key, path)
    if reference is not None:
        return reference if reference else None
    if depth > _MAX_DEPTH:
        raise InvalidValue("is too deep, or contains itself", path)
    if isinstance(value, Struct):
        return _members(value.ToDict(with_field_names=True), path, depth + 1, outgoing)
    if isinstance(value, Mapping):
        if value and all(callable(item) for item in value.values()):
            return outgoing.own(value)
        return _members(value, path, depth + 1, outgoing)
    if isinstance(value, list | tuple):
        return _list(value, path, depth + 1, outgoing)
    if not isinstance(value, type) and is_callable_here(value):
        return outgoing.own(value)
    raise WrongType(f"{shown(value)} cannot be sent", path)


def _text(value: str, path: str) -> str:
    try:
        return check_text(value)
    except InvalidValue as error:
        raise InvalidValue(error.reason, path) from None


def _list(values: Sequence[Any], path: str, depth: int, outgoing: PlainReferences) -> list[JSON]:
    json: list[JSON] = []
    outgoing.values += len(values)
    for index, item in enumerate(values):
        json.append(None)
        json[index] = _value(item, json, index, f"{path}[{index}]", depth, outgoing)
    return json


def _members(values: Mapping[Any, Any], path: str, depth: int, outgoing: PlainReferences) -> dict[str, JSON]:
    json: dict[str, JSON] = {}
    for name, value in values.items():
        if not isinstance(name, str):
            raise WrongType(f"{shown(name)} cannot be a member's name in JSON; text can", path)
        _text(name, path)
        outgoing.values += 1
        json[name] = _value(value, json, name, f"{path}.{name}", depth, outgoing)
    return json


def is_callable_here(value: object) -> bool:
    """Whether a service could call a value: a function, or an object with methods that nobody wrote for data."""
    if callable(value) or isinstance(value, Interface):
        return True
    kind = type(value)
    if kind.__module__.partition(".")[0] in sys.stdlib_module_names:
        return False
    return any(callable(getattr(kind, name, None)) for name in dir(kind) if not name.startswith("_")) or any(
        callable(item) for name, item in getattr(value, "__dict__", {}).items() if not name.startswith("_")
    )


def method_of(value: Any, name: str) -> Callable[..., Any] | None:
    """The method of an object of ours that a service calls; None if it has none of that name.

    Names that begin with an underscore are never found: a peer must not be able to call ``__init__``.
    """
    if name.startswith("_"):
        return None
    if isinstance(value, Mapping):
        own: Callable[..., Any] | None = value.get(name)
        return own
    found: Any = getattr(value, python_name(name), None)
    if callable(found):
        method: Callable[..., Any] = found
        return method
    return value if callable(value) and not isinstance(value, Interface) else None


def read(json: JSON, incoming: HandleReader) -> Any:
    """Read a value: handles come as what ``incoming`` makes of them."""
    if isinstance(json, list):
        return [read(item, incoming) for item in json]
    if not isinstance(json, dict):
        return json
    token = handle_in(json)
    if token is not None:
        return incoming(token, json["interface"])
    # A number that JSON has none for.
    if len(json) == 1 and json.get("$float") in ("NaN", "Infinity", "-Infinity"):
        return float(json["$float"])
    return {name: read(item, incoming) for name, item in json.items()}

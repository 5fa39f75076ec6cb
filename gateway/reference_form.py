"""How a reference to a live object looks in JSON: ``{"$handle": …}``, ``{"$callback": …}``, ``{"$result": …}``.

The one place that knows. The codec is given `REFERENCE_FORM` and would take another; it finds references where the
schema permits them and asks this what they are. What is behind a reference is the door's knowledge.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from cara_pseud.capabilities import Capability
from cara_pseud.schema.nodes import Type
from gateway.json.codec.objects import LiveObjects, Where
from gateway.json.text import JSON

HANDLE: Final = "$handle"
CALLBACK: Final = "$callback"
RESULT: Final = "$result"

HANDLE_AS_TEXT: Final = b'"$handle"'
"""What stands in every message that has a handle which we wrote."""
RESULT_AS_TEXT: Final = b'"$result"'
"""What stands in a message that refers to a result, unless the client wrote the name with escapes."""

TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
"""The syntax of handle tokens and callback names."""


def handle(token: str, interface: str | None) -> dict[str, JSON]:
    """A handle as a client gets it."""
    return {HANDLE: token, "interface": interface}


class DollarMembers:
    """References as objects of one telling member: a `gateway.json.codec.objects.ReferenceForm`."""

    expected: Final = f'{{"{HANDLE}": …}} or {{"{CALLBACK}": …}}'

    def recognise(self, obj: Any) -> str | None:
        """The telling member of a reference, by the names of its members alone; None if it is data."""
        if type(obj) is not dict or len(obj) > 2:
            return None
        if HANDLE in obj:
            return HANDLE if len(obj) == 1 or "interface" in obj else None
        if CALLBACK in obj:
            return CALLBACK if len(obj) == 1 else None
        if RESULT in obj:
            return RESULT if len(obj) == 1 or "path" in obj else None
        return None

    def fault(self, kind: str, obj: Mapping[str, Any]) -> str | None:
        """What is wrong with the values of a reference's members, or None."""
        if kind == RESULT:
            return _fault_of_result(obj)
        name = obj[kind]
        if not isinstance(name, str) or not TOKEN.fullmatch(name):
            return f"{kind} must be 1 to 64 characters of A-Z a-z 0-9 _ -"
        if not isinstance(obj.get("interface", ""), str | None):
            return "interface must be a name or null"
        return None

    def faultless(self, obj: Any) -> str | None:
        """The telling member of a reference with which nothing is wrong; else None."""
        if type(obj) is dict and HANDLE in obj and len(obj) <= 2:  # by far the most
            token = obj[HANDLE]
            is_token = type(token) is str and TOKEN.fullmatch(token) is not None
            return HANDLE if is_token and (len(obj) == 1 or type(obj.get("interface", 0)) in _TEXT_OR_NULL) else None
        kind = self.recognise(obj)
        return kind if kind is not None and self.fault(kind, obj) is None else None

    def resolve(
        self, kind: str, obj: Mapping[str, Any], interface: Type | None, where: Where, objects: LiveObjects
    ) -> Capability:
        """Ask the door for the object that a faultless reference means."""
        if kind == HANDLE:
            return objects.handle_in(obj[HANDLE], interface, where)
        if kind == CALLBACK:
            return objects.callback_in(obj[CALLBACK], interface, where)
        return objects.result_in(obj, interface, where)


_TEXT_OR_NULL: Final = (str, type(None))
REFERENCE_FORM: Final = DollarMembers()


def _fault_of_result(obj: Mapping[str, Any]) -> str | None:
    id, path = obj[RESULT], obj.get("path")
    if not isinstance(id, str | int) or isinstance(id, bool):
        return f"{RESULT} must be the id of a call, a string or an integer"
    segments = () if path is None else path
    if not isinstance(segments, list | tuple) or not all(
        isinstance(segment, str) or (isinstance(segment, int) and not isinstance(segment, bool) and segment >= 0)
        for segment in segments
    ):
        return "path must be an array of names and of indexes from 0"
    return None

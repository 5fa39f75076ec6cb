"""References in values: what a door knows about them, and how a value's references are gathered.

A reference is resolved only after its whole value was found valid, so that a refused message leaves nothing behind.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from cara_pseud.capabilities import Capability
from cara_pseud.schema.nodes import Type
from gateway.errors import GatewayError, Status
from gateway.json.text import JSON

TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
"""The syntax of handle tokens and callback names."""


class References(Protocol):
    """What a door (REST, WebSocket) does with the references of one message.

    Each method is called once per reference, in the order of appearance, after the rest of the value was found
    valid. ``interface`` is the declared type, None in an AnyPointer; ``path`` the reference's place for errors.
    """

    def handle_in(self, token: str, interface: Type | None, path: str) -> Capability:
        """The object behind ``{"$handle": token}``."""

    def callback_in(self, name: str, interface: Type | None, path: str) -> Capability:
        """An object that stands for the client's ``{"$callback": name}``."""

    def result_in(self, obj: Mapping[str, Any], interface: Type | None, path: str) -> Capability:
        """What ``{"$result": id, "path": […]}`` will be."""

    def handle_out(self, capability: Capability, interface: Type | None) -> JSON:
        """The client's name for an object: ``{"$handle": …, "interface": …}``."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference in an input, in its place until it is resolved."""

    form: str
    obj: Mapping[str, Any]
    interface: Type | None
    path: str

    def resolve(self, refs: References | None) -> Capability:
        """Ask the door for the object.

        Raises:
            GatewayError: the door has none, or there is no door.
        """
        if refs is None:
            raise GatewayError(
                Status.FAILED_PRECONDITION, f"{self.path}: a reference cannot be given here", path=self.path
            )
        if self.form == "$handle":
            return refs.handle_in(self.obj["$handle"], self.interface, self.path)
        if self.form == "$callback":
            return refs.callback_in(self.obj["$callback"], self.interface, self.path)
        return refs.result_in(self.obj, self.interface, self.path)


def reference_form(obj: Any) -> str | None:
    """Which form of reference an object has, by its members alone; None if it is data."""
    if type(obj) is not dict or len(obj) > 2:
        return None
    if "$handle" in obj:
        return "$handle" if len(obj) == 1 or "interface" in obj else None
    if "$callback" in obj:
        return "$callback" if len(obj) == 1 else None
    if "$result" in obj:
        return "$result" if len(obj) == 1 or "path" in obj else None
    return None


def check_reference(form: str, obj: Mapping[str, Any]) -> str | None:
    """What is wrong with the values of a reference's members, or None."""
    if form == "$result":
        return _check_result(obj)
    name = obj[form]
    if not isinstance(name, str) or not TOKEN.fullmatch(name):
        return f"{form} must be 1 to 64 characters of A-Z a-z 0-9 _ -"
    if not isinstance(obj.get("interface", ""), str | None):
        return "interface must be a name or null"
    return None


def _check_result(obj: Mapping[str, Any]) -> str | None:
    id, path = obj["$result"], obj.get("path")
    if not isinstance(id, str | int) or isinstance(id, bool):
        return "$result must be the id of a call, a string or an integer"
    segments = () if path is None else path
    if not isinstance(segments, list | tuple) or not all(
        isinstance(segment, str) or (isinstance(segment, int) and not isinstance(segment, bool) and segment >= 0)
        for segment in segments
    ):
        return "path must be an array of names and of indexes from 0"
    return None


class Outgoing(NamedTuple):
    """An object in an output: ``container[key]`` becomes its handle."""

    container: Any
    key: str | int
    capability: Capability
    interface: Type | None


def send_all(outgoing: list[Outgoing], refs: References | None) -> None:
    """Put the handles of an output in their places.

    Raises:
        GatewayError: the door refuses one, or there is no door.
    """
    for item in outgoing:
        if refs is None:
            raise GatewayError(Status.INTERNAL, "what the service sent holds an object, which cannot be passed on here")
        item.container[item.key] = refs.handle_out(item.capability, item.interface)

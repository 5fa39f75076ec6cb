"""Live objects in values: what a door knows about them, how references to them look, and how those of a value are kept.

How they look is the door's choice (`ReferenceForm`); this package only knows where the schema permits them. An object
is asked for only after its whole value was found valid, so that a refused message leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from cara_pseud.capabilities import Capability
from cara_pseud.schema.nodes import Type
from gateway.errors import GatewayError, Status
from gateway.json.codec.paths import Path, render_steps, steps_of
from gateway.json.text import JSON


class LiveObjects(Protocol):
    """What a door (REST, WebSocket) does with the references of one message.

    Each method is called once per reference, in the order of appearance, after the rest of the value was found
    valid. ``interface`` is the declared type, None in an AnyPointer; ``path`` the reference's place for errors.
    """

    def handle_in(self, token: str, interface: Type | None, path: str) -> Capability:
        """The object of that handle."""

    def callback_in(self, name: str, interface: Type | None, path: str) -> Capability:
        """An object that stands for the client's own of that name."""

    def result_in(self, obj: Mapping[str, Any], interface: Type | None, path: str) -> Capability:
        """What an object in the answer to another call will be; ``obj`` is the reference as it was given."""

    def handle_out(self, capability: Capability, interface: Type | None) -> JSON:
        """The client's name for an object."""


class ReferenceForm(Protocol):
    """How references look in JSON.

    Attributes:
        expected: how a reference is written, for whoever wrote something else.
    """

    @property
    def expected(self) -> str: ...

    def recognise(self, obj: Any) -> str | None:
        """What kind of reference this is, by its shape alone; None if it is data."""

    def fault(self, kind: str, obj: Mapping[str, Any]) -> str | None:
        """What is wrong with a reference of that kind, or None."""

    def resolve(
        self, kind: str, obj: Mapping[str, Any], interface: Type | None, path: str, objects: LiveObjects
    ) -> Capability:
        """Ask the door for the object that a faultless reference means.

        Raises:
            GatewayError: the door has none.
        """


class Incoming(NamedTuple):
    """A reference in an input: ``container[key]`` becomes the object."""

    container: Any
    key: Any
    kind: str
    obj: Mapping[str, Any]
    interface: Type | None
    path: Path | None


class Outgoing(NamedTuple):
    """An object in an output: ``container[key]`` becomes its handle."""

    container: Any
    key: str | int
    capability: Capability
    interface: Type | None


Positions = Mapping[str, int]
"""Where the members of the outermost object really stand, if that was made of an array."""


def receive_all(
    incoming: Iterable[Incoming], form: ReferenceForm, objects: LiveObjects | None, positions: Positions | None = None
) -> None:
    """Put the objects that an input refers to in their places.

    Raises:
        GatewayError: what the door raises, or there is no door.
    """
    for container, key, kind, obj, interface, place in incoming:
        path = render_steps(as_given(steps_of(place), positions))
        if objects is None:
            raise GatewayError(Status.FAILED_PRECONDITION, f"{path}: a reference cannot be given here", path=path)
        container[key] = form.resolve(kind, obj, interface, path, objects)


def as_given(steps: list[str | int], positions: Positions | None) -> list[str | int]:
    """The steps to a place, the outermost as the position that the client gave."""
    if positions and steps:
        outermost = steps[-1]
        assert isinstance(outermost, str)  # an object's member
        return [*steps[:-1], positions.get(outermost, outermost)]
    return steps


def send_all(outgoing: list[Outgoing], objects: LiveObjects | None) -> None:
    """Put the handles of an output in their places.

    Raises:
        GatewayError: the door refuses one, or there is no door.
    """
    for item in outgoing:
        if objects is None:
            raise GatewayError(Status.INTERNAL, "what the service sent holds an object, which cannot be passed on here")
        item.container[item.key] = objects.handle_out(item.capability, item.interface)

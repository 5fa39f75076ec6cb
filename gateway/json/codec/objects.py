"""Live objects in values: what a door knows about them, how references to them look, and how those of a value are kept.

How they look is the door's choice (`ReferenceForm`); this package only knows where the schema permits them. An object
is asked for only after its whole value was found valid, so that a refused message leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol, TypeAlias

from cara_pseud.capabilities import Capability
from cara_pseud.schema.nodes import Type
from gateway.errors import GatewayError, Status
from gateway.json.codec.value_paths import Path, Positions, as_given, render_steps, steps_of
from gateway.json.text import JSON

Where: TypeAlias = "Callable[[], str]"
"""Says the JSON path of a reference, for errors. To be called while the door is asked for it, or not at all: most
references have no error, and a large body has many."""


class LiveObjects(Protocol):
    """What a door (REST, WebSocket) does with the references of one message.

    Each method is called once per reference, in the order of appearance, after the rest of the value was found
    valid. ``interface`` is the declared type, None in an AnyPointer; ``where`` says the reference's place for errors.
    """

    def handle_in(self, token: str, interface: Type | None, where: Where) -> Capability:
        """The object of that handle."""

    def callback_in(self, name: str, interface: Type | None, where: Where) -> Capability:
        """An object that stands for the client's own of that name."""

    def result_in(self, obj: Mapping[str, Any], interface: Type | None, where: Where) -> Capability:
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

    def faultless(self, obj: Any) -> str | None:
        """What kind of reference this is if nothing is wrong with it; else None. It must be quick."""

    def resolve(
        self, kind: str, obj: Mapping[str, Any], interface: Type | None, where: Where, objects: LiveObjects
    ) -> Capability:
        """Ask the door for the object that a faultless reference means.

        Raises:
            GatewayError: the door has none.
        """


Incoming: TypeAlias = "tuple[Any, Any, str, Mapping[str, Any], Type | None, Path | None]"
"""A reference in an input: (container, key, kind, the reference, interface, place); ``container[key]`` becomes the
object. A plain tuple, for a large body may have one in each of its structs."""


class Outgoing(NamedTuple):
    """An object in an output: ``container[key]`` becomes its handle."""

    container: Any
    key: str | int
    capability: Capability
    interface: Type | None


def receive_all(
    incoming: Iterable[Incoming], form: ReferenceForm, objects: LiveObjects | None, positions: Positions | None = None
) -> None:
    """Put the objects that an input refers to in their places.

    Raises:
        GatewayError: what the door raises, or there is no door.
    """
    asked: Path | None = None

    def where() -> str:
        return render_steps(as_given(steps_of(asked), positions))

    resolve = form.resolve
    for container, key, kind, obj, interface, place in incoming:
        asked = place
        if objects is None:
            path = where()
            raise GatewayError(Status.FAILED_PRECONDITION, f"{path}: a reference cannot be given here", path=path)
        container[key] = resolve(kind, obj, interface, where, objects)


def send_all(outgoing: list[Outgoing], objects: LiveObjects | None) -> None:
    """Put the handles of an output in their places.

    Raises:
        GatewayError: the door refuses one, or there is no door; the objects behind it are let go.
    """
    if objects is None and outgoing:
        for item in outgoing:
            item.capability.give_back(1)
        raise GatewayError(Status.INTERNAL, "what the service sent holds an object, which cannot be passed on here")
    for place, item in enumerate(outgoing):
        assert objects is not None
        try:
            item.container[item.key] = objects.handle_out(item.capability, item.interface)
        except GatewayError:
            for behind in outgoing[place + 1 :]:
                behind.capability.give_back(1)
            raise

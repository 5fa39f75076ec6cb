"""What the gateway asks of a connection to a service, whatever protocol it speaks.

Values on this seam are those of cara_pseud's wire: structs as dicts by field id, objects as `Capability`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

from cara_pseud.capabilities import Capability

State: TypeAlias = Literal["connecting", "up", "down"]
"""*connecting*: calls wait a little; *up*; *down*: calls fail at once with ``unavailable``."""


class ObjectName(NamedTuple):
    """An object of a service, as another process of the gateway knows it too.

    ``incarnation`` stands for the service's process, in hexadecimal digits; ``id`` is the object's number there.
    """

    incarnation: str
    id: int


EndpointState: TypeAlias = State | Literal["ejected", "on trial"]
"""*ejected*: connected, but given no calls for a while, as they failed; *on trial*: given one to see how it fares."""


class Endpoint(NamedTuple):
    """One place where a service is, as operators see it; ``trouble`` is as `Upstream.trouble`."""

    address: str
    state: EndpointState
    in_flight: int
    trouble: str


class Upstream(Protocol):
    """One service as the gateway reaches it. Starts whether or not the service is there, and reconnects by itself."""

    @property
    def root(self) -> Capability:
        """The service's own interface."""

    @property
    def state(self) -> State:
        """Whether calls have a chance now."""

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called: it is down for good."""

    @property
    def trouble(self) -> str:
        """Why calls have no chance, or little; empty if nothing is wrong. For anybody: it names no address."""

    @property
    def connections(self) -> Sequence[EndpointConnection]:
        """What it is made of: one for each endpoint, itself if there is one only."""

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        """Where the service is; for operators only."""

    def on_trouble(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Have every change of `trouble` told; call the result to be told no more."""

    def on_state(self, callback: Callable[[State], None]) -> Callable[[], None]:
        """Have every change of `state` told; call the result to be told no more."""

    @property
    def is_used(self) -> bool:
        """Whether calls are under way, or either side holds an object of the other's."""

    @property
    def has_calls(self) -> bool:
        """Whether calls are under way."""

    def home_of(self, target: Capability) -> Upstream:
        """The connection to the endpoint at which an object lives; the upstream itself where any will do."""

    def beside(self, target: Capability, object: Capability) -> Capability:
        """The same target, called where an object lives that is passed to it, as far as that can be chosen."""

    def name_of(self, capability: Capability) -> ObjectName | None:
        """The name of an object that the service sent; None if it is bound to this process."""

    def adopt(self, name: ObjectName, references: int) -> Capability:
        """The object of that name, which was received ``references`` times by whoever has disowned it.

        Raises:
            RpcError: ``unavailable`` or ``not_found``; nothing was adopted.
        """

    async def start(self) -> None:
        """Begin to connect, in the running loop; does not wait for the service."""

    async def stop(self) -> None:
        """Let go of everything: calls under way fail, objects are released."""


class EndpointConnection(Upstream, Protocol):
    """The way to one endpoint."""

    @property
    def endpoint(self) -> str:
        """Where it should be; for operators only."""

    @property
    def in_flight(self) -> int:
        """How many calls are under way, of the root and of objects; those that wait to be sent, too."""

    def owns(self, capability: Capability) -> bool:
        """Whether it is an object that lives at this endpoint."""

    async def answers(self, within_s: float) -> bool:
        """Ask for a sign of life; False if there is none within so many seconds."""

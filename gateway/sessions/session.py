"""One session in this process: its record, and the live things beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from gateway.access.principals import ANONYMOUS, Principal
from gateway.client import Client
from gateway.config.limits import Limits
from gateway.errors import GatewayError, Status
from gateway.sessions.callbacks import Callbacks
from gateway.sessions.handles import REST, Handles
from gateway.sessions.passed_objects import Admits, MayCall, PassedObjects, admit_all, may_all
from gateway.sessions.record import SessionRecord


class Relying(Protocol):
    """Whoever was let in because of a session, by its cookie."""

    def lapse(self, reason: str) -> None:
        """The session is over."""


class Attachment(NamedTuple):
    """A client of a session, and its objects that services hold."""

    client: Client
    callbacks: Callbacks


class Session:
    """A session; its clients share its bounds.

    Attributes:
        record: what of it is plain data.
        principal: whose it is, as it is known in this process; nobody else finds it.
        number: tells it from others of this process; no secret.
        opened_at: since when it is in this process, in seconds since 1970.
        handles: what its clients hold of services.
        calls_in_flight: calls begun and not ended, of all clients and of REST.
        relying: who was let in by its cookie, and is out when it ends.
        ended: whether it is over.
        passed: the objects of services that it passed to other ones.
        lost_callbacks: the names of the last listener's objects that no other one has been told are lost.
    """

    __slots__ = (
        "__weakref__", "_clients", "_limits", "calls_in_flight", "ended", "handles", "lost_callbacks", "number",
        "opened_at", "passed", "principal", "record", "relying",
    )  # fmt: skip

    def __init__(
        self,
        record: SessionRecord,
        limits: Limits,
        new_token: Callable[[], str],
        principal: Principal = ANONYMOUS,
        may_call: MayCall = may_all,
        now: Callable[[], float] = lambda: 0.0,
        number: int = 0,
        admits: Admits = admit_all,
    ) -> None:
        self.record = record
        self.principal = principal
        self.number = number
        self.opened_at = now()
        self.handles = Handles(record.handles, limits.max_handles_per_session, new_token)
        self.calls_in_flight = 0
        self.relying: set[Relying] = set()
        self.ended = False
        self.passed = PassedObjects(self, may_call, now, admits)
        self.lost_callbacks: Sequence[str] = ()
        self._clients: dict[str, Attachment] = {}
        self._limits = limits

    @property
    def id(self) -> str:
        """Its secret name."""
        return self.record.id

    @property
    def address(self) -> str:
        """Of who opened it; "" if it is not known."""
        return self.record.address

    # Clients.

    def attach(self, client: Client, callbacks: Callbacks) -> None:
        """Take a client in.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED, the session has as many streams as may be.
        """
        # A client of the record is counted already, and not lost where this process permits fewer than the last one.
        is_known = client.id in self.record.streams
        if not is_known and self.streams >= self._limits.max_streams_per_session:
            raise GatewayError(Status.RESOURCE_EXHAUSTED, f"the session has {self.streams} streams already")
        self._clients[client.id] = Attachment(client, callbacks)

    def detach(self, id: str) -> None:
        """Forget a client; what only it held is released."""
        self._clients.pop(id, None)
        self.record.streams.pop(id, None)
        self.handles.drop_holder(id)

    def __iter__(self) -> Iterator[Attachment]:
        return iter(list(self._clients.values()))

    @property
    def streams(self) -> int:
        """How many clients it has, those included that are with no process at the moment."""
        return len(self._clients) + len(self.record.streams)

    def find(self, id: str) -> Attachment | None:
        """The client of that id."""
        return self._clients.get(id)

    @property
    def listener(self) -> Attachment | None:
        """The client at ``/api/events``, which takes the callbacks that REST passes."""
        id = self.record.listener
        return None if id is None else self._clients.get(id)

    def holder(self, name: str) -> Client | None:
        """Whom to tell of the end of what a holder of handles has; what REST holds, its listener is told."""
        attachment = self.listener if name == REST else self._clients.get(name)
        return None if attachment is None else attachment.client

    @property
    def is_empty(self) -> bool:
        """Whether it holds nothing, and no client of it is there or would miss anything."""
        if self.calls_in_flight or len(self.handles) or self.record.streams or self.record.rest:
            return False
        clients = self._clients.values()
        return not any(client.is_open or not client.is_unused or len(callbacks) for client, callbacks in clients)

    def clear(self) -> None:
        """Forget all clients and release all handles."""
        self._clients.clear()
        self.handles.clear()
        self.passed.end()

    # Bounds.

    def check_calls(self) -> None:
        """Be sure that one more call may begin.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED, as many calls as may be are under way.
        """
        if self.calls_in_flight >= self._limits.max_calls_per_session:
            raise GatewayError(
                Status.RESOURCE_EXHAUSTED, f"{self.calls_in_flight} calls of the session are under way already"
            )

    @property
    def callbacks(self) -> int:
        """How many objects of its clients services hold."""
        return sum([len(attachment.callbacks) for attachment in self._clients.values()])

    def check_callbacks(self) -> None:
        """Be sure that a client may pass one more object to a service.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED, services hold as many as may be.
        """
        if self.callbacks >= self._limits.max_callbacks_per_session:
            raise GatewayError(
                Status.RESOURCE_EXHAUSTED, f"services hold {self.callbacks} callbacks of the session already"
            )

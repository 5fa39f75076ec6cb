"""What the doors know about references in values: handles of a session both ways, callbacks of a stream.

One object per message or call. It remembers what it counted and made, so that a message that fails half-way leaves
nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from cara_pseud.capabilities import Capability
from cara_pseud.schema.nodes import Type
from gateway.catalogue import Service
from gateway.describe.descriptions import interface_name
from gateway.errors import GatewayError, Status
from gateway.json.text import JSON
from gateway.protocols.jsonrpc.events import Outcome
from gateway.protocols.jsonrpc.messages import Id
from gateway.protocols.jsonrpc.pipeline import NOT_THERE, find_object
from gateway.reference_form import RESULT
from gateway.reference_form import handle as handle_form
from gateway.sessions.callbacks import Callback
from gateway.sessions.handles import REST, Handle, Handles
from gateway.sessions.store import LiveSession


class Counted:
    """Handles given to one holder within one message."""

    __slots__ = ("_service", "_tokens")

    def __init__(self, service: Service) -> None:
        self._service = service
        self._tokens: list[str] = []

    def put(self, handles: Handles, holder: str, capability: Capability, interface: Type | None) -> JSON:
        """Count an object for the holder; its JSON form."""
        service = self._service
        handle = handles.put(holder, service.name, service.schema, interface, capability)
        self._tokens.append(handle.token)
        return handle_form(handle.token, service.interface_name(handle.interface))

    def take_back(self, handles: Handles, holder: str) -> None:
        """Undo every `put`: the message never reached the client."""
        for token in self._tokens:
            handles.release(holder, token)
        self._tokens.clear()

    def __bool__(self) -> bool:
        return bool(self._tokens)


def _fitting(handle: Handle, service: Service, interface: Type | None, path: str) -> Capability:
    if handle.interface is not None and not handle.fits(interface):
        expected, got = service.interface_name(interface), interface_name(handle.schema, handle.interface)
        raise GatewayError.invalid(f"expected an object with the interface {expected}, this one has {got}", path)
    return handle.capability


class RestReferences:
    """References in a request and its answer. The first handle opens a session.

    Attributes:
        session: the request's, or the one that was opened.
        opened: whether it was opened here.
    """

    __slots__ = ("_counted", "_made", "_open_session", "_service", "opened", "session")

    def __init__(self, service: Service, session: LiveSession | None, open_session: Callable[[], LiveSession]) -> None:
        self._service = service
        self._counted = Counted(service)
        self._made: list[Callback] = []
        self._open_session = open_session
        self.session = session
        self.opened = False

    def handle_in(self, token: str, interface: Type | None, path: str) -> Capability:
        if self.session is None:
            detail = f"{path}: there is no such handle, because the request belongs to no session"
            raise GatewayError(Status.NOT_FOUND, detail, path=path)
        return _fitting(self.session.handles.get(token, path), self._service, interface, path)

    def callback_in(self, name: str, interface: Type | None, path: str) -> Capability:
        events: EventsSide | None = None if self.session is None else self.session.events
        if events is None or not events.is_open:
            detail = f"{path}: a callback needs an open GET /api/events of the same session, or the WebSocket at /ws"
            raise GatewayError(Status.FAILED_PRECONDITION, detail, path=path)
        callback, is_new = events.callback(name, self._service, interface)
        if is_new:
            self._made.append(callback)
        return callback.capability

    def result_in(self, obj: Mapping[str, Any], interface: Type | None, path: str) -> Capability:
        detail = f"{path}: a request cannot refer to the result of another one"
        raise GatewayError(Status.FAILED_PRECONDITION, detail, path=path)

    def handle_out(self, capability: Capability, interface: Type | None) -> JSON:
        if self.session is None:
            try:
                self.session = self._open_session()
            except GatewayError:
                capability.release()
                raise
            self.opened = True
        elif self.session.ended:
            capability.release()
            raise GatewayError(Status.NOT_FOUND, "the session ended before the answer came", reason="session")
        return self._counted.put(self.session.handles, REST, capability, interface)

    @property
    def holds_handles(self) -> bool:
        """Whether the answer has handles."""
        return bool(self._counted)

    def take_back(self) -> None:
        """The answer does not reach the client."""
        if self.session is not None and not self.session.ended:
            self._counted.take_back(self.session.handles, REST)

    def never_sent(self) -> None:
        """The call did not reach the service, so nobody but us will ever let go of its callbacks."""
        for callback in self._made:
            callback.released()


class StreamSide(Protocol):
    """A stream as its references see it."""

    @property
    def stream_id(self) -> str:
        """The holder's name in the session's handles."""

    def live_session(self) -> LiveSession:
        """Its session; made if there is none yet. Raises GatewayError when the stream is over."""

    def callback(self, name: str, service: Service, interface: Type | None) -> tuple[Callback, bool]:
        """The client's object of that name, and whether it is new."""


class EventsSide(Protocol):
    """The stream of a session's ``/api/events`` as REST sees it."""

    @property
    def is_open(self) -> bool:
        """Whether somebody listens."""

    def callback(self, name: str, service: Service, interface: Type | None) -> tuple[Callback, bool]:
        """The client's object of that name, and whether it is new."""


class StreamReferences:
    """References in one message of a stream, or in a call and its answer."""

    __slots__ = ("_counted", "_made", "_results", "_service", "_stream")

    def __init__(
        self, stream: StreamSide, service: Service, results: Mapping[Id, Outcome] | None = None
    ) -> None:
        self._stream = stream
        self._service = service
        self._results = results
        self._counted = Counted(service)
        self._made: list[Callback] = []

    def handle_in(self, token: str, interface: Type | None, path: str) -> Capability:
        return _fitting(self._stream.live_session().handles.get(token, path), self._service, interface, path)

    def callback_in(self, name: str, interface: Type | None, path: str) -> Capability:
        callback, is_new = self._stream.callback(name, self._service, interface)
        if is_new:
            self._made.append(callback)
        return callback.capability

    def result_in(self, obj: Mapping[str, Any], interface: Type | None, path: str) -> Capability:
        id, way = obj[RESULT], obj.get("path") or ()
        outcome = None if self._results is None else self._results.get(id)
        if outcome is None:
            detail = f"{path}: {json.dumps(id)}: {NOT_THERE}"
            raise GatewayError(Status.FAILED_PRECONDITION, detail, path=path, reason="result")
        try:
            token = find_object(outcome, tuple(way))
        except GatewayError as error:
            error.path, error.detail = path, f"{path}: {error.detail}"
            raise
        return self.handle_in(token, interface, path)

    def handle_out(self, capability: Capability, interface: Type | None) -> JSON:
        try:
            handles = self._stream.live_session().handles
        except GatewayError:
            capability.release()
            raise
        return self._counted.put(handles, self._stream.stream_id, capability, interface)

    def take_back(self) -> None:
        """The handles do not reach the client."""
        if self._counted:
            with suppress(GatewayError):  # the stream is over, and what it held went with it
                self._counted.take_back(self._stream.live_session().handles, self._stream.stream_id)

    def never_sent(self) -> None:
        """The message did not reach the service, so nobody but us will ever let go of its callbacks."""
        for callback in self._made:
            callback.released()


class Discard:
    """References in an answer that nobody waits for: every object is let go."""

    __slots__ = ("_inner",)

    def __init__(self, inner: StreamReferences) -> None:
        self._inner = inner

    def handle_in(self, token: str, interface: Type | None, path: str) -> Capability:
        return self._inner.handle_in(token, interface, path)

    def callback_in(self, name: str, interface: Type | None, path: str) -> Capability:
        return self._inner.callback_in(name, interface, path)

    def result_in(self, obj: Mapping[str, Any], interface: Type | None, path: str) -> Capability:
        return self._inner.result_in(obj, interface, path)

    def handle_out(self, capability: Capability, interface: Type | None) -> JSON:
        capability.release()
        return None

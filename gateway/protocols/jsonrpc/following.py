"""Calls of a stream that begin before the answers that they refer to are there (PROTOCOL.md, Calling into an answer).

Where the service lets its answers be named before they have come, a chain of calls costs one round trip to it as well.
A call that cannot be begun so waits in `gateway.protocols.jsonrpc.pipeline`: its objects are of another service, their
places are none that a schema tells, or others have to begin before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from cara_pseud.capabilities import Capability
from cara_pseud.promises import PromisedCapability
from cara_pseud.schema.nodes import Type
from gateway.call_targets import method_of_handle, method_of_service
from gateway.calls import Call
from gateway.catalogue import Catalogue, ServiceMethod
from gateway.errors import GatewayError
from gateway.json.codec.results import Results
from gateway.protocols.jsonrpc.events import (
    CallRequested,
    FollowRequested,
    HandleTarget,
    Outcome,
    PromisedResults,
    PromisedTarget,
    ResultTarget,
    ServiceTarget,
)
from gateway.protocols.jsonrpc.messages import Id
from gateway.protocols.jsonrpc.pipeline import find_object, referred
from gateway.protocols.jsonrpc.stream import Stream
from gateway.protocols.jsonrpc.targets import ids_meant
from gateway.sessions.session import Session

_MOST_KNOWN: Final = 1000
"""Calls that are remembered for what they refer to, before those that are over are looked for."""


class Following:
    """What is known of one stream's calls that began before the answers which they refer to."""

    def __init__(self, stream: Stream, running: Mapping[int, Call]) -> None:
        """Begin with none; ``running`` are the calls that are under way, by their numbers."""
        self._stream = stream
        self._running = running
        self._firsts: dict[int, tuple[int, ...]] = {}
        self._failures: dict[int, GatewayError] = {}

    def begun(self, event: FollowRequested, catalogue: Catalogue, session: Session) -> CallRequested | None:
        """The call as it can begin now; None if it has to wait."""
        request, target = event.request, event.request.target
        firsts: list[int] = []
        method, capability = self._called(request, catalogue, session, firsts)
        if method is None:
            return None
        results: dict[Id, Outcome | PromisedResults] = {}
        for id, path in referred(request.params) if event.refers else ():
            outcome = self._stream.pipeline.answer(id)
            call = self._stream.ids.get(id, request.call)
            if call < request.call:
                found = self._object(call, path, session)
                if found is None or _place_of(self._running[call]) is not method.service.upstream:
                    return None
                known = results.get(id)
                objects = dict(known.objects) if isinstance(known, PromisedResults) else {}
                results[id] = PromisedResults({**objects, path: found})
                firsts.append(call)
            elif outcome is not None:
                results[id] = outcome
        if not firsts:
            return None
        self._remember(request.call, tuple(firsts))
        if capability is not None:
            target = PromisedTarget(method, capability)
        return request._replace(target=target, results=results)

    def _called(
        self, request: CallRequested, catalogue: Catalogue, session: Session, firsts: list[int]
    ) -> tuple[ServiceMethod | None, Capability | None]:
        """What is called, and the object if an answer will bring it; no method if it has to wait."""
        target, pipeline = request.target, self._stream.pipeline
        try:
            if isinstance(target, ResultTarget):
                calls = [self._stream.ids.get(id, request.call) for id in ids_meant(target.id)]
                call = next((call for call in calls if call < request.call), None)
                if call is None or pipeline.is_held_up((call, target.path)):
                    return None, None
                found = self._object(call, target.path, session)
                if found is None:
                    return None, None
                capability, interface = found
                firsts.append(call)
                service = self._running[call].method.service
                return service.object_method(interface, request.method, session.principal.roles), capability
            if isinstance(target, PromisedTarget) or pipeline.is_held_up(target):
                return None, None
            return self._known(target, request.method, catalogue, session), None
        except GatewayError:
            return None, None  # whoever begins it later tells

    def _known(
        self, target: ServiceTarget | HandleTarget, name: str, catalogue: Catalogue, session: Session
    ) -> ServiceMethod:
        if isinstance(target, ServiceTarget):
            return method_of_service(catalogue, target.service, name, session.principal)
        return method_of_handle(session, target.token, name)[0]

    def _object(self, call: int, path: tuple[str | int, ...], session: Session) -> tuple[Capability, Type] | None:
        """The object at a place of the answer to a call, with its interface; None if it cannot be named."""
        first = self._running.get(call)
        future: Any = None if first is None else first.future
        pipe = getattr(future, "pipe", None)
        if first is None or pipe is None or pipe() is None or _place_of(first) is None:
            return None
        names = tuple(step for step in path if isinstance(step, str))
        results = first.method.results
        # In the bytes of a raw body there is no object.
        if not isinstance(results, Results) or len(names) != len(path):
            return None
        place = results.place(names, unbox=self._stream.unbox)
        if place is None:
            return None
        ids, interface = place
        return PromisedCapability(future, ids, _finder(future, path, session)), interface

    def _remember(self, call: int, firsts: tuple[int, ...]) -> None:
        if len(self._firsts) >= _MOST_KNOWN:
            self._firsts = {known: of for known, of in self._firsts.items() if known in self._running}
            wanted = {first for of in self._firsts.values() for first in of}
            self._failures = {first: error for first, error in self._failures.items() if first in wanted}
        self._firsts[call] = firsts

    def failed(self, call: int, error: GatewayError) -> GatewayError:
        """What to tell of a call that failed: if one that it refers to has, that it is because of this."""
        for first in self._firsts.pop(call, ()):
            failure = self._failures.get(first)
            if failure is not None:
                try:
                    find_object(Outcome(None, failure), ())
                except GatewayError as told:
                    error = told
                    break
        if any(call in firsts for firsts in self._firsts.values()):
            error.__traceback__ = error.__context__ = error.__cause__ = None
            self._failures[call] = error
        elif not self._firsts:
            self._failures.clear()
        return error


def _finder(future: Any, path: tuple[str | int, ...], session: Session) -> Callable[[], Capability]:
    def find() -> Capability:
        return session.handles.get(find_object(Outcome(future.result()), path)).capability

    return find


def _place_of(call: Call) -> object:
    """Where the objects in the answer to a call live, if that is one place."""
    upstream = call.method.service.upstream
    return upstream if len(upstream.connections) == 1 else None

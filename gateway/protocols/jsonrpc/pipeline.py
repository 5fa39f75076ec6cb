"""Calls into answers that have not come (PROTOCOL.md, Calling into an answer): what they wait for, and in which order
they start.

    arrived ── all there, nobody before it ──► started
       └──► waiting ── last answer came, those before it started ──► started
               └── its object's call failed, cancelled, too late ──► failed

Calls on one object start in the order in which they arrived, so who comes behind a waiting call waits as well. An
object inside an answer is the handle that it turns out to be, and its calls are then among those of that handle.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

from gateway.errors import GatewayError, Status, quote, shortened
from gateway.json.codec.objects import Where
from gateway.json.text import JSON
from gateway.protocols.jsonrpc.events import (
    CallRequested,
    HandleTarget,
    Outcome,
    PromisedResults,
    PromisedTarget,
    ResultTarget,
    ServiceTarget,
)
from gateway.protocols.jsonrpc.messages import Id
from gateway.protocols.jsonrpc.targets import ids_meant
from gateway.reference_form import HANDLE, REFERENCE_FORM, RESULT, RESULT_AS_TEXT

_DOLLAR: Final = ord("$")
_BACKSLASH: Final = ord("\\")
_INDEX: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
NOT_THERE: Final = "there is no such call in this stream, or its answer was acknowledged already"

_Place: TypeAlias = "ServiceTarget | HandleTarget | tuple[int, tuple[str, ...]]"
"""Whose calls keep their order: a service's, a handle's, or those of an object in the answer to a call."""


class Progress(NamedTuple):
    """What came of something that happened: calls that begin now, and calls that failed while they waited."""

    started: list[CallRequested]
    failed: list[tuple[int, GatewayError]]


@dataclass(slots=True, eq=False)
class _Waiting:
    request: CallRequested
    place: _Place
    results: dict[Id, Outcome]
    needs: dict[int, list[Id]] = field(default_factory=dict)


class Pipeline:
    """What one stream's calls wait for. Calls go by the stream's own numbers.

    Attributes:
        waiting: the calls that wait.
    """

    def __init__(self, max_answers: int) -> None:
        """Begin with nothing; of answers that the client does not confirm so many can be called into."""
        self._max_answers = max_answers
        self._answered: dict[Id, Outcome] = {}
        self._until: deque[tuple[int, Id, Outcome]] = deque()
        self._queues: dict[_Place, deque[_Waiting]] = {}
        self.waiting: dict[int, _Waiting] = {}
        self._dependents: dict[int, list[_Waiting]] = {}

    # Answers that can be called into.

    def remember(self, id: Id, outcome: Outcome, message: int) -> None:
        """Keep an answer until the client has confirmed ``message``, the number of the message it is in, or too many
        others came behind it."""
        error = outcome.error
        if error is not None:
            # A traceback would keep every frame between here and the fault, with all that stands in it.
            error.__traceback__ = error.__context__ = error.__cause__ = None
        self._answered[id] = outcome
        self._until.append((message, id, outcome))
        if len(self._until) > self._max_answers:
            _, id, outcome = self._until.popleft()
            if self._answered.get(id) is outcome:
                del self._answered[id]

    def forget(self, confirmed: int) -> None:
        """Drop the answers that the client has confirmed."""
        until, answered = self._until, self._answered
        while until and until[0][0] <= confirmed:
            _, id, outcome = until.popleft()
            if answered.get(id) is outcome:
                del answered[id]

    # Calls.

    def arrive(self, request: CallRequested, in_flight: Mapping[Id, int], refers: bool) -> Progress | None:
        """Take a call that refers to answers, or that comes when others wait.

        Args:
            in_flight: the calls under way by their ids, this one included.
            refers: whether its parameters may hold ``$result``.

        Returns:
            None if it waits.
        """
        target = request.target
        assert not isinstance(target, PromisedTarget)  # it waits for nothing
        place = self._place(request, target, in_flight) if isinstance(target, ResultTarget) else target
        if isinstance(place, GatewayError):
            return Progress([], [(request.call, place)])
        waiting = _Waiting(request, place, {})
        if isinstance(place, tuple):
            waiting.needs[place[0]] = []
        for id in {id for id, _ in referred(request.params)} if refers else ():
            call = in_flight.get(id, request.call)
            if call < request.call:
                waiting.needs.setdefault(call, []).append(id)
            elif id in self._answered:
                waiting.results[id] = self._answered[id]
        if not waiting.needs and waiting.place not in self._queues:
            return Progress([_started(waiting)], [])
        self.waiting[request.call] = waiting
        for call in waiting.needs:
            self._dependents.setdefault(call, []).append(waiting)
        self._queues.setdefault(waiting.place, deque()).append(waiting)
        return None

    def _place(
        self, request: CallRequested, target: ResultTarget, in_flight: Mapping[Id, int]
    ) -> _Place | GatewayError:
        for id in ids_meant(target.id):
            call = in_flight.get(id, request.call)
            if call < request.call:
                return call, target.path
            if id in self._answered:
                return _handle(self._answered[id], target.path)
        return GatewayError(Status.FAILED_PRECONDITION, f"#{target.id}: {NOT_THERE}", reason="result")

    def ended(self, call: int, outcome: Outcome) -> Progress:
        """A call ended: whoever waited for it goes on or fails with it."""
        step = Progress([], [])
        touched: dict[_Place, None] = {}
        for waiting in self._dependents.pop(call, ()):
            if waiting.request.call in self.waiting:
                waiting.results.update(dict.fromkeys(waiting.needs.pop(call), outcome))
                touched[waiting.place] = None
        for place in list(touched):
            if isinstance(place, tuple) and place[0] == call:
                del touched[place]
                self._resolve(place, outcome, step, touched)
        for place in touched:
            self._start(place, step)
        step.started.sort(key=lambda request: request.call)
        return step

    def is_held_up(self, place: ServiceTarget | HandleTarget | tuple[int, tuple[str, ...]]) -> bool:
        """Whether calls wait that go before the next one of that object."""
        return place in self._queues

    def answer(self, id: Id) -> Outcome | None:
        """The answer to a call that can be called into."""
        return self._answered.get(id)

    def is_waiting(self, call: int) -> bool:
        """Whether that call has not begun."""
        return call in self.waiting

    def withdraw(self, call: int) -> Progress | None:
        """Take a waiting call out; what its place lets start. None if it does not wait."""
        waiting = self.waiting.pop(call, None)
        if waiting is None:
            return None
        self._queues[waiting.place].remove(waiting)
        step = Progress([], [])
        self._start(waiting.place, step)
        return step

    def _resolve(
        self, place: tuple[int, tuple[str, ...]], outcome: Outcome, step: Progress, touched: dict[_Place, None]
    ) -> None:
        """The calls on an object in an answer become those of a handle, or fail."""
        queue = self._queues.pop(place)
        handle = _handle(outcome, place[1])
        if isinstance(handle, GatewayError):
            for waiting in queue:
                del self.waiting[waiting.request.call]
                step.failed.append((waiting.request.call, handle))
            return
        for waiting in queue:
            waiting.place = handle
        both = [*self._queues.get(handle, ()), *queue]
        both.sort(key=lambda waiting: waiting.request.call)
        self._queues[handle] = deque(both)
        touched[handle] = None

    def _start(self, place: _Place, step: Progress) -> None:
        queue = self._queues[place]
        while queue and not queue[0].needs:
            waiting = queue.popleft()
            del self.waiting[waiting.request.call]
            step.started.append(_started(waiting))
        if not queue:
            del self._queues[place]


def may_refer(data: bytes) -> bool:
    """Whether a message may refer to the answer to a call; the name of the member could be written with escapes."""
    # To look for one byte costs a twentieth of what it costs to look for two.
    return (_DOLLAR in data and RESULT_AS_TEXT in data) or (_BACKSLASH in data and b"\\u" in data)


def _started(waiting: _Waiting) -> CallRequested:
    assert not isinstance(waiting.place, tuple)
    return waiting.request._replace(target=waiting.place, results=waiting.results)


def referred(value: JSON) -> Iterator[tuple[Id, tuple[str | int, ...]]]:
    """The ids of the calls that parameters refer to, each with the place in its answer."""
    # No recursion: nobody has looked yet how deep the value is.
    left = [value]
    while left:
        value = left.pop()
        if type(value) is dict:
            if REFERENCE_FORM.recognise(value) == RESULT and type(value[RESULT]) in (int, str):
                yield value[RESULT], way_in(value)
            left += value.values()
        elif type(value) is list:
            left += value


def way_in(obj: Mapping[str, Any]) -> tuple[str | int, ...]:
    """The place in an answer that a reference means."""
    way = obj.get("path")
    return tuple(way) if type(way) is list else ()


def _handle(outcome: Outcome, path: tuple[str, ...]) -> HandleTarget | GatewayError:
    try:
        return HandleTarget(find_object(outcome, path))
    except GatewayError as error:
        return error


def find_object(outcome: Outcome, path: tuple[str | int, ...]) -> str:
    """The token of the object that lies in an answer at ``path``, names and list indexes.

    Raises:
        GatewayError: the call failed, with its own code; or INVALID_ARGUMENT, no object is there.
    """
    failure = outcome.error
    if failure is not None:
        # A chain tells of the call that failed first: told one by one, the answers of a long one would never end.
        is_first = failure.cause is None
        detail = f"the call that it refers to failed: {shortened(failure.detail)}" if is_first else failure.detail
        code = failure.jsonrpc_error()["code"]
        raise GatewayError(failure.status, detail, reason=failure.reason, cause=failure.as_cause(), jsonrpc=code)
    value = outcome.result
    for segment in path:
        value = _member(value, segment)
    if REFERENCE_FORM.recognise(value) != HANDLE:
        place = ".".join(map(str, path))
        what = f"at {quote(place)} in the answer" if path else "the answer itself"
        raise GatewayError(Status.INVALID_ARGUMENT, f"{what} is no object that could be called")
    token: str = value[HANDLE]
    return token


def token_of_result(
    obj: Mapping[str, Any], results: Mapping[Id, Outcome | PromisedResults] | None, where: Where
) -> str:
    """The token of the object in an answer that a reference means.

    Args:
        obj: the reference as it was given.
        results: the answers that are known.
        where: says where the reference stands, for errors.

    Raises:
        GatewayError: FAILED_PRECONDITION, there is no such answer; or as `find_object`.
    """
    id, way = obj[RESULT], way_in(obj)
    outcome = None if results is None else results.get(id)
    if not isinstance(outcome, Outcome):
        path = where()
        detail = f"{path}: {quote(id) if isinstance(id, str) else id}: {NOT_THERE}"
        raise GatewayError(Status.FAILED_PRECONDITION, detail, path=path, reason="result")
    try:
        return find_object(outcome, way)
    except GatewayError as error:
        path = where()
        error.path, error.detail = path, f"{path}: {error.detail}"
        raise


def _member(value: JSON, segment: str | int) -> JSON:
    if type(value) is dict:
        return value.get(segment)
    if type(value) is list:
        index = segment if isinstance(segment, int) else int(segment) if _INDEX.fullmatch(segment) else -1
        return value[index] if 0 <= index < len(value) else None
    return None

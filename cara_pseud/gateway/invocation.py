"""One call, from its values to its result: what it is for, what it carries, and the calls whose answers it builds on.

Knows how these are written; when that happens, and all that goes over a connection, is the session's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from cara_pseud.errors import InvalidValue, RpcError, UnknownField
from cara_pseud.gateway.calls import Prepared
from cara_pseud.gateway.failures import dependent, refused
from cara_pseud.gateway.messages import JSON
from cara_pseud.gateway.references import Hole, MessageReferences
from cara_pseud.gateway.session import StreamSession
from cara_pseud.gateway.targets import AnswerPlace, Callee, ObjectCallee, PendingAnswer, ServiceCallee


class Received(NamedTuple):
    """A result as its caller gets it, and the objects in it."""

    value: Any
    objects: Sequence[ObjectCallee]


class Invocation:
    """A call; see `cara_pseud.gateway.calls.UnsentCall` and `CallMaker`.

    Attributes:
        answer: its result, for those who build on it.
    """

    def __init__(
        self,
        session: StreamSession,
        target: Callee,
        method: str,
        references: MessageReferences,
        receive: Callable[[JSON, Sequence[str]], Received],
        finished: Callable[[Any, BaseException | None], None],
    ) -> None:
        """Prepare a call.

        Args:
            receive: reads a result; it gets the names of the callbacks that the call carried.
            finished: told the value or the error, once.
        """
        self.answer = PendingAnswer(f"{target.label}.{method}")
        self._session = session
        self._target = target
        self._method = method
        self._references = references
        self._receive = receive
        self._finished = finished
        self._timeout: float | None = None
        self._meta: Mapping[str, str] = {}
        self._params: JSON = None
        self._values = 0
        # Where references to results stand in the parameters that are not there yet.
        self._guessed: list[Hole] = []
        self._holds = False

    @property
    def callbacks(self) -> Sequence[str]:
        """The names of callbacks in the parameters."""
        return self._references.callbacks

    def begin(self, write: Callable[[], JSON], timeout: float | None, meta: Mapping[str, str]) -> None:
        """Make the call.

        Args:
            write: writes the parameters, now: what the caller changes afterwards must not be sent.
            timeout: in seconds.
        """
        self._timeout, self._meta = timeout, meta
        try:
            if timeout is not None and not 0 < timeout < float("inf"):
                raise RpcError("invalid_argument", f"the timeout {timeout} is not above 0 s")
            self._params = write()
            self._values = self._references.values
            waits = self._bases()
            for answer in waits:
                answer.built_on = True
                answer.when_settled(partial(self._builds_on, answer))
            # The gateway waits for an answer in the place of this side, if it knows the call.
            if all(answer.id for answer in waits):
                self._send()
            else:
                self._send_later()
        except RpcError as error:
            self._fail(error)
        except (InvalidValue, UnknownField) as error:
            self._fail(refused(error))

    def prepare(self) -> Prepared:
        """What to write now.

        Raises:
            RpcError: what the call builds on failed, or its objects are no more.
        """
        references = self._references
        references.values = self._values
        self._guessed = [hole for hole in references.holes if not references.fill(hole)]
        target = self._callee()
        generation = references.generation
        if isinstance(target, ServiceCallee):
            owner = target.name
        elif isinstance(target, ObjectCallee):
            generation = target.generation if generation is None else min(target.generation, generation)
            owner = f"@{target.token}"
        else:
            owner = ".".join([f"#{target.answer.id}", *map(_escaped, target.path)])
        return Prepared(f"{owner}.{self._method}", self._params, references.values, generation)

    def resolve(self, result: JSON) -> None:
        """Take the result."""
        try:
            received = self._receive(result, self.callbacks)
        except (InvalidValue, UnknownField) as error:
            self._end(error)
            return
        self._let_go()
        # The caller before those who build on it.
        self._finished(received.value, None)
        self.answer.settle(result, received.objects)

    def reject(self, error: BaseException) -> None:
        """Take the reason why there is none."""
        if self._holds and isinstance(error, RpcError) and self._is_wrong_guess(error):
            self._references.holes = self._guessed
            self._holds = False
            self._send_later()
        else:
            self._end(error)

    def _callee(self) -> Callee:
        """What it is for; if that is in an answer that has come, the object there."""
        target = self._target
        return target.object() if isinstance(target, AnswerPlace) and target.answer.settled else target

    def _bases(self) -> list[PendingAnswer]:
        """The calls without an answer that it builds on."""
        answers = [hole.place.answer for hole in self._references.holes]
        if isinstance(self._target, AnswerPlace):
            answers.append(self._target.answer)
        return [answer for answer in answers if not answer.settled]

    def _builds_on(self, answer: PendingAnswer) -> None:
        if answer.error is not None and self.answer.id:
            self._session.abandon(self.answer.id, dependent(answer.error))

    def _send(self) -> None:
        if self.answer.given_up:
            raise RpcError("cancelled", "the call was given up")
        target = self._callee()
        if isinstance(target, ObjectCallee) and target.released:
            raise RpcError("failed_precondition", f"{target.label} was released")
        if self._bases():
            self._holds = True
            self._references.hold()
        self.answer.id = self._session.call(self, self, self._timeout, self._meta)

    def _is_wrong_guess(self, error: RpcError) -> bool:
        """Where a parameter is a value and no object, the gateway takes no reference to a result.

        Nothing was called then, nor what builds on such a call; so both are made again, with the value itself.
        """
        problem = error.problem or {}
        return error.code == "invalid_argument" and (
            any(hole.path == problem.get("path") for hole in self._guessed)
            or (problem.get("cause") is not None and bool(self._bases()))
        )

    def _send_later(self) -> None:
        """Wait for what the call builds on; whether it is an error shows when it is written."""
        waits = self._bases()
        left = len(waits)

        def settled() -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                try:
                    self._send()
                except RpcError as error:
                    self._fail(error)

        if not waits:
            settled()
        for answer in waits:
            answer.when_settled(settled)

    def _let_go(self) -> None:
        if self._holds:
            self._holds = False
            self._references.discard()

    def _fail(self, error: RpcError) -> None:
        """End before it was given to the session."""
        self._references.discard()
        self._end(error)

    def _end(self, error: BaseException) -> None:
        self._let_go()
        self._finished(None, error)
        self.answer.settle(None, (), error)


def _escaped(segment: str) -> str:
    """A member's name in the method of a call into a result."""
    return segment.replace("%", "%25").replace(".", "%2E")

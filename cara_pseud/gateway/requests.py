"""The gateway's requests for callbacks of this process, and their answers. Knows no socket.

What a callback is and does is its owner's business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from cara_pseud.errors import RpcError, TooLarge
from cara_pseud.gateway.failures import to_answer
from cara_pseud.gateway.messages import JSON, text_of
from cara_pseud.gateway.outbox import OutMessage

_METHOD: Final = re.compile(r"!([^.]*)\.(.+)", re.DOTALL)


class CallbackReply(Protocol):
    """Who a callback tells how it ended, by one of these, once."""

    def give(self, result: JSON, callbacks: Sequence[str]) -> None:
        """Answer with a result and the names of callbacks in it."""

    def fail(self, error: BaseException) -> None:
        """Answer with an error."""


class RequestEvents(Protocol):
    """What is done about requests."""

    def callback(self, name: str, method: str, params: list[JSON], reply: CallbackReply) -> Callable[[], object] | None:
        """Start a callback before this returns. Gives what ends it when nobody waits any more.

        Raises:
            RpcError: there is no such callback, or it has no such method.
        """

    def settled(self, callbacks: Sequence[str], accepted: bool) -> None:
        """A message that carried these was answered or dropped."""

    def unclaimed(self, value: JSON) -> None:
        """Something came that nobody waits for any more."""


class Requests:
    """What runs at the moment for the gateway."""

    def __init__(self, events: RequestEvents, post: Callable[[OutMessage], None]) -> None:
        self._events = events
        self._post = post
        self._running: dict[Any, _Run] = {}
        # Ids that the gateway calls off in the frame that is being taken.
        self._called_off: frozenset[Any] = frozenset()

    def look_ahead(self, messages: Sequence[JSON]) -> None:
        """Look which requests of a frame are called off in the same frame; those are not begun at all."""
        self._called_off = frozenset(
            _id_of(message.get("params"))
            for message in messages
            if isinstance(message, dict) and message.get("method") == "rpc.cancel"
        )

    def call_off(self, id: Any) -> None:
        """Note that nobody waits for the answer of a request any more."""
        run = self._running.pop(id, None) if isinstance(id, str) else None
        if run is not None and run.end is not None:
            run.end()

    def call_off_all(self) -> None:
        """The session is lost, and whoever waited with it."""
        for id in list(self._running):
            self.call_off(id)

    def answer(self, request: dict[str, JSON]) -> None:
        """Run the callback that a request is for and post its answer. They are started in the order of the requests."""
        id, method, params = request["id"], request["method"], request.get("params")
        if not isinstance(id, str):
            return  # the gateway's ids are texts
        if id in self._called_off:
            self._events.unclaimed(params)
            return
        run = self._running[id] = _Run(self, id, method)
        try:
            found = _METHOD.fullmatch(method)
            if found is None or not isinstance(params, list):
                raise RpcError("unimplemented", f"this client has no callback {method}")
            run.end = self._events.callback(found[1], found[2], params, run)
        except RpcError as error:
            run.fail(error)

    def settle(self, run: _Run, members: dict[str, JSON], callbacks: Sequence[str]) -> None:
        """Post the answer of what ran, if somebody waits for it."""
        if self._running.get(run.id) is not run:
            self._events.settled(callbacks, False)
            return

        def written() -> None:
            # The gateway says nothing about an answer: once it is written, it holds what the answer carries.
            self._running.pop(run.id, None)
            self._events.settled(callbacks, True)

        def refused(size: int, limit: float) -> None:
            self._events.settled(callbacks, False)
            if "error" not in members:
                run.fail(too_large(f"the answer of {run.method}", size, limit))

        try:
            text = text_of({"id": run.id, **members})
        except RpcError as error:
            self._events.settled(callbacks, False)
            run.fail(error)
            return
        self._post(
            OutMessage(text, written=written, refused=refused, dropped=lambda: self._events.settled(callbacks, False))
        )


class _Run:
    """One callback that runs."""

    __slots__ = ("_requests", "end", "id", "method")

    def __init__(self, requests: Requests, id: str, method: str) -> None:
        self.id = id
        self.method = method
        self.end: Callable[[], object] | None = None
        self._requests = requests

    def give(self, result: JSON, callbacks: Sequence[str]) -> None:
        self._requests.settle(self, {"result": result}, callbacks)

    def fail(self, error: BaseException) -> None:
        self._requests.settle(self, {"error": to_answer(error)}, ())


def _id_of(params: JSON) -> Any:
    id = params.get("id") if isinstance(params, dict) else None
    return id if isinstance(id, str) else None


def too_large(what: str, size: int, limit: float, unit: str = "bytes") -> TooLarge:
    """The error of a message that the gateway would not take."""
    return TooLarge(f"{what} has {size} {unit}; the gateway takes no more than {limit:g} in a message")

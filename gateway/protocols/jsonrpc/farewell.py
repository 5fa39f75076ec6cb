"""How a stream leaves a gateway that ends: what of its client's messages is still acted on, and what it is told of.

After the last acknowledgement no call is taken. What keeps the calls before it going is: a service may wait for the
client's answer, and the client for an answer to its ping. Nothing of that is counted any more, as nobody goes on with
the stream.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

from gateway.errors import GatewayError, Status
from gateway.json.grammar import Grammatical, fault_in
from gateway.json.text import JSON, dump_cautiously, parse
from gateway.protocols.jsonrpc import events
from gateway.protocols.jsonrpc.call_pace import CallPace
from gateway.protocols.jsonrpc.stream import Stream
from gateway.sessions.callbacks import Callbacks
from gateway.sessions.session import Session

_NO_CALLS: Final = frozenset({"rpc.ack", "rpc.ping", "rpc.cancel", "rpc.release"})


class Leaver(Protocol):
    """Whose stream it is."""

    stream: Stream
    callbacks: Callbacks

    @property
    def id(self) -> str:
        """The stream's name."""

    def run(self, happened: Iterable[events.Event]) -> None:
        """Do what the stream says."""

    def callback_ended(self, name: str, code: str, reason: str) -> None:
        """Tell the client that no service holds its object any more."""

    def handle_ended(self, token: str, code: str, reason: str) -> None:
        """Tell the client that the object behind a handle is no more."""


def without_calls(data: bytes) -> bytes | None:
    """What is still acted on of a client's text; None if that is nothing."""
    try:
        obj = parse(data)
    except GatewayError as complaint:
        try:
            obj = Grammatical(data, complaint).exactly()
        except GatewayError:
            return data  # the stream says what is wrong with it
    if not isinstance(obj, list):
        return None if _is_call(obj) else data
    kept = [message for message in obj if not _is_call(message)]
    if len(kept) == len(obj):
        return data
    # What cannot be written is a message with a fault beside calls: nobody waits for what it would be told.
    kept = [message for message in kept if fault_in(message, 0) is None]
    return dump_cautiously(kept) if kept else None


def _is_call(message: JSON) -> bool:
    return isinstance(message, dict) and "method" in message and message["method"] not in _NO_CALLS


def lose_what_lives(
    leaver: Leaver, calls: Iterable[int], pace: CallPace, why: str, session: Session | None = None
) -> None:
    """End what cannot go on without this process, and tell the client of it.

    Args:
        calls: that have begun, or wait for others.
        why: what ends them, as a sentence without its end.
        session: whose handles end with them; None if these go on elsewhere.
    """
    lost = GatewayError(Status.OUTCOME_UNKNOWN, f"{why} before the answer came")
    for call in calls:
        leaver.run(leaver.stream.fail(call, lost))
    pace.fail_held(why)
    leaver.callbacks.withdraw()
    for name in leaver.callbacks.names:
        leaver.callback_ended(name, Status.UNAVAILABLE.code, why)
    for handle in () if session is None else session.handles:
        if leaver.id in handle.counts:
            leaver.handle_ended(handle.token, Status.UNAVAILABLE.code, why)

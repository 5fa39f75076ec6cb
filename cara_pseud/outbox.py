"""What is to be sent to one peer and has not left yet, in order. No I/O, no clock of its own.

Calls made before the peer has said what it understands are *drafts*: their values are packed, but what is around those
(the bare call, or one with its deadline and the like) is written when that is known. Everything else is a message, and
waits for the end of the turn or for the connection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from cara_pseud.batches import Message
from cara_pseud.capabilities import CallOptions
from cara_pseud.limits import LONGEST_TIMEOUT_S
from cara_pseud.wire import WORK

TOGETHER: Final = 64
"""So many messages leave at once even before the turn is over, so that the peer begins while others are still made."""


@dataclass(slots=True)
class Draft:
    """A call whose form is not known yet: its packed name and arguments, those by position before those by name.

    Attributes:
        bare: the arguments as peers of the original get them.
        ours: the same for peers of ours; see `cara_pseud.capabilities.TwoForms`.
        until: the time at which its caller gives up.
    """

    uid: bytes
    name: bytes
    bare: bytes
    ours: bytes
    options: CallOptions
    until: float

    @property
    def may_go_bare(self) -> bool:
        """Whether the call means the same without its options; a deadline is kept by the caller too."""
        options = self.options
        return options.principal is None and not options.roles and options.idempotency_key is None

    @property
    def size(self) -> int:
        """What it takes as a bare call."""
        return 1 + len(self.name) + len(self.bare)


class Outbox:
    """What waits for one peer.

    Attributes:
        round: counts `take`; what was added in an earlier round has left.
        bytes: of the bodies that wait.
    """

    __slots__ = ("_drafts", "_withdrawn", "bytes", "messages", "round")

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.round = 0
        self.bytes = 0
        self._drafts: dict[bytes, Draft] = {}
        self._withdrawn: set[bytes] = set()

    def draft(self, draft: Draft) -> None:
        """Keep a call until it is known how to write it."""
        self._drafts[draft.uid] = draft
        self.bytes += draft.size

    def write_drafts(self, write: Callable[[Draft], bytes], *, only_bare: bool = False) -> bool:
        """Turn drafts into messages; ``only_bare`` leaves those that need their options. False if there were none."""
        drafts, self._drafts = self._drafts, {}
        written = False
        for draft in drafts.values():
            if only_bare and not draft.may_go_bare:
                self._drafts[draft.uid] = draft
            else:
                self.bytes -= draft.size
                self.messages.append((draft.uid, WORK, write(draft)))
                written = True
        return written

    def withdraw(self, uid: bytes, round: int) -> bool:
        """Never send the call of that uid that was added in that round; False if it has left."""
        draft = self._drafts.pop(uid, None)
        if draft is not None:
            self.bytes -= draft.size
            return True
        if round != self.round or not self.messages:
            return False
        self._withdrawn.add(uid)
        return True

    def take(self) -> list[Message]:
        """The messages that are to leave now; drafts stay."""
        messages, self.messages = self.messages, []
        self.round += 1
        if self._withdrawn:
            withdrawn, self._withdrawn = self._withdrawn, set()
            messages = [message for message in messages if message[1] != WORK or message[0] not in withdrawn]
        return messages

    def waiting(self) -> list[bytes]:
        """The uids of all calls that wait, drafts too."""
        calls = [uid for uid, kind, _ in self.messages if kind == WORK and uid not in self._withdrawn]
        return [*self._drafts, *calls]

    def clear(self) -> None:
        """Forget everything."""
        self.take()
        self._drafts.clear()
        self.bytes = 0


def metadata(options: CallOptions, timeout: float | None) -> dict[str, Any]:
    """What ``cara:call`` says of a call; ``timeout`` is what is left of its time, in seconds."""
    _, request_id, principal, traceparent, idempotency_key, roles = options
    fields: dict[str, Any] = {}
    if timeout is not None:
        fields["deadline_ms"] = int((LONGEST_TIMEOUT_S if timeout > LONGEST_TIMEOUT_S else timeout) * 1000)
    if request_id is not None:
        fields["request_id"] = request_id
    if principal is traceparent is idempotency_key is None and not roles:
        return fields
    if principal is not None:
        fields["principal"] = principal
    if roles:
        fields["roles"] = roles
    if traceparent is not None:
        fields["traceparent"] = traceparent
    if idempotency_key is not None:
        fields["idempotency_key"] = idempotency_key
    return fields

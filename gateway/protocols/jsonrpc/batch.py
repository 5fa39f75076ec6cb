"""The messages of one JSON-RPC array, whose answers leave as one array (JSON-RPC 2.0, section 6), in their order."""

from __future__ import annotations

from typing import Final

from gateway.errors import GatewayError, Status
from gateway.json.text import dump
from gateway.protocols.jsonrpc import messages

_SHORT_BYTES: Final = 512
"""Of an answer that says no more than that there is no place for it."""


class Batch:
    """Open until `finish_one` was called once more than `expect`: only then all of its messages were looked at.

    Attributes:
        kept_bytes: the length of all answers so far.
    """

    __slots__ = ("_answers", "_waiting", "kept_bytes")

    def __init__(self) -> None:
        self.kept_bytes = 0
        self._answers: list[bytes | None] = []
        self._waiting = 1

    def place(self) -> BatchPlace:
        """Where the answer to the next message of the array goes."""
        self._answers.append(None)
        return BatchPlace(self, len(self._answers) - 1)

    def expect(self) -> None:
        """Wait for the answer of one more call."""
        self._waiting += 1

    def put(self, index: int, data: bytes) -> None:
        """Take the answer to a message, whether or not it was waited for."""
        self._answers[index] = data
        self.kept_bytes += len(data)

    def room(self, max_bytes: int) -> int:
        """How many bytes one more answer may have in an array of at most so many, if all others that are waited for
        are short."""
        return max_bytes - self.kept_bytes - len(self._answers) - 1 - _SHORT_BYTES * max(self._waiting - 1, 0)

    def check_answer(self, data: bytes, max_bytes: int) -> None:
        """Be sure that an answer has its place in an array of at most so many bytes; one as short as an error has.

        Raises:
            GatewayError: TOO_LARGE.
        """
        if len(data) > _SHORT_BYTES and len(data) > self.room(max_bytes):
            detail = f"the result has {len(data)} bytes, and with it the batch's answers more than {max_bytes}"
            raise GatewayError(Status.TOO_LARGE, detail)

    def finish_one(self, max_bytes: int) -> bytes | None:
        """Wait for one less; the array of all answers if that was the last and there are any.

        If even short answers are too many for so many bytes, there is one error for all.
        """
        self._waiting -= 1
        if self._waiting:
            return None
        answers = [data for data in self._answers if data is not None]
        if not answers:
            return None
        data = b"[" + b",".join(answers) + b"]"
        if len(data) > max_bytes:
            detail = f"the answers of the batch have {len(data)} bytes, more than the {max_bytes} of one message"
            return dump(messages.error(None, GatewayError(Status.TOO_LARGE, detail)))
        return data


class BatchPlace:
    """The place of one message's answer in its batch."""

    __slots__ = ("_index", "batch")

    def __init__(self, batch: Batch, index: int) -> None:
        self.batch = batch
        self._index = index

    def put(self, data: bytes) -> None:
        """Take the answer."""
        self.batch.put(self._index, data)

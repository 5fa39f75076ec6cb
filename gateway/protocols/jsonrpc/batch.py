"""The messages of one JSON-RPC array, whose answers leave as one array (JSON-RPC 2.0, section 6), in their order."""

from __future__ import annotations


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

    def finish_one(self) -> bytes | None:
        """Wait for one less; the array of all answers if that was the last and there are any."""
        self._waiting -= 1
        if self._waiting:
            return None
        answers = [data for data in self._answers if data is not None]
        return b"[" + b",".join(answers) + b"]" if answers else None


class BatchPlace:
    """The place of one message's answer in its batch."""

    __slots__ = ("_index", "batch")

    def __init__(self, batch: Batch, index: int) -> None:
        self.batch = batch
        self._index = index

    def put(self, data: bytes) -> None:
        """Take the answer."""
        self.batch.put(self._index, data)

"""The messages of one JSON-RPC array, whose answers leave as one array (JSON-RPC 2.0, section 6)."""

from __future__ import annotations


class Batch:
    """Open until `finish_one` was called once more than `expect`: only then all of its messages were looked at."""

    __slots__ = ("_answers", "_waiting")

    def __init__(self) -> None:
        self._answers: list[bytes] = []
        self._waiting = 1

    def expect(self) -> None:
        """Wait for the answer of one more call."""
        self._waiting += 1

    def add(self, data: bytes) -> None:
        """Take an answer, whether or not it was waited for."""
        self._answers.append(data)

    def finish_one(self) -> bytes | None:
        """Wait for one less; the array of all answers if that was the last and there are any."""
        self._waiting -= 1
        if self._waiting or not self._answers:
            return None
        return b"[" + b",".join(self._answers) + b"]"

"""One text of the client: one message, or an array of messages that are worked off in slices."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.errors import GatewayError, Status
from gateway.json.text import JSON, ExactElements, parse_exactly, parse_quickly
from gateway.json.value_count import exceeds, may_exceed
from gateway.protocols.jsonrpc.batch import Batch


class Frame:
    """What is left of an array of messages.

    Attributes:
        batch: where their answers are gathered; None if each leaves by itself.
    """

    __slots__ = ("_at", "_exact", "_max_values", "_objs", "batch")

    def __init__(self, objs: list[JSON], exact: ExactElements | None, max_values: int | None) -> None:
        """Begin with the first one.

        Args:
            exact: the same messages with exact numbers; None if they have no others.
            max_values: that none may exceed; None if none does.
        """
        self.batch: Batch | None = None
        self._objs = objs
        self._at = 0
        self._exact = exact
        self._max_values = max_values

    def __len__(self) -> int:
        return len(self._objs) - self._at

    def fault(self, most_in_batch: int) -> GatewayError | None:
        """What is wrong with the whole array: a batch of nothing, or of more messages than that."""
        if not self._objs:
            return GatewayError.bad_request("the batch is empty")
        if self.batch is None or len(self) <= most_in_batch:
            return None
        detail = f"a batch may hold at most {most_in_batch} messages without rpc.hello, this one holds {len(self)}"
        return GatewayError(Status.TOO_LARGE, detail)

    def take(self, most: int) -> Iterator[tuple[JSON, bool]]:
        """The next messages, and whether each holds too many values; then its numbers may be inexact.

        Raises:
            GatewayError: one is nested too deeply to tell where it ends.
        """
        objs, max_values, exactly = self._objs, self._max_values, self._exact
        for at in range(self._at, min(self._at + most, len(objs))):
            obj, objs[at], self._at = objs[at], None, at + 1
            is_too_much = max_values is not None and exceeds(obj, max_values)
            if exactly is not None:
                exact = exactly.take(exactly=not is_too_much)
                if not is_too_much:
                    obj = exact
            yield obj, is_too_much


def read(data: bytes, max_values: int) -> tuple[JSON, bool] | Frame:
    """A text that is one message, as `Frame.take` gives it, or an array of messages.

    Raises:
        GatewayError: it is no JSON.
    """
    obj, is_exact = parse_quickly(data)
    most = max_values if may_exceed(data, max_values) else None
    if type(obj) is list:
        return Frame(obj, None if is_exact else ExactElements(data), most)
    if most is not None and exceeds(obj, most):
        return obj, True
    return (obj if is_exact else parse_exactly(data)), False

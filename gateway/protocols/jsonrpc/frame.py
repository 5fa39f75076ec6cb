"""One text of the client: one message, or an array of messages that are worked off in slices."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

from gateway.errors import GatewayError, Status
from gateway.json.grammar import Grammatical, is_deep
from gateway.json.text import JSON, ExactElements, parse_exactly, parse_quickly
from gateway.json.value_count import exceeds, may_exceed, too_many
from gateway.protocols.jsonrpc.batch import Batch
from gateway.protocols.jsonrpc.message_faults import without_faults


class Frame:
    """What is left of an array of messages.

    Attributes:
        batch: where their answers are gathered; None if each leaves by itself.
    """

    __slots__ = ("_at", "_exact", "_max_depth", "_max_values", "_objs", "batch")

    def __init__(
        self, objs: list[JSON], exact: ExactElements | None, max_values: int | None, max_depth: int | None = None
    ) -> None:
        """Begin with the first one.

        Args:
            exact: the same messages with exact numbers; None if they have no others.
            max_values: that none may exceed; None if none does.
            max_depth: how deep one may be where there are faults to be looked for; None if there are none.
        """
        self.batch: Batch | None = None
        self._objs = objs
        self._at = 0
        self._exact = exact
        self._max_values = max_values
        self._max_depth = max_depth

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

    def take(self, most: int) -> Iterator[tuple[JSON, GatewayError | None]]:
        """The next messages, and why one cannot be taken as it is: it holds too many values, and its numbers may be
        inexact then, or has a fault, and is without it then.
        """
        if self._max_values is None and self._exact is None and self._max_depth is None:  # as in most arrays
            at, objs = self._at, self._objs
            some = objs[at : at + most]
            self._at = upto = at + len(some)
            objs[at:upto] = [None] * len(some)
            return zip(some, repeat(None))
        return self._take_carefully(most)

    def _take_carefully(self, most: int) -> Iterator[tuple[JSON, GatewayError | None]]:
        objs, max_values, exactly, max_depth = self._objs, self._max_values, self._exact, self._max_depth
        for at in range(self._at, min(self._at + most, len(objs))):
            obj, objs[at], self._at = objs[at], None, at + 1
            fault = too_many(max_values) if max_values is not None and exceeds(obj, max_values) else None
            if exactly is not None:
                exact = exactly.take(exactly=fault is None)
                if fault is None:
                    obj = exact
            if max_depth is not None and fault is None:
                obj, fault = without_faults(obj, max_depth)
            yield obj, fault


def read(data: bytes, max_values: int, max_depth: int) -> tuple[JSON, GatewayError | None] | Frame:
    """A text that is one message, as `Frame.take` gives it, or an array of messages.

    Raises:
        GatewayError: it is no JSON.
    """
    try:
        obj, is_exact = parse_quickly(data)
    except GatewayError as complaint:
        return _read_carefully(Grammatical(data, complaint), data, max_values, max_depth)
    if not is_exact and is_deep(data):
        return _read_carefully(Grammatical(data), data, max_values, max_depth)
    # The first of its questions, which is the only one for most texts, without a call.
    most = max_values if len(data) > 2 * max_values and may_exceed(data, max_values) else None
    if type(obj) is list:
        return Frame(obj, None if is_exact else ExactElements(data.decode("utf-8")), most)
    if most is not None and exceeds(obj, most):
        return obj, too_many(most)
    return (obj if is_exact else parse_exactly(data)), None


def _read_carefully(
    text: Grammatical, data: bytes, max_values: int, max_depth: int
) -> tuple[JSON, GatewayError | None] | Frame:
    obj, most = text.obj, max_values if may_exceed(data, max_values) else None
    if type(obj) is list:
        return Frame(obj, ExactElements(text.text), most, max_depth)
    if most is not None and exceeds(obj, most):
        return obj, too_many(most)
    return without_faults(text.exactly(), max_depth)

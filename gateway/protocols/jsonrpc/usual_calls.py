"""Texts that are what most texts are, one short call of a service's method: read in a fraction of the steps.

What comes of them is what `gateway.protocols.jsonrpc.stream` makes of all messages; whatever is not plainly such a call
is left to it.
"""

from __future__ import annotations

from gateway.json.text import JSON, SHORT_BYTES, parse_usual
from gateway.protocols.jsonrpc import messages
from gateway.protocols.jsonrpc.call_table import CallTable
from gateway.protocols.jsonrpc.events import CallRequested
from gateway.protocols.jsonrpc.messages import Request
from gateway.protocols.jsonrpc.pipeline import Pipeline, may_refer
from gateway.protocols.jsonrpc.targets import KNOWN_CHARS, usual_target


class UsualCalls:
    """Those of one stream.

    Args:
        table, pipeline: the stream's.
        max_values: that a message may hold.
    """

    __slots__ = ("_ids", "_pipeline", "_table", "_too_many_bytes")

    def __init__(self, table: CallTable, pipeline: Pipeline, max_values: int) -> None:
        self._table = table
        self._ids = table.by_id
        self._pipeline = pipeline
        # What is shorter cannot hold more values.
        self._too_many_bytes = min(SHORT_BYTES, 2 * max_values)

    def read(self, data: bytes) -> CallRequested | None:
        """The call that a text is, which is in the table then; None if it is anything else, or may wait for others."""
        if len(data) >= self._too_many_bytes or may_refer(data):
            return None
        obj = parse_usual(data)
        return None if obj is None else self.begin(obj)

    def begin(self, obj: JSON) -> CallRequested | None:
        """The same for a message of a text that refers to no answers, or one of an array of those."""
        message = messages.parse(obj)
        if type(message) is not Request or self._pipeline.waiting:
            return None
        id, notification, method, params, meta = message
        target = usual_target(method) if len(method) <= KNOWN_CHARS else None
        if target is None or notification or id in self._ids:
            return None
        where, name = target
        call = self._table.begin(message, None)
        return tuple.__new__(CallRequested, (call, False, where, name, params, meta, None))

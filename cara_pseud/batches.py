"""A turn's messages in one: what peers of version 2 make of several small messages to the same peer. No I/O.

A batch has the frames ``b""``, ``b"v1"``, ``b""``, ``b"\\x21"`` and a body of ``[[uuid, type, body], …]``, each part of
msgpack's bin family. A message of six frames costs ZeroMQ a dozen microseconds at both ends, however small it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgpack

from cara_pseud import wire
from cara_pseud.errors import ProtocolError

MAX_MESSAGES: Final = 256
MAX_BYTES: Final = 65536
"""Larger messages go alone, so that what is small does not wait until they are read."""

Message = tuple[bytes, bytes, bytes]
"""uuid, type, body."""

_NO_UUID: Final = b""
_KINDS: Final = frozenset({wire.OK, wire.WORK, wire.ERROR})
_BUFFER_BYTES: Final = 8192
"""What is packed into grows as needed. msgpack's 256 KiB may come from the system each time, which takes 10 us."""
_HEAD_BYTES: Final = 32
"""At least what a message takes beside its body."""
_MOST_BYTES: Final = MAX_BYTES + MAX_MESSAGES * _HEAD_BYTES
"""Of a batch that comes: from a peer that counts bodies only, too."""


def together(messages: Sequence[Message]) -> Iterator[tuple[Message, int]]:
    """The messages to be sent in place of these, in their order, and how many of these each stands for."""
    count = len(messages)
    # Most turns: all of them fit, which takes no look at each.
    kinds = {kind for _, kind, _ in messages}
    if 0 < count <= MAX_MESSAGES and kinds <= _KINDS:
        size = sum([len(body) for _, _, body in messages]) + count * _HEAD_BYTES
        if size <= MAX_BYTES:
            yield _packed(messages), count
            return
    batch: list[Message] = []
    size = 0
    for message in messages:
        taken = len(message[2]) + _HEAD_BYTES
        alone = taken > MAX_BYTES or message[1] not in _KINDS
        if batch and (alone or size + taken > MAX_BYTES or len(batch) == MAX_MESSAGES):
            yield _packed(batch), len(batch)
            batch, size = [], 0
        if alone:
            yield message, 1
        else:
            batch.append(message)
            size += taken
    if batch:
        yield _packed(batch), len(batch)


def each_alone(messages: Sequence[Message]) -> Iterator[tuple[Message, int]]:
    """The same for peers that know no batches."""
    return ((message, 1) for message in messages)


def _packed(batch: Sequence[Message]) -> Message:
    # One message alone is cheaper in frames of its own.
    return batch[0] if len(batch) == 1 else (_NO_UUID, wire.BATCH, msgpack.packb(batch, buf_size=_BUFFER_BYTES))


def parse(body: bytes) -> list[Message]:
    """The messages of a batch's body.

    Raises:
        ProtocolError: it is no batch. Nothing of it may run then.
    """
    if len(body) > _MOST_BYTES:
        # What is in it is made before anything can be said of it, and a hundred times as large.
        raise ProtocolError(f"the batch takes {len(body)} bytes, at most {_MOST_BYTES} are permitted")
    try:
        batch: Any = msgpack.unpackb(
            body, use_list=False, strict_map_key=True, max_array_len=MAX_MESSAGES, max_map_len=0, max_ext_len=0
        )
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise ProtocolError(f"the batch is no msgpack of the protocol: {error}") from None
    if type(batch) is not tuple:
        raise ProtocolError("a batch must be an array of messages")
    if not batch:
        return []
    # All are looked at together, in C: what one of them takes here, every call takes.
    if {*map(type, batch)} != {tuple} or {*map(len, batch)} != {3}:
        raise ProtocolError("a message in a batch must be an array of uuid, type and body")
    uids, kinds, contents = zip(*batch, strict=True)
    are_bytes = {*map(type, uids), *map(type, kinds), *map(type, contents)} == {bytes}
    if not (are_bytes and {*map(len, uids)} == {wire.UUID_BYTES} and _KINDS.issuperset(kinds)):
        raise ProtocolError("a message in a batch must have a uuid of 16 bytes, type 01, 03 or 10, and a body")
    return list(batch)

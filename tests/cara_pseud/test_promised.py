"""The word for an object in an answer that has not come: how it is written and read, and what takes its place."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from cara_pseud import promised, wire
from cara_pseud.capabilities import Capability
from cara_pseud.errors import ProtocolError
from cara_pseud.promised import Promised, fulfilled, is_not_kept, not_kept

UID = b"0123456789abcdef"


def unused(*_: object) -> Any:
    raise TypeError


def codec() -> wire.BodyCodec:
    return wire.BodyCodec(unused, lambda id, user: ("object", id))


def test_what_is_written_is_read_in_a_call_and_told_once() -> None:
    read = codec()
    body = read.packb(("call", [promised.written(UID, (0, 4)), 7], {}))
    _, [word, _], _ = read.unpack_work(body)
    assert (word.uid, word.path, word.capability) == (UID, (0, 4), None)
    assert read.take_promises() == [word]
    assert read.take_promises() == []


def test_an_answer_has_no_such_word() -> None:
    read = codec()
    with pytest.raises(ProtocolError, match="102 is not permitted"):
        read.unpackb(read.packb(promised.written(UID, (0,))))


def test_a_call_that_cannot_be_read_leaves_no_word_behind() -> None:
    read = codec()
    with pytest.raises(ProtocolError):
        read.unpack_work(read.packb([promised.written(UID, (0,)), msgpack.ExtType(123, b"x")]))
    assert read.take_promises() == []


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\xc1", 5, None, [UID], [UID, [0], 1], [UID[:15], [0]], [UID.decode(), [0]], [UID, 0], [UID, [-1]],
        [UID, [1.0]], [UID, [True]], [UID, ["a"]], [UID, [0] * 65], {}, [[], []],
    ],
)  # fmt: skip
def test_what_is_no_such_word_is_refused(content: Any) -> None:
    payload = content if isinstance(content, bytes) else msgpack.packb(content)
    with pytest.raises(ProtocolError, match="extension type 102"):
        promised.read(payload)


def test_objects_take_the_places_of_words() -> None:
    one, other = Promised(UID, (0,)), Promised(UID, (1,))
    one.capability, other.capability = Capability(), Capability()
    assert fulfilled([1, {2: one, "a": [other, "b"]}]) == [1, {2: one.capability, "a": [other.capability, "b"]}]


def test_that_an_answer_is_not_kept_is_told_apart_from_other_failures() -> None:
    assert is_not_kept(not_kept())
    assert not is_not_kept(None)
    assert not is_not_kept(ValueError())

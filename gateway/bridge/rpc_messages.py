"""The messages of Cap'n Proto's RPC protocol, level 1: built by templates, and read as far as their values.

Source: rpc.capnp of the Cap'n Proto project, whose places of fields can never change. Knows no state.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from gateway.bridge.building import EMPTY_STRUCT, put_structs, put_text
from gateway.bridge.framing import HEAD
from gateway.bridge.pointers import OTHER_POINTER, WORD, BeyondBounds, Copy, Malformed, ReceivedMessage


class MessageKind(IntEnum):
    """What a message is: the members of rpc.capnp's ``Message`` that are used."""

    UNIMPLEMENTED = 0
    ABORT = 1
    CALL = 2
    RETURN = 3
    FINISH = 4
    RESOLVE = 5
    RELEASE = 6
    BOOTSTRAP = 8
    DISEMBARGO = 13


class Came(IntEnum):
    """What came of a call: the members of ``Return``."""

    RESULTS = 0
    EXCEPTION = 1
    CANCELED = 2
    SENT_ELSEWHERE = 3
    TAKEN_FROM_OTHER = 4


class Hosted(IntEnum):
    """Where an object is, as a ``CapDescriptor`` says it to the receiver."""

    NOWHERE = 0
    BY_SENDER = 1
    PROMISED_BY_SENDER = 2
    BY_RECEIVER = 3
    IN_ANSWER = 4
    BY_THIRD_PARTY = 5


class NativeFault(IntEnum):
    """The types of an ``Exception``."""

    FAILED = 0
    OVERLOADED = 1
    DISCONNECTED = 2
    UNIMPLEMENTED = 3


class Descriptor(NamedTuple):
    """An entry of a message's table of objects. ``path`` says which of an answer's objects it is, by pointers."""

    hosted: int
    id: int
    path: tuple[int, ...] = ()


# Building. A message is built with its frame before it: 8 bytes that `seal` completes.

FRAME_BYTES: Final = 8
_ONE_AND_ONE: Final = 1 << 32 | 1 << 48
_ROOT: Final = _ONE_AND_ONE
_CALL_HEAD: Final = struct.Struct("<Q" "QQQ" "IHHQQ" "QQQ" "IIQ" "QQ")
_CALL_POINTER: Final = 3 << 32 | 3 << 48
_TARGET_POINTER: Final = 2 << 2 | _ONE_AND_ONE
_PAYLOAD_POINTER: Final = 3 << 2 | 2 << 48
_QUESTION_PLACE: Final = FRAME_BYTES + 3 * 8
_IMPORT_PLACE: Final = FRAME_BYTES + 9 * 8
_IN_ANSWER_PLACE: Final = _IMPORT_PLACE + 4
_TARGET_PLACE: Final = FRAME_BYTES + 10 * 8
_PUT_NUMBER: Final = struct.Struct("<I").pack_into
CALL_CONTENT: Final = FRAME_BYTES + 11 * 8
"""Where the pointer to a call's parameters is; that to its table of objects comes next."""
CALL_BYTES: Final = FRAME_BYTES + 13 * 8
"""Where the parameters are."""

_RETURN_HEAD: Final = struct.Struct("<Q" "QQQ" "IHHQQ" "QQ")
_RETURN_POINTER: Final = 2 << 32 | 1 << 48
_RESULTS_POINTER: Final = 2 << 48
_KEEPS_PARAMETERS: Final = 1  # the bit of releaseParamCaps, whose default is true
RETURN_CONTENT: Final = FRAME_BYTES + 6 * 8
RETURN_BYTES: Final = FRAME_BYTES + 8 * 8

_SMALL: Final = struct.Struct("<Q" "QQQ" "II")
_ONE_WORD: Final = 1 << 32


def content_pointer(words: int, sizes: int) -> int:
    """The pointer to parameters or results that begin where `CALL_BYTES` or `RETURN_BYTES` says."""
    return 1 << 2 | sizes << 32 if words else EMPTY_STRUCT


def object_pointer(number: int) -> int:
    """What leads to an object of the message's table."""
    return OTHER_POINTER | number << 32


class CallForm:
    """What all calls of a method have in common. It is made once, and each call is a copy.

    Args:
        content: see `content_pointer`.
        words: that the parameters take.
    """

    __slots__ = ("_message",)

    def __init__(self, interface_id: int, method: int, content: int, words: int) -> None:
        head = _CALL_HEAD.pack(
            0, _ROOT, MessageKind.CALL, _CALL_POINTER, 0, method, 0, interface_id, 0,
            _TARGET_POINTER, _PAYLOAD_POINTER, 0, 0, 0, 0, content, 0,
        )  # fmt: skip
        self._message = bytes(seal(bytearray(head + bytes(8 * words))))

    def begin(self, question: int, target: int) -> bytearray:
        """A call with room for its parameters, complete but for these.

        Args:
            target: the id of an object of the receiver's; nothing yet if it is in an answer, see `aim`.
        """
        b = bytearray(self._message)
        _PUT_NUMBER(b, _QUESTION_PLACE, question)
        _PUT_NUMBER(b, _IMPORT_PLACE, target)
        return b

    def complete(self, b: bytearray) -> bytearray:
        """The call, whose parameters may have grown."""
        return b if len(b) == len(self._message) else seal(b)


def aim(b: bytearray, question: int, path: Sequence[int]) -> None:
    """Have a call made of an object in the answer to another one."""
    b[_IN_ANSWER_PLACE] = 1
    _put_answer(b, _TARGET_PLACE, question, path)


def begin_return(answer: int, content: int, words: int) -> bytearray:
    """The results of a call, with room for them; the objects in its parameters are released one by one."""
    b = bytearray(_RETURN_HEAD.pack(
        0, _ROOT, MessageKind.RETURN, _RETURN_POINTER, answer, _KEEPS_PARAMETERS, Came.RESULTS, 0, _RESULTS_POINTER,
        content, 0,
    ))  # fmt: skip
    b += bytes(8 * words)
    return b


def put_table(b: bytearray, place: int, descriptors: Sequence[Descriptor]) -> None:
    """Write the table of objects whose pointer is at a place."""
    start = put_structs(b, place, len(descriptors), 2, 1 | 1 << 16)
    for index, (hosted, id, path) in enumerate(descriptors):
        at = start + 16 * index
        if hosted == Hosted.IN_ANSWER:
            WORD.pack_into(b, at, hosted)
            _put_answer(b, at + 8, id, path)
        else:
            WORD.pack_into(b, at, hosted | id << 32)


def _put_answer(b: bytearray, place: int, question: int, path: Sequence[int]) -> None:
    start = len(b)
    WORD.pack_into(b, place, (start - place - 8) >> 1 | _ONE_AND_ONE)
    b += bytes(16)
    WORD.pack_into(b, start, question)
    steps = put_structs(b, start + 8, len(path), 1, 1)
    for index, pointer in enumerate(path):
        WORD.pack_into(b, steps + 8 * index, 1 | pointer << 16)


def seal(b: bytearray) -> bytearray:
    """Complete a message that was built."""
    HEAD.pack_into(b, 0, 0, (len(b) >> 3) - 1)
    return b


def _small(kind: int, low: int, high: int, sizes: int = _ONE_WORD) -> bytearray:
    return bytearray(_SMALL.pack(0, _ROOT, kind, sizes, low, high))


def bootstrap(question: int) -> bytearray:
    """Ask for the other side's first object."""
    return seal(_small(MessageKind.BOOTSTRAP, question, 0, _ONE_AND_ONE) + bytes(8))


_TWO_NUMBERS: Final = struct.Struct("<II").pack
_FINISH_HEAD: Final = struct.pack("<II" "QQQ", 0, 4, _ROOT, MessageKind.FINISH, _ONE_WORD)
_RELEASE_HEAD: Final = struct.pack("<II" "QQQ", 0, 4, _ROOT, MessageKind.RELEASE, _ONE_WORD)


def finish(question: int, *, releases: bool) -> bytes:
    """Be done with a question; ``releases`` whether the objects in its answer are released by it."""
    return _FINISH_HEAD + _TWO_NUMBERS(question, not releases)


def release(id: int, count: int) -> bytes:
    """Let go of so many references to an object of the other side's."""
    return _RELEASE_HEAD + _TWO_NUMBERS(id, count)


def return_exception(answer: int, reason: str, fault: int) -> bytearray:
    """Say why a call failed."""
    b = bytearray(_RETURN_HEAD.pack(
        0, _ROOT, MessageKind.RETURN, _RETURN_POINTER, answer, _KEEPS_PARAMETERS, Came.EXCEPTION, 0, 1 << 32 | 2 << 48,
        fault << 32, 0,
    ))  # fmt: skip
    b += bytes(8)
    put_text(b, FRAME_BYTES + 7 * 8, reason)
    return seal(b)


def return_other(answer: int, came: int) -> bytearray:
    """Say that a call has no results for the caller: it was canceled, or they went elsewhere."""
    b = bytearray(_RETURN_HEAD.pack(
        0, _ROOT, MessageKind.RETURN, _RETURN_POINTER, answer, _KEEPS_PARAMETERS, came, 0, 0, 0, 0
    ))  # fmt: skip
    del b[RETURN_CONTENT:]
    return seal(b)


def disembargo(imported: int, embargo: int) -> bytearray:
    """Send a loopback back to an object of the other side's."""
    b = _small(MessageKind.DISEMBARGO, embargo, 1, _ONE_AND_ONE)
    b += bytes(8)
    place = FRAME_BYTES + 4 * 8
    WORD.pack_into(b, place, _ONE_AND_ONE)
    b += WORD.pack(imported) + bytes(8)
    return seal(b)


def unimplemented(incoming: ReceivedMessage) -> bytearray:
    """Send a message back that nobody here understands."""
    segment = bytearray(24)
    WORD.pack_into(segment, 0, _ROOT)
    root = incoming.root()
    if root:
        Copy(incoming, segment).put(16, incoming.segments[0], 0, root)
    return seal(bytearray(FRAME_BYTES) + segment)


def abort(reason: str) -> bytearray:
    """Say why the connection ends."""
    b = _small(MessageKind.ABORT, 0, NativeFault.FAILED, 1 << 32 | 2 << 48)
    b += bytes(16)
    put_text(b, FRAME_BYTES + 4 * 8, reason)
    return seal(b)


# Reading.


class View:
    """A struct of a message."""

    __slots__ = ("_count", "_data", "_pointers", "_segment", "_size", "incoming")

    def __init__(self, incoming: ReceivedMessage, sections: tuple[bytes, int, int, int, int]) -> None:
        self.incoming = incoming
        self._segment, self._data, self._size, self._pointers, self._count = sections

    def number(self, bits: int, at: int) -> int:
        """The unsigned number of 8, 16, 32 or 64 bits, at an offset in bits."""
        if at + bits > 8 * self._size:
            return 0
        start = self._data + at // 8
        return int.from_bytes(self._segment[start : start + bits // 8], "little")

    def bit(self, at: int) -> bool:
        """The bit at an offset."""
        return bool(self.number(8, at // 8 * 8) >> at % 8 & 1)

    def at(self, index: int) -> tuple[bytes, int, int]:
        """A pointer, with its place."""
        place = self._pointers + 8 * index
        return self._segment, place, self.incoming.pointer(self._segment, self._pointers, self._count, index)

    def struct(self, index: int) -> View:
        """The struct that a pointer leads to.

        Raises:
            Malformed: there is none.
        """
        segment, place, pointer = self.at(index)
        if not pointer:
            raise Malformed("a part of a message is missing")
        return View(self.incoming, self.incoming.struct(segment, place, pointer))

    def structs(self, index: int) -> list[View]:
        """The elements of a list of structs; none for null."""
        segment, place, pointer = self.at(index)
        if not pointer:
            return []
        segment, start, size, count = self.incoming.list(segment, place, pointer)
        first, number, data, pointers = self.incoming.structs(segment, start, size, count)
        step = data + 8 * pointers
        places = [first + element * step for element in range(number)]
        return [View(self.incoming, (segment, at, data, at + data, pointers)) for at in places]

    def text(self, index: int) -> str:
        """A text; the empty one for null."""
        segment, place, pointer = self.at(index)
        return self.incoming.text(segment, place, pointer) if pointer else ""


_PLAIN_HEAD: Final = struct.pack("<QQQ", _ROOT, MessageKind.RETURN, _RETURN_POINTER)
# Of the struct `Return`: its answer, its bits, what it is, a word of padding, and the pointer to the results; then that
# to what they are, and that to their table of objects.
_PLAIN_RETURN: Final = struct.Struct("<IHHQQQQ")
_PLAIN_BYTES: Final = len(_PLAIN_HEAD) + _PLAIN_RETURN.size


def read_plain_results(segment: bytes) -> tuple[int, bool, int] | None:
    """The answer to most calls, where everybody writes it: results without an object in them.

    Returns:
        The question, whether the objects in its parameters are kept, and the pointer to the results, which stands at
        `PLAIN_CONTENT`; None if the message is another one, or written otherwise.
    """
    if len(segment) < _PLAIN_BYTES or not segment.startswith(_PLAIN_HEAD):
        return None
    id, bits, came, _, results, content, table = _PLAIN_RETURN.unpack_from(segment, 24)
    if came or table or results != _RESULTS_POINTER:
        return None
    return id, bool(bits & 1), content


PLAIN_CONTENT: Final = 6 * 8


def read_message(incoming: ReceivedMessage) -> tuple[int, View]:
    """What kind a message is, and its root."""
    root = View(incoming, incoming.struct(incoming.segments[0] if incoming.segments else b"", 0, incoming.root()))
    return root.number(16, 0), root


def read_table(payload: View, most: int) -> list[Descriptor]:
    """The table of objects of a call's parameters or results.

    Raises:
        Malformed: it is none.
        BeyondBounds: it has more entries than permitted.
    """
    entries = payload.structs(1)
    if len(entries) > most:
        raise BeyondBounds(f"it holds {len(entries)} objects, at most {most} are permitted")
    return [read_descriptor(entry) for entry in entries]


def read_descriptor(entry: View) -> Descriptor:
    """One entry of such a table."""
    hosted = entry.number(16, 0)
    if hosted == Hosted.IN_ANSWER:
        return Descriptor(hosted, *read_answer_path(entry.struct(0)))
    if hosted == Hosted.BY_THIRD_PARTY:
        # Between two parties there is none; the sender answers for it.
        return Descriptor(Hosted.BY_SENDER, entry.struct(0).number(32, 0))
    return Descriptor(hosted, entry.number(32, 32))


def read_answer_path(promised: View) -> tuple[int, tuple[int, ...]]:
    """A question, and which object of its answer is meant."""
    steps = promised.structs(0)
    path = []
    for step in steps:
        if step.number(16, 0) == 1:
            path.append(step.number(16, 16))
        elif step.number(16, 0):
            raise Malformed("a path into an answer has a step of an unknown kind")
    return promised.number(32, 0), tuple(path)


def read_exception(exception: View) -> tuple[str, int]:
    """The reason and the type of an exception."""
    return exception.text(0), exception.number(16, 32)

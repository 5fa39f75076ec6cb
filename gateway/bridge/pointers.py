"""Reading messages in Cap'n Proto's own encoding: where pointers lead, within bounds. Knows no schema.

Everything comes from a peer that nobody need trust: a pointer may lead anywhere, and a small message may stand for an
endless value, as many pointers may lead to one place. So what is read is counted, and reading has an end.

Source: the encoding specification, https://capnproto.org/encoding.html. A pointer is given as its segment, its place
there in bytes, and itself as an unsigned number. Null is 0, and for whoever calls these functions to look at.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

WORD: Final = struct.Struct("<Q")
_TWO_WORDS: Final = struct.Struct("<QQ")

MAX_UNITS: Final = 2_000_000
"""Of what is made of one message: a word of a struct is one, so is an element of a list, and so are 64 bytes of text.
To make so many takes a second or two, and some hundred megabytes at the most."""
MAX_DEPTH: Final = 64
"""Cap'n Proto's own bound for pointers within pointers; JSON's here is the same."""
_OBJECT_UNITS: Final = 4
"""What a struct costs beside its words: an object of Python's is larger than it."""

VOID, BIT, BYTE, TWO_BYTES, FOUR_BYTES, EIGHT_BYTES, POINTER, COMPOSITE = range(8)
"""The sizes of a list's elements."""
ELEMENT_BITS: Final = (0, 1, 8, 16, 32, 64, 64, 0)

STRUCT_POINTER, LIST_POINTER, FAR_POINTER, OTHER_POINTER = range(4)


class Malformed(Exception):
    """A message is none, or more than is read."""


class BeyondBounds(Malformed):
    """A message holds more than is read of one; nothing else is wrong with it."""


class ReceivedMessage:
    """One message while its values are read.

    Attributes:
        segments: its parts; pointers between them are far ones.
        objects: what the capability pointers in its values mean, by their numbers; None for null ones.
        left: how many units may still be read.
    """

    __slots__ = ("left", "objects", "segments")

    def __init__(self, segments: Sequence[bytes], units: int = MAX_UNITS) -> None:
        self.segments = segments
        self.objects: Sequence[Any] = ()
        self.left = units

    def spend(self, units: int) -> None:
        """Count what is read next.

        Raises:
            BeyondBounds: it is more than may be read of one message.
        """
        self.left -= units
        if self.left < 0:
            raise BeyondBounds("it holds more values than are read of one message")

    def root(self) -> int:
        """The pointer at the beginning of the message."""
        if not self.segments or len(self.segments[0]) < 8:
            raise Malformed("it is empty")
        pointer: int = WORD.unpack_from(self.segments[0], 0)[0]
        return pointer

    def follow(self, pointer: int) -> tuple[bytes, int, int]:
        """What a far pointer stands for: a segment, a place and a pointer as if it stood there."""
        segment, place = self._far(pointer, 16 if pointer & 4 else 8)
        if not pointer & 4:
            found: int = WORD.unpack_from(segment, place)[0]
            if found & 3 == FAR_POINTER:
                raise Malformed("a far pointer leads to another one")
            return segment, place, found
        pad, tag = _TWO_WORDS.unpack_from(segment, place)
        if pad & 7 != FAR_POINTER or tag & 3 == FAR_POINTER:
            raise Malformed("a landing pad of two words is none")
        segment, place = self._far(pad, 0)
        # The tag is relative to the object itself; a pointer would be one word before what it leads to.
        return segment, place - 8, tag

    def _far(self, pointer: int, size: int) -> tuple[bytes, int]:
        number, place = pointer >> 32, (pointer & 0xFFFFFFF8)
        if number >= len(self.segments):
            raise Malformed(f"there is no segment {number}")
        segment = self.segments[number]
        if place + size > len(segment):
            raise Malformed("a far pointer leads out of its segment")
        return segment, place

    def struct(self, segment: bytes, place: int, pointer: int) -> tuple[bytes, int, int, int, int]:
        """Where a struct is: its segment, the place and bytes of its data, the place and number of its pointers."""
        if pointer & 3:
            if pointer & 3 == FAR_POINTER:
                segment, place, pointer = self.follow(pointer)
            if pointer & 3:
                raise Malformed("there is something else where a struct must be")
        low = pointer & 0xFFFFFFFC
        data = place + 8 + 2 * (low if low < 0x80000000 else low - 0x100000000)
        size, count = pointer >> 29 & 0x7FFF8, pointer >> 48
        pointers = data + size
        if data < 0 or pointers + 8 * count > len(segment):
            raise Malformed("a struct lies outside of its segment")
        self.left -= _OBJECT_UNITS + (size >> 3) + count
        if self.left < 0:
            raise BeyondBounds("it holds more values than are read of one message")
        return segment, data, size, pointers, count

    def list(self, segment: bytes, place: int, pointer: int) -> tuple[bytes, int, int, int]:
        """Where a list is: its segment, the place of its first element or of its tag, the elements' size, and how many
        there are, or how many words of structs."""
        if pointer & 3 != LIST_POINTER:
            if pointer & 3 == FAR_POINTER:
                segment, place, pointer = self.follow(pointer)
            if pointer & 3 != LIST_POINTER:
                raise Malformed("there is something else where a list must be")
        low = pointer & 0xFFFFFFFC
        start = place + 8 + 2 * (low if low < 0x80000000 else low - 0x100000000)
        size, count = pointer >> 32 & 7, pointer >> 35
        taken = 8 * (count + 1) if size == COMPOSITE else (ELEMENT_BITS[size] * count + 7) >> 3
        if start < 0 or start + taken > len(segment):
            raise Malformed("a list lies outside of its segment")
        return segment, start, size, count

    def structs(self, segment: bytes, start: int, size: int, count: int) -> tuple[int, int, int, int]:
        """The elements of a list as structs: where the first one is, how many, and the bytes of data and the number of
        pointers of each. What was no list of structs when it was written can be one of a newer schema."""
        if size == COMPOSITE:
            tag: int = WORD.unpack_from(segment, start)[0]
            if tag & 3 != STRUCT_POINTER:
                raise Malformed("a list's tag is none")
            number, data, pointers = (tag & 0xFFFFFFFC) >> 2, tag >> 29 & 0x7FFF8, tag >> 48
            if number * ((data >> 3) + pointers) > count:
                raise Malformed("a list has less room than elements")
            self.spend(1 + number * (_OBJECT_UNITS + (data >> 3) + pointers))
            return start + 8, number, data, pointers
        if size == BIT:
            raise Malformed("there are single bits where structs must be")
        self.spend(1 + count * (_OBJECT_UNITS + 1))
        return start, count, (0 if size == POINTER else ELEMENT_BITS[size] >> 3), int(size == POINTER)

    def octets(self, segment: bytes, place: int, pointer: int) -> bytes:
        """The bytes of a Data, or of a Text with its final zero."""
        if pointer & 3 == LIST_POINTER and pointer >> 32 & 7 == BYTE:
            low = pointer & 0xFFFFFFFC
            start = place + 8 + 2 * (low if low < 0x80000000 else low - 0x100000000)
            count = pointer >> 35
            if start >= 0 and start + count <= len(segment):
                self.left -= 1 + (count >> 6)
                if self.left >= 0:
                    return segment[start : start + count]
        segment, start, size, count = self.list(segment, place, pointer)
        if size != BYTE:
            raise Malformed("there is another list where bytes must be")
        self.spend(1 + (count >> 6))
        return segment[start : start + count]

    def text(self, segment: bytes, place: int, pointer: int) -> str:
        """A Text."""
        octets = self.octets(segment, place, pointer)
        if octets[-1:] != b"\0":
            raise Malformed("a text has no end")
        try:
            return octets[:-1].decode()
        except UnicodeDecodeError:
            raise Malformed("a text is not UTF-8") from None

    def object(self, segment: bytes, place: int, pointer: int) -> Any:
        """What a capability pointer means."""
        if pointer & 3 == FAR_POINTER:
            _, _, pointer = self.follow(pointer)
        if pointer & 0xFFFFFFFF != OTHER_POINTER:
            raise Malformed("there is something else where an object must be")
        number = pointer >> 32
        if number >= len(self.objects):
            raise Malformed(f"there is no object {number} in the message's table")
        return self.objects[number]

    def pointer(self, segment: bytes, pointers: int, count: int, index: int) -> int:
        """A pointer of a struct; one that a shorter struct does not have is null."""
        if index >= count:
            return 0
        pointer: int = WORD.unpack_from(segment, pointers + 8 * index)[0]
        return pointer


class Copy:
    """One value copied into a message of one segment, without the objects in it.

    Attributes:
        segment: what there is so far; begins with room for the pointer to the value.
    """

    __slots__ = ("_incoming", "segment")

    def __init__(self, incoming: ReceivedMessage, segment: bytearray | None = None) -> None:
        self._incoming = incoming
        self.segment = bytearray(8) if segment is None else segment

    def put(self, at: int, segment: bytes, place: int, pointer: int, depth: int = 0) -> None:
        """Copy what a pointer leads to, and write the pointer to the copy at a place.

        Raises:
            Malformed: it leads nowhere, too far or too deep.
        """
        incoming = self._incoming
        if depth > MAX_DEPTH:
            raise BeyondBounds(f"pointers lead through more than {MAX_DEPTH} levels")
        if pointer & 3 == FAR_POINTER:
            segment, place, pointer = incoming.follow(pointer)
        kind = pointer & 3
        if kind == STRUCT_POINTER:
            segment, data, size, pointers, count = incoming.struct(segment, place, pointer)
            self._point(at, pointer, 0xFFFFFFFC if size + count == 0 else None)
            start = len(self.segment)
            self.segment += segment[data : data + size] + bytes(8 * count)
            self._pointers(start + size, segment, pointers, count, depth)
        elif kind == LIST_POINTER:
            self._list(at, segment, place, pointer, depth)
        elif pointer & 0xFFFFFFFF != OTHER_POINTER:
            raise Malformed("a pointer is of no known kind")
        # An object is nothing outside of its connection: its pointer stays null.

    def _list(self, at: int, segment: bytes, place: int, pointer: int, depth: int) -> None:
        incoming = self._incoming
        segment, start, size, count = incoming.list(segment, place, pointer)
        self._point(at, pointer)
        begin = len(self.segment)
        if size == COMPOSITE:
            first, number, data, pointers = incoming.structs(segment, start, size, count)
            self.segment += segment[start : first + 8 * count]
            for element in range(number if pointers else 0):
                offset = element * (data + 8 * pointers) + data
                self.segment[begin + 8 + offset : begin + 8 + offset + 8 * pointers] = bytes(8 * pointers)
                self._pointers(begin + 8 + offset, segment, first + offset, pointers, depth)
        elif size == POINTER:
            incoming.spend(1 + count)
            self.segment += bytes(8 * count)
            self._pointers(begin, segment, start, count, depth)
        else:
            taken = (ELEMENT_BITS[size] * count + 7) >> 3
            incoming.spend(1 + (taken >> 6))
            self.segment += segment[start : start + taken] + bytes(-taken % 8)

    def _pointers(self, at: int, segment: bytes, pointers: int, count: int, depth: int) -> None:
        for index in range(count):
            pointer: int = WORD.unpack_from(segment, pointers + 8 * index)[0]
            if pointer:
                self.put(at + 8 * index, segment, pointers + 8 * index, pointer, depth + 1)

    def _point(self, at: int, like: int, low: int | None = None) -> None:
        """Write a pointer to what comes next, of the kind and size of another one."""
        if low is None:
            low = ((len(self.segment) - at - 8) >> 1) | (like & 3)
        WORD.pack_into(self.segment, at, (like & 0xFFFFFFFF00000000) | low)


def segment_of(copy: Callable[[Copy], None], incoming: ReceivedMessage) -> bytes:
    """The segment of a message whose root is what ``copy`` puts at its beginning."""
    made = Copy(incoming)
    copy(made)
    return bytes(made.segment)

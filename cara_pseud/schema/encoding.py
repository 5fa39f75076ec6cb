"""Read the Cap'n Proto standard encoding: structs and lists of a message of one segment.

Enough for what the compiler's child process sends: read only, no far pointers, no capabilities, no packing. Source: the
encoding specification, https://capnproto.org/encoding.html. Knows no schema: offsets are the caller's.
"""

from __future__ import annotations

import struct

_WORD = struct.Struct("<Q")
_POINTER = struct.Struct("<iI")
_UNSIGNED = {8: struct.Struct("<B"), 16: struct.Struct("<H"), 32: struct.Struct("<I"), 64: struct.Struct("<Q")}
_ELEMENT_BITS = (0, 1, 8, 16, 32, 64, 64, 0)  # by element size code; 6 is a pointer, 7 composite
_POINTERS = 6
_COMPOSITE = 7


class EncodingError(ValueError):
    """Bytes are not what the encoding permits here."""


class StructReader:
    """A struct; what lies beyond its sections reads as zero or null, as in a message of an older schema."""

    __slots__ = ("_bytes", "_data", "_data_bits", "_pointer_count", "_pointers")

    def __init__(self, message: bytes, data: int, data_bits: int, pointers: int, pointer_count: int) -> None:
        self._bytes = message
        self._data = data
        self._data_bits = data_bits
        self._pointers = pointers
        self._pointer_count = pointer_count

    def unsigned(self, bits: int, offset: int) -> int:
        """The unsigned number of 8, 16, 32 or 64 bits at an offset in units of its own size."""
        if (offset + 1) * bits > self._data_bits:
            return 0
        number: int = _UNSIGNED[bits].unpack_from(self._bytes, self._data + offset * bits // 8)[0]
        return number

    def bit(self, offset: int) -> bool:
        """The bit at an offset in bits."""
        if offset >= self._data_bits:
            return False
        return bool(self._bytes[self._data + offset // 8] >> offset % 8 & 1)

    def has(self, index: int) -> bool:
        """Whether the pointer of that index is set."""
        if index >= self._pointer_count:
            return False
        return bool(_WORD.unpack_from(self._bytes, self._pointers + index * 8)[0])

    def struct(self, index: int) -> StructReader:
        """The struct a pointer leads to; null reads as an empty one."""
        if not self.has(index):
            return EMPTY_STRUCT
        return _struct_at(self._bytes, self._pointers + index * 8)

    def list(self, index: int) -> ListReader:
        """The list a pointer leads to; null reads as an empty one."""
        if not self.has(index):
            return EMPTY_LIST
        return _list_at(self._bytes, self._pointers + index * 8)

    def data(self, index: int) -> bytes:
        """The bytes of a Data or, with its final NUL, a Text."""
        return self.list(index).octets()

    def text(self, index: int) -> str:
        """A Text; null reads as the empty one. UnicodeDecodeError if it is not UTF-8."""
        return self.data(index)[:-1].decode()


class ListReader:
    """A list, whose elements' type its reader must know."""

    __slots__ = ("_bytes", "_data_words", "_pointer_count", "_size", "_start", "length")

    def __init__(self, message: bytes, start: int, length: int, size: int, data_words: int, pointer_count: int) -> None:
        self._bytes = message
        self._start = start
        self.length = length
        self._size = size
        self._data_words = data_words
        self._pointer_count = pointer_count

    def octets(self) -> bytes:
        """The elements of a list of bytes."""
        return self._bytes[self._start : self._start + self.length]

    def struct(self, index: int) -> StructReader:
        """An element as a struct: a list of anything but bits may stand for one of structs with that as only field."""
        if self._size == _COMPOSITE:
            start = self._start + index * 8 * (self._data_words + self._pointer_count)
            pointers = start + self._data_words * 8
            return StructReader(self._bytes, start, self._data_words * 64, pointers, self._pointer_count)
        bits = _ELEMENT_BITS[self._size]
        start = self._start + index * bits // 8
        if self._size == _POINTERS:
            return StructReader(self._bytes, start, 0, start, 1)
        return StructReader(self._bytes, start, bits, start, 0)

    def structs(self) -> list[StructReader]:
        """All elements as structs."""
        return [self.struct(index) for index in range(self.length)]

    def bit(self, index: int) -> bool:
        """An element of a list of bits."""
        return bool(self._bytes[self._start + index // 8] >> index % 8 & 1)


EMPTY_STRUCT = StructReader(b"", 0, 0, 0, 0)
EMPTY_LIST = ListReader(b"", 0, 0, 0, 0, 0)


def root(message: bytes) -> StructReader:
    """Return the root struct of a framed message.

    Raises:
        EncodingError: the message is cut off or has several segments.
    """
    if len(message) < 16 or message[:4] != bytes(4):
        raise EncodingError("not a message of one segment")
    if len(message) != 8 + 8 * int.from_bytes(message[4:8], "little"):
        raise EncodingError("the message is cut off")
    return _struct_at(message, 8)


def _target(message: bytes, at: int, kind: int) -> tuple[int, int]:
    """Where a pointer leads and its upper half."""
    lower, upper = _POINTER.unpack_from(message, at)
    if lower & 3 != kind:
        raise EncodingError(f"a pointer of kind {lower & 3} instead of {kind}")
    start = at + 8 + (lower >> 2) * 8
    if not 0 <= start <= len(message):
        raise EncodingError("a pointer leads out of its message")
    return start, upper


def _struct_at(message: bytes, at: int) -> StructReader:
    start, sizes = _target(message, at, 0)
    data_words, pointer_count = sizes & 0xFFFF, sizes >> 16
    if start + 8 * (data_words + pointer_count) > len(message):
        raise EncodingError("a struct reaches out of its message")
    return StructReader(message, start, data_words * 64, start + data_words * 8, pointer_count)


def _list_at(message: bytes, at: int) -> ListReader:
    start, upper = _target(message, at, 1)
    size, length = upper & 7, upper >> 3
    if size != _COMPOSITE:
        if start + (length * _ELEMENT_BITS[size] + 7) // 8 > len(message):
            raise EncodingError("a list reaches out of its message")
        return ListReader(message, start, length, size, 0, 0)
    # A tag word in the shape of a struct pointer tells the elements' number and size; length counts words without it.
    if start + 8 * (length + 1) > len(message):
        raise EncodingError("a list reaches out of its message")
    count, sizes = _POINTER.unpack_from(message, start)
    if (count >> 2) * ((sizes & 0xFFFF) + (sizes >> 16)) > length:
        raise EncodingError("a list has more elements than words")
    return ListReader(message, start + 8, count >> 2, size, sizes & 0xFFFF, sizes >> 16)

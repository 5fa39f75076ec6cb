from __future__ import annotations

import struct

import pytest

from cara_pseud.schema.encoding import EMPTY_LIST, EMPTY_STRUCT, EncodingError, root


def message(*words: int) -> bytes:
    return struct.pack(f"<II{len(words)}Q", 0, len(words), *words)


def struct_pointer(offset: int, data_words: int, pointers: int) -> int:
    return (offset << 2) & 0xFFFFFFFF | data_words << 32 | pointers << 48


def list_pointer(offset: int, size: int, length: int) -> int:
    return (offset << 2 | 1) & 0xFFFFFFFF | size << 32 | length << 35


def test_numbers_are_read_at_offsets_of_their_own_size() -> None:
    reader = root(message(struct_pointer(0, 1, 0), 0x0807060504030201))
    assert reader.unsigned(8, 1) == 0x02
    assert reader.unsigned(16, 1) == 0x0403
    assert reader.unsigned(32, 1) == 0x08070605
    assert reader.unsigned(64, 0) == 0x0807060504030201
    assert [reader.bit(offset) for offset in range(8, 12)] == [False, True, False, False]


def test_what_lies_beyond_a_struct_reads_as_zero_or_null() -> None:
    reader = root(message(struct_pointer(0, 1, 0), 0xFFFFFFFFFFFFFFFF))
    assert (reader.unsigned(64, 1), reader.bit(64), reader.has(0)) == (0, False, False)
    assert reader.struct(0) is EMPTY_STRUCT
    assert reader.list(0) is EMPTY_LIST
    assert (EMPTY_STRUCT.text(0), EMPTY_STRUCT.data(0), EMPTY_LIST.structs()) == ("", b"", [])


def test_text_has_a_final_nul_and_data_has_none() -> None:
    text = int.from_bytes(b"Ann\0", "little")
    reader = root(message(struct_pointer(0, 0, 2), list_pointer(1, 2, 4), list_pointer(1, 2, 3), text, text))
    assert (reader.text(0), reader.data(1)) == ("Ann", b"Ann")


def test_lists_of_structs_carry_their_sizes_in_a_tag() -> None:
    reader = root(message(struct_pointer(0, 0, 1), list_pointer(0, 7, 2), struct_pointer(2, 1, 0), 5, 6))
    assert [item.unsigned(64, 0) for item in reader.list(0).structs()] == [5, 6]


def test_elements_of_other_lists_read_as_structs_of_one_field() -> None:
    reader = root(message(struct_pointer(0, 0, 1), list_pointer(0, 3, 3), 0x000300020001))
    assert [item.unsigned(16, 0) for item in reader.list(0).structs()] == [1, 2, 3]


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"\x01" + bytes(15),
        message(0)[:-1],
        message(struct_pointer(0, 2, 0), 0),
        message(struct_pointer(-5, 1, 0), 0),
        message(list_pointer(0, 2, 1), 0),
    ],
)
def test_damaged_messages_are_refused(damaged: bytes) -> None:
    with pytest.raises(EncodingError):
        root(damaged)


@pytest.mark.parametrize(
    "pointer", [list_pointer(0, 7, 9), list_pointer(0, 5, 9), list_pointer(90, 2, 1), struct_pointer(0, 0, 0) | 2]
)
def test_damaged_list_pointers_are_refused(pointer: int) -> None:
    reader = root(message(struct_pointer(0, 0, 1), pointer, 0))
    with pytest.raises(EncodingError):
        reader.list(0)


def test_a_list_cannot_claim_more_elements_than_it_has_words() -> None:
    reader = root(message(struct_pointer(0, 0, 1), list_pointer(0, 7, 1), struct_pointer(1000, 1, 0), 0))
    with pytest.raises(EncodingError, match="more elements than words"):
        reader.list(0)

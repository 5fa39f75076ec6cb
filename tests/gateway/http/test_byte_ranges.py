"""Which part of a file a `Range` field asks for."""

from __future__ import annotations

import pytest

from gateway.http.byte_ranges import UnsatisfiableRangeError, byte_range

SIZE = 1000


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("bytes=0-99", (0, 100)),
        ("bytes=0-0", (0, 1)),
        ("bytes=900-", (900, 1000)),
        ("bytes=999-999", (999, 1000)),
        ("bytes=900-5000", (900, 1000)),
        ("bytes=-1", (999, 1000)),
        ("bytes=-5000", (0, 1000)),
        ("BYTES = 1-2 ", (1, 3)),
        (None, None),
        ("", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=2-1", None),
        ("bytes=0-1,5-6", None),
        ("lines=0-1", None),
        ("bytes=0x1-2", None),
        ("bytes=١-٢", None),
        ("bytes=" + "9" * 30 + "-", None),
    ],
)
def test_one_range_is_a_part_and_what_is_none_asks_for_all(text: str | None, part: tuple[int, int] | None) -> None:
    assert byte_range(text, SIZE) == part


@pytest.mark.parametrize(
    ("text", "size"), [("bytes=1000-", SIZE), ("bytes=1000-1001", SIZE), ("bytes=-0", SIZE), ("bytes=0-", 0)]
)
def test_a_part_that_is_not_there_cannot_be_had(text: str, size: int) -> None:
    with pytest.raises(UnsatisfiableRangeError, match=f"there are {size} bytes"):
        byte_range(text, size)

"""Which texts are prefixes of paths, and what stands below them."""

from __future__ import annotations

import pytest

from gateway.path_prefix import MAX_PREFIX_CHARS, below, path_prefix


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("/gw", "/gw"), ("/gw/", "/gw"), ("/", ""), ("/a/b.c/d-e_f~g@h", "/a/b.c/d-e_f~g@h"), ("/%C3%A4", "/%C3%A4"),
        ("/" + "x" * (MAX_PREFIX_CHARS - 1), "/" + "x" * (MAX_PREFIX_CHARS - 1)), ("/...", "/..."),
    ],
)  # fmt: skip
def test_a_path_is_a_prefix_without_its_last_slash(text: str, prefix: str) -> None:
    assert path_prefix(text) == prefix


@pytest.mark.parametrize(
    "text",
    [
        "", "gw", "//evil.example", "/gw//", "/a//b", "/..", "/gw/../x", "/.", "/gw;Path=/", "/gw, /x", "/gw?x",
        "/gw#x", "/gw\r\nX: y", "/gw\n", "/g w", "/ä", "/%zz", "/%", "http://evil.example",
        "/" + "x" * MAX_PREFIX_CHARS,
    ],
)  # fmt: skip
def test_what_could_stand_for_something_else_is_no_prefix(text: str) -> None:
    assert path_prefix(text) is None


@pytest.mark.parametrize(
    ("path", "found"),
    [("/gw/api", "/api"), ("/gw/", "/"), ("/gw", None), ("/gwx/api", None), ("/api", None), ("/gw/gw/api", "/gw/api")],
)
def test_a_path_stands_below_a_prefix_by_whole_segments(path: str, found: str | None) -> None:
    assert below("/gw", path) == found

"""A file as an answer: its type, and parts of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.http.files import media_type_of
from tests.gateway.http.conftest import Edge, problem


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.js", "text/javascript; charset=utf-8"),
        ("A.JS", "text/javascript; charset=utf-8"),
        ("a.wasm", "application/wasm"),
        ("a.png", "image/png"),
        ("a.mp4", "video/mp4"),
        ("a.pdf", "application/pdf"),
        ("a.woff2", "font/woff2"),
        ("a.webmanifest", "application/manifest+json"),
        ("a.js.map", "application/json"),
        ("a.tar.gz", "application/gzip"),
        ("a.svg.br", "application/octet-stream"),
        ("a", "application/octet-stream"),
        ("a.unheard", "application/octet-stream"),
    ],
)
def test_the_type_is_that_of_the_name_on_every_system(name: str, media_type: str) -> None:
    assert media_type_of(Path("/folder.css") / name) == media_type


@pytest.fixture(scope="module")
def texts(pages: Path) -> dict[str, bytes]:
    """A file that is sent at once, and two in pieces, of which the tag of one is made in a thread."""
    files = {f"{size}.bin": (bytes(range(251)) * (size // 251 + 1))[:size] for size in (1000, 100_000, 5_000_000)}
    for name, data in files.items():
        (pages / name).write_bytes(data)
    return files


@pytest.mark.gen_test
async def test_a_part_of_a_file_is_sent(edge: Edge, texts: dict[str, bytes]) -> None:
    for name, data in texts.items():
        whole = await edge.get(f"/{name}")
        assert (whole.code, whole.body, whole.headers["Accept-Ranges"]) == (200, data, "bytes")
        for field, begin, end in (("0-99", 0, 100), ("-10", len(data) - 10, len(data)), ("700-", 700, len(data))):
            part = await edge.get(f"/{name}", {"Range": f"bytes={field}"})
            assert (part.code, part.body) == (206, data[begin:end])
            assert part.headers["Content-Range"] == f"bytes {begin}-{end - 1}/{len(data)}"
            assert part.headers["ETag"] == whole.headers["ETag"]
        head = await edge.request("HEAD", f"/{name}", None, {"Range": "bytes=0-99"})
        assert (head.code, head.headers["Content-Length"]) == (200, str(len(data)))


@pytest.mark.gen_test
async def test_who_has_a_part_of_another_file_gets_all(edge: Edge, texts: dict[str, bytes]) -> None:
    whole = await edge.get("/1000.bin")
    assert not whole.headers["ETag"].startswith("W/")
    for mark, code in (
        (whole.headers["ETag"], 206), (whole.headers["Last-Modified"], 206),
        (f"W/{whole.headers['ETag']}", 200), ('"another"', 200), ("Thu, 01 Jan 1970 00:00:00 GMT", 200),
    ):  # fmt: skip
        assert (await edge.get("/1000.bin", {"Range": "bytes=0-1", "If-Range": mark})).code == code


@pytest.mark.gen_test
async def test_a_part_behind_the_end_is_refused(edge: Edge, texts: dict[str, bytes]) -> None:
    for name, data in texts.items():
        refused = await edge.get(f"/{name}", {"Range": f"bytes={len(data)}-"})
        assert problem(refused)["status"] == 416
        assert refused.headers["Content-Range"] == f"bytes */{len(data)}"
        assert "ETag" not in refused.headers


@pytest.mark.gen_test
async def test_a_file_that_is_known_by_its_time_is_not_sent_again(edge: Edge, texts: dict[str, bytes]) -> None:
    page = await edge.get("/1000.bin")
    changed = page.headers["Last-Modified"]
    for field, code in (
        ({"If-Modified-Since": changed}, 304),
        ({"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 200),
        ({"If-Modified-Since": "yesterday"}, 200),
        ({"If-Modified-Since": changed, "If-None-Match": '"another"'}, 200),
    ):
        assert (await edge.get("/1000.bin", field)).code == code

"""Documents made of the schemas: once, with a tag, and of the schema in two forms."""

from __future__ import annotations

import gzip
import json

import pytest

from gateway.http.documents import Document
from tests.gateway.http.conftest import Edge

pytestmark = pytest.mark.gen_test

SCHEMA = "/schema/calculator"
TYPES = "/types/calculator.d.ts"
AS_JSON = {"Accept": "application/json"}


def test_a_document_is_made_when_it_is_asked_for_and_once() -> None:
    made = []
    document = Document(lambda: bytes([made.append(1) or len(made)]))
    assert made == []
    assert document.data == document.data == b"\x01"
    assert document.media_type == "application/json"


async def test_a_document_is_the_same_for_everybody(edge: Edge) -> None:
    first = await edge.get("/openapi.json")
    assert (first.code, first.body) == (200, b'{"made":1}')
    assert (first.headers["Content-Type"], first.headers["Cache-Control"]) == ("application/json", "private, no-cache")
    again = await edge.get("/openapi.json")
    assert (again.body, again.headers["ETag"]) == (first.body, first.headers["ETag"])
    # So short a text is sent as it is to everybody.
    packed = await edge.get("/openapi.json", {"Accept-Encoding": "gzip"})
    assert packed.headers["Vary"] == first.headers["Vary"] == "Authorization, Cookie"


async def test_a_document_has_its_own_type_and_is_compressed_for_who_takes_it(edge: Edge) -> None:
    plain = await edge.get(TYPES)
    packed = await edge.get(TYPES, {"Accept-Encoding": "gzip"})
    assert plain.headers["Content-Type"] == packed.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert gzip.decompress(packed.body) == plain.body
    assert plain.headers["Vary"] == packed.headers["Vary"]
    assert "Accept-Encoding" in plain.headers["Vary"]
    assert plain.headers["ETag"] == packed.headers["ETag"]


async def test_who_has_a_document_does_not_get_it_again(edge: Edge) -> None:
    tag = (await edge.get(TYPES)).headers["ETag"]
    for method in ("GET", "HEAD"):
        known = await edge.request(method, TYPES, None, {"If-None-Match": tag, "Accept-Encoding": "gzip"})
        assert (known.code, known.body, known.headers["ETag"]) == (304, b"", tag)
        assert known.headers["Cache-Control"] == "private, no-cache"
        other = await edge.request(method, TYPES, None, {"If-None-Match": 'W/"other"'})
        assert other.code == 200
    head = await edge.request("HEAD", TYPES)
    assert (head.body, head.headers["Content-Length"]) == (b"", "2003")
    refused = await edge.post(TYPES)
    assert (refused.code, refused.headers["Allow"]) == (405, "GET, HEAD")


async def test_a_schema_is_text_or_all_its_files_as_json(edge: Edge) -> None:
    text = await edge.get(SCHEMA)
    assert text.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert b"interface Calculator" in text.body
    files = await edge.get(SCHEMA, AS_JSON)
    assert files.headers["Content-Type"] == "application/json"
    assert json.loads(files.body)
    assert text.headers["ETag"] != files.headers["ETag"]
    for answer in (text, files):
        assert "Accept" in [name.strip() for name in answer.headers["Vary"].split(",")]
    assert (await edge.get(SCHEMA, {"If-None-Match": files.headers["ETag"]})).code == 200
    assert (await edge.get(SCHEMA, {"If-None-Match": files.headers["ETag"], **AS_JSON})).code == 304
    assert (await edge.request("HEAD", SCHEMA)).headers["ETag"] == text.headers["ETag"]

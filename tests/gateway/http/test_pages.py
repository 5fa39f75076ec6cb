"""The files of the console and the browser client, and what those learn who watch the gateway."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.catalogue import Service
from tests.gateway.http.conftest import Built, Edge, problem

pytestmark = pytest.mark.gen_test


@pytest.mark.parametrize(
    ("path", "media_type", "text"),
    [
        ("/", "text/html; charset=utf-8", b"<title>Console</title>"),
        ("/index.html", "text/html; charset=utf-8", b"<title>Console</title>"),
        ("/client/index.js", "text/javascript; charset=utf-8", b"export {};\n"),
        ("/client/module.mjs", "text/javascript; charset=utf-8", b"export {};\n"),
        ("/console.css", "text/css; charset=utf-8", b"body { margin: 0; }\n"),
        ("/logo.svg", "image/svg+xml", b"<svg/>"),
        ("/data.json", "application/json", b"{}"),
        ("/a%20b+c.txt", "text/plain; charset=utf-8", b"with a space"),
        ("/cl%69ent/index.js?v=1", "text/javascript; charset=utf-8", b"export {};\n"),
    ],
)
async def test_a_file_has_its_type_and_a_tag(edge: Edge, path: str, media_type: str, text: bytes) -> None:
    page = await edge.get(path)
    assert (page.code, page.headers["Content-Type"], page.body) == (200, media_type, text)
    assert page.headers["Cache-Control"] == "no-cache"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    head = await edge.request("HEAD", path)
    assert (head.code, head.body, head.headers["Content-Length"]) == (200, b"", str(len(text)))
    known = await edge.get(path, {"If-None-Match": page.headers["ETag"]})
    assert (known.code, known.body) == (304, b"")
    assert head.headers["ETag"] == page.headers["ETag"]


async def test_a_long_file_is_sent_in_pieces_as_it_is_read(edge: Edge, pages: Path) -> None:
    text = b"".join(b"%7d\n" % number for number in range(100_000))
    (pages / "long.txt").write_bytes(text)
    slow = await edge.connect(reads_little=True)
    for _ in range(2):
        slow.ask("GET", "/long.txt")
    assert (await edge.get("/long.txt")).body == text
    head = await edge.request("HEAD", "/long.txt")
    assert (head.body, head.headers["Content-Length"]) == (b"", "800000")
    for _ in range(2):
        head_of_slow, body = await slow.answer()
        assert (head_of_slow.headers["last-modified"], body) == (head.headers["Last-Modified"], text)
    slow.send(b"GET /long.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert (await slow.answer())[1] == text


async def test_a_file_that_is_changed_while_it_is_sent_is_broken_off(
    edge: Edge, pages: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (pages / "changing.txt").write_bytes(b"a" * 1_000_000)
    slow = await edge.connect(reads_little=True)
    slow.ask("GET", "/changing.txt")
    assert (await slow.head()).status == 200
    (pages / "changing.txt").write_bytes(b"b" * 1_000_000)
    rest = await slow.rest()
    assert len(rest) < 1_000_000
    assert b"b" not in rest
    assert "was changed while it was sent" in caplog.text
    assert (await edge.get("/changing.txt")).body == b"b" * 1_000_000


async def test_a_page_loads_from_here_alone_and_is_shown_in_no_frame(edge: Edge) -> None:
    page = (await edge.get("/")).headers
    rules = dict(rule.strip().split(" ", 1) for rule in page["Content-Security-Policy"].split(";"))
    assert rules == {
        "default-src": "'self'", "img-src": "'self' data:",
        "frame-ancestors": "'none'", "base-uri": "'none'", "form-action": "'self'",
    }  # fmt: skip
    assert page["Referrer-Policy"] == "no-referrer"
    script = (await edge.get("/client/index.js")).headers
    # A worker's script brings the rules for the worker; other pages that load a module have their own.
    assert script["Content-Security-Policy"] == page["Content-Security-Policy"]
    assert "Referrer-Policy" not in script


@pytest.mark.parametrize(
    "path",
    [
        "/nothing", "/client", "/client/", "/client/nothing.js", "/client/index.js/", "/index.html/x",
        "/%00", "/index.html%00", "/../secret.txt", "/%2e%2e/secret.txt",
        "/..%2fsecret.txt", "/client/../../secret.txt", "//etc/passwd",
        "/%2fetc/passwd", "/..", "/" + "a" * 300,
    ],
)  # fmt: skip
async def test_what_is_not_there_is_not_found_whatever_is_asked(edge: Edge, pages: Path, path: str) -> None:
    assert (pages.parent / "secret.txt").is_file()
    connection = await edge.connect()
    for method in ("GET", "HEAD", "POST", "DELETE", "PUT", "BREW"):
        connection.ask(method, path)
        head = await connection.head()
        assert (method, head.status) == (method, 404)
        if method != "HEAD":
            found = json.loads(await connection.read(int(head.headers["content-length"])))
            assert (found["code"], found["detail"]) == ("not_found", "there is nothing at this path")


async def test_what_is_there_is_only_read(edge: Edge) -> None:
    for method in ("POST", "DELETE", "PUT", "BREW"):
        refused = await edge.request(method, "/client/index.js")
        assert (refused.code, refused.headers["Allow"]) == (405, "GET, HEAD")


async def test_a_refused_host_is_not_taken_for_a_missing_file(edge: Edge) -> None:
    assert problem(await edge.get("/", {"Host": "evil.example"}))["status"] == 421
    refused = await edge.post("/index.html", None, {"Origin": "https://evil.example"})
    assert problem(refused)["status"] == 403


async def test_the_process_answers(edge: Edge) -> None:
    health = await edge.get("/healthz")
    assert (health.code, health.body) == (200, b'{"status":"ok"}')
    assert (await edge.request("HEAD", "/healthz")).code == 200


async def test_it_is_ready_when_every_service_is_up(edge: Edge) -> None:
    ready = await edge.get("/readyz")
    assert (ready.code, ready.headers["Cache-Control"]) == (200, "no-store")
    assert json.loads(ready.body) == {"status": "ready", "services": {"calculator": "up", "addressbook": "up"}}
    assert (await edge.request("HEAD", "/readyz")).code == 200


@pytest.mark.parametrize(
    ("state", "trouble", "reasons"),
    [
        ("down", "nobody answers", {"addressbook": "nobody answers"}),
        ("connecting", "", {}),
        ("up", "it does not let us in", {"addressbook": "it does not let us in"}),
    ],
)
async def test_it_is_not_ready_when_one_service_is_not(
    edge: Edge, addressbook: Service, state: str, trouble: str, reasons: Mapping[str, str]
) -> None:
    upstream: Any = addressbook.upstream
    upstream.state, upstream.trouble = state, trouble
    answer = await edge.get("/readyz")
    found = problem(answer)
    assert (found["status"], found["detail"]) == (503, "not every service can be reached")
    assert found["services"] == {"calculator": "up", "addressbook": state}
    assert found["reasons"] == reasons
    assert upstream.endpoint.encode() not in answer.body
    assert (await edge.request("HEAD", "/readyz")).code == 503
    assert (await edge.get("/healthz")).code == 200


async def test_it_is_not_ready_when_it_stops(edge: Edge, built: Built) -> None:
    built.say_that_it_stops()
    found = problem(await edge.get("/readyz"))
    assert (found["status"], found["detail"]) == (503, "the gateway stops")
    assert (await edge.get("/healthz")).code == 200


async def test_states_are_told_to_nobody_who_may_not_ask(edge: Edge) -> None:
    for answer in (await edge.get("/readyz", {"Host": "evil.example"}), await edge.post("/readyz")):
        assert not {"services", "reasons"} & problem(answer).keys()

"""Which handler a path has, and how bodies are measured."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.http.connection import MAX_DRAINED_BYTES
from tests.gateway.http.conftest import Edge, problem
from tests.gateway.http.raw import RawConnection

pytestmark = pytest.mark.gen_test

ADD = "/api/calculator/add"
LIMIT = 10_000
JSON_LINE = "Content-Type: application/json"


# Paths.


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/nothing", "nothing at this path"),
        ("/api/", "nothing at this path"),
        ("/api//add", "nothing at this path"),
        ("/api/handles", "nothing at this path"),
        ("/api/handles/", "nothing at this path"),
        ("/api/handles/x/add/more", "nothing at this path"),
        ("/api/session/x", "nothing at this path"),
        ("/api/callbacks", "nothing at this path"),
        ("/api/callbacks/", "nothing at this path"),
        ("/api/events/", "nothing at this path"),
        ("/api/events/x", "nothing at this path"),
        ("/api/callbacks/g:1/x", "nothing at this path"),
        ("/api/calculator/add/more", "nothing at this path"),
        ("/%61pi/calculator", "nothing at this path"),
        ("/api/calculator%2Fadd", 'there is no service "calculator/add"'),
        ("/api/calculater", 'did you mean "calculator"?'),
        ("/api/calculator/ad", 'did you mean "add"?'),
        ("/api/calculator/%ff", 'has no method "�"'),
        ("/openapi.json/x", "nothing at this path"),
        ("/schema/nothing", "nothing at this path"),
        ("/metrics/", "nothing at this path"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "BREW"])
async def test_nothing_is_found_at_another_path(edge: Edge, method: str, path: str, says: str) -> None:
    found = problem(await edge.request(method, path))
    assert found["code"] == "not_found"
    assert says in found["detail"]


async def test_names_in_a_path_may_be_escaped(edge: Edge, root: Any) -> None:
    asked = edge.asks("POST", "/api/calculato%72/a%64d", [2, 5])
    (await root.next_call()).reply(7)
    assert (await asked).body == b'{"result":7}'
    described = await edge.get("/api/calculato%72")
    assert described.body == (await edge.get("/api/calculator")).body
    # An escaped slash parts nothing.
    assert 'no handle "a/add"' in problem(await edge.get("/api/handles/a%2Fadd", await edge.session()))["detail"]


async def test_services_and_methods_are_described(edge: Edge) -> None:
    services = json.loads((await edge.get("/api")).body)["services"]
    assert {service["name"] for service in services} == {"calculator", "addressbook"}
    methods = json.loads((await edge.get("/api/calculator")).body)["methods"]
    assert {method["name"] for method in methods} == {"add", "divide", "accumulator", "map"}
    assert (await edge.request("HEAD", "/api/calculator")).code == 200


# Bodies.


def padded(size: int) -> bytes:
    """Parameters in so many bytes."""
    return b"[2,5]".ljust(size)


def in_chunks(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


async def answered(connection: RawConnection, root: Any) -> bytes:
    (await root.next_call()).reply(7)
    head, body = await connection.answer()
    assert head.status == 200
    return body


async def refused(connection: RawConnection) -> None:
    head, body = await connection.answer()
    assert (head.status, head.headers["content-type"]) == (413, "application/problem+json")
    found = json.loads(body)
    assert (found["code"], found["detail"]) == ("too_large", "the body is too large: at most 10000 bytes are permitted")
    assert found["request_id"] == head.headers["x-request-id"]


async def test_a_body_may_be_as_large_as_the_limit_and_the_connection_goes_on(edge: Edge, root: Any) -> None:
    connection = await edge.connect()
    for _ in range(2):
        connection.ask("POST", ADD, JSON_LINE, body=padded(LIMIT))
        assert await answered(connection, root) == b'{"result":7}'
        connection.ask("POST", ADD, JSON_LINE, body=padded(LIMIT + 1))
        await refused(connection)
    assert len(root.calls) == 2


async def test_chunks_are_counted_as_they_come(edge: Edge, root: Any) -> None:
    connection = await edge.connect()
    chunked = (JSON_LINE, "Transfer-Encoding: chunked")
    for _ in range(2):
        connection.ask("POST", ADD, *chunked)
        connection.send(in_chunks(padded(LIMIT - 1), b" "))
        assert await answered(connection, root) == b'{"result":7}'
        connection.ask("POST", ADD, *chunked)
        connection.send(in_chunks(padded(LIMIT), b" "))
        await refused(connection)
    assert len(root.calls) == 2


@pytest.mark.parametrize("path", ["/nothing", "/api/session", "/", "/healthz", "/ws"])
async def test_a_body_that_is_too_large_is_so_everywhere(edge: Edge, path: str) -> None:
    connection = await edge.connect()
    connection.ask("POST", path, JSON_LINE, body=padded(LIMIT + 1))
    await refused(connection)


@pytest.mark.parametrize("length", [str(MAX_DRAINED_BYTES + 1), "9" * 30])
async def test_a_body_that_nobody_would_read_is_refused_at_once(edge: Edge, length: str) -> None:
    connection = await edge.connect()
    connection.ask("POST", ADD, JSON_LINE, f"Content-Length: {length}")
    await refused(connection)
    assert await connection.rest() == b""


async def test_a_length_in_too_many_digits_is_not_read_as_a_number(edge: Edge, root: Any) -> None:
    connection = await edge.connect()
    connection.ask("POST", ADD, JSON_LINE, f"Content-Length: {5:018}")
    connection.send(padded(5))
    assert await answered(connection, root) == b'{"result":7}'
    connection.ask("POST", ADD, JSON_LINE, f"Content-Length: {5:019}")
    await refused(connection)


async def test_what_is_too_large_is_told_at_once_and_its_rest_is_read(edge: Edge) -> None:
    connection = await edge.connect()
    connection.ask("POST", ADD, JSON_LINE, f"Content-Length: {LIMIT + 2}")
    await refused(connection)
    connection.send(padded(LIMIT + 2))
    assert (await edge.get("/healthz")).code == 200
    assert not connection.writer.is_closing()


@pytest.mark.parametrize(
    ("more", "goes_on"),
    [(b"", False), (b"1\r\n \r\n", False), (b"0\r\n\r\n", True)],
    ids=["nothing", "another", "the end"],
)
async def test_chunks_without_end_are_not_read_for_ever(edge: Edge, more: bytes, goes_on: bool) -> None:
    connection = await edge.connect()
    connection.ask("POST", ADD, JSON_LINE, "Transfer-Encoding: chunked")
    large = b"%x\r\n%s\r\n" % (2**20, b" " * 2**20)
    for _ in range(MAX_DRAINED_BYTES // 2**20):
        connection.send(large)
        await connection.writer.drain()
    assert not connection.reader._buffer
    connection.send(b"1\r\n \r\n", more)
    await refused(connection)
    if goes_on:
        connection.ask("GET", "/healthz")
        assert (await connection.answer())[0].status == 200
    else:
        assert await connection.rest() == b""


async def test_who_asks_before_sending_too_much_is_told_not_to(edge: Edge) -> None:
    for expects in ("Expect: 100-continue", "Expect: 100-Continue"):
        connection = await edge.connect()
        connection.ask("POST", ADD, JSON_LINE, expects, f"Content-Length: {LIMIT + 1}")
        await refused(connection)


@pytest.mark.parametrize("expects", ["100-continue", "100-Continue", "100-CONTINUE"])
@pytest.mark.parametrize("is_chunked", [False, True])
async def test_who_asks_before_sending_what_fits_is_told_to(
    edge: Edge, root: Any, expects: str, is_chunked: bool
) -> None:
    connection = await edge.connect()
    length = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {LIMIT}"
    connection.ask("POST", ADD, JSON_LINE, f"Expect: {expects}", length)
    assert (await connection.head()).status == 100
    connection.send(in_chunks(padded(LIMIT)) if is_chunked else padded(LIMIT))
    assert await answered(connection, root) == b'{"result":7}'


@pytest.mark.parametrize(
    "media_type", ["multipart/form-data", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"]
)
async def test_a_form_is_another_type_and_no_bad_request(edge: Edge, media_type: str) -> None:
    for body in (b"a=b", b"--x\r\nno form", b"\xff"):
        assert problem(await edge.post(ADD, body, {"Content-Type": media_type}))["code"] == "unsupported_media_type"


async def test_a_client_that_leaves_within_its_body_leaves_nothing(edge: Edge, root: Any) -> None:
    for head in ("Content-Length: 100", "Transfer-Encoding: chunked", f"Content-Length: {LIMIT + 1}"):
        connection = await edge.connect()
        connection.ask("POST", ADD, JSON_LINE, head)
        connection.send(b"5\r\n[2,5]")
        await connection.close()
    # That nothing is left the fixture http_server looks for.
    assert (await edge.get("/healthz")).code == 200
    assert root.calls == []

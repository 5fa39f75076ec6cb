"""What heads say, in tables: RFC 9112 sections 2 to 6, one line each."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.request_head import CHUNKED, ENDLESS, HeadError, HttpRequest, early_fault, parse_head

MAX_LINES = 20


def parsed(*lines: str, host: str | None = "a") -> HttpRequest:
    head = [lines[0], *([] if host is None else [f"Host: {host}"]), *lines[1:], ""]
    return parse_head("\r\n".join(head).encode("latin-1"), MAX_LINES)


def refused(*lines: str, host: str | None = "a") -> tuple[int, str]:
    with pytest.raises(HeadError) as caught:
        parsed(*lines, host=host)
    problem = caught.value.problem()
    assert problem["status"] == caught.value.http
    return caught.value.http, caught.value.detail


@pytest.mark.parametrize(
    ("line", "path", "query", "host"),
    [
        ("GET / HTTP/1.1", "/", "", "a"),
        ("GET /a/b?c=d?e HTTP/1.1", "/a/b", "c=d?e", "a"),
        ("GET /a%2Fb? HTTP/1.1", "/a%2Fb", "", "a"),
        ("GET //b/c HTTP/1.1", "//b/c", "", "a"),
        ("GET http://b:80/c?d HTTP/1.1", "/c", "d", "b:80"),
        ("GET HTTP://b HTTP/1.1", "/", "", "b"),
        ("GET https://b?c HTTP/1.1", "/", "c", "b"),
        ("GET http://[::1]:80/ HTTP/1.1", "/", "", "[::1]:80"),
        ("OPTIONS * HTTP/1.1", "*", "", "a"),
        ("OPTIONS http://b HTTP/1.1", "*", "", "b"),
        ("OPTIONS http://b/ HTTP/1.1", "/", "", "b"),
        ("CONNECT b:80 HTTP/1.1", "", "", "a"),
        ("GET /Zo\xc3\xab?p=Zo\xc3\xab HTTP/1.1", "/Zoë", "p=Zoë", "a"),
        ("GET /Zo%C3%AB HTTP/1.1", "/Zo%C3%AB", "", "a"),
    ],
)
def test_a_target_has_four_forms(line: str, path: str, query: str, host: str) -> None:
    request = parsed(line)
    assert (request.path, request.query, request.host) == (path, query, host)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("GET", "must end with HTTP/1.1"),
        ("GET /", "must end with HTTP/1.1"),
        ("GET  / HTTP/1.1", "single spaces"),
        ("GET / HTTP/1.1 ", "must end with"),
        (" GET / HTTP/1.1", 'the method ""'),
        ("GET /a b HTTP/1.1", "single spaces"),
        ("GET /\t HTTP/1.1", "single spaces"),
        ("GET /\x00 HTTP/1.1", "single spaces"),
        ("GET /\x7f HTTP/1.1", "single spaces"),
        ("G(T / HTTP/1.1", 'the method "G(T"'),
        ("GET / http/1.1", "must end with"),
        ("GET / HTTP/1.10", "single spaces"),
        ("GET / HTTP/11", "single spaces"),
        ("GET a HTTP/1.1", 'not "a"'),
        ("GET ftp://a/ HTTP/1.1", 'not "ftp://a/"'),
        ("GET http:// HTTP/1.1", "must name a host"),
        ("GET http:///a HTTP/1.1", "must name a host"),
        ("GET http://me:secret@a/ HTTP/1.1", "nobody's password"),
        ("GET * HTTP/1.1", "OPTIONS only"),
        ("GET a:80 HTTP/1.1", 'not "a:80"'),
        ("GET /#top HTTP/1.1", "fragment"),
        ("GET /Zo\xeb HTTP/1.1", "UTF-8"),
        ("GET /?p=Zo\xeb HTTP/1.1", "UTF-8"),
    ],
)
def test_what_is_no_request_line_is_said(line: str, says: str) -> None:
    status, detail = refused(line)
    assert status == 400
    assert says in detail
    assert len(detail) < 150


@pytest.mark.parametrize("version", ["HTTP/2.0", "HTTP/0.9", "HTTP/3.0"])
def test_other_versions_are_said_to_be_such(version: str) -> None:
    status, detail = refused(f"PRI * {version}")
    assert status == 505
    assert "HTTP/1.1" in detail


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("X : 1", 'the name of a header is "X "'),
        ("X\t: 1", "the name of a header"),
        (": 1", 'the name of a header is ""'),
        ("X", "no colon"),
        (" X: 1", "begins with a blank"),
        ("\tX: 1", "begins with a blank"),
        ("X(: 1", "the name of a header"),
        ("X\xe9: 1", "the name of a header"),
        ("X\x00: 1", "the name of a header"),
        ("X: a\x00b", "control character"),
        ("X: a\x7fb", "control character"),
        ("X: a\x1bb", "control character"),
        ("X: a\rb", "control character"),
        ("X: a\nY: b", "control character"),
        ("X: \r", "control character"),
    ],
)
def test_what_is_no_header_is_said(line: str, says: str) -> None:
    status, detail = refused("GET / HTTP/1.1", "A: 1", line, "B: 2")
    assert status == 400
    assert says in detail


def test_headers_have_one_spelling_and_are_joined() -> None:
    lines = ["x-tHIS: \t1, 2\t ", "X-This:3", "empty:", "Cookie: a=1", "cookie: b=2", "Name: caf\xe9"]
    assert parsed("GET / HTTP/1.1", *lines).headers == {
        "Host": "a", "X-This": "1, 2, 3", "Empty": "", "Cookie": "a=1; b=2", "Name": "caf\xe9"
    }  # fmt: skip


def test_so_many_headers_are_read_and_no_more() -> None:
    lines = [f"X-{number}: 1" for number in range(MAX_LINES - 1)]
    assert len(parsed("GET / HTTP/1.1", *lines).headers) == MAX_LINES
    status, detail = refused("GET / HTTP/1.1", *lines, "One: 1")
    assert (status, detail) == (431, "the head has 21 headers, at most 20 are permitted")


@pytest.mark.parametrize(
    ("host", "is_good"),
    [
        ("a", True), ("a:80", True), ("a:", True), ("", True), ("127.0.0.1:1", True), ("[::1]", True),
        ("[::1]:80", True), ("a_b.example.", True), ("a:b", False), ("a b", False), ("a/b", False), ("a@b", False),
        ("a, b", False), ("a,b", False), ("é", False), ("[::1", False), ("a?b", False), ("a#b", False),
        ("http://a", False),
    ],
)  # fmt: skip
def test_the_host_is_one_name(host: str, is_good: bool) -> None:
    if is_good:
        assert parsed("GET / HTTP/1.1", host=host).host == host
    else:
        assert refused("GET / HTTP/1.1", host=host)[0] == 400


def test_there_is_one_host() -> None:
    assert refused("GET / HTTP/1.1", host=None) == (400, "the header Host is missing")
    assert refused("GET / HTTP/1.1", "Host: a")[0] == 400
    assert refused("GET / HTTP/1.0", "host: b")[0] == 400
    assert parsed("GET / HTTP/1.0", host=None).host == "127.0.0.1"
    assert parsed("GET / HTTP/1.0", host="b").host == "b"


@pytest.mark.parametrize(
    ("lines", "length"),
    [
        ([], 0),
        (["Content-Length: 0"], 0),
        (["Content-Length: 12"], 12),
        (["Content-Length: 000012"], 12),
        (["Content-Length:\t12 "], 12),
        (["Content-Length: 999999999999999999"], ENDLESS - 1),
        (["Content-Length: 1000000000000000000"], ENDLESS),
        (["Content-Length: " + "9" * 5000], ENDLESS),
        (["Transfer-Encoding: chunked"], CHUNKED),
        (["transfer-encoding: Chunked"], CHUNKED),
    ],
)
def test_a_body_has_one_length(lines: list[str], length: int) -> None:
    for method in ("POST", "GET", "BREW"):
        assert parsed(f"{method} / HTTP/1.1", *lines).length == length


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["Content-Length: "], 400),
        (["Content-Length: -1"], 400),
        (["Content-Length: +1"], 400),
        (["Content-Length: 0x1"], 400),
        (["Content-Length: 1_0"], 400),
        (["Content-Length: 1 0"], 400),
        (["Content-Length: 1.0"], 400),
        (["Content-Length: 1, 1"], 400),
        (["Content-Length: 1,2"], 400),
        (["Content-Length: 1", "Content-Length: 2"], 400),
        (["Content-Length: 1", "content-length: 1"], 400),
        (["Content-Length: \xb9"], 400),
        (["Content-Length: 1", "Transfer-Encoding: chunked"], 400),
        (["Transfer-Encoding: chunked", "Content-Length: 0"], 400),
        (["Transfer-Encoding: chunked, chunked"], 400),
        (["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], 400),
        (["Transfer-Encoding: ,chunked"], 400),
        (["Transfer-Encoding: "], 400),
        (["Transfer-Encoding: gzip, chunked"], 501),
        (["Transfer-Encoding: chunked, gzip"], 501),
        (["Transfer-Encoding: identity"], 501),
        (["Transfer-Encoding: xchunked"], 501),
        (["Transfer-Encoding: chunked;a=b"], 501),
        (["Transfer-Encoding: \x0bchunked"], 400),
        (["Transfer-Encoding : chunked"], 400),
    ],
)
def test_a_body_whose_length_nobody_knows_is_refused(lines: list[str], status: int) -> None:
    assert refused("POST / HTTP/1.1", *lines)[0] == status


def test_chunks_came_with_the_second_version() -> None:
    assert refused("POST / HTTP/1.0", "Transfer-Encoding: chunked") == (400, "HTTP/1.0 has no Transfer-Encoding")


@pytest.mark.parametrize(
    ("version", "connection", "keeps_alive"),
    [
        ("1.1", None, True),
        ("1.2", None, True),
        ("1.1", "close", False),
        ("1.1", "Close", False),
        ("1.1", "keep-alive, close", False),
        ("1.1", "Upgrade", True),
        ("1.0", None, False),
        ("1.0", "keep-alive", True),
        ("1.0", "Keep-Alive, TE", True),
        ("1.0", "keep-alive, close", False),
    ],
)
def test_a_connection_goes_on_unless_somebody_says_otherwise(
    version: str, connection: str | None, keeps_alive: bool
) -> None:
    lines = [] if connection is None else [f"Connection: {connection}"]
    assert parsed(f"GET / HTTP/{version}", *lines).keeps_alive is keeps_alive


@pytest.mark.parametrize(
    ("version", "lines", "waits"),
    [
        ("1.1", ["Expect: 100-Continue", "Content-Length: 1"], True),
        ("1.1", ["Expect: 100-continue", "Transfer-Encoding: chunked"], True),
        ("1.1", ["Expect: 100-continue"], False),
        ("1.1", ["Expect: something", "Content-Length: 1"], False),
        ("1.0", ["Expect: 100-continue", "Content-Length: 1"], False),
    ],
)
def test_who_has_a_body_may_wait_to_be_told_to_send_it(version: str, lines: list[str], waits: bool) -> None:
    assert parsed(f"POST / HTTP/{version}", *lines).waits is waits


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", None),
        (b"\r", None),
        (b"GET / HT", None),
        (b"GET / HTTP/1.1\r\nHost", None),
        (b"GET / HTTP/1.1\nHost", "CR LF"),
        (b"GET / HTTP/1.1\r\nA: 1\n", "CR LF"),
        (b"\nGET", "begins with its method"),
        (b"\x16\x03\x01", "not TLS"),
        (b"\x00", "begins with its method"),
        (b"{}", "begins with its method"),
    ],
)
def test_some_heads_are_wrong_before_they_end(data: bytes, says: str | None) -> None:
    fault = early_fault(data)
    assert fault is None if says is None else fault is not None and says in fault.detail


@given(st.one_of(st.binary(), st.text("GET/ HTP1.:\r\n\tax0,é").map(lambda text: text.encode("latin-1"))))
def test_whatever_comes_is_a_request_or_none(data: bytes) -> None:
    for head in (data, b"GET / HTTP/1.1\r\n" + data, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:" + data + b"\r\n"):
        early_fault(head)
        with suppress(HeadError):
            request = parse_head(head, MAX_LINES)
            assert request.length >= CHUNKED
            assert request.path.startswith(("/", "*")) or not request.path


@pytest.mark.parametrize("line", ["X" * 60_000, "X:" + " " * 60_000 + "\x00", "\x00" * 60_000, "a:" * 30_000 + "\r"])
def test_a_long_line_is_refused_in_few_words(line: str) -> None:
    assert len(refused("GET / HTTP/1.1", line)[1]) < 150

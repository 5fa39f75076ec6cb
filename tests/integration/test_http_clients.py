"""What HTTP clients of all sorts send, and what they get from a demo: a row for each."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import aiohttp
import httpx
import pytest
import requests

if TYPE_CHECKING:
    from tests.integration.conftest import Web

ADD = "/api/calculator/add"
JSON_TYPE = {"Content-Type": "application/json"}
TYPE_LINE = "Content-Type: application/json"
GOOD, BAD = '{"first":2,"second":5}', '{"first":"two"}'
WAIT_S = 20.0
POST = Path(__file__).resolve().parent.parent / "js" / "post.js"
HTTPIE = str(Path(sys.executable).with_name("http"))

Got = tuple[int, str]


class Relay:
    """Stands between a client and a gateway, and keeps what the client sent.

    Attributes:
        url: where it listens.
        sent: all bytes of clients, one connection behind the other.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self.url = ""
        self.sent = b""

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        carried: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            carried.add(asyncio.ensure_future(self._carry(reader, writer)))

        async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield
            for task in carried:
                task.cancel()
            await asyncio.wait(carried)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, requests = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            await asyncio.gather(self._copy(reader, requests, True), self._copy(answers, writer, False))
        finally:
            requests.close()
            writer.close()

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, is_kept: bool) -> None:
        while data := await source.read(65536):
            if is_kept:
                self.sent += data
            target.write(data)
        target.close()


# The clients: each posts a body to a URL, and gives the status and the text of the answer.


def by_requests(url: str, body: str) -> Got:
    answer = requests.post(url, body, headers=JSON_TYPE, timeout=WAIT_S)
    return answer.status_code, answer.text


def by_requests_in_chunks(url: str, body: str) -> Got:
    answer = requests.post(url, iter([body.encode()]), headers=JSON_TYPE, timeout=WAIT_S)
    return answer.status_code, answer.text


def by_requests_through_a_proxy(url: str, body: str) -> Got:
    # The gateway itself stands in the proxy's place.
    answer = requests.post(url, body, headers=JSON_TYPE, timeout=WAIT_S, proxies={"http": url.removesuffix(ADD)})
    return answer.status_code, answer.text


def by_httpx(url: str, body: str) -> Got:
    answer = httpx.post(url, content=body, headers=JSON_TYPE, timeout=WAIT_S)
    return answer.status_code, answer.text


def by_httpx_in_chunks(url: str, body: str) -> Got:
    answer = httpx.post(url, content=iter([body.encode()]), headers=JSON_TYPE, timeout=WAIT_S)
    return answer.status_code, answer.text


async def _by_aiohttp(url: str, body: str | AsyncIterator[bytes], **options: bool) -> Got:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(WAIT_S)) as session,
        session.post(url, data=body, headers=JSON_TYPE, **options) as answer,  # type: ignore[arg-type]
    ):
        return answer.status, await answer.text()


def by_aiohttp(url: str, body: str) -> Got:
    return asyncio.run(_by_aiohttp(url, body))


def by_aiohttp_that_waits(url: str, body: str) -> Got:
    return asyncio.run(_by_aiohttp(url, body, expect100=True))


def by_aiohttp_in_chunks(url: str, body: str) -> Got:
    async def pieces() -> AsyncIterator[bytes]:
        yield body.encode()

    return asyncio.run(_by_aiohttp(url, pieces()))


def by_urllib(url: str, body: str) -> Got:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body.encode(), JSON_TYPE), timeout=WAIT_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def by_http_client_in_chunks(url: str, body: str) -> Got:
    connection = http.client.HTTPConnection(url.split("/")[2], timeout=WAIT_S)
    connection.request("POST", ADD, iter([body.encode()]), JSON_TYPE, encode_chunked=True)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    return done.stdout


def curl(*options: str) -> Callable[[str, str], Got]:
    def post(url: str, body: str) -> Got:
        place = url.removesuffix(ADD)
        filled = [option.replace("PLACE", place) for option in options]
        printed = _run("curl", "-sS", *filled, url, "-H", TYPE_LINE, "-d", body, "-w", "\n%{http_code}")
        text, _, status = printed.rpartition("\n")
        return int(status), text

    return post


def by_wget(url: str, body: str) -> Got:
    options = ("-q", "-S", "-O", "-", "--content-on-error", "--tries=1", f"--header={TYPE_LINE}")
    done = subprocess.run(
        ["wget", *options, f"--post-data={body}", url], capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    found = re.search(r"HTTP/1\.1 (\d+)", done.stderr)
    assert found is not None, done.stderr
    return int(found[1]), done.stdout


def by_httpie(url: str, body: str) -> Got:
    printed = _run(HTTPIE, "--ignore-stdin", "--print=hb", "--pretty=none", "POST", url, "--raw", body)
    head, _, text = printed.replace("\r\n", "\n").partition("\n\n")
    return int(head.split(" ")[1]), text.strip()


def node(client: str) -> Callable[[str, str], Got]:
    def post(url: str, body: str) -> Got:
        status, text = json.loads(_run("node", str(POST), client, url, body))
        return status, text

    return post


class Row(NamedTuple):
    """A client, and what is peculiar in what it sends."""

    name: str
    post: Callable[[str, str], Got]
    sends: str


TABLE = [
    Row("requests", by_requests, r"^POST /api/.* HTTP/1.1\r\n(?s:.*)^Connection: keep-alive\r\n"),
    Row("requests, chunks", by_requests_in_chunks, r"^Transfer-Encoding: chunked\r\n"),
    Row("requests, proxy", by_requests_through_a_proxy, r"^POST http://127.0.0.1:\d+/api/.* HTTP/1.1\r\n"),
    Row("httpx", by_httpx, r"^Accept-Encoding: gzip, deflate"),
    Row("httpx, chunks", by_httpx_in_chunks, r"^Transfer-Encoding: chunked\r\n"),
    Row("aiohttp", by_aiohttp, r"^Accept-Encoding: gzip, deflate"),
    Row("aiohttp, waits", by_aiohttp_that_waits, r"^Expect: 100-continue\r\n"),
    Row("aiohttp, chunks", by_aiohttp_in_chunks, r"^Transfer-Encoding: chunked\r\n"),
    Row("urllib", by_urllib, r"^Connection: close\r\n"),
    Row("http.client, chunks", by_http_client_in_chunks, r"^Transfer-Encoding: chunked\r\n"),
    Row("curl", curl(), r"^POST /api/.* HTTP/1.1\r\n"),
    Row("curl, HTTP/1.0", curl("--http1.0"), r"^POST /api/.* HTTP/1.0\r\n"),
    Row("curl, chunks", curl("-H", "Transfer-Encoding: chunked"), r"^Transfer-Encoding: chunked\r\n"),
    Row("curl, waits", curl("-H", "Expect: 100-continue"), r"^Expect: 100-continue\r\n"),
    Row("curl, HTTP/2 if it may", curl("--http2"), r"^Upgrade: h2c\r\n"),
    Row("curl, proxy", curl("-x", "PLACE", "--noproxy", ""), r"^POST http://127.0.0.1:\d+/api/.* HTTP/1.1\r\n"),
    Row("wget", by_wget, r"^User-Agent: Wget"),
    Row("httpie", by_httpie, r"^Accept: application/json, \*/\*"),
    Row("axios", node("axios"), r"^User-Agent: axios/"),
    Row("undici", node("undici"), r"^host: .*\r\nconnection: keep-alive\r\n"),
    Row("node's fetch", node("fetch"), r"^sec-fetch-mode: cors\r\n"),
    Row("node's fetch, chunks", node("stream"), r"^transfer-encoding: chunked\r\n"),
]


@pytest.mark.parametrize("row", TABLE, ids=[row.name for row in TABLE])
def test_a_client_sends_what_it_sends_and_gets_its_answer(web: Web, row: Row) -> None:
    async def ask() -> tuple[bytes, Got, Got]:
        relay = Relay(web.port)
        async with relay.listening():
            good = await asyncio.to_thread(row.post, relay.url + ADD, GOOD)
            return relay.sent, good, await asyncio.to_thread(row.post, relay.url + ADD, BAD)

    sent, good, (status, text) = asyncio.run(ask())
    assert good == (200, '{"result":7}')
    assert re.search(row.sends, sent.decode(), re.MULTILINE), sent
    assert status == 400
    assert json.loads(text)["path"] == "$.first"

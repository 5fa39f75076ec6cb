"""Where sockets are opened, how often, and what is told of their ends."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest
import tornado.httpserver
import tornado.testing
import tornado.web
import tornado.websocket

from cara_pseud.errors import InvalidValue, RpcError
from cara_pseud.gateway import ConnectionState, connect
from cara_pseud.gateway.connection import GatewayConnection
from cara_pseud.gateway.transport import OpenSocket, SocketTransport, WebSocketOpener, socket_address
from tests.clock import MovedClock

ADDRESSES = [
    ("http://gateway", "ws://gateway/ws"),
    ("https://gateway:8443/", "wss://gateway:8443/ws"),
    ("https://gateway/prefix", "wss://gateway/prefix/ws"),
    ("https://gateway/prefix/ws", "wss://gateway/prefix/ws"),
    ("ws://127.0.0.1:8080", "ws://127.0.0.1:8080/ws"),
    ("wss://gateway/prefix/", "wss://gateway/prefix/ws"),
    ("wss://gateway/elsewhere", "wss://gateway/elsewhere"),
    ("ws://[::1]:8080/?a=b#c", "ws://[::1]:8080/ws?a=b"),
]


@pytest.mark.parametrize(("url", "address"), ADDRESSES)
def test_an_address_leads_to_the_socket(url: str, address: str) -> None:
    assert socket_address(url) == address


@pytest.mark.parametrize(
    "url",
    ["tcp://gateway", "gateway", "", "http://", "/ws", "ws://a b", "ws://a\ud800", "ws://a:99999", "ws://[", None, 5],
)
def test_what_is_no_address_is_refused(url: Any) -> None:
    with pytest.raises(InvalidValue, match="is no address of a gateway, such as"):
        socket_address(url)


@pytest.mark.parametrize(
    ("headers", "complaint"),
    [
        ({"X-A": "1\r\nHost: b"}, "headers: the value of X-A has to be text of Latin-1, without ends of lines"),
        ({"X-A": 5}, "headers: the value of X-A has to be text"),
        ({"X-A": "\ud800"}, "headers: the value of X-A has to be text"),
        ({"a b": "c"}, "headers: 'a b' is no name of a header"),
        (5, "headers: 5 is no mapping of names to texts"),
    ],
)
def test_headers_that_cannot_be_sent_are_refused(headers: Any, complaint: str) -> None:
    with pytest.raises(InvalidValue, match=re.escape(complaint)):
        WebSocketOpener("ws://gateway", ssl_context=None, headers=headers)


@pytest.mark.parametrize("name", ["token", "session"])
@pytest.mark.parametrize("secret", [b"secret", 5, "secret\ud800"])
def test_credentials_that_cannot_be_sent_are_refused_and_not_shown(name: str, secret: Any) -> None:
    with pytest.raises(InvalidValue) as refused:
        connect("ws://gateway", **{name: secret})
    assert str(refused.value) == f"{name}: it has to be text that UTF-8 can carry"


class Refusing:
    """Opens nothing, and notes when it was asked to."""

    def __init__(self) -> None:
        self.times: list[float] = []

    async def open(self, received: Callable[[str | bytes], None], lost: Callable[[int, str], None]) -> OpenSocket:
        self.times.append(asyncio.get_running_loop().time())
        raise OSError("not today")


class Told:
    def __init__(self, most: int) -> None:
        self.most = most
        self.losses: list[tuple[int, str]] = []
        self.texts: list[str | bytes] = []
        self.socket: OpenSocket | None = None

    def socket_opened(self, socket: OpenSocket) -> None:
        self.socket = socket

    def text_received(self, text: str | bytes) -> None:
        self.texts.append(text)

    def socket_lost(self, code: int, reason: str) -> bool:
        self.losses.append((code, reason))
        return len(self.losses) < self.most

    def failed(self, error: Exception) -> None:
        raise AssertionError from error


class Faulty:
    """Fails in a way that no socket does."""

    async def open(self, received: Callable[[str | bytes], None], lost: Callable[[int, str], None]) -> OpenSocket:
        raise KeyError("a fault")


class Mute:
    """A socket at whose other end nobody is."""

    unsent = 0

    def __init__(self, lost: Callable[[int, str], None]) -> None:
        self._lost = lost

    def send(self, frame: bytes) -> None:
        raise AssertionError(frame)

    def close(self, code: int, reason: str) -> None:
        self._lost(code, reason)

    async def ended(self) -> None: ...


class Opening:
    async def open(self, received: Callable[[str | bytes], None], lost: Callable[[int, str], None]) -> OpenSocket:
        return Mute(lost)


@pytest.mark.parametrize("retry", [False, True])
def test_whoever_waits_is_told_of_a_fault_in_connecting(retry: bool) -> None:
    async def main() -> None:
        connection = GatewayConnection(Faulty(), retry=retry)
        with pytest.raises(RpcError, match="it cannot be connected: KeyError") as failed:
            await connection.opened()
        assert failed.value.code == "internal"
        assert isinstance(failed.value.__cause__, KeyError)
        assert connection.state is ConnectionState.CLOSED

    asyncio.run(main())


@pytest.mark.parametrize("retry", [False, True])
def test_a_function_that_gives_no_token_ends_the_connection(retry: bool) -> None:
    async def main() -> None:
        given: Any = b"secret"
        connection = GatewayConnection(Opening(), token=lambda: given, retry=retry)
        with pytest.raises(RpcError) as failed:
            await connection.opened()
        assert str(failed.value) == "the token has to be text that UTF-8 can carry"

    asyncio.run(main())


def test_each_attempt_waits_twice_as_long_as_the_one_before_up_to_ten_seconds() -> None:
    async def main() -> None:
        clock, opener, told = MovedClock(stopped=True), Refusing(), Told(10)
        transport = SocketTransport(opener, told, asyncio.get_running_loop(), lambda: 1.0)
        transport.start()
        await clock.advance(60, step_s=0.05)
        waits = [later - earlier for earlier, later in zip(opener.times, opener.times[1:], strict=False)]
        expected = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10]
        assert waits == pytest.approx(expected, abs=0.16)
        assert told.losses == [(1006, "not today")] * 10
        await transport.stop()
        await transport.stop()

    asyncio.run(main())


class Echo(tornado.websocket.WebSocketHandler):
    def open(self, *args: str, **kwargs: str) -> None:
        self.write_message("welcome")

    def on_message(self, message: str | bytes) -> None:
        if message == "binary":
            self.write_message(b"x", binary=True)
        elif message == "end":
            self.close(4002, "over")
        else:
            self.write_message(message)


async def until(question: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not question():
            await asyncio.sleep(0.005)


def test_messages_come_and_go_and_the_end_has_its_code() -> None:
    async def main() -> None:
        socket, port = tornado.testing.bind_unused_port()
        server = tornado.httpserver.HTTPServer(tornado.web.Application([("/ws", Echo)]))
        server.add_socket(socket)
        url = f"http://127.0.0.1:{port}"
        for said, losses in (("end", [(4002, "over")]), ("binary", [(4000, "a binary frame")])):
            told = Told(1)
            transport = SocketTransport(
                WebSocketOpener(url, ssl_context=None, headers={"X-A": "b"}), told, asyncio.get_running_loop(), float
            )
            transport.start()
            await until(lambda told=told: "welcome" in told.texts)  # type: ignore[misc]
            assert told.socket is not None
            told.socket.send("Zoë".encode())
            await until(lambda told=told: len(told.texts) == 2)  # type: ignore[misc]
            assert told.texts == ["welcome", "Zoë"]
            assert told.socket.unsent == 0
            told.socket.send(said.encode())
            await until(lambda told=told: bool(told.losses))  # type: ignore[misc]
            assert told.losses == losses
            await transport.stop()
        missing = Told(1)
        opener = WebSocketOpener(f"{url}/nowhere", ssl_context=None, headers=None)
        transport = SocketTransport(opener, missing, asyncio.get_running_loop(), float)
        transport.start()
        await until(lambda: bool(missing.losses))
        assert missing.losses == [(1006, "the answer to the upgrade is 404 Not Found")]
        await transport.stop()
        server.stop()
        await server.close_all_connections()

    asyncio.run(main())

"""The table of `rfc6455` played to a real gateway and to an echo of its frame layer, on both paths of the bytes."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import zlib
from collections.abc import Iterator
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import websockets.sync.client

HERE = Path(__file__).resolve().parent
WAIT_S = 20.0


def table() -> ModuleType:
    spec = util.spec_from_file_location("rfc6455", HERE / "rfc6455.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    sys.modules["rfc6455"] = module  # its dataclass asks for it
    spec.loader.exec_module(module)
    return module


rfc: Any = table()


@pytest.fixture(scope="module", params=["transport", "stream"])
def ports(request: pytest.FixtureRequest) -> Iterator[tuple[int, int]]:
    """Of a gateway and of an echo."""
    arguments = [sys.executable, str(HERE / "edge_server.py"), request.param]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=HERE.parent.parent) as process:
        assert process.stdout is not None
        gateway, echo = map(int, process.stdout.readline().split())
        yield gateway, echo
        process.kill()


class Client:
    """A WebSocket that sends bytes as they are."""

    def __init__(self, port: int, extensions: str = "") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), WAIT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self.socket.makefile("rb")
        self.send(
            "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Sec-WebSocket-Extensions: {extensions}\r\n\r\n".encode()
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def greeted(self) -> list[bytes]:
        lines = []
        while (line := self._file.readline()) != b"\r\n":
            lines.append(line)
        return lines

    def frame(self) -> tuple[int, bytes] | None:
        """The next frame of the server, which is whole and not masked; None at the end of the connection."""
        header = self._file.read(2)
        if not header:
            return None
        assert header[0] & 0xF0 == 0x80
        size = header[1]
        if size == 126:
            size = int.from_bytes(self._file.read(2), "big")
        elif size == 127:
            size = int.from_bytes(self._file.read(8), "big")
        return header[0] & 0x0F, self._file.read(size)


def played(port: int, dialogue: Any) -> tuple[list[tuple[int, bytes]], int]:
    """What the server answered, and with which code it closed."""
    with Client(port) as client:
        assert client.greeted()[0].startswith(b"HTTP/1.1 101 ")
        try:
            for piece in dialogue.sent:
                client.send(piece)
            if dialogue.code is None:
                client.send(rfc.close(1000))
        except ConnectionError:
            assert dialogue.code is not None  # it may have closed before it was sent everything
        answered = []
        while (frame := client.frame()) is not None and frame[0] != rfc.CLOSE:
            answered.append(frame)
        assert frame is not None, "closed without a close frame"
        _, payload = frame
        if dialogue.code not in (None, 1000, 1001):
            return answered, int.from_bytes(payload[:2], "big") or 1005
        assert client.frame() is None, "not closed behind the close frame"
        return answered, int.from_bytes(payload[:2], "big") or 1005


def test_the_echo_answers_every_dialogue_as_the_standard_says(ports: tuple[int, int]) -> None:
    wrong = []
    for dialogue in rfc.dialogues():
        try:
            answered, code = played(ports[1], dialogue)
        except (AssertionError, OSError) as error:
            wrong.append((dialogue.name, repr(error)))
            continue
        if answered != list(dialogue.answered) or code != (dialogue.code or 1000):
            wrong.append((dialogue.name, f"{code}, {str(answered)[:200]}"))
    assert wrong == []


def test_the_gateway_does_so_too_but_for_binary_messages(ports: tuple[int, int]) -> None:
    wrong = []
    for dialogue in rfc.dialogues():
        expected, code = [], dialogue.code or 1000
        if any(opcode == rfc.BINARY for opcode, _ in dialogue.answered):
            code = 1003
        else:
            # None of the texts is a request, so each has one error for an answer.
            expected = [frame if frame[0] == rfc.PONG else rfc.TEXT for frame in dialogue.answered]
        try:
            answered, told = played(ports[0], dialogue)
        except (AssertionError, OSError) as error:
            wrong.append((dialogue.name, repr(error)))
            continue
        seen = [rfc.TEXT if frame[0] == rfc.TEXT and b'"error":' in frame[1] else frame for frame in answered]
        if seen != expected or told != code:
            wrong.append((dialogue.name, f"{told}, {str(answered)[:200]}"))
    assert wrong == []


def test_bytes_sent_with_the_handshake_are_not_lost(ports: tuple[int, int]) -> None:
    with socket.create_connection(("127.0.0.1", ports[1]), WAIT_S) as rude:
        rude.sendall(
            b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            + rfc.text(b"early") + rfc.close(1000)
        )  # fmt: skip
        received = b""
        while chunk := rude.recv(65536):
            received += chunk
    assert received.partition(b"\r\n\r\n")[2] == b"\x81\x05early\x88\x02\x03\xe8"


def test_a_client_that_leaves_during_its_handshake_leaves_nothing(ports: tuple[int, int]) -> None:
    for _ in range(20):
        Client(ports[1]).__exit__()
    with Client(ports[1]) as client:
        client.greeted()
        client.send(rfc.text(b"still there"))
        assert client.frame() == (rfc.TEXT, b"still there")


def test_a_message_over_the_limit_is_refused_by_its_header(ports: tuple[int, int]) -> None:
    for sent in (
        rfc.frame(rfc.FINAL | rfc.TEXT, b"x", length=2**20 + 1),
        rfc.frame(rfc.FINAL | rfc.TEXT, b"x", length=2**62),
        rfc.frame(rfc.TEXT, b"x" * 2**20) + rfc.frame(rfc.FINAL, b"x"),
    ):
        with Client(ports[0]) as client:
            client.greeted()
            client.send(sent)
            opcode, payload = client.frame() or (0, b"")
            assert (opcode, payload[:2]) == (rfc.CLOSE, (1009).to_bytes(2, "big"))


LONG = {"jsonrpc": "2.0", "id": 1, "method": "calculator.nope", "params": {"why": "because " * 500}}


def packed(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def test_a_client_that_offers_compression_gets_it(ports: tuple[int, int]) -> None:
    for port in ports:
        with websockets.sync.client.connect(f"ws://127.0.0.1:{port}/ws", max_size=None) as client:
            assert client.response is not None
            assert client.response.headers["Sec-WebSocket-Extensions"].startswith("permessage-deflate;")
            client.send(json.dumps(LONG))
            answer = json.loads(client.recv(WAIT_S))
            assert answer == LONG or answer["error"]["code"] == -32601
    text = "".join(map(chr, range(0x20, 0x800))) * 500
    with websockets.sync.client.connect(f"ws://127.0.0.1:{ports[1]}/ws", max_size=None) as client:
        client.send(text)
        assert client.recv(WAIT_S) == text
        client.send([text[:1000], text[1000:2000], text[2000:]])
        assert client.recv(WAIT_S) == text


COMPRESSED: list[tuple[str, list[bytes], int]] = [
    ("a bomb", [rfc.frame(0xC1, packed(bytes(100 * 2**20)))], 1009),
    ("a bomb in fragments", rfc.fragments(packed(b'"' * 5_000_000), 1000, 0x41), 1009),
    ("a message that is too long before it is unpacked", [rfc.frame(0xC1, b"x", length=2**21)], 1009),
    ("no deflate", [rfc.frame(0xC1, b"\xff\xff\xff")], 1007),
    ("bad UTF-8 inside", [rfc.frame(0xC1, packed(b"a\xff"))], 1007),
    ("a continuation that says it is compressed", [rfc.frame(0x41, packed(b"a")), rfc.frame(0xC0, b"")], 1002),
    ("a compressed ping", [rfc.frame(0xC9, b"")], 1002),
    ("a compressed close", [rfc.frame(0xC8, b"")], 1002),
    ("another bit", [rfc.frame(0xE1, packed(b"a"))], 1002),
    ("a compressed binary message", [rfc.frame(0xC2, packed(b"a"))], 1003),
]


def test_compressed_messages_have_the_same_bounds(ports: tuple[int, int]) -> None:
    for name, sent, code in COMPRESSED:
        with Client(ports[0], extensions="permessage-deflate") as client:
            assert any(line.lower().startswith(b"sec-websocket-extensions") for line in client.greeted())
            client.send(b"".join(sent))
            opcode, payload = client.frame() or (0, b"")
            assert (name, opcode, int.from_bytes(payload[:2], "big")) == (name, rfc.CLOSE, code)

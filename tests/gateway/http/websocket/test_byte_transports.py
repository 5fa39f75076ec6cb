"""Which path the bytes of WebSockets take, and what is promised on both. What they carry is in tests/conformance."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest
from tornado.iostream import IOStream

from gateway.http.websocket.byte_transports import (
    ByteTransport,
    ByteTransports,
    LoopTransports,
    StreamTransports,
    best_transports,
)

WAIT_S = 5.0
PIECE = b"x" * 1000
in_loop = pytest.mark.gen_test
WAYS = pytest.mark.parametrize("transports", [LoopTransports(), StreamTransports()], ids=["transport", "stream"])


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ((6, 3, 3, 0), StreamTransports),
        ((6, 4, 0, 0), LoopTransports),
        ((6, 6, 1, 0), LoopTransports),
        ((6, 7, 0, 0), StreamTransports),
        ((7, 0, 0, 0), StreamTransports),
    ],
)
def test_a_version_of_tornado_that_is_not_known_keeps_its_own_streams(
    version: tuple[int, ...], expected: type[object]
) -> None:
    assert type(best_transports(version)) is expected


def test_the_version_that_is_installed_is_known() -> None:
    assert type(best_transports()) is LoopTransports


class Owner:
    """A `TransportOwner` that notes what it is told."""

    transport: ByteTransport

    def __init__(self, *, fails: bool = False) -> None:
        self.received = b""
        self.told: list[str] = []
        self._fails = fails

    def transport_made(self, transport: ByteTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self._fails:
            raise ValueError("a fault of the owner")

    def writable(self) -> None:
        self.told.append("writable")

    def transport_lost(self) -> None:
        self.told.append("lost")

    async def is_told(self, *expected: str) -> None:
        async with asyncio.timeout(WAIT_S):
            while self.told != list(expected):
                await asyncio.sleep(0)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection: the gateway's, and one that takes nothing before the test reads."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
    yield ours, theirs
    ours.close()
    theirs.close()


def taken(end: socket.socket) -> int:
    """How many bytes the kernel has for it, which are read."""
    size = 0
    try:
        while data := end.recv(2**20):
            size += len(data)
    except BlockingIOError:
        pass
    return size


@in_loop
@WAYS
async def test_a_transport_is_full_as_soon_as_the_kernel_takes_no_more(
    ends: tuple[socket.socket, socket.socket], transports: ByteTransports
) -> None:
    ours, theirs = ends
    owner = Owner()
    await transports.take(IOStream(ours), owner)
    written = len(PIECE)
    while owner.transport.write(PIECE):
        written += len(PIECE)
    # What else waits is the owner's to count, so the transport keeps no more than the last piece.
    read = taken(theirs)
    assert written - len(PIECE) <= read < written
    await owner.is_told("writable")
    assert read + taken(theirs) == written
    assert owner.transport.write(PIECE)
    owner.transport.close()
    await owner.is_told("writable", "lost")
    owner.transport.close()


@in_loop
@WAYS
async def test_the_owner_is_told_once_that_the_other_side_left(
    ends: tuple[socket.socket, socket.socket], transports: ByteTransports
) -> None:
    ours, theirs = ends
    owner = Owner()
    await transports.take(IOStream(ours), owner)
    theirs.send(b"good bye")
    theirs.close()
    await owner.is_told("lost")
    assert owner.received == b"good bye"


@in_loop
@WAYS
async def test_an_owner_that_fails_loses_its_connection_and_nothing_else(
    ends: tuple[socket.socket, socket.socket], transports: ByteTransports, caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = ends
    owner = Owner(fails=True)
    await transports.take(IOStream(ours), owner)
    theirs.send(b"x")
    await owner.is_told("lost")
    assert theirs.recv(1) == b""
    assert "a fault of the owner" in caplog.text


@in_loop
@WAYS
@pytest.mark.parametrize("size", [1, 65_536, 65_537, 150_000])
async def test_what_came_before_the_transport_is_not_lost(
    ends: tuple[socket.socket, socket.socket], transports: ByteTransports, size: int
) -> None:
    ours, theirs = ends
    sent = bytes(range(256)) * (size // 256) + b"e" * (size % 256)
    theirs.send(sent)
    owner = Owner()
    await transports.take(IOStream(ours), owner)
    async with asyncio.timeout(WAIT_S):
        while len(owner.received) < size:
            await asyncio.sleep(0)
    theirs.send(b"!")
    async with asyncio.timeout(WAIT_S):
        while owner.received != sent + b"!":
            await asyncio.sleep(0)
    owner.transport.close()
    await owner.is_told("lost")


@in_loop
async def test_a_client_that_left_during_the_handshake_is_an_error_for_who_wanted_the_transport(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    theirs.close()
    owner = Owner()
    with pytest.raises(ConnectionResetError):
        await LoopTransports().take(IOStream(ours), owner)
    assert owner.told == []

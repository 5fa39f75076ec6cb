"""Native services that mean no good: what they can do is bounded, told, and hurts nobody else."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gateway.bridge import rpc_messages as messages
from gateway.bridge.framing import Framing
from gateway.bridge.pointers import ReceivedMessage
from gateway.bridge.rpc_messages import Descriptor, Hosted, MessageKind
from tests.integration.conftest import Process, Web
from tests.native.bridges import gateway_of, native, trials
from tests.native.services import NativeService

Answer = Callable[[int], bytes]


def first_object(question: int) -> bytes:
    b = messages.begin_return(question, messages.object_pointer(0), 0)
    messages.put_table(b, messages.RETURN_CONTENT + 8, [Descriptor(Hosted.BY_SENDER, 0)])
    return bytes(messages.seal(b))


def results(question: int, *words: int, table: int = 0, sizes: int = 1 << 16) -> bytes:
    """An answer whose results have one pointer, with what it leads to."""
    b = messages.begin_return(question, messages.content_pointer(1, sizes), 0)
    b += struct.pack(f"<{len(words)}Q", *words)
    if table:
        messages.put_table(
            b, messages.RETURN_CONTENT + 8, [Descriptor(Hosted.BY_SENDER, id) for id in range(1, table + 1)]
        )
    return bytes(messages.seal(b))


def text(count: int) -> int:
    return 1 | 2 << 32 | count << 35


def nested(levels: int) -> list[int]:
    """A struct within a struct and so on: a pointer each, no data."""
    return [1 << 48] * levels + [0]


TRACEBACK = '''Traceback (most recent call last):
  File "/srv/secret/app.py", line 3
KeyError: "/etc/secret/key"
'''

ANSWERS: dict[str, tuple[Answer, str]] = {
    "a text that has no end": (lambda id: results(id, text(3), 0x414141), "internal"),
    "a text outside of the message": (lambda id: results(id, text(2**28)), "internal"),
    "a struct where a text must be": (lambda id: results(id, 1 << 32, 0), "internal"),
    "an object where a text must be": (lambda id: results(id, 3, table=1), "internal"),
    "more objects than anybody can hold": (lambda id: results(id, 0, table=20_000), "too_large"),
    "an exception with a traceback and paths": (
        lambda id: bytes(messages.return_exception(id, TRACEBACK, 0)),
        "unknown",
    ),
    "an exception of a megabyte": (
        lambda id: bytes(messages.return_exception(id, "x" * 2**20, 1)),
        "resource_exhausted",
    ),
    "a kind of answer that there is not": (lambda id: bytes(messages.return_other(id, 9)), "internal"),
    "results that nobody asked it to keep": (lambda id: bytes(messages.return_other(id, 3)), "internal"),
}  # fmt: skip

ENDS: dict[str, bytes] = {
    "garbage": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 4,
    "a message without end": struct.pack("<II", 0, 2**31),
    "segments without end": struct.pack("<II", 2**31, 0),
    "an answer to nothing": bytes(messages.return_other(77, 2)),
    "an abort": bytes(messages.abort("/srv/secret/reason")),
    "nothing at all": b"",
}


class Hostile:
    """Serves one object.

    Attributes:
        answer: what it answers to a call; None ends the connection with ``last``.
    """

    def __init__(self, path: Path) -> None:
        self.answer: Answer | None = None
        self.last = b""
        self.connections = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        framing = Framing(2**24)
        with connection:
            while octets := connection.recv(65536):
                for segments in framing.take(octets):
                    kind, view = messages.read_message(ReceivedMessage(segments))
                    if kind == MessageKind.BOOTSTRAP:
                        connection.sendall(first_object(view.struct(0).number(32, 0)))
                    elif kind == MessageKind.CALL:
                        if self.answer is None:
                            connection.sendall(self.last)
                            return
                        connection.sendall(self.answer(view.struct(0).number(32, 0)))

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture(scope="module")
def scene(abacus: NativeService) -> Iterator[tuple[Hostile, Web, Process]]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "hostile.sock"
        hostile = Hostile(path)
        try:
            services = native("bad", f"unix:{path}"), trials("good", abacus)
            with gateway_of(Path(folder), *services) as (process, web, _):
                yield hostile, web, process
        finally:
            hostile.close()


@contextmanager
def good_goes_on(web: Web) -> Iterator[None]:
    """The other service answers meanwhile, and quickly."""
    over, slowest = threading.Event(), [0.0]

    def ask() -> None:
        while not over.is_set():
            began = time.monotonic()
            assert web.post("/api/good/divide", {"dividend": 3}).status == 200
            slowest[0] = max(slowest[0], time.monotonic() - began)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        over.set()
        asking.join()
    assert slowest[0] < 1


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_is_none_fails_its_call_and_nothing_else(
    scene: tuple[Hostile, Web, Process], name: str
) -> None:
    hostile, web, _ = scene
    hostile.answer, code = ANSWERS[name]
    connections = hostile.connections
    with good_goes_on(web):
        answer = web.post("/api/bad/greet", {})
    assert answer.code == code
    assert len(answer.data) < 5000
    assert "secret" not in answer.text.replace("…/", "")
    assert "/srv" not in answer.text
    hostile.answer = lambda id: results(id, text(3), 0x6968)
    assert web.post("/api/bad/greet", {}).json == {"text": "hi"}
    assert hostile.connections == connections


def test_a_value_that_is_nested_too_deeply(scene: tuple[Hostile, Web, Process]) -> None:
    hostile, web, _ = scene
    hostile.answer = lambda id: results(id, *nested(5000))
    with good_goes_on(web):
        assert web.post("/api/bad/echo", {"everything": {}}).status in (200, 500)
        # Everything's first pointer is a text; `next` is another one.
        assert web.post("/api/bad/echoAny", {"any": None}).code == "too_large"


@pytest.mark.parametrize("name", ENDS)
def test_who_breaks_off_is_connected_to_again(scene: tuple[Hostile, Web, Process], name: str) -> None:
    hostile, web, process = scene
    hostile.answer, hostile.last = None, ENDS[name]
    with good_goes_on(web):
        began = time.monotonic()
        answer = web.post("/api/bad/greet", {})
        assert answer.code == "outcome_unknown"
        assert "/srv" not in answer.text
        assert time.monotonic() - began < 1
        hostile.answer = lambda id: results(id, text(3), 0x6968)
        while web.post("/api/bad/greet", {}).status != 200:
            assert time.monotonic() - began < 3
            time.sleep(0.02)
    assert process.popen.poll() is None


def test_messages_that_stand_for_more_than_anybody_can_hold(scene: tuple[Hostile, Web, Process]) -> None:
    """A list of half a billion structs without fields, in a message of a few words."""
    hostile, web, _ = scene
    everything = 17 + 30  # more pointers than there are; only what is there is looked at

    def answer(id: int) -> bytes:
        b = messages.begin_return(id, messages.content_pointer(1, 1 << 16), 0)
        b += struct.pack("<Q", everything << 48)
        pointers = [0] * everything
        pointers[7] = 1 | (everything - 8) << 2 | 7 << 32
        b += struct.pack(f"<{everything}Q", *pointers) + struct.pack("<Q", (2**29 - 1) << 2)
        return bytes(messages.seal(b))

    hostile.answer = answer
    with good_goes_on(web):
        began = time.monotonic()
        assert web.post("/api/bad/echo", {"everything": {}}).status in (200, 413)
        assert time.monotonic() - began < 3

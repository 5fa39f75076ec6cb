"""Log lines that nobody reads hold up nobody, and are counted; what was lost is told when lines are read again."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator

import pytest

from gateway.log_drain import LogDrain, writer_to

WAIT_S = 10.0


class Reader:
    """A reader who may stop and go on."""

    def __init__(self) -> None:
        self.read = b""
        self.fails = False
        self.stopped = threading.Event()
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def __call__(self, data: bytes) -> None:
        if not self.may_go_on.is_set():
            self.stopped.set()
        assert self.may_go_on.wait(WAIT_S)
        if self.fails:
            raise OSError(28, "No space left on device")
        self.read += data


def notice(lost: int) -> str:
    return f"{lost} lost"


@pytest.fixture
def reader() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    reader.may_go_on.set()


@pytest.fixture
def drain(reader: Reader) -> LogDrain:
    return LogDrain(reader, notice, 100)


def test_lines_are_written_in_order(drain: LogDrain, reader: Reader) -> None:
    for number in range(9):
        drain.write(f"{number}\n")
    drain.close(WAIT_S)
    assert reader.read == b"".join(b"%d\n" % number for number in range(9))
    assert drain.lost == 0


def test_lines_beyond_the_bound_are_lost_counted_and_told(drain: LogDrain, reader: Reader) -> None:
    reader.may_go_on.clear()
    drain.write("first\n")
    assert reader.stopped.wait(WAIT_S)
    drain.write("x" * 93 + "\n")
    drain.write("these are\nlost\n")
    assert drain.lost == 2
    reader.may_go_on.set()
    drain.close(WAIT_S)
    assert reader.read.replace(b"2 lost\n", b"") == b"first\n" + b"x" * 93 + b"\n"
    assert reader.read.count(b"2 lost\n") == 1


def test_of_a_text_as_many_lines_are_kept_as_there_is_room_for(drain: LogDrain, reader: Reader) -> None:
    drain.write("".join(f"line {number:02}\n" for number in range(30)))
    drain.close(WAIT_S)
    assert reader.read == b"".join(b"line %02d\n" % number for number in range(12)) + b"18 lost\n"


def test_a_loss_is_told_though_nothing_is_logged_after_it(drain: LogDrain, reader: Reader) -> None:
    reader.may_go_on.clear()
    drain.write("first\n")
    assert reader.stopped.wait(WAIT_S)
    for _ in range(3):
        drain.write("x" * 99 + "\n")
    reader.may_go_on.set()
    while b"3 lost" not in reader.read:
        assert drain._thread is not None
        drain._thread.join(0.001)
    assert reader.read == b"first\n3 lost\n"


def test_a_text_that_fits_exactly_is_not_lost(drain: LogDrain, reader: Reader) -> None:
    drain.write("x" * 99 + "\n")
    drain.close(WAIT_S)
    assert len(reader.read) == 100


def test_there_is_room_again_for_what_was_written(drain: LogDrain, reader: Reader) -> None:
    for _ in range(50):
        drain.write("x" * 89 + "\n")
        while drain._taken_bytes != drain._written_bytes:
            assert drain._thread is not None
            drain._thread.join(0.001)
    assert drain.lost == 0
    drain.close(WAIT_S)
    assert len(reader.read) == 4500


def test_a_full_disk_loses_lines_and_nothing_else(drain: LogDrain, reader: Reader) -> None:
    reader.fails = True
    drain.write("lost\n")
    while not drain.lost:
        assert drain._thread is not None
        drain._thread.join(0.001)
    reader.fails = False
    drain.write("kept\n")
    drain.close(WAIT_S)
    assert reader.read == b"kept\n1 lost\n"


def test_the_end_does_not_wait_for_a_reader_who_stopped(drain: LogDrain, reader: Reader) -> None:
    reader.may_go_on.clear()
    drain.write("x\n")
    assert reader.stopped.wait(WAIT_S)
    drain.close(0.01)
    assert reader.read == b""
    assert drain._thread is not None
    assert drain._thread.daemon


def test_nothing_is_begun_for_a_log_without_lines(drain: LogDrain) -> None:
    drain.close()
    assert drain._thread is None


# Where lines go.


def test_a_pipe_that_does_not_block_is_waited_for() -> None:
    out, into = os.pipe()
    os.set_blocking(into, False)
    read = bytearray()

    def empty() -> None:
        while data := os.read(out, 65_536):
            read.extend(data)

    with os.fdopen(out, "rb"), os.fdopen(into, "w") as stream:
        emptying = threading.Thread(target=empty, daemon=True)
        emptying.start()
        writer_to(stream)(b"x" * 1_000_000)  # sixteen times what a pipe holds
        stream.close()
        emptying.join(WAIT_S)
        assert len(read) == 1_000_000


def test_a_stream_without_a_descriptor_is_written_itself() -> None:
    stream = io.StringIO()
    writer_to(stream)("äöü\n".encode())
    assert stream.getvalue() == "äöü\n"


def test_nothing_is_written_where_there_is_no_stderr() -> None:
    writer_to(None)(b"x\n")

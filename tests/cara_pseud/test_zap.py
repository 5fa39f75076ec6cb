"""ZeroMQ's questions who may come in: what is answered, by which thread, and how long who is busy lets wait."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq

from cara_pseud.logins import Verdict
from cara_pseud.zap import KeptReplies, Permitted, ZapCredentials, ZapHandler

ANN = [b"1.0", b"7", b"domain", b"10.0.0.1", b"identity", b"PLAIN", b"ann", b"secret"]
Decide = Callable[[ZapCredentials, Callable[[Permitted | Verdict], None]], None]


class Asking:
    """A socket that asks as ZeroMQ does."""

    def __init__(self, zmq_context: zmq.Context[Any]) -> None:
        self._socket = zmq_context.socket(zmq.REQ)
        self._socket.linger = 0
        self._socket.rcvtimeo = 10_000
        self._socket.connect("inproc://zeromq.zap.01")

    def ask(self, *frames: bytes) -> list[bytes]:
        self._socket.send_multipart(frames)
        return self._socket.recv_multipart()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def handled() -> Iterator[tuple[Asking, Callable[[Decide], None]]]:
    """Who asks, and what sets the answers for the domain ``domain``."""
    zmq_context: zmq.Context[Any] = zmq.Context()
    handler = ZapHandler.of(zmq_context)
    handler.add(b"another", lambda credentials, answer: answer(Verdict.REFUSED))
    asking = Asking(zmq_context)
    yield asking, lambda decide: handler.add(b"domain", decide)
    asking.close()
    handler.remove(zmq_context, b"domain")
    handler.remove(zmq_context, b"another")
    zmq_context.term()


def test_a_client_is_let_in_under_its_name(handled: Any) -> None:
    asking, decides = handled
    shown: list[ZapCredentials] = []

    def permit(credentials: ZapCredentials, answer: Callable[[Permitted | Verdict], None]) -> None:
        shown.append(credentials)
        answer(Permitted(b"ann"))

    decides(permit)
    assert asking.ask(*ANN) == [b"1.0", b"7", b"200", b"OK", b"ann", b""]
    assert shown == [ZapCredentials(b"PLAIN", (b"ann", b"secret"), b"10.0.0.1")]


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (Verdict.REFUSED, [b"400", b"refused", b""]),
        (Permitted(b"a\0b"), [b"400", b"refused", b""]),
        (Permitted(b"\xff"), [b"400", b"refused", b""]),
        (Verdict.COME_AGAIN, [b"", b"busy", b""]),
    ],
)
def test_whoever_is_not_let_in_is_told(handled: Any, verdict: Permitted | Verdict, said: list[bytes]) -> None:
    asking, decides = handled
    decides(lambda credentials, answer: answer(verdict))
    assert asking.ask(*ANN)[2:5] == said


@pytest.mark.parametrize(
    "frames",
    [
        [b"1.0", b"7"],
        [b"2.0", *ANN[1:]],
        [*ANN[:2], b"unknown domain", *ANN[3:]],
    ],
)
def test_a_question_that_nobody_can_answer_is_refused(handled: Any, frames: list[bytes]) -> None:
    asking, decides = handled
    decides(lambda credentials, answer: answer(Permitted(b"ann")))
    assert asking.ask(*frames) == [b"1.0", b"7", b"400", b"refused", b"", b""]


def test_who_decides_may_fail(handled: Any, caplog: pytest.LogCaptureFixture) -> None:
    asking, decides = handled

    def fail(credentials: ZapCredentials, answer: Callable[[Permitted | Verdict], None]) -> None:
        raise RuntimeError("not today")

    decides(fail)
    with caplog.at_level(logging.ERROR):
        assert asking.ask(*ANN)[2] == b"400"
    assert "the credentials check failed; the client is refused" in caplog.text


def test_an_answer_may_come_from_another_thread(handled: Any) -> None:
    asking, decides = handled
    decides(lambda credentials, answer: threading.Thread(target=answer, args=(Permitted(b"ann"),)).start())
    assert asking.ask(*ANN)[2] == b"200"
    assert asking.ask(*ANN)[2] == b"200"


def test_an_answer_after_the_end_is_forgotten() -> None:
    zmq_context: zmq.Context[Any] = zmq.Context()
    handler = ZapHandler.of(zmq_context)
    asked, answers = threading.Event(), []

    def note(credentials: ZapCredentials, answer: Callable[[Permitted | Verdict], None]) -> None:
        answers.append(answer)
        asked.set()

    handler.add(b"domain", note)
    asking = Asking(zmq_context)
    asking._socket.send_multipart(ANN)
    assert asked.wait(10)
    handler.remove(zmq_context, b"domain")
    answers[0](Permitted(b"ann"))
    asking.close()
    zmq_context.term()


def test_a_context_has_one_handler_until_its_last_domain_goes() -> None:
    zmq_context: zmq.Context[Any] = zmq.Context()
    handler = ZapHandler.of(zmq_context)
    assert ZapHandler.of(zmq_context) is handler
    handler.add(b"one", lambda credentials, answer: None)
    handler.add(b"other", lambda credentials, answer: None)
    handler.remove(zmq_context, b"one")
    assert ZapHandler.of(zmq_context) is handler
    handler.remove(zmq_context, b"other")
    another = ZapHandler.of(zmq_context)
    assert another is not handler
    another.remove(zmq_context, b"none")
    zmq_context.term()


def test_who_has_to_come_again_is_told_a_fifth_of_a_second_later() -> None:
    kept = KeptReplies()
    assert (kept.due(100.0), kept.next_ms(100.0)) == ([], None)
    assert kept.keep([b"first"], 100.0) is True
    assert kept.keep([b"second"], 100.05) is False
    assert kept.next_ms(100.0) == pytest.approx(200, abs=1)
    assert kept.due(100.19) == []
    assert kept.due(100.21) == [[b"first"]]
    assert kept.next_ms(100.21) == pytest.approx(40, abs=1)
    assert kept.due(100.26) == [[b"second"]]
    assert kept.next_ms(100.26) is None


def test_of_more_than_2048_the_oldest_is_told_at_once() -> None:
    kept = KeptReplies()
    for number in range(2048):
        kept.keep([b"%d" % number], 100.0)
    assert kept.due(100.0) == []
    kept.keep([b"2048"], 100.0)
    assert kept.due(100.0) == [[b"0"]]

"""The events of a listener: how they are written, numbered, kept and withdrawn."""

from __future__ import annotations

import json

import pytest

from gateway.errors import GatewayError, Status
from gateway.protocols.sse.event_log import EventLog, end_event
from gateway.sessions.record import StreamRecord

KEPT = 256
"""So many events can be had again; PROTOCOL.md, Without a WebSocket."""
KEPT_BYTES = 1_048_576


def request(number: int, params: str = "[]") -> bytes:
    data = f'{{"jsonrpc":"2.0","id":"g:{number}","method":"!f.apply","params":{params}}}'
    return f"id: {number}\nevent: callback\ndata: {data}\n\n".encode()


def filled(number: int, size: int = 0) -> EventLog:
    """A log with so many events; the size is that of a text in each."""
    log = EventLog(10 * KEPT_BYTES)
    for _ in range(number):
        log.request("f", "apply", ["x" * size])
    return log


def test_events_are_numbered_and_so_are_requests() -> None:
    log = EventLog(1000)
    assert log.request("f", "apply", [7]) == ("g:1", request(1, "[7]"))
    assert log.released({"callback": "f", "code": "released"}) == (
        b'id: 2\nevent: released\ndata: {"callback":"f","code":"released"}\n\n'
    )
    key, event = log.request("f", "apply", [])
    assert (key, event[:6]) == ("g:2", b"id: 3\n")
    assert log.requests == {"g:1", "g:2"}


def test_a_request_that_is_too_large_is_none() -> None:
    log = EventLog(100)
    with pytest.raises(GatewayError, match="more than the 100 of one message") as raised:
        log.request("f", "apply", ["x" * 100])
    assert raised.value.status is Status.TOO_LARGE
    assert (log.requests, log.counting.sent) == (frozenset(), 0)
    assert log.request("f", "apply", [])[0] == "g:1"


def test_a_request_is_answered_once() -> None:
    log = filled(1)
    assert log.answered("g:1")
    assert not log.answered("g:1")
    assert not log.answered("g:2")


def test_a_request_that_was_written_is_called_off_by_an_event() -> None:
    log = filled(1)
    assert log.withdraw("g:1") == b'id: 2\nevent: cancel\ndata: {"id":"g:1"}\n\n'
    assert log.requests == frozenset()
    # Whoever comes back gets no call that is over already.
    assert log.counting.repeat() == [b"id: 1\n\n", b'id: 2\nevent: cancel\ndata: {"id":"g:1"}\n\n']


def test_a_request_that_nobody_read_is_withdrawn_without_a_word() -> None:
    log = filled(1)
    log.counting.leave()
    log.request("f", "apply", [2])
    assert log.withdraw("g:2") is None
    assert log.counting.repeat()[1:] == [b"id: 2\n\n"]
    assert log.counting.sent == 2


def test_what_was_not_written_is_kept_whatever_its_number() -> None:
    log = filled(KEPT + 50)
    assert log.counting.can_repeat(0)
    log.written(20)
    assert (log.counting.can_repeat(19), log.counting.can_repeat(20)) == (False, True)


@pytest.mark.parametrize("number", [KEPT, KEPT + 1])
def test_so_many_events_are_kept_when_all_are_written(number: int) -> None:
    log = filled(number)
    log.written(number)
    assert log.counting.sent - log.counting.acknowledged == KEPT


def test_fewer_are_kept_when_they_are_large() -> None:
    log = filled(5, KEPT_BYTES // 3)
    log.written(5)
    assert log.counting.sent - log.counting.acknowledged == 2
    assert log.counting.kept_bytes <= KEPT_BYTES


@pytest.mark.parametrize("excess", [0, 1])
def test_exactly_the_kept_bytes_are_kept(excess: int) -> None:
    log = filled(1)
    rest = KEPT_BYTES - log.counting.kept_bytes - len(request(2, '[""]'))
    log.request("f", "apply", ["x" * (rest + excess)])
    assert log.counting.kept_bytes == KEPT_BYTES + excess
    log.written(2)
    assert log.counting.can_repeat(0) is (excess == 0)
    log.released({})
    log.written(3)
    assert not log.counting.can_repeat(0)


def test_no_room_is_made_by_what_nobody_has_written() -> None:
    log = filled(2)
    log.make_room(0)
    assert log.counting.can_repeat(0)


def test_room_is_made_by_what_was_written() -> None:
    log = filled(5, 1000)
    size = len(request(1, '["' + "x" * 1000 + '"]'))
    log.written(3)
    log.make_room(4 * size)
    assert log.counting.sent - log.counting.acknowledged == 4
    log.make_room(0)
    assert log.counting.sent - log.counting.acknowledged == 2
    log.written(1)  # what an older connection wrote
    log.make_room(0)
    assert log.counting.sent - log.counting.acknowledged == 2


def test_no_room_is_made_by_what_was_not_written() -> None:
    log = filled(2)
    log.make_room(0)
    assert log.counting.can_repeat(0)


def test_a_request_whose_event_is_kept_no_more_is_called_off() -> None:
    log = filled(KEPT + 1)
    log.written(KEPT + 1)
    event = log.withdraw("g:1")
    assert event is not None
    assert b'event: cancel\ndata: {"id":"g:1"}' in event


def test_what_the_connection_wrote_is_noted_after_the_end_too() -> None:
    log = filled(KEPT + 50)
    log.counting.drop()
    log.written(KEPT + 50)
    assert log.counting.kept_bytes == 0


def test_a_log_goes_on_from_its_record() -> None:
    log = filled(3)
    log.written(3)
    log.counting.acknowledge(1)
    log.answered("g:2")
    record = log.record()
    assert record == StreamRecord(
        unbox=False, sent=3, acknowledged=1, requests=3, kept=[request(n, '[""]').decode() for n in (2, 3)]
    )
    restored = EventLog.restored(record, 1000)
    assert restored.requests == frozenset()
    assert not restored.answered("g:3")
    assert restored.record() == record
    key, event = restored.request("f", "apply", [])
    assert (key, event[:6]) == ("g:4", b"id: 4\n")
    with pytest.raises(GatewayError, match="more than the 1000"):
        restored.request("f", "apply", ["x" * 1000])
    # Nobody listens yet, so this one was not read.
    assert restored.withdraw("g:4") is None


def test_the_last_event_has_no_number() -> None:
    event = end_event(4002, "the session has ended")
    assert event.startswith(b"event: end\ndata: ")
    assert event.endswith(b"}\n\n")
    assert json.loads(event.split(b"data: ")[1]) == {"code": 4002, "reason": "the session has ended"}

"""Answers that are gathered until all are there, and stand in the order of the messages."""

from __future__ import annotations

import json

import pytest

from gateway.errors import GatewayError
from gateway.protocols.jsonrpc.batch import Batch

MAX_BYTES = 4000


def test_answers_are_given_out_when_the_last_one_came() -> None:
    batch = Batch()
    first, second = batch.place(), batch.place()
    batch.expect()
    batch.expect()
    assert batch.finish_one(MAX_BYTES) is None  # all messages were looked at
    first.put(b"1")
    assert batch.finish_one(MAX_BYTES) is None
    second.put(b"2")
    assert batch.finish_one(MAX_BYTES) == b"[1,2]"


def test_answers_stand_in_the_order_of_the_messages_and_not_of_their_coming() -> None:
    batch = Batch()
    slow, refused, quick = batch.place(), batch.place(), batch.place()
    batch.expect()
    refused.put(b'"refused"')
    batch.expect()
    assert batch.finish_one(MAX_BYTES) is None
    quick.put(b'"quick"')
    assert batch.finish_one(MAX_BYTES) is None
    slow.put(b'"slow"')
    assert batch.finish_one(MAX_BYTES) == b'["slow","refused","quick"]'


def test_what_needs_no_waiting_is_gathered_too() -> None:
    batch = Batch()
    batch.place().put(b"1")
    assert batch.finish_one(MAX_BYTES) == b"[1]"


def test_a_message_without_an_answer_leaves_no_gap() -> None:
    batch = Batch()
    batch.place()
    batch.place().put(b"2")
    assert batch.finish_one(MAX_BYTES) == b"[2]"


def test_a_batch_without_answers_gives_nothing() -> None:
    batch = Batch()
    batch.place()
    assert batch.finish_one(MAX_BYTES) is None


def test_an_array_has_no_more_bytes_than_a_message() -> None:
    batch = Batch()
    places = [batch.place() for _ in range(3)]
    for _ in places:
        batch.expect()
    batch.finish_one(MAX_BYTES)
    large = b'"%s"' % (b"x" * 2500)
    batch.check_answer(large, MAX_BYTES)
    places[0].put(large)
    assert batch.finish_one(MAX_BYTES) is None
    with pytest.raises(GatewayError, match="the result has 2502 bytes, and with it the batch's answers more than 4000"):
        batch.check_answer(large, MAX_BYTES)
    # One as short as the error would be has its place.
    batch.check_answer(b"x" * 512, MAX_BYTES)
    for place in places[1:]:
        place.put(b'"%s"' % (b"x" * 500))
    batch.finish_one(MAX_BYTES)
    assert len(batch.finish_one(MAX_BYTES) or b"") == 2502 + 2 * 502 + 4


def test_where_even_short_answers_are_too_many_there_is_one_for_all() -> None:
    batch = Batch()
    for _ in range(100):
        batch.place().put(b'"%s"' % (b"x" * 100))
    answer = json.loads(batch.finish_one(MAX_BYTES) or b"")
    assert (answer["id"], answer["error"]["data"]["code"]) == (None, "too_large")

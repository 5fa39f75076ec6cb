"""Answers that are gathered until all are there, and stand in the order of the messages."""

from __future__ import annotations

from gateway.protocols.jsonrpc.batch import Batch


def test_answers_are_given_out_when_the_last_one_came() -> None:
    batch = Batch()
    first, second = batch.place(), batch.place()
    batch.expect()
    batch.expect()
    assert batch.finish_one() is None  # all messages were looked at
    first.put(b"1")
    assert batch.finish_one() is None
    second.put(b"2")
    assert batch.finish_one() == b"[1,2]"


def test_answers_stand_in_the_order_of_the_messages_and_not_of_their_coming() -> None:
    batch = Batch()
    slow, refused, quick = batch.place(), batch.place(), batch.place()
    batch.expect()
    refused.put(b'"refused"')
    batch.expect()
    assert batch.finish_one() is None
    quick.put(b'"quick"')
    assert batch.finish_one() is None
    slow.put(b'"slow"')
    assert batch.finish_one() == b'["slow","refused","quick"]'


def test_what_needs_no_waiting_is_gathered_too() -> None:
    batch = Batch()
    batch.place().put(b"1")
    assert batch.finish_one() == b"[1]"


def test_a_message_without_an_answer_leaves_no_gap() -> None:
    batch = Batch()
    batch.place()
    batch.place().put(b"2")
    assert batch.finish_one() == b"[2]"


def test_a_batch_without_answers_gives_nothing() -> None:
    batch = Batch()
    batch.place()
    assert batch.finish_one() is None

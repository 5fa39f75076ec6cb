"""The answers to one JSON-RPC array leave as one array, when the last of them is there."""

from __future__ import annotations

from gateway.protocols.jsonrpc.batch import Batch


def test_answers_wait_for_the_last_one() -> None:
    batch = Batch()
    batch.expect()
    batch.expect()
    assert batch.finish_one() is None  # all messages were looked at
    batch.add(b"1")
    assert batch.finish_one() is None
    batch.add(b"2")
    assert batch.finish_one() == b"[1,2]"


def test_answers_wait_until_all_messages_were_looked_at() -> None:
    batch = Batch()
    batch.expect()
    batch.add(b"1")
    assert batch.finish_one() is None
    batch.add(b"0")
    assert batch.finish_one() == b"[1,0]"


def test_what_was_not_waited_for_leaves_with_the_others() -> None:
    batch = Batch()
    batch.add(b"1")
    assert batch.finish_one() == b"[1]"


def test_notifications_alone_have_no_answer() -> None:
    assert Batch().finish_one() is None

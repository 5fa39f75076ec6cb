from __future__ import annotations

import pytest

from gateway.protocols.jsonrpc.counting import ACK_BYTES, ACK_MESSAGES, Counting


def test_an_acknowledgement_is_due_after_64_messages_or_a_quarter_of_a_mebibyte() -> None:
    # As PROTOCOL.md says, Counting.
    assert (ACK_MESSAGES, ACK_BYTES) == (64, 262_144)


@pytest.mark.parametrize(("messages", "size", "due"), [
    (0, 0, False), (1, 0, False), (ACK_MESSAGES - 1, ACK_BYTES - 1, False), (ACK_MESSAGES, 0, True),
    (1, ACK_BYTES, True), (0, ACK_BYTES, False),
])  # fmt: skip
def test_an_acknowledgement_is_due_by_messages_or_bytes(messages: int, size: int, due: bool) -> None:
    counting = Counting()
    counting.take(messages, size)
    assert counting.is_due is due


def test_what_was_taken_is_confirmed_once() -> None:
    counting = Counting()
    assert counting.confirm() is None
    counting.take(3, 10)
    assert counting.confirm() == 3
    assert counting.confirm() is None
    counting.take(1, ACK_BYTES)
    assert counting.confirm() == 4
    assert not counting.is_due
    counting.take(1, ACK_BYTES - 1)
    assert not counting.is_due


def test_the_other_side_confirms_no_more_than_was_sent_and_never_goes_back() -> None:
    counting = Counting()
    for _ in range(5):
        counting.keep(b"x")
    assert counting.acknowledge(5)
    assert counting.acknowledge(2)
    assert counting.acknowledged == 5
    assert not counting.acknowledge(6)


def test_what_was_sent_is_kept_until_it_is_confirmed() -> None:
    counting = Counting()
    for data in (b"a", b"bb", b"ccc"):
        counting.keep(data)
    assert (counting.kept_bytes, counting.repeat()) == (6, [b"a", b"bb", b"ccc"])
    counting.acknowledge(2)
    assert (counting.kept_bytes, counting.repeat()) == (3, [b"ccc"])
    assert [counting.can_repeat(received) for received in range(5)] == [False, False, True, True, False]


def test_a_message_is_replaced_in_its_place_as_long_as_it_may_be_written_again() -> None:
    counting = Counting()
    for data in (b"a", b"bb", b"ccc"):
        counting.keep(data)
    counting.acknowledge(1)
    assert counting.replace(2, b"-")
    assert counting.replace(1, b"-")  # the client has it
    assert counting.replace(4, b"-")  # not sent yet
    assert (counting.sent, counting.kept_bytes, counting.repeat()) == (3, 4, [b"-", b"ccc"])


def test_what_was_kept_without_a_socket_has_not_been_written() -> None:
    counting = Counting()
    counting.keep(b"a")
    counting.leave()
    counting.keep(b"b")
    assert [counting.replace(number, b"-") for number in (1, 2)] == [True, False]
    assert counting.repeat() == [b"-", b"-"]
    assert counting.replace(2, b"-")


def test_what_was_dropped_is_kept_no_longer() -> None:
    counting = Counting()
    counting.keep(b"abc")
    counting.drop()
    assert (counting.sent, counting.kept_bytes, counting.repeat()) == (1, 0, [])


def test_what_was_forgotten_needs_no_confirmation() -> None:
    counting = Counting()
    for _ in range(3):
        counting.keep(b"x")
    counting.drop()
    assert counting.acknowledge(2)
    assert (counting.kept_bytes, counting.acknowledged) == (0, 3)
    assert counting.record(False, 0).kept == []

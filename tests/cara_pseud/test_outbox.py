"""What waits for a peer: drafts until it is known what the peer understands, messages until the turn ends."""

from __future__ import annotations

from cara_pseud.capabilities import NO_OPTIONS, CallOptions
from cara_pseud.outbox import Draft, Outbox
from cara_pseud.wire import OK, WORK

BARE = b"\x91\x01\x80"


def draft(uid: bytes, options: CallOptions = NO_OPTIONS) -> Draft:
    return Draft(uid, b"\xa1n", BARE, b"\x90\x80", options, 5.0)


def body(made: Draft) -> bytes:
    return b"body of " + made.uid


def test_messages_leave_once_and_in_order() -> None:
    outbox = Outbox()
    outbox.messages += [(b"1", WORK, b""), (b"2", OK, b""), (b"3", WORK, b"")]
    assert [uid for uid, _, _ in outbox.take()] == [b"1", b"2", b"3"]
    assert outbox.take() == []


def test_a_call_that_was_given_up_does_not_leave() -> None:
    outbox = Outbox()
    outbox.messages += [(b"1", WORK, b""), (b"2", WORK, b"")]
    assert outbox.withdraw(b"1", outbox.round)
    assert outbox.waiting() == [b"2"]
    assert outbox.take() == [(b"2", WORK, b"")]


def test_an_answer_of_the_same_uid_leaves_all_the_same() -> None:
    outbox = Outbox()
    outbox.messages += [(b"1", OK, b"answer"), (b"1", WORK, b"call")]
    assert outbox.withdraw(b"1", outbox.round)
    assert outbox.take() == [(b"1", OK, b"answer")]


def test_what_has_left_cannot_be_withdrawn() -> None:
    outbox = Outbox()
    outbox.messages.append((b"1", WORK, b""))
    round = outbox.round
    outbox.take()
    assert not outbox.withdraw(b"1", round)
    outbox.messages.append((b"2", WORK, b""))
    assert not outbox.withdraw(b"1", round)
    assert outbox.take() == [(b"2", WORK, b"")]


def test_drafts_wait_until_they_are_written() -> None:
    outbox = Outbox()
    outbox.draft(draft(b"1"))
    outbox.draft(draft(b"2"))
    assert outbox.take() == []
    assert outbox.waiting() == [b"1", b"2"]
    assert outbox.bytes == 2 * len(b"\x93\xa1n" + BARE)
    assert outbox.write_drafts(body)
    assert outbox.bytes == 0
    assert outbox.take() == [(b"1", WORK, b"body of 1"), (b"2", WORK, b"body of 2")]
    assert not outbox.write_drafts(body)


def test_only_what_means_the_same_without_its_options_goes_bare() -> None:
    outbox = Outbox()
    for number, options in enumerate((
        NO_OPTIONS, CallOptions(timeout=1, request_id="r", traceparent="t"), CallOptions(principal="ann"),
        CallOptions(idempotency_key="k"), CallOptions(roles=("admin",)),
    )):  # fmt: skip
        outbox.draft(draft(b"%d" % number, options))
    assert outbox.write_drafts(body, only_bare=True)
    assert [uid for uid, _, _ in outbox.take()] == [b"0", b"1"]
    assert outbox.waiting() == [b"2", b"3", b"4"]


def test_a_draft_can_be_withdrawn() -> None:
    outbox = Outbox()
    outbox.draft(draft(b"1"))
    assert outbox.withdraw(b"1", -1)
    assert not outbox.withdraw(b"1", -1)
    assert (outbox.bytes, outbox.waiting()) == (0, [])


def test_clear_forgets_everything() -> None:
    outbox = Outbox()
    outbox.draft(draft(b"1"))
    outbox.messages.append((b"2", WORK, b""))
    outbox.clear()
    assert (outbox.bytes, outbox.waiting(), outbox.take()) == (0, [], [])

"""What waits for peers that do not read: bounds for each and for all, and when they are tried again."""

from __future__ import annotations

from collections import Counter

import pytest

from cara_pseud.backlog import Backlog
from cara_pseud.errors import ResourceExhausted

# What a message takes beside its frames; a message of `message` is 1000 bytes with it.
HEAD_BYTES = 512


def message(peer: bytes, size: int = 1000) -> list[bytes]:
    return [peer, b"", bytes(size - HEAD_BYTES - len(peer))]


def backlog(max_bytes: int) -> tuple[Backlog, Counter[str]]:
    dropped: Counter[str] = Counter()
    return Backlog(max_bytes, dropped), dropped


def waiting(kept: Backlog) -> dict[bytes, int]:
    return {peer: len(queue.messages) for peer, queue in kept.queues.items()}


def test_one_peer_may_have_a_quarter_of_all() -> None:
    kept, dropped = backlog(40_000)
    for _ in range(10):
        kept.keep(message(b"a"), 0)
    with pytest.raises(ResourceExhausted, match=r"^10000 bytes wait for this peer already, which does not read$"):
        kept.keep(message(b"a", 513), 0)
    assert (waiting(kept), dropped) == ({b"a": 10}, {"backlog full": 1})


def test_a_message_that_is_larger_may_wait_alone() -> None:
    kept, _ = backlog(4000)
    kept.keep(message(b"a", 3000), 0)
    with pytest.raises(ResourceExhausted):
        kept.keep(message(b"a", 3000), 0)
    assert waiting(kept) == {b"a": 1}


def test_over_all_the_one_that_has_most_waiting_loses_it() -> None:
    kept, dropped = backlog(40_000)
    for peer, count in ((b"a", 9), (b"b", 10), (b"c", 10), (b"d", 10), (b"e", 1)):
        for _ in range(count):
            kept.keep(message(peer), 0)
    assert dropped == {}
    kept.keep(message(b"e"), 0)
    assert (waiting(kept), dropped) == ({b"a": 9, b"c": 10, b"d": 10, b"e": 2}, {"backlog full": 1})
    for _ in range(8):
        kept.keep(message(b"e"), 0)
    assert dropped == {"backlog full": 1}


def test_what_was_sent_or_forgotten_makes_room() -> None:
    kept, _ = backlog(4000)
    kept.keep(message(b"a"), 0)
    kept.take(kept.queues[b"a"])
    kept.keep(message(b"a"), 0)
    kept.forget(b"a")
    kept.forget(b"a")
    kept.forget(b"nobody")
    assert kept.queues == {}
    for peer in (b"a", b"b", b"c", b"d"):
        kept.keep(message(peer), 0)
    assert len(kept.queues) == 4


def test_a_peer_is_tried_again_after_5_ms_and_later_each_time_up_to_80() -> None:
    kept, _ = backlog(40_000)
    kept.keep(message(b"a"), 100.0)
    queue = kept.queues[b"a"]
    assert queue.due == pytest.approx(100.005)
    assert (kept.due(100.0), kept.due(100.0051)) == ([], [(b"a", queue)])
    waits_s = []
    for _ in range(6):
        before = queue.due
        queue.put_off(before, sent=False)
        waits_s.append(queue.due - before)
    assert waits_s == pytest.approx([0.01, 0.02, 0.04, 0.08, 0.08, 0.08])
    queue.put_off(200.0, sent=True)
    assert queue.due == pytest.approx(200.005)
    queue.put_off(200.0, sent=False)
    assert queue.due == pytest.approx(200.01)


def test_the_first_that_is_due_is_waited_for_but_5_ms_at_least() -> None:
    kept, _ = backlog(40_000)
    assert kept.next_time(100.0) is None
    kept.keep(message(b"a"), 100.0)
    kept.keep(message(b"b"), 100.002)
    kept.queues[b"a"].put_off(100.005, sent=False)
    assert kept.next_time(100.0) == pytest.approx(100.007)
    assert kept.next_time(100.1) == pytest.approx(100.105)

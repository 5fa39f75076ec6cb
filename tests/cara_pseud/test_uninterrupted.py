"""Ctrl-C in the middle of what must be done as a whole."""

from __future__ import annotations

import asyncio
import signal
import threading

import pytest

from cara_pseud.uninterrupted import WholeTurns, whole


def test_it_comes_when_that_is_done() -> None:
    done: list[str] = []

    def action() -> None:
        signal.raise_signal(signal.SIGINT)
        done.append("all of it")

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        whole(action)
    assert done == ["all of it"]
    assert signal.getsignal(signal.SIGINT) is before


def test_what_fails_leaves_the_handler_as_it_was() -> None:
    def action() -> None:
        raise ValueError("broken")

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="broken"):
        whole(action)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_where_nothing_is_raised_nothing_is_changed(handler: signal.Handlers) -> None:
    before = signal.signal(signal.SIGINT, handler)
    try:
        seen: list[object] = []
        whole(lambda: seen.append(signal.getsignal(signal.SIGINT)))
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [handler]


def test_in_another_thread_it_is_simply_done() -> None:
    done: list[int] = []
    thread = threading.Thread(target=whole, args=(lambda: done.append(1),))
    thread.start()
    thread.join()
    assert done == [1]


def test_a_loop_s_turns_are_whole() -> None:
    done: list[str] = []

    def action() -> None:
        signal.raise_signal(signal.SIGINT)
        done.append("all of it")

    loop = asyncio.new_event_loop()
    clock = WholeTurns(loop)
    for begin in (clock.call_soon, lambda action: clock.call_later(0, action)):
        begin(action)
        with pytest.raises(KeyboardInterrupt):
            loop.run_forever()
    assert done == ["all of it"] * 2
    assert clock.time() == pytest.approx(loop.time(), abs=1)
    loop.close()

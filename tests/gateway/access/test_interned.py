"""One principal for one credential."""

from __future__ import annotations

import gc

from gateway.access.interned import Interned
from gateway.access.principals import Principal


def test_who_was_here_lately_is_the_same_again() -> None:
    known: Interned[str, Principal] = Interned()
    assert known.find("a") is None
    known.keep("a", Principal("a"))
    first = known.find("a")
    assert first is not None
    assert known.find("a") is first


def test_who_is_used_is_the_same_however_many_came_since() -> None:
    known: Interned[int, Principal] = Interned(2)
    used = Principal("used")
    known.keep(0, used)
    for number in range(1, 5):
        known.keep(number, Principal(str(number)))
    gc.collect()
    assert len(known) == 3
    assert known.find(1) is None
    assert known.find(0) is used
    # That was lately, so that another one had to go.
    assert known.find(3) is None
    assert known.find(4) is not None


def test_who_is_gone_is_marked_and_forgotten() -> None:
    known: Interned[str, Principal] = Interned()
    alice, bob = Principal("alice"), Principal("bob")
    known.keep("a", alice)
    known.keep("b", bob)
    assert known.remove(lambda key, principal: key == "a" and principal is alice) == [alice]
    assert (alice.is_removed, bob.is_removed) == (True, False)
    assert (known.find("a"), known.find("b")) == (None, bob)
    assert known.remove() == [bob]
    assert known.everybody() == []

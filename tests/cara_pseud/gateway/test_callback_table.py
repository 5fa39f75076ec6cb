"""An object of ours is known as long as the gateway may call it, under one name."""

from __future__ import annotations

import pytest

from cara_pseud.gateway.callback_table import CallbackTable


class Table(CallbackTable):
    def __init__(self) -> None:
        self.gone: list[str] = []
        super().__init__("p-", self.gone.append)

    def passed(self, target: str) -> str:
        """Note a call that carries an object."""
        name = self.name(target, lambda: target)
        self.carry([name])
        return name


@pytest.fixture
def table() -> Table:
    return Table()


def test_one_object_keeps_one_name_and_a_forgotten_one_gets_another(table: Table) -> None:
    first = table.passed("a")
    assert (first, table.passed("b"), table.passed("a")) == ("p-c1", "p-c2", "p-c1")
    table.settle([first, first], accepted=False)
    assert (table.target(first), table.gone) == (None, ["a"])
    assert table.passed("a") == "p-c3"


def test_one_that_the_gateway_took_lives_until_it_lets_go(table: Table) -> None:
    name = table.passed("a")
    table.settle([name], accepted=True)
    assert table.target(name) == "a"
    table.released(name)
    assert (table.target(name), table.gone) == (None, ["a"])
    table.released(name)
    assert table.gone == ["a"]


def test_one_that_a_later_call_carries_survives_a_release_that_may_be_older(table: Table) -> None:
    name = table.passed("a")
    table.settle([name], accepted=True)
    table.passed("a")
    table.released(name)
    assert table.target(name) == "a"
    table.settle([name], accepted=False)
    assert table.gone == ["a"]


def test_a_lost_session_leaves_what_is_in_calls_that_were_not_sent(table: Table) -> None:
    held, waiting = table.passed("a"), table.passed("b")
    table.settle([held], accepted=True)
    table.session_lost()
    assert (table.target(held), table.target(waiting), table.gone) == (None, "b", ["a"])


def test_what_is_kept_for_it_goes_with_it(table: Table) -> None:
    name = table.passed("a")
    kept = [object()]
    table.keep([name, "p-c9"], kept)
    table.settle([name, "p-c9"], accepted=True)
    assert table.target("p-c9") is None
    table.released(name)
    assert table.target(name) is None

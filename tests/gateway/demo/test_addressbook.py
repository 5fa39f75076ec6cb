"""The listeners of the address book, and its methods without a network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from cara_pseud.errors import RpcError, Unavailable
from gateway.demo.addressbook import Listeners, address_book_service
from gateway.demo.people import People


class FakeListener:
    def __init__(self, outcome: Exception | None = None) -> None:
        self.heard: list[Any] = []
        self.outcome = outcome

    def changed(self, person: Any, change: str) -> asyncio.Future[None]:
        self.heard.append((person, change))
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.outcome is None:
            answer.set_result(None)
        else:
            answer.set_exception(self.outcome)
        return answer


def test_every_listener_is_told_in_order_until_it_is_removed(fakes: Any) -> None:
    async def main() -> None:
        listeners, one, two = Listeners(), FakeListener(), FakeListener()
        number = listeners.add(one)
        listeners.add(two)
        listeners.tell("Ann", "added")
        listeners.remove(number)
        listeners.remove(number)
        listeners.tell("Ann", "deleted")
        await fakes.settle()
        assert one.heard == [("Ann", "added")]
        assert two.heard == [("Ann", "added"), ("Ann", "deleted")]

    fakes.run(main())


@pytest.mark.parametrize(
    ("outcome", "left"),
    [(Unavailable(), 0), (RpcError("not_found", ""), 0), (RpcError("internal", ""), 1), (ValueError("x"), 1)],
)
def test_a_listener_that_is_gone_is_dropped_and_one_that_fails_is_not(
    fakes: Any, outcome: Exception, left: int
) -> None:
    async def main() -> None:
        listeners = Listeners()
        listeners.add(FakeListener(outcome))
        listeners.tell("Ann", "added")
        await fakes.settle()
        assert len(listeners) == left

    fakes.run(main())


@pytest.fixture
def book() -> Iterator[Any]:
    with closing(People(None)) as people:
        yield address_book_service(people)[1]


def failure(call: Callable[[], Any]) -> str:
    with pytest.raises(RpcError) as raised:
        call()
    return raised.value.code


def test_every_person_has_an_updater_and_the_same_one(book: Any) -> None:
    ann = book.find("Ann")
    assert ann.updater is not None
    assert all(person.updater is not None for person in book.list("", 50))
    assert book.add({"name": "Zoe", "updater": None}).updater is not None


def test_what_cannot_be_done_has_its_code(book: Any) -> None:
    assert failure(lambda: book.find("Nobody")) == "not_found"
    assert failure(lambda: book.add({"name": "Ann"})) == "already_exists"
    assert failure(lambda: book.add({"phoneNumber": "5"})) == "invalid_argument"
    assert failure(lambda: book.watch(None)) == "invalid_argument"
    updater = book.find("Ann").updater
    assert failure(lambda: updater.update({"name": "Bela"})) == "already_exists"
    assert failure(lambda: updater.update({"name": ""})) == "invalid_argument"
    updater.delete()
    assert failure(updater.delete) == "not_found"
    assert failure(lambda: updater.update({})) == "not_found"

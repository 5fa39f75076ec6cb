from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import pytest
import tornado.gen

from cara_pseud.handlers import accepted_by, adapted, misfit, mistaken_for
from cara_pseud.values import MISSING

NAMES = ["first", "second"]


def got(*given: Any) -> tuple[Any, ...]:
    return given


class Callables:
    def __call__(self, second: int, first: int) -> Any:
        return first, second

    def one(self, first: int) -> Any:
        return (first,)

    @classmethod
    def of_class(cls, second: int, first: int) -> Any:
        return first, second

    @staticmethod
    def static(first: int) -> Any:
        return (first,)

    @tornado.gen.coroutine
    def swapped(self, second: int, first: int) -> Any:
        return first, second


class Forgetful:
    def one(first: int) -> Any:  # type: ignore[misc]
        return first

    def both(first: int, second: int) -> Any:  # type: ignore[misc]
        return first, second

    def nothing() -> Any:  # type: ignore[misc]
        return 0


@functools.wraps(lambda self: None)
def decorated(*args: Any) -> Any:
    return args


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (lambda: got(), ()),
        (lambda a: got(a), (1,)),
        (lambda a, b: got(a, b), (1, 2)),
        (lambda a, b, c=3: got(a, b, c), (1, 2, 3)),
        (lambda *all: got(*all), (1, 2)),
        (lambda a, *rest: got(a, *rest), (1, 2)),
        (lambda second: got(second), (2,)),
        (lambda second, first: got(second, first), (2, 1)),
        (lambda second, extra=5: got(second, extra), (2, 5)),
        (lambda second, first, /: got(second, first), (1, 2)),
        (lambda first: got(first), (1,)),
        (lambda extra, first=0: got(extra, first), (1, 2)),
        (lambda *, second: got(second), (2,)),
        (lambda *, first, second: got(first, second), (1, 2)),
        (lambda first, *, second: got(first, second), (1, 2)),
        (lambda first, *, other=5: got(first, other), (1, 5)),
        (lambda **named: got(named), ({"first": 1, "second": 2},)),
        (lambda first, **named: got(first, named), (1, {"second": 2})),
        (lambda second, **named: got(second, named), (2, {"first": 1})),
        (functools.partial(got, 0), (0, 1, 2)),
        (functools.partial(lambda zero, first: got(zero, first), 0), (0, 1)),
        (Callables(), (1, 2)),
        (Callables().one, (1,)),
        (Callables().of_class, (1, 2)),
        (Callables().static, (1,)),
        (decorated, (1, 2)),
        (max, 2),
    ],
)
def test_handlers_are_called_with_what_they_take(handler: Callable[..., Any], expected: Any) -> None:
    assert misfit(handler, NAMES) == ""
    assert adapted(handler, NAMES)(1, 2) == expected


def test_coroutines_of_tornado_are_looked_through() -> None:
    async def main() -> Any:
        return await adapted(Callables().swapped, NAMES)(1, 2)

    assert asyncio.run(main()) == (1, 2)


def test_a_struct_is_passed_by_position_or_not_at_all() -> None:
    assert adapted(lambda anything: anything, ["*"])(1) == 1
    assert adapted(lambda: 5, ["*"])(1) == 5


def test_parameters_named_like_python_s_keywords_have_an_underscore() -> None:
    assert adapted(lambda class_, import_: got(class_, import_), ["import", "class"])(1, 2) == (2, 1)
    assert adapted(lambda **named: named, ["import", "class"])(1, 2) == {"import": 1, "class": 2}


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (lambda a, b, c: 1, "it requires 3 arguments (a, b, c) and gets 2"),
        (lambda first, second, third, fourth=0: 1, "it requires 3 arguments (first, second, third) and gets 2"),
        (lambda *, other: 1, "it requires other by name, which is no parameter"),
        (lambda second, first, *, other: 1, "it requires other by name, which is no parameter"),
        (Forgetful().one, "it is a method without self"),
        (Forgetful().both, "it is a method without self"),
        (Forgetful().nothing, "it is a method without self"),
        (5, "it is no function"),
        (None, "it is no function"),
    ],
)
def test_a_handler_that_cannot_be_called_is_told_why(handler: Any, reason: str) -> None:
    assert misfit(handler, NAMES) == reason


def test_a_handler_that_nobody_knows_is_called_with_everything() -> None:
    class Odd:
        __signature__ = "none"

        def __call__(self, *given: Any) -> Any:
            return given

    odd = Odd()
    assert accepted_by(odd) is None
    assert misfit(odd, NAMES) == ""
    assert adapted(odd, NAMES)(1, 2) == (1, 2)


def test_missing_values_are_left_out_by_name() -> None:
    by_name = adapted(lambda second=5, first=6: got(second, first), NAMES)
    assert by_name(1, MISSING) == (5, 1)
    required: Any = adapted(lambda second, first=6: got(second, first), NAMES)
    assert required.missing([MISSING, MISSING]) == [1]


@pytest.mark.parametrize(
    ("name", "other", "near"),
    [
        ("addTwo", "add_two", True),
        ("find", "fnid", True),
        ("find", "finds", True),
        ("add", "ad", True),
        ("get", "set", False),
        ("find", "add", False),
        ("list", "listen", False),
        ("unsubscribe", "unsubscribes", True),
        ("watchChanges", "watchChangesOf", True),
        ("open", "close", False),
    ],
)
def test_names_that_are_near_are_taken_for_misspelt(name: str, other: str, near: bool) -> None:
    assert (mistaken_for(name, ["something", other]) == other) is near

"""Objects of ours as peers call them: look-up, conversion both ways, every kind of handler, what errors are sent."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import tornado.concurrent
import tornado.gen

import cara_pseud
from cara_pseud import NoMatch, RemoteError, RpcError
from cara_pseud.capabilities import IncomingCall
from cara_pseud.exports import HolderExports, Quota
from cara_pseud.implementations import Implementation
from cara_pseud.interfaces import implement
from cara_pseud.local import LocalCapability
from cara_pseud.wire import error_triple

SCHEMAS = Path(__file__).parent / "schemas"
calls: Any = cara_pseud.load(SCHEMAS / "calls.capnp")
Methods, Counter = calls.Methods, calls.Counter
CALL = IncomingCall(b"")


def call(implementation: Implementation, name: str, *args: Any, **kwargs: Any) -> Any:
    return implementation.handlers()[name](CALL, args, kwargs)


def serving(**functions: Callable[..., Any]) -> Implementation:
    return implement(functions, Methods)


def test_wire_values_reach_the_handler_as_structs_and_members() -> None:
    got: list[Any] = []

    class Impl(Methods):  # type: ignore[misc]
        def mixed(self, number: float, flag: bool, text: str, data: bytes, void: None, item: Any) -> bool:
            got.extend([number, flag, text, data, void, item])
            return True

    assert call(implement(Impl()), "mixed", 1, True, "t", b"d", None, {0: 5, "name": "n", b"tags": ("a",)}) is True
    assert got[:5] == [1.0, True, "t", b"d", None]
    assert got[5].ToDict(with_field_names=True) == {"qty": 5, "name": "n", "tags": ["a"]}


def test_arguments_come_by_position_or_by_name() -> None:
    adding = serving(add=lambda first, second: first * 10 + second)
    assert call(adding, "add", 2, 5) == 25
    assert call(adding, "add", first=2, second=5) == 25
    assert call(adding, "add", 2, second=5) == 25
    assert call(serving(byStruct=lambda item: item), "byStruct", {0: 1}) == {0: 1}
    assert call(serving(byStruct=lambda item: item), "byStruct", qty=1) == {0: 1}


def test_handlers_may_name_their_parameters_as_they_like() -> None:
    def keywords_only(*, first: int, second: int) -> int:
        return first * 10 + second

    def any_keywords(**given: int) -> int:
        return given["first"] * 10 + given["second"]

    def any_arguments(*given: int) -> int:
        return given[0] * 10 + given[1]

    def swapped(second: int, first: int) -> int:
        return first * 10 + second

    def others(a: int, b: int) -> int:
        return a * 10 + b

    class Callable_:
        def __call__(self, a: int, b: int) -> int:
            return a * 10 + b

    for handler in (keywords_only, any_keywords, any_arguments, swapped, others, Callable_()):
        adding = serving(add=handler)
        assert call(adding, "add", 2, 5) == call(adding, "add", second=5, first=2) == 25


def test_a_handler_s_own_defaults_fill_what_the_schema_has_no_default_for() -> None:
    def by_keyword(*, first: int = 1, second: int = 2) -> int:
        return first * 10 + second

    class Impl(Methods):  # type: ignore[misc]
        def add(self, first: int = 1, second: int = 2) -> int:
            return first * 10 + second

        def byStruct(self, item: Any = None) -> Any:
            return item or {"qty": 9}

    for adding in (implement(Impl()), serving(add=by_keyword)):
        assert call(adding, "add") == 12
        assert call(adding, "add", 5) == 52
        assert call(adding, "add", second=5) == 15
    assert call(implement(Impl()), "byStruct") == {0: 9}


class Strict(Methods):  # type: ignore[misc]
    def add(self, first: int, second: int) -> int:
        return first + second

    def byStruct(self, person: Any) -> Any:
        return person


WRONG_ARGUMENTS: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("add", (1,), {}, "add() missing 1 required positional argument: 'second'"),
    ("add", (), {"first": 1}, "add() missing 1 required positional argument: 'second'"),
    ("add", (1, 2, 3), {}, "add() takes 2 positional arguments but 3 were given"),
    ("add", (1,), {"third": 2}, "Param third does not exist for method add"),
    ("add", (1,), {"first": 2}, "add() got multiple values for argument 'first'"),
    ("byStruct", (), {}, "byStruct() missing 1 required positional argument: 'person'"),
    ("byStruct", ({}, {}), {}, "byStruct() takes 1 positional argument but 2 were given"),
]


@pytest.mark.parametrize(("name", "args", "kwargs", "text"), WRONG_ARGUMENTS)
def test_wrong_arguments_are_answered_in_the_original_s_words(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], text: str
) -> None:
    with pytest.raises(RemoteError) as caught:
        call(implement(Strict()), name, *args, **kwargs)
    assert caught.value.code == "invalid_argument"
    assert error_triple(caught.value)[:2] == ("TypeError", text)
    assert isinstance(caught.value.__cause__, cara_pseud.ArgumentError)
    assert caught.value.__cause__.signature == Methods.__methods__[name].signature().text


@pytest.mark.parametrize(
    ("name", "args", "path", "text"),
    [
        ("add", (1, "x"), "$.second", "add: $.second: 'x' is no Int32"),
        ("add", (True, 1), "$.first", "add: $.first: True is no Int32"),
        ("byStruct", ({99: 1},), "$", "byStruct: Item has no field 99; its fields are qty, name, tags"),
        ("byStruct", ({0: 10**6},), "$.qty", "byStruct: $.qty: 1000000 is out of range for Int16 (-32768 … 32767)"),
    ],
)
def test_bad_values_are_the_caller_s_fault_and_have_a_path(
    name: str, args: tuple[Any, ...], path: str, text: str
) -> None:
    with pytest.raises(RpcError) as caught:
        call(implement(Strict()), name, *args)
    assert (caught.value.code, caught.value.message, caught.value.details) == ("invalid_argument", text, {"path": path})


@pytest.mark.parametrize(
    ("name", "returned", "class_name", "text"),
    [
        ("add", "x", "TypeError", "add returned a wrong result: $.result: 'x' is no Int32"),
        ("add", 2**31, "ValueError", "add returned a wrong result: $.result: 2147483648 is out of range for Int32"),
        ("byStruct", {"nope": 1}, "ValueError", "byStruct returned a wrong result: Item has no field 'nope'"),
        ("add", object(), "TypeError", "add returned a wrong result: $.result: an object is no Int32"),
        ("divMod", [1], "TypeError", "Multiple output parameters for divMod requires a list, tuple, or dict to be "
                                     "returned with the right number of elements ([1] given, 2 args needed)"),
    ],
)
def test_a_wrong_result_is_the_service_s_fault(name: str, returned: Any, class_name: str, text: str) -> None:
    async def later(*args: Any) -> Any:
        return returned

    for handler in (lambda *args: returned, later):
        implementation = serving(**{name: handler})
        args: list[Any] = [{}] if name == "byStruct" else [1, 2]
        with pytest.raises(RemoteError) as caught:
            asyncio.run(call(implementation, name, *args))
        assert caught.value.code == "internal"
        assert caught.value.exception_class == class_name
        assert caught.value.message.startswith(text)


def test_results_are_sent_in_the_wire_s_form() -> None:
    assert call(serving(divMod=divmod), "divMod", 17, 5) == {"q": 3, "r": 2}
    assert call(serving(find=lambda name: {"item": {"name": name}}), "find", "a") == {1: "a"}
    assert call(serving(nothing=lambda: "ignored"), "nothing") is None
    assert call(serving(stream=lambda chunk: None), "stream", b"") is None
    sent = call(serving(make=lambda start: {"increment": print}), "make", 5)
    assert isinstance(sent, LocalCapability)
    assert type(call(serving(byStruct=lambda item: item), "byStruct", {0: 1})) is dict


def answered(value: Any) -> Any:
    future: Future[Any] = Future()
    future.set_result(value)
    return future


async def coroutine_function(first: int, second: int) -> int:
    await asyncio.sleep(0)
    return first + second


@tornado.gen.coroutine
def tornado_coroutine(first: int, second: int) -> Any:
    yield tornado.gen.sleep(0)
    return first + second


def generator(first: int, second: int) -> Any:
    yield asyncio.sleep(0)
    more = yield coroutine_function(first, 0)
    return more + second


def asyncio_future(first: int, second: int) -> Any:
    future = asyncio.get_running_loop().create_future()
    future.set_result(first + second)
    return future


def tornado_future(first: int, second: int) -> Any:
    future: Any = tornado.concurrent.Future()
    future.set_result(first + second)
    return future


def concurrent_future(first: int, second: int) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: first + second)


LATER = [coroutine_function, tornado_coroutine, generator, asyncio_future, tornado_future, concurrent_future]


@pytest.mark.parametrize("handler", LATER)
def test_handlers_may_answer_later(handler: Any) -> None:
    async def main() -> None:
        result = call(serving(add=handler), "add", 2, 5)
        assert isinstance(result, Awaitable)
        assert await result == 7
        assert await LocalCapability(serving(add=handler)).call(Methods.__id__, "add", (2,), {"second": 5}) == 7

    asyncio.run(main())


def test_a_thread_s_future_is_awaited_while_it_runs() -> None:
    release = threading.Event()

    async def main() -> None:
        with ThreadPoolExecutor(1) as pool:
            handler = lambda first, second: pool.submit(lambda: release.wait(10) and first + second)  # noqa: E731
            result = asyncio.ensure_future(call(serving(add=handler), "add", 2, 5))
            await asyncio.sleep(0)
            assert not result.done()
            release.set()
            assert await result == 7

    asyncio.run(main())


def test_errors_of_later_answers_arrive() -> None:
    async def fails(first: int, second: int) -> int:
        raise ValueError("bad")

    def fails_in_a_generator(first: int, second: int) -> Any:
        try:
            yield fails(first, second)
        except ValueError as error:
            raise RpcError("not_found", str(error)) from None

    async def main() -> None:
        with pytest.raises(ValueError, match="bad"):
            await call(serving(add=fails), "add", 1, 2)
        with pytest.raises(RpcError, match="bad") as caught:
            await call(serving(add=fails_in_a_generator), "add", 1, 2)
        assert caught.value.code == "not_found"

    asyncio.run(main())


def test_what_is_answered_at_once_makes_no_coroutine() -> None:
    result = call(serving(add=lambda first, second: first + second), "add", 2, 5)
    assert type(result) is int
    assert not inspect.isawaitable(call(serving(find=lambda name: {}), "find", "x"))


def test_a_generator_of_several_results_gives_those() -> None:
    def both(a: int, b: int) -> Any:
        yield a
        yield b

    assert call(serving(divMod=both), "divMod", 1, 2) == {"q": 1, "r": 2}


def test_a_stop_iteration_ends_the_call_and_nothing_else() -> None:
    def stops(first: int, second: int) -> int:
        raise StopIteration("stop")

    with pytest.raises(RuntimeError, match=r"^generator raised StopIteration$"):
        call(serving(add=stops), "add", 1, 2)


def test_a_query_without_a_match_keeps_its_message() -> None:
    async def finds(first: int, second: int) -> Any:
        return cara_pseud.List(calls.Pair)([]).Get(first=5)

    with pytest.raises(NoMatch, match="no element"):
        asyncio.run(call(serving(add=finds), "add", 1, 2))


def test_methods_are_found_by_interface_and_id_or_name_however_far_up() -> None:
    class Impl(calls.E):  # type: ignore[misc]
        def a(self) -> str:
            return "a"

        def shared(self) -> str:
            return "shared"

        def e(self) -> str:
            return "e"

    implementation = implement(Impl())
    assert implementation.invoke(calls.A.__id__, 0, (), {}, CALL) == "a"
    assert implementation.invoke(calls.A.__id__, "a", (), {}, CALL) == "a"
    assert implementation.invoke(calls.A.__id__, 1, (), {}, CALL) == "shared"
    assert implementation.invoke(calls.C.__id__, "shared", (), {}, CALL) == "shared"
    assert implementation.invoke(calls.E.__id__, 0, (), {}, CALL) == "e"
    assert set(implementation.handlers()) == {"a", "b", "c", "d", "e", "shared"}
    assert call(implementation, "a") == "a"


def test_an_unknown_method_is_unimplemented_and_the_original_s_key_error() -> None:
    implementation = implement({"increment": print}, Counter)
    for key in ((Counter.__id__, 77), (1, 0), (Counter.__id__, "nope"), (Counter.__id__, -1)):
        with pytest.raises(RpcError) as caught:
            implementation.invoke(*key, (1,), {}, CALL)
        assert caught.value.code == "unimplemented"
        assert error_triple(caught.value)[:2] == ("KeyError", str(key))
    with pytest.raises(RpcError, match="Counter does not implement clone") as caught:
        implementation.invoke(Counter.__id__, 1, (), {}, CALL)
    assert caught.value.code == "unimplemented"


def test_generic_methods_work_through_a_subclass() -> None:
    class Impl(calls.Factory):  # type: ignore[misc]
        def keep(self, first: Any, second: Any) -> Any:
            return {"first": first, "second": second}

    assert call(implement(Impl()), "keep", {"free": 1}, (2,)) == {0: {"free": 1}, 1: [2]}


def test_the_object_learns_that_nobody_holds_it_any_more() -> None:
    released: list[str] = []

    class Impl(Counter):  # type: ignore[misc]
        def __released__(self) -> None:
            released.append("subclass")

    class Plain:
        def increment(self, by: int) -> int:
            return by

        def __released__(self) -> None:
            released.append("plain")

    for value in (Impl(), Plain(), {"increment": print}):
        implement(value, Counter).released()
    assert released == ["subclass", "plain"]


def test_who_fails_when_told_of_its_release_ends_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    class Failing:
        def increment(self, by: int) -> int:
            return by

        def __released__(self) -> None:
            raise RuntimeError("not today")

    ids = iter((1, 2))
    exports = HolderExports(lambda: next(ids), Quota(2))
    for _ in range(2):
        exports.add(LocalCapability(implement(Failing(), Counter)))
    exports.clear()
    assert (len(exports), exports.quota.used) == (0, 0)
    assert caplog.messages == ["an object failed when it was let go: Counter"] * 2
    assert "not today" in caplog.text

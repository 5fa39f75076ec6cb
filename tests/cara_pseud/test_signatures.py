"""Arguments and results between callers and the wire, without a peer: what is sent, what is refused, what is said."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

import cara_pseud
from cara_pseud import ArgumentError, InvalidValue, MethodResult, UnknownField, WrongType
from cara_pseud.signatures import Signature

SCHEMAS = Path(__file__).parent / "schemas"
calls: Any = cara_pseud.load(SCHEMAS / "calls.capnp")
values: Any = cara_pseud.load(SCHEMAS / "values.capnp")
ADD = "add(first :Int32, second :Int32) -> (result :Int32)"


def signature(name: str) -> Signature:
    found: Signature = calls.Methods.__methods__[name].signature()
    return found


SENT: list[tuple[str, tuple[Any, ...], dict[str, Any], list[Any], dict[str, Any]]] = [
    ("nothing", (), {}, [], {}),
    ("add", (2, 5), {}, [2, 5], {}),
    ("add", (), {"first": 2, "second": 5}, [], {"first": 2, "second": 5}),
    ("add", (), {"second": 5, "first": 2}, [], {"second": 5, "first": 2}),
    ("add", (2,), {"second": 5}, [2], {"second": 5}),
    ("byStruct", ({"name": "a"},), {}, [{1: "a"}], {}),
    ("byStruct", (values.Item(name="a"),), {}, [{1: "a"}], {}),
    ("byStruct", (), {"name": "a", "qty": 1}, [{1: "a", 0: 1}], {}),
    ("byStruct", (), {}, [], {}),
    ("byStruct", (None,), {}, [{}], {}),
    ("find", (None,), {}, [None], {}),
    ("find", (), {"name": None}, [], {"name": None}),
    ("any", ({"a": (1, values.Item(qty=1))},), {}, [{"a": [1, {0: 1}]}], {}),
    ("page", ("p",), {}, ["p", 50, 1, {0: 1}], {}),
    ("page", ("p", 5), {}, ["p", 5, 1, {0: 1}], {}),
    ("page", ("p",), {"order": "red"}, ["p"], {"order": 0, "limit": 50, "near": {0: 1}}),
    ("middle", (), {"b": 5}, [], {"b": 5, "a": 1, "c": 3}),
    ("import", ("x", 1), {}, ["x", 1], {}),
    ("import", (), {"from_": "x", "self": 1}, [], {"from": "x", "self": 1}),
    ("mixed", (1, True, "t", b"d", None, {"qty": 1}), {}, [1.0, True, "t", b"d", None, {0: 1}], {}),
    # What is missing may have a Python default at the server.
    ("add", (1,), {}, [1], {}),
    ("add", (), {}, [], {}),
    ("add", (), {"second": 1}, [], {"second": 1}),
    ("page", (), {}, [], {"limit": 50, "order": 1, "near": {0: 1}}),
    ("middle", (), {}, [1], {"c": 3}),
    ("mixed", (), {}, [], {}),
]


@pytest.mark.parametrize(("name", "args", "kwargs", "sent_args", "sent_kwargs"), SENT)
def test_what_is_sent(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], sent_args: list[Any], sent_kwargs: dict[str, Any]
) -> None:
    positional, named = signature(name).outgoing(args, kwargs)
    assert (list(positional), dict(named)) == (sent_args, sent_kwargs)
    assert list(named) == list(sent_kwargs)


REFUSED: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("add", (1, 2, 3), {}, f"add() takes 2 positional arguments but 3 were given; the method is {ADD}"),
    ("nothing", (1,), {}, "nothing() takes 0 positional arguments but 1 was given; the method is nothing() -> ()"),
    ("find", (1, 2), {}, "find() takes 1 positional argument but 2 were given"),
    ("add", (1,), {"third": 2}, f"Param third does not exist for method add; the method is {ADD}"),
    ("add", (1,), {"first": 2}, f"add() got multiple values for argument 'first'; the method is {ADD}"),
    ("byStruct", ({}, {}), {}, "byStruct() takes 1 positional argument but 2 were given"),
    ("byStruct", ({},), {"qty": 1}, "byStruct() takes either one struct or its fields as keywords, not both"),
]


@pytest.mark.parametrize(("name", "args", "kwargs", "text"), REFUSED)
def test_what_does_not_fit_the_signature(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], text: str
) -> None:
    with pytest.raises(ArgumentError) as caught:
        signature(name).outgoing(args, kwargs)
    assert str(caught.value).startswith(text)
    assert isinstance(caught.value, TypeError)
    assert caught.value.signature == signature(name).text


PATHS: list[tuple[str, tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    ("add", (1, "x"), {}, WrongType, "$.second: 'x' is no Int32"),
    ("add", (), {"first": 2**31, "second": 1}, InvalidValue,
     "$.first: 2147483648 is out of range for Int32 (-2147483648 … 2147483647)"),
    ("byStruct", ({"qty": 40000},), {}, InvalidValue, "$.qty: 40000 is out of range for Int16 (-32768 … 32767)"),
    ("byStruct", (), {"nope": 1}, UnknownField, "Item has no field 'nope'; its fields are qty, name, tags"),
    ("mixed", (1, True, "t", b"d", None, {"tags": ["a", 5]}), {}, WrongType, "$.item.tags[1]: 5 is no Text"),
    ("mixed", (1, True, "t", b"d", None, {"nope": 5}), {}, UnknownField,
     "$.item: Item has no field 'nope'; its fields are qty, name, tags"),
    ("page", ("p",), {"order": "purple"}, InvalidValue,
     "$.order: 'purple' is no Color; it has red, green, class, mro, name"),
    ("count", (5,), {}, WrongType, "$.counter: 5 is no Counter"),
]


@pytest.mark.parametrize(("name", "args", "kwargs", "error", "text"), PATHS)
def test_errors_of_values_name_the_parameter(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], error: type[Exception], text: str
) -> None:
    for convert in (signature(name).outgoing, signature(name).incoming):
        with pytest.raises(error) as caught:
            convert(args, kwargs)
        assert str(caught.value) == text


def test_what_a_handler_gets_has_the_schema_s_defaults() -> None:
    prefix, limit, order, near = signature("page").incoming((None,), {})
    assert (prefix, limit, order, near) == ("", 50, values.Color.green, {"x": 1})
    assert type(near).__name__ == "Point"
    assert signature("find").incoming((), {"name": "a"}) == ["a"]
    assert signature("byStruct").incoming(({b"name": "a"},), {}) == [{1: "a"}]
    assert signature("byStruct").incoming((), {"name": "a"}) == [{1: "a"}]


def test_a_default_that_can_be_changed_is_a_new_one_for_each_call() -> None:
    first = signature("page").incoming(("p",), {})[3]
    first.x = 99
    assert signature("page").incoming(("p",), {})[3] == {0: 1}


ENTERED: list[tuple[str, Any, Any]] = [
    ("nothing", None, None),
    ("nothing", {"data": "that the original sends"}, None),
    ("stream", None, None),
    ("add", 7, 7),
    ("add", {"result": 7}, 7),
    ("find", {1: "a"}, {1: "a"}),
    ("find", {"item": {"name": "a"}}, {1: "a"}),
    ("find", None, {}),
    ("byStruct", {0: 1}, {0: 1}),
    ("byStruct", None, {}),
    ("divMod", {"q": 3, "r": 2}, {"q": 3, "r": 2}),
    ("divMod", (3, 2), {"q": 3, "r": 2}),
    ("any", (1, [b"x"]), [1, [b"x"]]),
    ("make", None, None),
]


@pytest.mark.parametrize(("name", "wire", "value"), ENTERED)
def test_what_a_caller_gets(name: str, wire: Any, value: Any) -> None:
    assert signature(name).enter_result(wire) == value


RESULTS: list[tuple[str, Any, Any]] = [
    ("nothing", None, None),
    ("nothing", "ignored", None),
    ("add", 7, 7),
    ("add", {"result": 7}, 7),
    ("find", values.Item(name="a"), {1: "a"}),
    ("find", {"name": "a"}, {1: "a"}),
    ("find", {"item": {"name": "a"}}, {1: "a"}),
    ("find", None, None),
    ("byStruct", None, {}),
    ("byStruct", {"name": "a", "qty": 2}, {1: "a", 0: 2}),
    ("divMod", divmod(17, 5), {"q": 3, "r": 2}),
    ("divMod", [3, 2], {"q": 3, "r": 2}),
    ("divMod", {"r": 2, "q": 3}, {"r": 2, "q": 3}),
    ("divMod", {"q": 3}, {"q": 3}),
    ("divMod", (number for number in (3, 2)), {"q": 3, "r": 2}),
    ("choose", {"choice": {"text": "x"}, "counter": None}, {"choice": {2: "x"}, "counter": None}),
]


@pytest.mark.parametrize(("name", "returned", "wire"), RESULTS)
def test_what_a_handler_may_return(name: str, returned: Any, wire: Any) -> None:
    assert signature(name).send_result(returned) == wire


WRONG_RESULTS: list[tuple[str, Any, str]] = [
    ("add", "x", "$.result: 'x' is no Int32"),
    ("add", None, "$.result: None is no Int32"),
    ("add", 2**31, "$.result: 2147483648 is out of range for Int32"),
    ("add", {"result": 1, "more": 2}, "$.result: a dict is no Int32"),
    ("find", 5, "$.item: 5 is no Item"),
    ("byStruct", {77: "x"}, "Item has no field 77"),
    ("byStruct", 5, "$: 5 is no Item"),
    ("divMod", {"q": 1, "x": 2}, "divMod has no result 'x'; its results are q, r"),
    ("divMod", {"q": "1"}, "$.q: '1' is no Int32"),
    ("divMod", [1], "Multiple output parameters for divMod requires a list, tuple, or dict to be returned with the "
                    "right number of elements ([1] given, 2 args needed)"),
    ("divMod", "ab", "Multiple output parameters for divMod requires a list"),
    ("divMod", None, "Multiple output parameters for divMod requires a list"),
    ("divMod", 5, "Multiple output parameters for divMod requires a list"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "result", "text"), WRONG_RESULTS)
def test_a_result_that_does_not_fit_is_an_error_on_both_sides(name: str, result: Any, text: str) -> None:
    for convert in (signature(name).enter_result, signature(name).send_result):
        with pytest.raises((InvalidValue, UnknownField)) as caught:
            convert(result)
        assert str(caught.value).startswith(text)


def test_several_results_are_items_and_attributes() -> None:
    result = signature("choose").enter_result({"note": "n"})
    assert isinstance(result, MethodResult)
    assert result == {"note": "n"}
    assert (result.note, result["note"]) == ("n", "n")
    assert (result.choice, result.counter) == ({}, None)
    assert type(result.choice).__name__ == "Choice"
    assert list(result) == ["note"]
    assert repr(result) == "MethodResult({'note': 'n'})"
    with pytest.raises(AttributeError, match="choose has no result 'nope'; its results are choice, note, counter"):
        _ = result.nope
    assert pickle.loads(pickle.dumps(result)) == result


def test_nesting_without_end_is_an_error_not_a_crash() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    for act in (
        lambda: signature("any").outgoing((deep,), {}),
        lambda: signature("any").incoming((deep,), {}),
        lambda: signature("any").send_result(deep),
        lambda: signature("any").enter_result(deep),
    ):
        with pytest.raises(InvalidValue, match="is nested too deeply"):
            act()

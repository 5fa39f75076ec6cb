"""Interface objects of this process: wrapped dicts, objects and functions, subclasses, inheritance, conversions."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tornado.gen

import cara_pseud
from cara_pseud import ArgumentError, InvalidValue, RegistrationError, RpcError, UnknownMethod, WrongType
from cara_pseud.interfaces import implement
from cara_pseud.local import LocalCapability

SCHEMAS = Path(__file__).parent / "schemas"
calls: Any = cara_pseud.load(SCHEMAS / "calls.capnp")
Methods, Counter, Listener = calls.Methods, calls.Counter, calls.Listener


class MyCounter(Counter):  # type: ignore[misc]
    def __init__(self, value: int = 0) -> None:
        self.value = value

    def increment(self, by: int) -> int:
        self.value += by
        return self.value

    def clone(self) -> Any:
        return MyCounter(self.value)


class PlainCounter:
    def __init__(self) -> None:
        self.value = 0

    def increment(self, by: int) -> int:
        self.value += by
        return self.value


def make_dict() -> Any:
    return Counter({"increment": lambda by: by})


@pytest.mark.parametrize("make", [make_dict, lambda: Counter(PlainCounter()), MyCounter, lambda: Counter(MyCounter())])
def test_all_kinds_of_objects_check_arguments_and_results(make: Callable[[], Any]) -> None:
    counter = make()
    assert isinstance(counter, Counter)
    assert counter.increment(5) == 5
    assert {type(call(by=1)) for call in (counter["increment"], counter[0], counter[(Counter.__id__, 0)])} == {int}
    assert type(counter[(Counter.__id__, "increment")](1)) is int
    with pytest.raises(WrongType, match=r"^\$\.by: 'x' is no Int32"):
        counter.increment("x")
    with pytest.raises(ArgumentError, match=r"^increment\(\) missing 1 required positional argument: 'by'"):
        counter.increment()
    with pytest.raises(ArgumentError, match=r"^Param third does not exist for method increment"):
        counter.increment(1, third=2)
    with pytest.raises(ArgumentError, match=r"takes 1 positional argument but 2 were given"):
        counter.increment(1, 2)
    with pytest.raises(InvalidValue, match="out of range"):
        counter.increment(2**40)


@pytest.mark.parametrize("key", ["nope", 2, -1, True, (1, 0), (Counter.__id__, 9), None, ()])
def test_unknown_methods_are_named_with_those_there_are(key: Any) -> None:
    for counter in (make_dict(), MyCounter()):
        with pytest.raises(UnknownMethod, match=r"Counter has no method .*; its methods are increment, clone"):
            counter[key]
    with pytest.raises(AttributeError, match="Counter has no method 'nope'"):
        _ = make_dict().nope


def test_a_wrong_result_of_a_local_object_is_an_error() -> None:
    methods = Methods({"add": lambda first, second: "x", "divMod": lambda a, b: [1]})
    with pytest.raises(WrongType, match=r"^\$\.result: 'x' is no Int32"):
        methods.add(1, 2)
    with pytest.raises(WrongType, match=r"^Multiple output parameters for divMod requires a list, tuple, or dict"):
        methods.divMod(1, 2)


def test_local_results_have_attributes_whatever_the_handler_returned() -> None:
    for returned in ([3, 2], (3, 2), {"q": 3, "r": 2}):
        result = Methods({"divMod": lambda a, b, returned=returned: returned}).divMod(17, 5)
        assert (result.q, result["r"]) == (3, 2)


def test_defaults_of_parameters_are_applied() -> None:
    methods = Methods({
        "page": lambda prefix, limit, order, near: f"{prefix} {limit} {order.name} {near.x}",
        "middle": lambda a, b, c: f"{a}{b}{c}",
    })  # fmt: skip
    assert methods.page("p") == "p 50 green 1"
    assert methods.page("p", order="red", near={"x": 7}) == "p 50 red 7"
    assert methods.middle(b=2) == "123"
    assert methods.middle(9, 8) == "983"


def test_the_documentation_s_ways_to_make_an_interface() -> None:
    counter = Counter({"increment": lambda by: by + 1})
    assert counter.increment(by=2) == 3
    assert Counter(counter) is counter
    assert type(Counter(MyCounter())) is Counter
    instance = MyCounter(10)
    assert instance.increment(20) == 30
    assert Listener(lambda text: text.upper()).changed("x") == "X"


def test_an_interface_of_one_method_can_be_called_like_the_function_it_may_be() -> None:
    assert Listener(lambda text: text.upper())("x") == "X"
    assert not callable(make_dict())


def test_struct_parameters_take_keywords_on_subclasses_too() -> None:
    class Impl(Methods):  # type: ignore[misc]
        def byStruct(self, item: Any) -> Any:
            item.qty += 1
            return item

    assert Impl().byStruct(qty=1) == {0: 2}
    assert Impl().byStruct({"qty": 1}).qty == 2
    assert type(Impl.byStruct).__name__ == "function"


def test_methods_with_the_names_of_keywords() -> None:
    class Impl(Methods):  # type: ignore[misc]
        def import_(self, from_: str, number: int) -> str:
            return from_ * number

    assert Impl().import_("ab", 2) == "abab"
    assert Impl()["import"](from_="ab", self=2) == "abab"
    assert Methods({"import": lambda a, b: a}).import_("x", 1) == "x"


REFUSED: list[tuple[Any, str]] = [
    (5, "5 is no Counter"),
    (None, "None is no Counter"),
    ("text", "'text' is no Counter"),
    ([], "a list is no Counter"),
    (MyCounter, "the class MyCounter is no Counter; an instance of it may be"),
    ({"incremnt": print}, "Counter has no method 'incremnt'; its methods are increment, clone"),
    ({"increment": 5}, "5 cannot be the method increment of Counter"),
    (object(), "an object is no Counter; it has none of the methods increment, clone"),
    (lambda by: by, f"Interface {Counter!r} has too many methods to be registered with only a function."),
]


@pytest.mark.parametrize(("value", "text"), REFUSED)
def test_what_cannot_be_an_interface_is_refused_at_once(value: Any, text: str) -> None:
    with pytest.raises(WrongType) as caught:
        Counter(value)
    assert str(caught.value).startswith(f"$: {text}")
    if value is not None:
        with pytest.raises(WrongType):
            Counter.__conversion__.enter(value)


def test_an_interface_without_a_value_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"^Counter\(\) missing 1 required positional argument: 'value'$"):
        Counter()
    with pytest.raises(TypeError, match="takes one value"):
        Counter({}, 5)


def test_a_missing_method_is_unimplemented_when_it_is_called() -> None:
    class Half(Counter):  # type: ignore[misc]
        def increment(self, by: int) -> int:
            return by

    for counter in (Half(), make_dict(), Counter(PlainCounter())):
        with pytest.raises(RpcError, match="does not implement clone") as caught:
            counter.clone()
        assert caught.value.code == "unimplemented"


class Everybody:
    def __getattr__(self, name: str) -> Any:
        return lambda: name


ALL = ["e", "d", "b", "c", "shared", "a"]


@pytest.mark.parametrize("interface", [calls.E, calls.Odd])
def test_methods_are_inherited_to_any_depth(interface: Any) -> None:
    instance = interface(Everybody())
    assert set(ALL) <= set(interface.__methods__)
    assert [getattr(instance, name)() for name in ALL] == ALL
    assert instance[(calls.A.__id__, 0)]() == "a"
    assert instance[(calls.A.__id__, 1)]() == "shared"
    assert instance[(calls.C.__id__, 1)]() == "shared"
    assert isinstance(instance, calls.A)


def test_the_nearest_declaration_hides_those_further_up() -> None:
    assert calls.E.shared.interface_id == calls.C.__id__
    assert calls.Odd.shared.interface_id == calls.A.__id__


def test_interfaces_may_extend_each_other_in_contrary_orders() -> None:
    assert issubclass(calls.Contrary, calls.Contrary2)
    assert calls.Contrary(Everybody()).c() == "c"


def test_a_class_may_implement_several_interfaces_and_mix_in_others() -> None:
    class Mixin:
        def increment(self, by: int) -> int:
            return by

    class First(Counter, Listener, Mixin):  # type: ignore[misc]
        def changed(self, text: str) -> str:
            return text

    class Last(Mixin, Listener, Counter):  # type: ignore[misc]
        changed = staticmethod(lambda text: text)

    for instance in (First(), Last()):
        assert instance.increment(5) == 5
        assert instance.changed("x") == "x"
        assert set(implement(instance).handlers()) == {"increment", "clone", "changed"}


def test_overridden_methods_reach_their_bases() -> None:
    class Twice(MyCounter):
        def increment(self, by: int) -> int:
            return int(super().increment(by * 2))

    assert Twice().increment(2) == 4
    instance = MyCounter()
    instance.increment = lambda by: 99
    assert implement(instance).handlers()["increment"](None, (1,), {}) == 99  # type: ignore[arg-type]


def test_slots_take_what_the_interface_takes_and_keep_instances() -> None:
    convert = Counter.__conversion__
    instance = MyCounter()
    assert convert.enter(instance) is instance
    assert convert.enter(None) is convert.send(None) is None
    assert isinstance(convert.enter({"increment": print}), Counter)
    with pytest.raises(WrongType, match="a Listener is no Counter"):
        convert.enter(Listener(lambda text: text))
    held = Methods({"count": lambda counter: counter.increment(2)})
    assert held.count({"increment": lambda by: by * 10}) == 20
    assert held.count(counter=instance) == 2


def test_an_interface_of_another_load_is_the_same_interface() -> None:
    other: Any = cara_pseud.load(SCHEMAS / "calls.capnp")

    class Theirs(other.Counter):  # type: ignore[misc]
        pass

    theirs = Theirs()
    assert Counter.__conversion__.enter(theirs) is theirs


def test_the_same_object_is_the_same_reference() -> None:
    functions = {"increment": print}
    plain = PlainCounter()
    instance = MyCounter()

    def key(value: Any) -> Any:
        return Counter.__conversion__.send(value).key

    for value in (functions, plain, instance):
        assert isinstance(Counter.__conversion__.send(value), LocalCapability)
        assert key(value) == key(value)
    assert len({key(functions), key(plain), key(instance), key(PlainCounter())}) == 4
    # A bound method is a new object each time it is read.
    first, second = (Listener.__conversion__.send(plain.increment) for _ in range(2))
    assert first.key == second.key


def test_async_handlers_give_awaitables() -> None:
    async def slow(text: str) -> str:
        await asyncio.sleep(0)
        return text

    @tornado.gen.coroutine
    def old(text: str) -> Any:
        yield tornado.gen.sleep(0)
        return text

    async def wrong(text: str) -> Any:
        return 5

    async def main() -> None:
        assert await Listener(slow).changed("x") == "x"
        assert await Listener(old).changed("x") == "x"
        with pytest.raises(WrongType, match=r"^\$\.heard: 5 is no Text"):
            await Listener(wrong).changed("x")

    asyncio.run(main())


def test_objects_of_ours_are_not_copied_with_their_struct() -> None:
    instance = MyCounter()
    Holder: Any = cara_pseud.load(SCHEMAS / "vectors.capnp").AllTypes
    holder = Holder(any={"counter": instance}, iface={"clone": print})
    copied = copy.deepcopy(holder)
    assert copied.any["counter"] is instance
    assert copied.iface is holder.iface


FORMS: list[tuple[Any, Any]] = [
    (MyCounter, None),
    (MyCounter(), None),
    (MyCounter, Counter),
    (MyCounter(), Counter),
    (PlainCounter, Counter),
    (PlainCounter(), Counter),
    ({"increment": lambda by: by, "clone": lambda: None}, Counter),
]


@pytest.mark.parametrize(("value", "interface"), FORMS)
def test_every_form_of_an_implementation(value: Any, interface: Any) -> None:
    implementation = implement(value, interface)
    assert implementation.handlers()["increment"](None, (5,), {}) == 5  # type: ignore[arg-type]
    assert implementation.interface_name == "Counter"


def test_a_function_implements_an_interface_of_one_method() -> None:
    assert implement(str.upper, Listener).handlers()["changed"](None, ("a",), {}) == "A"  # type: ignore[arg-type]


BAD_FORMS: list[tuple[Any, Any, str]] = [
    (lambda by: by, None, "Interface must be specified for registering a single function."),
    (print, None, "Interface must be specified for registering a single function."),
    (print, Counter, f"Interface {Counter!r} has too many methods to be registered with only a function."),
    (PlainCounter, None, f"No interface inferable from {PlainCounter!r}"),
    (5, None, "No interface inferable from 5"),
    (Counter, None, "Counter is an interface; register a class that implements it"),
    (Counter, Counter, "Counter is an interface; register a class that implements it"),
    (5, Counter, "5 is no Counter"),
    (MyCounter, 5, "5 is no interface class"),
]


@pytest.mark.parametrize(("value", "interface", "text"), BAD_FORMS)
def test_what_cannot_be_registered(value: Any, interface: Any, text: str) -> None:
    with pytest.raises(RegistrationError) as caught:
        implement(value, interface)
    assert str(caught.value) == text
    assert isinstance(caught.value, TypeError)


def test_an_interface_without_methods_takes_any_object() -> None:
    assert isinstance(calls.Marker(object()), calls.Marker)
    assert isinstance(calls.Marker(print), calls.Marker)


def test_interface_objects_show_what_they_are() -> None:
    assert repr(make_dict()) == "<Counter of a dict>"
    assert "MyCounter object" in repr(MyCounter())
    assert repr(Counter.increment) == "<method increment(by :Int32) -> (value :Int32)>"
    assert repr(make_dict().increment) == "<local <method increment(by :Int32) -> (value :Int32)>>"

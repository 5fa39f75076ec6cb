"""Type parameters and ReplaceTypes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import cara_pseud
from cara_pseud import InvalidValue, List, Text, WrongType

SCHEMAS = Path(__file__).parent / "schemas"
calls: Any = cara_pseud.load(SCHEMAS / "calls.capnp")
values: Any = cara_pseud.load(SCHEMAS / "values.capnp")
Box, Pair = calls.Box, calls.Pair


def test_the_same_types_give_the_same_class() -> None:
    assert Box[Text] is Box[Text]
    assert Pair[Text, Box[Text]] is Pair[Text][Box[Text]]
    assert Box[Text] is not Box
    assert calls.UsesBoxes.__fields__["text"].type is Box[Text]
    assert calls.UsesBoxes.__fields__["bare"].type is Box
    assert calls.UsesBoxes.__fields__["lists"].type is Box[List(cara_pseud.Int32)]
    assert Box[Text].__name__ == "Box[Text]"
    assert repr(Pair[Text, Box[Text]]()) == "Pair[Text, Box[Text]]({})"


def test_too_many_types_are_an_error() -> None:
    with pytest.raises(cara_pseud.InvalidValue, match="Box has 1 type parameters, 2 types were given"):
        Box[Text, Text]
    with pytest.raises(ValueError, match="Pair has 2 type parameters, 3 types were given"):
        Pair[Text, Text][Text]
    with pytest.raises(ValueError, match="Item has 0 type parameters"):
        values.Item[Text]
    with pytest.raises(cara_pseud.WrongType, match="is no Cap'n Proto type"):
        Box[str]


def test_fields_have_the_types_they_were_bound_to() -> None:
    assert Box[Text].__fields__["value"].type is Text
    assert Box[Text](value="x", next={"value": "y"}).next.value == "y"
    with pytest.raises(WrongType, match=r"^\$\.next\.value: 5 is no Text"):
        Box[Text](next={"value": 5})
    assert Box[values.Item](value={"qty": 1}).value.qty == 1
    assert Box[Text]().value == ""
    assert Pair[Text](boxed={"value": "x"}, second={"free": 1}).boxed == {0: "x"}


def test_unbound_parameters_are_any_pointer() -> None:
    assert Box.__fields__["value"].type is cara_pseud.AnyPointer
    assert Box.__fields__["next"].type is Box
    assert Box(value={"free": [1]}, next={"value": 5}) == {0: {"free": [1]}, 1: {0: 5}}
    assert Pair[Text].__fields__["second"].type is cara_pseud.AnyPointer


def test_nested_declarations_and_groups_see_the_types() -> None:
    assert Box[Text].Inner is Box[Text].__fields__["inner"].type
    assert Box[Text].Inner is calls.UsesBoxes.__fields__["inner"].type
    assert Box[Text].Inner is not Box.Inner
    assert Box[Text].Inner.__fields__["own"].type is Text
    assert Box[Text].part.__fields__["of"].type is Text
    with pytest.raises(InvalidValue, match=r"^\$\.part\.of: 5 is no Text"):
        Box[Text](part={"of": 5})


def test_a_bound_struct_is_one_of_the_unbound_kind() -> None:
    box = Box[Text](value="x")
    assert isinstance(box, Box)
    holder = calls.UsesBoxes(bare=box)
    assert holder.bare is box
    assert calls.UsesBoxes(text=Box(value="x")).text == {0: "x"}
    with pytest.raises(WrongType, match=r"^\$\.text\.value: 5 is no Text"):
        calls.UsesBoxes(text=Box(value=5))


def test_interfaces_take_type_parameters() -> None:
    Factory = calls.Factory
    assert Factory[Text] is Factory[Text]
    assert Factory[Text].make.results == {"value": Text}
    assert Factory.make.results == {"value": cara_pseud.AnyPointer}
    assert Factory[Text].Product.get.results == {"value": Text}
    assert calls.TextFactory.make.results == {"value": Text}
    assert calls.BoxFactory[Text].make.results == {"value": Box[Text]}
    assert issubclass(calls.TextFactory, Factory)


def test_methods_take_type_parameters() -> None:
    factory = calls.Factory[Text]({"keep": lambda first, second: (lambda: {"first": first, "second": second})()})
    kept = factory.keep[values.Item]("a", {"qty": 1})
    assert type(kept) is Pair[Text, values.Item]
    assert kept.second.qty == 1
    assert factory.keep("a", {"free": 1}).second == {"free": 1}
    with pytest.raises(WrongType, match=r"^\$\.first: 5 is no Text"):
        factory.keep[Text](5, "b")
    with pytest.raises(cara_pseud.InvalidValue, match="keep has 1 type parameters, 2 types were given"):
        factory.keep[Text, Text]
    boxed = calls.Factory({"box": lambda box: box.value})
    assert boxed.box[Text](value="x") == "x"


class Host:
    def __init__(self, leaf: Any) -> None:
        self.host = leaf.get("host", "nowhere")
        self.port = leaf.port


def test_types_are_replaced_wherever_they_stand() -> None:
    Outer = values.Outer
    Replaced = Outer.ReplaceTypes([(Outer.Leaf, Host)])
    assert Replaced is Outer.ReplaceTypes([(Outer.Leaf, Host)])
    assert Replaced is not Outer
    assert Replaced.Leaf is Host
    assert Replaced.Inner.__fields__["leaf"].type is Host
    outer = Outer(inner={"leaf": {"host": "a"}}, listed=[{"port": 1}], grouped={"leaf": {}}, unrelated={"qty": 1})
    replaced = Replaced(outer)
    assert isinstance(replaced.inner.leaf, Host)
    assert (replaced.inner.leaf.host, replaced.listed[0].port, replaced.grouped.leaf.host) == ("a", 1, "nowhere")
    assert replaced != outer
    assert type(replaced.unrelated) is values.Item
    assert Replaced().inner.leaf is None
    with pytest.raises(WrongType, match="a Host cannot be sent: it is no Leaf"):
        Replaced.__conversion__.send(replaced)
    with pytest.raises(WrongType, match=r"^\$\.inner\.leaf\.host: 5 is no Text"):
        Replaced(inner={"leaf": {"host": 5}})


def test_a_type_is_replaced_by_a_subclass_of_itself() -> None:
    class Better(values.Item):  # type: ignore[misc]
        def doubled(self) -> int:
            return int(self.qty) * 2

    Order = values.Order.ReplaceTypes([(values.Item, Better)])
    order = Order({"items": [{"qty": 2}], "main": {"qty": 4}})
    assert order.main.doubled() == 8
    assert order["items"][0].doubled() == 4
    order["items"].append({"qty": 5})
    assert order["items"][1].doubled() == 10
    assert Order.__conversion__.send(order) == {0: [{0: 2}, {0: 5}], 2: {0: 4}}


def test_nothing_to_replace_gives_the_same_class() -> None:
    assert values.Item.ReplaceTypes([(values.Outer.Leaf, Host)]) is values.Item
    assert values.Order.ReplaceTypes([]) is values.Order
    assert calls.Methods.ReplaceTypes([]) is calls.Methods
    assert List(values.Item).ReplaceTypes([(Text, Text)]) is List(values.Item)
    assert values.Item.ReplaceTypes([(values.Item, Host)]) is Host


def test_replacing_reaches_through_lists_generics_and_interfaces() -> None:
    class Shouted(str):
        def __new__(cls, text: str) -> Shouted:
            return super().__new__(cls, text.upper())

    assert List(Text).ReplaceTypes([(Text, Shouted)])(["a"]) == ["A"]
    assert Box[Text].ReplaceTypes([(Text, Shouted)])(next={"value": "a"}).next.value == "A"
    Counter = calls.Counter.ReplaceTypes([(cara_pseud.Int32, lambda number: number * 2)])
    assert Counter({"increment": lambda by: by + 1}).increment(5) == 22
    replaced = calls.Methods.ReplaceTypes([(calls.Box, Host), (calls.Methods.byStruct.params, Host)])
    assert replaced.byStruct.params is replaced.byStruct.results is Host
    assert replaced.find.results == {"item": Host}
    assert replaced.add.results == {"result": cara_pseud.Int32}


def test_replacing_twice_adds_up() -> None:
    Outer = values.Outer
    twice = Outer.ReplaceTypes([(Outer.Leaf, Host)]).ReplaceTypes([(values.Item, dict)])
    assert twice.__fields__["unrelated"].type is dict
    assert twice.Leaf is Host
    assert type(twice(unrelated={"qty": 1}).unrelated) is dict


def test_a_struct_that_contains_itself_under_ever_longer_names_can_be_replaced_in(tmp_path: Path) -> None:
    path = tmp_path / "weird.capnp"
    path.write_text("@0xd4c9b2a1f0e3d6e1; struct Weird(T) { next @0 :Weird(Weird(T)); value @1 :T; } struct Other {}")
    weird: Any = cara_pseud.load(path)
    assert weird.Weird[Text](next={"value": {"value": "x"}}).next.value.value == "x"
    replaced = weird.Weird[Text].ReplaceTypes([(weird.Other, Host)])
    assert replaced(value="x").value == "x"


@pytest.mark.parametrize("pairs", [{}, {Text: Text}, [Text, Text], [(Text, Text, Text)], "ab", 5, None])
def test_replace_types_takes_pairs_only(pairs: Any) -> None:
    for replaced in (values.Item, List(Text)):
        with pytest.raises(TypeError, match=r"ReplaceTypes takes pairs of types, \[\(old, new\), …\], not "):
            replaced.ReplaceTypes(pairs)

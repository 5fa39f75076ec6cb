"""Structs as the dicts they are: keys, defaults, changes, copies, errors with their paths."""

from __future__ import annotations

import copy
import gc
import json
import pickle
import weakref
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cara_pseud
from cara_pseud import InvalidValue, UnknownField, WrongType

SCHEMAS = Path(__file__).parent / "schemas"
vectors: Any = cara_pseud.load(SCHEMAS / "vectors.capnp")
values: Any = cara_pseud.load(SCHEMAS / "values.capnp")
Person, Address, AllTypes = vectors.Person, vectors.Address, vectors.AllTypes
Defaults, NestedDefaults, Order, Names = values.Defaults, values.NestedDefaults, values.Order, values.Names


def packed(struct: Any) -> bytes:
    return bytes(msgpack.packb(struct))


@pytest.mark.parametrize(
    "made",
    [
        Person({"name": "Ann", "phoneNumber": "1"}),
        Person({0: "Ann", 1: "1"}),
        Person({"0": "Ann", "1": "1"}),
        Person({b"name": "Ann", b"phoneNumber": "1"}),
        Person(name="Ann", phoneNumber="1"),
        Person({"name": "Ann"}, phoneNumber="1"),
        Person([("name", "Ann"), (1, "1")]),
        Person.Create("Ann", "1"),
        Person.Create("Ann", phoneNumber="1"),
        Person(Person.Create("Ann", "1")),
    ],
)
def test_all_ways_to_make_a_struct_give_the_same(made: Any) -> None:
    assert dict(made) == {0: "Ann", 1: "1"}
    assert made == Person.Create(name="Ann", phoneNumber="1")
    assert repr(made) == "Person({name: 'Ann', phoneNumber: '1'})"


@pytest.mark.parametrize("nothing", [None, {}, [], "", ()])
def test_nothing_makes_an_empty_struct(nothing: Any) -> None:
    assert dict(Person(nothing)) == {}


def test_of_two_values_for_a_field_the_later_wins() -> None:
    assert Person({"name": "A", 0: "B"}).name == "B"


def test_create_refuses_two_values_for_a_field() -> None:
    with pytest.raises(ValueError, match=r"^Person got two values for name$"):
        Person.Create("A", name="B")
    with pytest.raises(ValueError, match="Person takes at most 4 values, 5 were given"):
        Person.Create("A", "1", [], {}, 5)


@pytest.mark.parametrize("key", ["name", 0, "0", b"name"])
def test_every_form_of_a_key_is_the_same_field(key: Any) -> None:
    person = Person()
    person[key] = "Ann"
    assert person.name == person["name"] == person[0] == person[key] == person.get(key) == "Ann"
    assert key in person
    del person[key]
    assert key not in person
    assert dict(person) == {}


def test_the_world_sees_the_dict_of_ids_with_the_set_fields() -> None:
    person = Person(name="Ann", boss={"name": "B"})
    assert list(person) == list(person.keys()) == [0, 3]
    assert list(person.items()) == [(0, "Ann"), (3, {0: "B"})]
    assert len(person) == 2
    assert json.loads(json.dumps(person)) == {"0": "Ann", "3": {"0": "B"}}
    assert packed(person) == bytes.fromhex("8200a3416e6e038100a142")


def test_a_struct_equals_a_dict_of_ids_and_a_dict_of_names() -> None:
    person = Person(name="Ann")
    assert person == {0: "Ann"}
    assert person == {"name": "Ann"}
    assert person != {"name": "Bob"}
    assert person != {"nope": "Ann"}
    assert person != Person()
    assert Person() == {}


@pytest.mark.parametrize("key", ["nope", 4, -1, True, 1.0, "-1", "99", "", None, b"nope", (0,)])
def test_unknown_fields_are_named_with_the_struct_and_its_fields(key: Any) -> None:
    person = Person(name="Ann")
    for act in (
        lambda: person[key],
        lambda: person.__setitem__(key, "x"),
        lambda: person.__delitem__(key),
        lambda: person.get(key),
        lambda: person.pop(key),
        lambda: person.setdefault(key, "x"),
        lambda: Person({key: "x"}),
    ):
        with pytest.raises(UnknownField) as caught:
            act()
        assert str(caught.value).startswith("Person has no field")
        assert str(caught.value).endswith("its fields are name, phoneNumber, addresses, boss")
        assert isinstance(caught.value, KeyError)
    assert key not in person
    assert person.get(key, "absent") == "absent"
    assert person == {0: "Ann"}


def test_unknown_attributes_are_attribute_errors() -> None:
    person = Person()
    for act in (
        lambda: person.nope,
        lambda: setattr(person, "nope", 1),
        lambda: delattr(person, "nope"),
        lambda: Person(nope=1),
        lambda: Person.Create(nope=1),
        lambda: person.update(nope=1),
    ):
        with pytest.raises(AttributeError, match="Person has no field 'nope'"):
            act()
    assert not hasattr(person, "nope")


PATHS: list[tuple[Any, type[Exception], str]] = [
    (lambda: Order(items=[{}, {"qty": 40000}]), InvalidValue,
     "$.items[1].qty: 40000 is out of range for Int16 (-32768 … 32767)"),
    (lambda: Order({0: [{1: 5}]}), WrongType, "$.items[0].name: 5 is no Text"),
    (lambda: Order(matrix=[[1], [2, "x"]]), WrongType, "$.matrix[1][1]: 'x' is no Int8"),
    (lambda: Order(main=5), WrongType, "$.main: 5 is no Item"),
    (lambda: Order(items="ab"), WrongType, "$.items: 'ab' is no List(Item)"),
    (lambda: Order(items={}), WrongType, "$.items: a dict is no List(Item)"),
    (lambda: Order(items=[None]), WrongType, "$.items[0]: None is no Item"),
    (lambda: Order(main={"tags": ["a", None]}), WrongType, "$.main.tags[1]: None is no Text"),
    (lambda: Order(any={"a": [1, {2: object()}]}), WrongType, "$.any.a[1][2]: an object cannot be sent as AnyPointer"),
    (lambda: Order(main={"nope": 1}), UnknownField, "$.main: Item has no field 'nope'; its fields are qty, name, tags"),
    (lambda: Order(items=[{}, {"x": 1}]), UnknownField,
     "$.items[1]: Item has no field 'x'; its fields are qty, name, tags"),
    (lambda: Order().__setattr__("main", {"qty": "1"}), WrongType, "$.main.qty: '1' is no Int16"),
    (lambda: Order({5: 1}), UnknownField, "Order has no field 5; its fields are items, matrix, main, any"),
    (lambda: Person(5), WrongType, "$: 5 is no Person"),
    (lambda: Person([1, 2]), WrongType, "$: a list is no Person"),
]


@pytest.mark.parametrize(("act", "error", "text"), PATHS)
def test_errors_name_the_path(act: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        act()
    assert str(caught.value) == text


def test_a_struct_that_is_too_deep_is_an_error_with_a_path() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"boss": deep}
    with pytest.raises(InvalidValue, match="is nested too deeply"):
        Person(deep)
    with pytest.raises(InvalidValue, match="is nested too deeply"):
        Person().boss = deep


def test_defaults_of_every_kind_are_read() -> None:
    read = {name: getattr(Defaults(), name) for name in Defaults.__fields__}
    assert read == {
        "bool": True, "int": -7, "float": pytest.approx(0.1), "text": "hello", "data": b"\x00\xff",
        "color": values.Color.green, "point": {"x": 3, "y": 4}, "ints": [1, 2, 3],
        "points": [{"x": 1}, {"y": 2}], "plainText": "", "plainInt": 0, "plainColor": values.Color.red,
        "plainData": b"", "plainFloat": 0.0, "size": 1,
    }  # fmt: skip
    assert type(read["point"]).__name__ == "Point"
    assert type(read["points"]).__name__ == "List[Point]"
    assert type(read["size"]).__name__ == "Size"


def test_unset_fields_of_every_type_read_as_their_zero() -> None:
    unset = AllTypes()
    assert (unset.int8, unset.text, unset.data, unset.bool, unset.float32) == (0, "", b"", False, 0.0)
    assert unset.color is vectors.Color.red
    assert (unset.person, unset.list, unset.nestedList) == (Person(), [], [])
    assert (unset.any, unset.iface, unset.void) == (None, None, None)


def test_reading_hashing_and_comparing_change_nothing() -> None:
    person = Person(name="a")
    before = packed(person)
    read = [person.boss, person.addresses, person.boss.boss.addresses, person["boss"], person[3], person.get("boss")]
    assert hash(person) == hash(Person(name="a"))
    assert person == Person(name="a")
    assert person != Person(boss={})
    assert len(read) == 6
    assert repr(person) == "Person({name: 'a'})"
    assert "boss" not in person
    assert list(person.boss.items()) == []
    with pytest.raises(IndexError):
        person.addresses.pop()
    with pytest.raises(KeyError):
        person.boss.pop("name")
    assert packed(person) == before == bytes.fromhex("8100a161")


def test_what_is_changed_in_an_unset_field_is_not_lost() -> None:
    person = Person()
    person.addresses.append({"state": "NY"})
    person.boss.name = "x"
    person.boss.boss.addresses.append(Address(lines={"line1": "1"}))
    assert person == {2: [{1: "NY"}], 3: {0: "x", 3: {2: [{0: {0: "1"}}]}}}
    assert type(person.boss) is Person


def test_a_group_is_changed_in_place() -> None:
    address = Address()
    assert address.lines.line1 == ""
    address.lines.line2 = "b"
    assert packed(address) == bytes.fromhex("81008101a162")
    assert repr(address) == "Address({lines: Address.lines({line2: 'b'})})"
    assert type(address.lines) is Address.lines


CHANGES: list[tuple[str, Any]] = [
    ("append", lambda items: items.append({})),
    ("insert", lambda items: items.insert(0, {})),
    ("extend", lambda items: items.extend([{}])),
    ("slice", lambda items: items.__setitem__(slice(0, 0), [{}])),
    ("iadd", lambda items: items.__iadd__([{}])),
]


@pytest.mark.parametrize("change", [change for _, change in CHANGES], ids=[name for name, _ in CHANGES])
def test_every_change_of_an_unset_list_puts_it_into_its_struct(change: Any) -> None:
    person = Person()
    change(person.addresses)
    assert person == {2: [{}]}


@pytest.mark.parametrize(
    "change",
    [
        lambda boss: setattr(boss, "name", "x"),
        lambda boss: boss.__setitem__(0, "x"),
        lambda boss: boss.update(name="x"),
        lambda boss: boss.setdefault("name", "x"),
        lambda boss: boss.__ior__({"name": "x"}),
    ],
)
def test_every_change_of_an_unset_struct_puts_it_into_its_struct(change: Any) -> None:
    person = Person()
    change(person.boss)
    assert person == {3: {0: "x"}}


def test_iadd_on_an_unset_attribute_sets_it() -> None:
    person = Person()
    person.addresses += [{"state": "CA"}]
    assert person == {2: [{1: "CA"}]}


def test_two_names_for_one_unset_field_are_one_value() -> None:
    person = Person()
    first, second = person.boss, person["boss"]
    first.name = "a"
    second.phoneNumber = "1"
    assert person == {3: {0: "a", 1: "1"}}
    assert person.boss is first is second


def test_a_value_read_before_the_field_was_set_otherwise_does_not_come_back() -> None:
    person = Person()
    stale = person.boss
    person.boss = {"name": "new"}
    stale.name = "stale"
    assert person.boss.name == "new"
    stale = person.addresses
    person.addresses = [{}]
    del person.addresses
    stale.append({})
    assert "addresses" not in person


def test_an_unset_value_given_to_another_struct_belongs_to_that_one_only() -> None:
    first, second = Person(), Person()
    second.boss = first.boss
    second.boss.name = "x"
    assert first == {}
    assert second == {3: {0: "x"}}


def test_a_changed_default_is_stored_whole_and_the_default_stays() -> None:
    struct = Defaults()
    struct.point.x = 9
    struct.ints.append(4)
    assert struct == {6: {0: 9, 1: 4}, 7: [1, 2, 3, 4]}
    assert Defaults().point == {"x": 3, "y": 4}
    assert Defaults().ints == [1, 2, 3]


@pytest.mark.parametrize(
    ("change", "stored"),
    [
        (lambda nested: setattr(nested.points[1], "x", 9), {0: [{0: 1}, {0: 9, 1: 2}]}),
        (lambda nested: nested.lists[1].append(9), {1: [[1], [2, 9]]}),
        (lambda nested: setattr(nested.line.points[0], "y", 9), {2: {0: [{0: 5, 1: 9}]}}),
        (lambda nested: setattr(nested.group.points[0], "x", 9), {3: {0: [{0: 9}]}}),
        (lambda nested: [setattr(point, "y", 0) for point in nested.points], {0: [{0: 1, 1: 0}, {1: 0}]}),
    ],
)
def test_a_change_of_a_part_of_a_default_is_kept(change: Any, stored: Any) -> None:
    nested = NestedDefaults()
    change(nested)
    assert nested == stored
    assert NestedDefaults().points == [{"x": 1}, {"y": 2}]


def test_a_part_of_a_default_that_was_replaced_does_not_bring_it_back() -> None:
    nested = NestedDefaults()
    stale = nested.points[0]
    nested.points = []
    stale.x = 9
    assert nested == {0: []}


def test_two_parts_of_a_default_change_one_value() -> None:
    nested = NestedDefaults()
    first, second = nested.points
    first.x = 8
    second.x = 9
    assert nested == {0: [{0: 8}, {0: 9, 1: 2}]}


def test_a_value_read_from_an_unset_field_is_not_kept() -> None:
    person = Person()
    reader = weakref.ref(person.boss)
    gc.collect()
    assert reader() is None


@pytest.mark.parametrize("name", ["text", "data", "list", "person", "any", "iface"])
def test_none_takes_a_pointer_field_out(name: str) -> None:
    struct = AllTypes(text="x", data=b"x", list=[1], person={}, any=5, iface={"clone": print})
    struct[name] = None
    assert name not in struct
    assert name not in AllTypes({name: None})
    struct.update({name: None})
    assert name not in struct


@pytest.mark.parametrize("name", ["int8", "bool", "float64", "color"])
def test_none_is_no_number_bool_or_enum(name: str) -> None:
    with pytest.raises(WrongType, match=f"^\\$.{name}: None is no"):
        AllTypes({name: None})


def test_a_void_field_is_set_by_none() -> None:
    assert dict(AllTypes(void=None)) == {0: None}


def test_the_methods_of_dict_convert_and_check() -> None:
    person = Person()
    person.update({"name": "a"}, phoneNumber="1")
    person.update([(b"name", "b")])
    assert person == {0: "b", 1: "1"}
    assert person.setdefault("name", "c") == "b"
    assert person.setdefault("boss", {"name": "z"}) == Person(name="z")
    assert type(person.boss) is Person
    assert person.pop("name") == "b"
    assert person.pop("name", "gone") == "gone"
    with pytest.raises(KeyError, match="name is not set in this Person"):
        person.pop("name")
    with pytest.raises(KeyError, match="name is not set"):
        del person["name"]
    with pytest.raises(AttributeError, match="name is not set"):
        del person.name
    assert person.popitem() == (3, {0: "z"})
    person.clear()
    assert person == {}


def test_an_update_with_one_wrong_value_changes_nothing() -> None:
    person = Person(name="a")
    for wrong in ({"phoneNumber": "1", "name": 5}, {"phoneNumber": "1", "nope": 5}):
        with pytest.raises((InvalidValue, UnknownField)):
            person.update(wrong)
    assert person == {0: "a"}


def test_merging_gives_a_struct() -> None:
    merged = Person(name="a") | {"phoneNumber": "1"}
    assert type(merged) is Person
    assert merged == {0: "a", 1: "1"}
    merged |= {"name": "b"}
    assert merged.name == "b"
    assert type({"name": "x"} | Person(phoneNumber="2")) is Person
    assert type(Person.fromkeys(["name"], "x")) is Person


def test_copies_keep_the_type() -> None:
    person = Person(name="a", boss={"name": "b"}, addresses=[{"state": "NY"}])
    for shallow in (person.copy(), copy.copy(person)):
        assert type(shallow) is Person
        assert shallow == person
        assert shallow.boss is person.boss
    deep = copy.deepcopy(person)
    deep.boss.name = "c"
    deep.addresses[0].state = "CA"
    assert type(deep.addresses) is type(person.addresses)
    assert person == {0: "a", 3: {0: "b"}, 2: [{1: "NY"}]}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_structs_pickle_with_their_types(protocol: int) -> None:
    struct = AllTypes(
        person={"name": "a"}, people=[{}], colors=["blue"], nestedList=[["x"]], any={"free": [1, b"x"]}, color=1
    )
    box = vectors.Box[Person](value={"name": "boxed"})
    again, box_again = pickle.loads(pickle.dumps((struct, box), protocol))
    assert again == struct
    assert type(again) is AllTypes
    assert type(again.people[0]) is Person
    assert again.colors[0] is vectors.Color.blue
    assert type(box_again) is vectors.Box[Person]
    assert pickle.loads(pickle.dumps([Person, vectors.Color, cara_pseud.Text, cara_pseud.List[Person]], protocol)) == [
        Person, vectors.Color, cara_pseud.Text, cara_pseud.List[Person],
    ]  # fmt: skip


def test_a_pickle_of_classes_that_are_gone_gets_those_of_the_newest_load() -> None:
    other: Any = cara_pseud.load(SCHEMAS / "values.capnp")
    dumped = pickle.dumps(other.Item(qty=1))
    del other
    gc.collect()
    assert pickle.loads(dumped) == {0: 1}
    assert isinstance(pickle.loads(dumped), cara_pseud.Struct)


def test_plain_copies_have_ids_or_names() -> None:
    struct = AllTypes(person={"name": "a"}, people=[{"boss": {}}], color="blue", nestedList=[["x"]])
    assert struct.ToDict() == {17: {0: "a"}, 18: [{3: {}}], 16: vectors.Color.blue, 15: [["x"]]}
    by_name = struct.ToDict(with_field_names=True)
    assert by_name == {
        "person": {"name": "a"}, "people": [{"boss": {}}], "color": vectors.Color.blue, "nestedList": [["x"]],
    }  # fmt: skip
    assert type(by_name["person"]) is dict
    assert type(by_name["people"]) is type(by_name["nestedList"][0]) is list
    assert isinstance(by_name["color"], vectors.Color)
    assert AllTypes(by_name) == struct


def test_names_of_dict_methods_are_methods_as_attributes_and_fields_as_keys() -> None:
    names = Names({"items": [{"qty": 1}], "keys": "k", "get": 5, "copy": 6, "update": "u"})
    assert next(iter(names.items())) == (0, [{0: 1}])
    assert names["items"] == [{"qty": 1}]
    assert (names["keys"], names["get"], names["copy"], names["update"]) == ("k", 5, 6, "u")
    assert names.get("get") == 5
    names.items = []
    assert names["items"] == []
    names["items"].append({"qty": 2})
    assert names["items"][0].qty == 2
    assert names.copy() == names


def test_python_s_keywords_take_an_underscore() -> None:
    names = Names(class_="c")
    assert names == {5: "c"}
    assert names.class_ == names["class"] == getattr(names, "class") == "c"
    names.from_ = 5
    assert names["from"] == 5


def test_a_field_named_which_wins_over_our_method() -> None:
    names = Names({"which": "mine", "import": 1})
    assert names.which == "mine"
    assert cara_pseud.which(names) == "import"


def test_a_field_of_a_class_describes_itself() -> None:
    field = Person.__fields__["addresses"]
    assert (field.id, field.name, field.type) == (2, "addresses", cara_pseud.List[Address])
    assert Person.name is Person.__fields__["name"]
    assert Person.name.type is cara_pseud.Text
    assert Defaults.text.default == "hello"
    assert repr(Person.boss) == "<field boss :Person>"


def test_subclasses_of_users_are_accepted_where_the_struct_is() -> None:
    class Employee(Person):  # type: ignore[misc, valid-type]
        def __init__(self, value: Any = None, **fields: Any) -> None:
            super().__init__(value, **fields)
            self._greeting = "Hello"

        @property
        def shouted(self) -> str:
            return str(self.name).upper()

        @shouted.setter
        def shouted(self, value: str) -> None:
            self.name = value.lower()

        def greet(self) -> str:
            return f"{self._greeting} {self.name}"

    employee = Employee(name="ann")
    assert (employee.shouted, employee.greet()) == ("ANN", "Hello ann")
    employee.shouted = "BOB"
    assert employee.name == "bob"
    boss = Person(boss=employee).boss
    assert boss is employee
    assert packed(boss) == b"\x81\x00\xa3bob"


def test_any_pointer_takes_free_values_and_values_of_every_type() -> None:
    free = {"a": (1, b"x", None, 1.5, True), 7: {"b": []}, b"k": "t", True: 1}
    struct = AllTypes(any=free)
    assert struct.any == {"a": [1, b"x", None, 1.5, True], 7: {"b": []}, b"k": "t", True: 1}
    person = Person(name="a")
    struct.any = person
    assert struct.any is person
    struct.any = [vectors.Color.blue, person]
    assert AllTypes.__conversion__.send(struct) == {19: [2, {0: "a"}]}


@pytest.mark.parametrize("wrong", [object(), print, {1.5: 1}, 2**64, -(2**63) - 1, "\ud800", {1, 2}, [lambda: 1]])
def test_any_pointer_refuses_what_cannot_be_sent(wrong: Any) -> None:
    with pytest.raises(InvalidValue, match=r"^\$\.any"):
        AllTypes(any=wrong)


def test_wire_values_are_plain_and_independent() -> None:
    struct = AllTypes(person={"name": "a"}, people=[{}], colors=["blue"], list=[1], color="green", any=Person(name="b"))
    wire = AllTypes.__conversion__.send(struct)
    assert wire == {17: {0: "a"}, 18: [{}], 20: [2], 14: [1], 16: 1, 19: {0: "b"}}
    assert [type(value) for value in wire.values()] == [dict, list, list, list, int, dict]
    assert type(wire[20][0]) is int
    struct.person.name = "changed"
    struct.list.append(2)
    assert (wire[17], wire[14]) == ({0: "a"}, [1])


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
people = st.recursive(
    st.fixed_dictionaries({}, optional={"name": texts, "phoneNumber": texts}),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "name": texts, "boss": inner, "addresses": st.lists(st.fixed_dictionaries({"state": texts}), max_size=2)
        },
    ),
    max_leaves=5,
)


@given(people)
def test_structs_survive_the_wire(fields: dict[str, Any]) -> None:
    person = Person(fields)
    wire = Person.__conversion__.send(person)
    received = msgpack.unpackb(msgpack.packb(wire), use_list=False, strict_map_key=False)
    assert Person.__conversion__.enter(received) == person
    assert person.ToDict(with_field_names=True) == fields
    assert packed(person) == msgpack.packb(wire)
    assert hash(Person(fields)) == hash(person)
    assert pickle.loads(pickle.dumps(person)) == copy.deepcopy(person) == person


numbers = {"int8": (8, True), "int16": (16, True), "int64": (64, True), "uint8": (8, False), "uint64": (64, False)}


@given(st.sampled_from(sorted(numbers)), st.integers(-(2**65), 2**65))
def test_integers_enter_exactly_if_they_fit(name: str, value: int) -> None:
    bits, signed = numbers[name]
    fits = -(2 ** (bits - 1)) <= value < 2 ** (bits - 1) if signed else 0 <= value < 2**bits
    if fits:
        assert AllTypes({name: value})[name] == value
    else:
        with pytest.raises(InvalidValue) as caught:
            AllTypes({name: value})
        assert caught.value.path == f"$.{name}"

"""Places in results by their names: the fields that lead there, and what lies there when it has come."""

from __future__ import annotations

from typing import Any

import pytest

import cara_pseud
from cara_pseud.errors import RpcError, UnknownField
from cara_pseud.result_places import only_place, place_of, value_at

SCHEMA = """@0xf0a3c1d2b4e59687;
interface Shop {
  open @0 () -> (counter :Counter);
  look @1 () -> (shelf :Shelf, counter :Counter, name :Text);
  shelf @2 () -> Shelf;
  only @3 () -> (shelf :Shelf);
  none @4 () -> ();
  any @5 () -> (any :AnyPointer);
  unnamed @6 () -> (any :Capability);
}
interface Counter { add @0 (by :Int32) -> (total :Int32); }
struct Shelf {
  label @0 :Text;
  place :group { counter @1 :Counter; }
  union { empty @2 :Void; top @3 :Shelf; }
}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("shop") / "shop.capnp"
    path.write_text(SCHEMA)
    return cara_pseud.load(path)


def signature(shop: Any, method: str) -> Any:
    return shop.Shop.__methods__[method].signature()


@pytest.mark.parametrize(
    ("method", "names", "path"),
    [
        ("open", ["counter"], (0,)),
        ("look", ["counter"], (1,)),
        ("look", ["shelf", "place", "counter"], (0, 1, 0)),
        ("shelf", ["place", "counter"], (1, 0)),
        ("shelf", ["top", "top", "place", "counter"], (3, 3, 1, 0)),
        # Of the only result the name may be left out, as the result itself is.
        ("only", ["shelf", "place", "counter"], (0, 1, 0)),
        ("only", ["place", "counter"], (0, 1, 0)),
    ],
)
def test_names_lead_to_the_ids_of_fields(shop: Any, method: str, names: list[str], path: tuple[int, ...]) -> None:
    place = place_of(signature(shop, method), names[0])
    for name in names[1:]:
        place = place.member(name)
    assert (place.path, place.is_object, place.type) == (path, True, shop.Counter)


@pytest.mark.parametrize(
    ("method", "names", "told"),
    [
        ("open", ["total"], "the result of open has no 'total'; its results are counter"),
        ("none", ["x"], "its results are none"),
        ("look", ["shelf", "nope"], "has no field 'nope'; its fields are label, place, empty, top"),
        ("look", ["name", "x"], "the result of look, name, is no struct"),
        ("only", ["nope"], "has no field 'nope'"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(shop: Any, method: str, names: list[str], told: str) -> None:
    *before, last = names
    of = signature(shop, method)
    with pytest.raises(UnknownField, match=told):
        place_of(of, before[0]).member(last) if before else place_of(of, last)


@pytest.mark.parametrize("method", ["any", "unnamed"])
def test_an_only_result_is_known_as_such(shop: Any, method: str) -> None:
    only = only_place(signature(shop, method))
    assert only is not None
    assert (only.path, only.is_any, only.is_object, only.is_struct) == ((0,), True, False, False)
    assert only_place(signature(shop, "look")) is None
    assert only_place(signature(shop, "shelf")) is None


def test_the_value_at_a_place_is_what_its_caller_gets(shop: Any) -> None:
    counter = shop.Counter({"add": lambda by: by})
    shelf = shop.Shelf(place={"counter": counter})
    several = signature(shop, "look").receive_result({"shelf": {}, "counter": None, "name": "x"})
    assert value_at(signature(shop, "open"), counter, (0,)) is counter
    assert value_at(signature(shop, "only"), shelf, (0, 1, 0)) is counter
    assert value_at(signature(shop, "shelf"), shelf, (1, 0)) is counter
    assert value_at(signature(shop, "look"), several, (2,)) == "x"
    for method, result, path in (
        ("look", several, (1,)), ("shelf", shop.Shelf(), (1, 0)), ("open", None, (0,)), ("only", None, (0, 1, 0))
    ):  # fmt: skip
        with pytest.raises(RpcError, match="no object there") as failed:
            value_at(signature(shop, method), result, path)
        assert failed.value.code == "invalid_argument"

"""What is no struct does not enter in a struct's place, whatever the struct has."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

import cara_pseud
from cara_pseud.errors import WrongType

SCHEMA = """
@0xd4c9b2a1f0e3d7a1;
struct Nothing {}
struct Marks { a @0 :Void; b @1 :Void; }
struct Choice { union { a @0 :Void; b @1 :Void; } }
struct Full { text @0 :Text; number @1 :Int32; }
struct Holder {
  nothing @0 :Nothing; marks @1 :Marks; choice @2 :Choice; full @3 :Full;
  nothings @4 :List(Nothing); choices @5 :List(Choice);
  group :group { mark @6 :Void; }
  pick :union { a @7 :Void; b @8 :Void; }
}
interface Taker {
  nothing @0 (it :Nothing) -> (it :Nothing);
  choice @1 Choice -> Choice;
}
"""
NO_STRUCTS = ["", "a", b"", [], ["a"], (), (("a", None),), set(), 0, 1, False, 1.5]


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    path = tmp_path_factory.mktemp("structs") / "nothing.capnp"
    path.write_text(SCHEMA)
    return cara_pseud.load(path)


@pytest.mark.parametrize("value", NO_STRUCTS, ids=repr)
@pytest.mark.parametrize("field", ["nothing", "marks", "choice", "full", "group", "pick"])
def test_a_field_takes_a_struct_only(schema: Any, field: str, value: Any) -> None:
    holder = schema.Holder()
    for attempt in (
        lambda: schema.Holder({field: value}),
        lambda: schema.Holder(**{field: value}),
        lambda: setattr(holder, field, value),
        lambda: holder.update({field: value}),
    ):
        with pytest.raises(WrongType) as caught:
            attempt()
        assert caught.value.path == f"$.{field}"


@pytest.mark.parametrize("value", NO_STRUCTS, ids=repr)
@pytest.mark.parametrize("field", ["nothings", "choices"])
def test_a_list_of_structs_takes_structs_only(schema: Any, field: str, value: Any) -> None:
    with pytest.raises(WrongType) as caught:
        schema.Holder({field: [{}, value]})
    assert caught.value.path == f"$.{field}[1]"


@pytest.mark.parametrize("value", NO_STRUCTS, ids=repr)
@pytest.mark.parametrize("name", ["nothing", "choice"])
def test_an_argument_or_result_that_is_a_struct_is_nothing_else(schema: Any, name: str, value: Any) -> None:
    signature = schema.Taker.__methods__[name].signature()
    for attempt in (
        lambda: signature.outgoing((value,), {}),
        lambda: signature.incoming((value,), {}),
        lambda: signature.enter_result(value),
        lambda: signature.send_result(value),
    ):
        with pytest.raises(WrongType):
            attempt()

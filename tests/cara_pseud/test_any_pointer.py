"""Values of AnyPointer: free data that has a form on the wire, values of types, and references to be cast."""

from __future__ import annotations

import enum
from collections import OrderedDict
from typing import Any

import pytest

from cara_pseud import List, Text
from cara_pseud.any_pointer import Reference, dump_any, enter_any
from cara_pseud.capabilities import Capability
from cara_pseud.errors import InvalidValue, WrongType


class Thing(Capability):
    """A capability of that key."""

    __slots__ = ()

    def __init__(self, key: str) -> None:
        self.key = key


class Number(enum.IntEnum):
    ONE = 1


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (None, None),
        (True, True),
        (2**64 - 1, 2**64 - 1),
        (-(2**63), -(2**63)),
        (1.5, 1.5),
        ("text", "text"),
        (b"data", b"data"),
        (bytearray(b"data"), b"data"),
        (memoryview(b"data"), b"data"),
        ((1, [2, (3,)]), [1, [2, [3]]]),
        ({"a": (1,), 5: None, b"b": {}}, {"a": [1], 5: None, b"b": {}}),
        (OrderedDict(a=(1,)), {"a": [1]}),
        (Number.ONE, 1),
    ],
)
def test_free_data_is_stored_plain_and_dumped_as_it_is(value: Any, stored: Any) -> None:
    entered = enter_any(value)
    assert entered == stored
    assert type(entered) is type(stored)
    assert dump_any(entered) == stored


@pytest.mark.parametrize(
    ("value", "kind", "path", "text"),
    [
        (2**64, InvalidValue, "", "is out of range for AnyPointer"),
        (-(2**63) - 1, InvalidValue, "", "is out of range for AnyPointer"),
        ({"a": [0, 2**64]}, InvalidValue, ".a[1]", "is out of range"),
        ({5: {b"k": object()}}, WrongType, "[5][b'k']", "cannot be sent as AnyPointer"),
        ({1.5: None}, WrongType, "", "1.5 cannot be a key; text, integers and bytes can"),
        ("\udc00", InvalidValue, "", ""),
        (print, WrongType, "", "cannot be sent as AnyPointer; wrap it in its interface first"),
        ({1, 2}, WrongType, "", "cannot be sent as AnyPointer"),
    ],
)
def test_what_has_no_form_on_the_wire_is_refused_where_it_is(
    value: Any, kind: type[InvalidValue], path: str, text: str
) -> None:
    with pytest.raises(kind) as caught:
        enter_any(value)
    assert caught.value.path == f"${path}"
    assert text in str(caught.value)


def test_values_of_declared_types_keep_their_type() -> None:
    texts = List[Text](["a"])
    entered = enter_any([texts])
    assert type(entered[0]) is type(texts)
    assert dump_any(entered) == [["a"]]


def test_a_capability_becomes_a_reference_and_goes_out_as_itself() -> None:
    thing = Thing("x")
    entered = enter_any({"it": thing})
    assert isinstance(entered["it"], Reference)
    assert dump_any(entered) == {"it": thing}
    assert enter_any(entered["it"]) is entered["it"]
    assert repr(entered["it"]) == "<reference of unknown interface>"


def test_references_to_one_object_are_equal() -> None:
    one, same, other = Reference(Thing("x")), Reference(Thing("x")), Reference(Thing("y"))
    assert one == same != other
    assert len({one, same, other}) == 2
    assert one != "x"


def test_a_cast_is_made_by_the_interface() -> None:
    reference = Reference(Thing("x"))
    assert reference.cast(lambda value: ("cast", value)) == ("cast", reference)


@pytest.mark.parametrize(
    ("value", "path"), [({"a": [{"\ud800": 1}]}, "$.a[0]"), ({2**64: 1}, "$"), ({"a": {-(2**63) - 1: 1}}, "$.a")]
)
def test_keys_that_cannot_be_sent_are_refused_with_their_place(value: Any, path: str) -> None:
    with pytest.raises(InvalidValue, match=r"lone surrogate U|out of range for AnyPointer") as refused:
        enter_any(value)
    assert refused.value.path == path

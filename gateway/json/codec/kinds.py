"""The kinds of types, one row each: what generated code and careful walks know of a kind, both ways.

A kind whose values have no parts is a `Single`: its row holds the source of the usual case and the function for every
case, so that the two cannot part. The other kinds are shapes that each direction treats by its own code; their rows
say what is true in both.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

from cara_pseud.capabilities import WireValue
from cara_pseud.schema.nodes import INT_RANGES, Kind, Type
from gateway.json.codec import scalars
from gateway.json.codec.layout import JSON_VALUE_ID, Form, Layouts
from gateway.json.codec.options import CodecOptions
from gateway.json.text import JSON

BOTTOMLESS: Final = math.inf
"""The levels of a value whose type sets no bound."""


class Shape(enum.Enum):
    """What the code for a kind is like."""

    SINGLE = "single"
    VOID = "void"
    LIST = "list"
    STRUCT = "struct"
    JSON = "json"
    """The struct ``Value`` of json.capnp, which stands for arbitrary JSON."""
    OBJECT = "object"
    """A live object, for which a reference stands in JSON."""
    ANY = "any"
    """JSON as it is, with references in it."""


class Rules(NamedTuple):
    """What holds for all values of a codec."""

    layouts: Layouts
    options: CodecOptions


class Usual(NamedTuple):
    """A usual case in generated code: a test of ``v`` (None if there is no other case), and what is made of it then.

    Either may raise one of `FAILURES`.
    """

    test: str | None
    value: str


Constant = Callable[[Any], str]
"""Gives a value that has no literal a name in the generated code."""


@dataclass(frozen=True, slots=True)
class Single:
    """A kind whose values have no parts.

    Every function takes the type, as it stands in the schema, and the rules. ``read`` and ``write`` are complete and
    raise `Misfit`. ``usually_read`` and ``usually_written`` are the cases of generated code, in order. ``odd_in`` and
    ``odd_out`` say which values are right and none of those cases. ``all_read`` and ``all_written`` test that every
    element of ``o`` is one that stays as it is; None if the kind has no such test.
    """

    read: Callable[[JSON, Type, Form, Rules], WireValue]
    write: Callable[[WireValue, Type, Form, Rules], JSON]
    usually_read: Callable[[Type, Form, Rules, Constant], tuple[Usual, ...]]
    usually_written: Callable[[Type, Form, Rules, Constant], tuple[Usual, ...]]
    odd_in: Callable[[JSON], bool]
    odd_out: Callable[[WireValue, Type, Rules], bool]
    all_read: str | None = None
    all_written: str | None = None


class Only(NamedTuple):
    """What values of shape ANY are bound to: their types as JSON and on the wire, and a word for each."""

    json: type
    json_word: str
    wire: tuple[type, ...]
    wire_word: str


@dataclass(frozen=True, slots=True)
class Row:
    """What both directions know of a kind.

    Attributes:
        levels: of arrays and objects that a value has at most, without those of its parts.
        empty: makes what a null pointer reads as in Cap'n Proto; None where there is no such value.
        only: what a value of shape ANY must be; None where it may be anything.
    """

    shape: Shape
    levels: float = 0
    empty: Callable[[], Any] | None = None
    single: Single | None = None
    only: Only | None = None


def row_of(type: Type) -> Row:
    """The row of a type's kind."""
    return _JSON_VALUE if type.node_id == JSON_VALUE_ID and type.kind is Kind.STRUCT else ROWS[type.kind]


def interface_of(type: Type) -> Type | None:
    """The interface that an object of a type has for sure; None where the schema names none."""
    return type if type.kind is Kind.INTERFACE else None


def _stays(test: str, *_: Any) -> tuple[Usual, ...]:
    return (Usual(test, "v"),)


def _never(*_: Any) -> bool:
    return False


def _other_than(*types: type) -> Callable[..., bool]:
    return lambda value, *_: type(value) not in types


def _narrow(kind: Kind) -> Row:
    low, high = INT_RANGES[kind]
    usual = partial(_stays, f"type(v) is int and {low} <= v <= {high}")
    every = f"INTS(map(type, o)) and (not o or min(o) >= {low} and max(o) <= {high})"  # it runs in C
    return Row(Shape.SINGLE, single=Single(
        _read_int, _write_int, usual, usual, _other_than(int), _other_than(int), every, every
    ))  # fmt: skip


def _wide(kind: Kind) -> Row:
    low, high = INT_RANGES[kind]

    def usually_read(*_: Any) -> tuple[Usual, ...]:
        text = f"type(v) is str and str(n := int(v)) == v and {low} <= n <= {high}"
        exact = f"type(v) is int and {max(low, -scalars.EXACT)} <= v <= {scalars.EXACT}"
        return Usual(text, "n"), Usual(exact, "v")

    def usually_written(type: Type, form: Form, rules: Rules, constant: Constant) -> tuple[Usual, ...]:
        auto = f"v if {-scalars.EXACT} <= v <= {scalars.EXACT} else str(v)"
        value = {"string": "str(v)", "auto": auto}.get(rules.options.int64, "v")
        return (Usual(f"type(v) is int and {low} <= v <= {high}", value),)

    def odd_in(value: JSON) -> bool:
        if type(value) is int:
            return abs(value) > scalars.EXACT
        return type(value) is not str or value == "-0"

    return Row(Shape.SINGLE, single=Single(
        _read_int, _write_int, usually_read, usually_written, odd_in, _other_than(int)
    ))  # fmt: skip


def _read_int(value: JSON, type: Type, form: Form, rules: Rules) -> WireValue:
    return scalars.read_int(value, type.kind)


def _write_int(value: WireValue, type: Type, form: Form, rules: Rules) -> JSON:
    return scalars.write_int(value, type.kind, rules.options.int64)


_FINITE: Final = "v if v - v == 0.0 else FLOAT(v)"  # the difference is NaN for an infinity and for NaN
_ROUNDED: Final = "v if (v := F32OUT(v)) - v == 0.0 else FLOAT(v)"
_FLOATS: Final = (
    lambda value, type, form, rules: scalars.read_float(value, type.kind),
    lambda value, type, form, rules: scalars.write_float(value, type.kind),
)
_FLOAT64: Final = Single(
    *_FLOATS,
    lambda *_: (Usual("type(v) is float", "v"), Usual("type(v) is int", "float(v)")),
    lambda *_: (Usual("type(v) is float", _FINITE), Usual("type(v) is int", "float(v)")),
    _other_than(float, int),
    _other_than(float, int),
    all_read="FLOATS(map(type, o))",
)
_FLOAT32: Final = Single(
    *_FLOATS,
    lambda *_: (Usual("type(v) is float or type(v) is int", "F32(v)"),),
    lambda *_: (Usual("type(v) is float or type(v) is int", _ROUNDED),),
    _other_than(float, int),
    _other_than(float, int),
)
_BOOL: Final = Single(
    lambda value, *_: scalars.same_bool(value),
    lambda value, *_: scalars.same_bool(value),
    partial(_stays, "v is True or v is False"),
    partial(_stays, "v is True or v is False"),
    _never,
    _never,
    *("BOOLS(map(type, o))",) * 2,
)
_TEXT: Final = Single(
    lambda value, *_: scalars.same_text(value),
    lambda value, *_: scalars.same_text(value),
    partial(_stays, "type(v) is str"),
    partial(_stays, "type(v) is str"),
    _never,
    _other_than(str),
    *("STRS(map(type, o))",) * 2,
)


def _bytes_read(type: Type, form: Form, rules: Rules, constant: Constant) -> tuple[Usual, ...]:
    text = Usual("type(v) is str", f"{constant(partial(scalars.read_bytes, form=form))}(v)")
    return (Usual("type(v) is list and INTS(map(type, v))", "bytes(v)"), text) if form is Form.PLAIN else (text,)


def _bytes_written(type: Type, form: Form, rules: Rules, constant: Constant) -> tuple[Usual, ...]:
    plain = "BASE64(v)" if rules.options.data == "base64" else "[*v]"
    value = {Form.HEX: "v.hex()", Form.BASE64: "BASE64(v)"}.get(form, plain)
    return (Usual("type(v) is bytes", value),)


_DATA: Final = Single(
    lambda value, type, form, rules: scalars.read_bytes(value, form),
    lambda value, type, form, rules: scalars.write_bytes(value, form, rules.options.data),
    _bytes_read,
    _bytes_written,
    lambda value: value is None or (type(value) is list and any(type(byte) is not int for byte in value)),
    _other_than(bytes),
)
_ENUM: Final = Single(
    lambda value, type, form, rules: scalars.read_enum(value, rules.layouts.enum(type.node_id)),
    lambda value, type, form, rules: scalars.write_enum(value, rules.layouts.enum(type.node_id)),
    lambda type, form, rules, constant: (
        Usual(None, f"{constant(dict(rules.layouts.enum(type.node_id).numbers))}[v]"),
    ),
    lambda type, form, rules, constant: (
        Usual("type(v) is int", f"{constant(dict(enumerate(rules.layouts.enum(type.node_id).names)))}[v]"),
    ),
    _other_than(str),
    lambda value, type_, rules: type(value) is not int or value >= len(rules.layouts.enum(type_.node_id).names),
)

_JSON_VALUE: Final = Row(Shape.JSON, BOTTOMLESS, dict)
ROWS: Final[Mapping[Kind, Row]] = {
    Kind.VOID: Row(Shape.VOID, BOTTOMLESS),
    Kind.BOOL: Row(Shape.SINGLE, single=_BOOL),
    **{kind: _narrow(kind) for kind in INT_RANGES if kind not in scalars.WIDE},
    **{kind: _wide(kind) for kind in scalars.WIDE},
    Kind.FLOAT32: Row(Shape.SINGLE, single=_FLOAT32),
    Kind.FLOAT64: Row(Shape.SINGLE, single=_FLOAT64),
    Kind.TEXT: Row(Shape.SINGLE, 0, str, _TEXT),
    Kind.DATA: Row(Shape.SINGLE, 1, bytes, _DATA),
    Kind.ENUM: Row(Shape.SINGLE, single=_ENUM),
    Kind.LIST: Row(Shape.LIST, 1, list),
    Kind.STRUCT: Row(Shape.STRUCT, 1, dict),
    Kind.INTERFACE: Row(Shape.OBJECT),
    Kind.ANY_POINTER: Row(Shape.ANY, BOTTOMLESS),
    Kind.CAPABILITY: Row(Shape.OBJECT),
    Kind.ANY_STRUCT: Row(Shape.ANY, BOTTOMLESS, only=Only(dict, "an object", (Mapping,), "a struct")),
    Kind.ANY_LIST: Row(Shape.ANY, BOTTOMLESS, only=Only(list, "an array", (list, tuple), "a list")),
}
"""The table."""

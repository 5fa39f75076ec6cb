"""Struct layouts: what a struct class knows about its fields, compiled once per class when it is first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from cara_pseud.attachment import Attachable
from cara_pseud.capabilities import WireValue
from cara_pseud.errors import InvalidValue, UnknownField, WrongType
from cara_pseud.generics import Declaration, plain
from cara_pseud.python_names import schema_name
from cara_pseud.scalars import shown
from cara_pseud.schema.nodes import MAPS, Field, StructNode
from cara_pseud.values import Annotations, Conversion, Stored, ValueType, conversion_of

_NAMED_FIELDS: Final = 20


class StructField:
    """A field of a struct class: ``Person.__fields__["name"]``.

    Attributes:
        id, name, doc: as in the schema.
        type: the type object; a group's struct class.
        default: the stored value an unset field reads as; for structs, lists and groups it is made at each reading.
        in_union, first: whether it is a member of the struct's unnamed union, and the one that counts when none is set.
    """

    __slots__ = (
        "_declaration", "_node", "conversion", "default", "doc", "enter", "first", "fresh", "id", "in_union", "is_map",
        "name", "nullable", "receive", "type",
    )

    def __init__(self, declaration: Declaration, node: Field) -> None:
        value_type: ValueType = declaration.field_type(node)
        conversion = conversion_of(value_type)
        self._declaration = declaration
        self._node = node
        self.id = node.id
        self.name = node.name
        self.doc = node.doc
        self.type = plain(value_type)
        self.conversion: Conversion = conversion
        self.enter: Callable[[Any], Stored] = conversion.enter
        self.receive = conversion.received
        self.is_map = value_type.__type__.kind in MAPS
        # A group is not nullable on the wire of Cap'n Proto, but it is in ours: a map that may be missing.
        self.nullable = conversion.nullable or node.group_id is not None
        self.in_union = node.discriminant is not None
        self.first = node.discriminant == 0
        default = node.default
        # Values that can be changed in place are made anew for each reading; others are shared.
        self.fresh: Callable[[], Any] | None = None
        self.default: Any = None
        if isinstance(value_type, type) and issubclass(value_type, Attachable):
            self.fresh = conversion.absent if default is None else lambda: conversion.enter(default)
        else:
            self.default = conversion.absent() if default is None else conversion.enter(default)

    @property
    def default_value(self) -> Stored:
        """The default that the schema states, None where it states none; the original's name for it."""
        explicit = self._node.has_explicit_default
        return None if not explicit else self.fresh() if self.fresh is not None else self.default

    def annotations(self) -> Annotations:
        """The annotations applied to the field, values by name."""
        return Annotations(self._node.annotations, self._declaration.classes)

    def __repr__(self) -> str:
        return f"<field {self.name} :{self.conversion.name}>"


class Layout:
    """The fields of one struct class, by id and by name."""

    __slots__ = ("by_id", "by_name", "dumps", "enters", "first_id", "name", "receives", "union_ids")

    def __init__(self, name: str, declaration: Declaration) -> None:
        node = declaration.node
        assert isinstance(node, StructNode)
        fields = [StructField(declaration, field) for field in node.fields]
        self.name = name
        self.by_id = {field.id: field for field in fields}
        self.by_name = {field.name: field for field in fields}
        self.enters = {field.id: field.enter for field in fields}
        self.receives = {field.id: field.receive for field in fields}
        self.first_id = min(self.by_id, default=0)
        self.union_ids = tuple(field.id for field in node.union)
        self.dumps = tuple(
            (field.id, field.conversion.dump) for field in fields if field.conversion.dump is not None
        )

    def find(self, key: object) -> StructField:
        """The field of an id, name, digit string or bytes name.

        Raises:
            UnknownField: there is none; names the fields there are.
        """
        field = self.by_id.get(key) if type(key) is int else self.look_up(key)
        if field is None:
            names = list(self.by_name)
            listed = ", ".join(names[:_NAMED_FIELDS]) + (" …" if len(names) > _NAMED_FIELDS else "")
            raise UnknownField(f"{self.name} has no field {shown(key)}; its fields are {listed or 'none'}")
        return field

    def look_up(self, key: object) -> StructField | None:
        """As `find`, but None where there is no such field."""
        # True and 1.0 would find the field 1 in a dict.
        if type(key) is int:
            return self.by_id.get(key)
        if isinstance(key, bytes):
            key = key.decode("utf-8", "replace")
        if isinstance(key, str):
            field = self.by_name.get(key)
            if field is None and key.isascii() and key.isdigit() and len(key) < 6:
                field = self.by_id.get(int(key))
            if field is None:
                field = self.by_name.get(schema_name(key))
            return field
        return None

    def stage(self, value: Any, fields: Mapping[str, Any]) -> dict[int, Stored]:
        """The fields of a new struct, from what its class was called with.

        Raises:
            InvalidValue, UnknownField: as `entered`, and also for two members of one union.
        """
        staged: dict[int, Stored] = {}
        try:
            if value is not None:
                staged = self.entered(pairs_of(value, self.name))
            if fields:
                staged.update(self.entered(fields))
        except RecursionError:
            raise InvalidValue("is nested too deeply") from None
        self.check_union(staged)
        return staged

    def entered(self, values: Mapping[Any, Any]) -> dict[int, Stored]:
        """Let every value enter. Of two values for one field the later one wins.

        Raises:
            InvalidValue: a value does not fit; with its path.
            UnknownField: there is no such field.
        """
        enters = self.enters
        staged: dict[int, Stored] = {}
        key: Any = None
        try:
            for key, value in values.items():
                if value is not None and type(key) is int and key in enters:
                    staged[key] = enters[key](value)
                elif value is not None or not self.find(key).nullable:
                    field = self.find(key)
                    staged[field.id] = field.enter(value)
        except (InvalidValue, UnknownField) as error:
            known = self.look_up(key)
            raise error if known is None else error.within(f".{known.name}") from None
        return staged

    def received(self, values: Mapping[Any, Any]) -> tuple[dict[int, Stored], dict[int, WireValue] | None]:
        """Let every value of a struct enter that came over the wire.

        Returns:
            The fields, and the values of ids that only a newer schema knows; None if there are none.

        Raises:
            InvalidValue, UnknownField: as `entered`; an id that is not known is no error.
        """
        receives = self.receives
        staged: dict[int, Stored] = {}
        unknown: dict[int, WireValue] | None = None
        key: Any = None
        try:
            for key, value in values.items():
                receive = receives.get(key) if type(key) is int else None
                if receive is not None and value is not None:
                    try:
                        staged[key] = receive(value)
                    except WrongType:
                        field = self.by_id[key]
                        if field.is_map or not is_struct(value):
                            raise
                        # A newer schema has a group in this place, whose first member this is.
                        if value.get(0) is not None:
                            staged[key] = receive(value[0])
                elif receive is None and type(key) is int and key >= 0:
                    unknown = {} if unknown is None else unknown
                    unknown[key] = value
                else:  # a name, or a value that is not there
                    field = self.find(key)
                    if value is not None or not field.nullable:
                        staged[field.id] = field.receive(value)
        except (InvalidValue, UnknownField) as error:
            known = self.look_up(key)
            raise error if known is None else error.within(f".{known.name}") from None
        return staged, unknown

    def check_union(self, target: Mapping[int, Any]) -> None:
        """Raise InvalidValue if two members of one union are set."""
        if self.union_ids:
            present = [self.by_id[id].name for id in target if id in self.union_ids]
            if len(present) > 1:
                names = " and ".join(present)
                raise InvalidValue(f"{names} are members of one union of {self.name}; only one can be set")

    def enter_one(self, field: StructField, value: Any) -> Stored:
        """Let one value enter; an error names the field."""
        try:
            return field.enter(value)
        except RecursionError:
            raise InvalidValue("is nested too deeply", f"$.{field.name}") from None
        except (InvalidValue, UnknownField) as error:
            raise error.within(f".{field.name}") from None

    def active(self, target: Mapping[int, Any], has_unknown: bool = False) -> StructField | None:
        """The union's active member: the one that is set, else the first; None for a struct without a union.

        Args:
            has_unknown: whether something is set that only a newer schema knows. Where no known member is, nobody can
                tell whether that is one, so none is active.
        """
        for id in self.union_ids:
            if id in target:
                return self.by_id[id]
        return self.by_id[self.union_ids[0]] if self.union_ids and not has_unknown else None

    def dump(self, target: dict[int, Stored], unknown: Mapping[int, WireValue] | None = None) -> dict[int, WireValue]:
        """The wire value of a struct: a plain dict, so that later changes do not reach a message under way.

        Args:
            unknown: values of ids that only a newer schema knows, which go on as they came.
        """
        wire = dict(target)
        if unknown is not None:
            wire.update(unknown)
        for id, dump in self.dumps:
            value = wire.get(id)
            if value is not None:
                wire[id] = dump(value)
        return wire


def is_struct(value: WireValue) -> bool:
    """Whether a wire value has the form of a struct or group."""
    return type(value) is dict and all(type(key) is int for key in value)


def pairs_of(value: Any, name: str) -> Mapping[Any, Any]:
    """What a dict can be made of, as a mapping; None and empty text stand for nothing, as with the original.

    Raises:
        WrongType: it is none of these.
    """
    if isinstance(value, Mapping):
        return value
    if value is None or value == "":
        return {}
    try:
        return dict(value)
    except (TypeError, ValueError):
        raise WrongType(f"{shown(value)} is no {name}") from None

"""The parameters of a method, both ways: a caller's JSON to arguments, a service's arguments to a callback's JSON."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cara_pseud.capabilities import NO_ARGUMENTS, WireValue
from cara_pseud.schema.nodes import BoundMethod, Field, Type, describe_type, substitute
from gateway.annotations import json_name
from gateway.errors import GatewayError
from gateway.json.codec.conversions import Conversions
from gateway.json.codec.layout import FieldLayout, StructLayout
from gateway.json.codec.objects import LiveObjects
from gateway.json.codec.reading import empty
from gateway.json.codec.refusal import FAILURES
from gateway.json.codec.scalars import show
from gateway.json.text import JSON


class Params:
    """The parameters of one method.

    The annotations of json.capnp cannot be applied to a parameter, so an inline list is an object without flattened or
    renamed members; the structs in it may have any.

    Attributes:
        has_references: whether a parameter can refer to a live object, so that reading one needs a door.
        names: the parameters' JSON names in written order; a struct's members for a method whose parameter list is
            a struct.
        signature: the method as a person would write it: ``add(first :Int32, second :Int32)``.
    """

    def __init__(self, conversions: Conversions, bound: BoundMethod) -> None:
        method = bound.method
        self._conversions = conversions
        self._type = substitute(method.params, bound.interface.brand)
        self._inline = method.params_inline
        self._layout = conversions.layouts.struct(self._type)
        self._members = in_written_order(self._layout)
        self.has_references = conversions.holds_objects(self._type)
        self._read = conversions.reader(self._type)
        self._positions = {member.tag_value: index for index, member in enumerate(self._members)}
        self._read_fast: Callable[[JSON], WireValue] | None = None
        self._write = conversions.writer(self._type)
        self._ids = tuple(member.id for member in self._members)
        self._in_order = operator.itemgetter(*self._ids) if len(self._ids) > 1 else None
        self.names = tuple(member.tag_value for member in self._members)
        self.signature = json_name(method.annotations, method.name) + self._parameter_list()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to pass."""
        return self._inline and not self._members

    def read(self, params: JSON, refs: LiveObjects | None = None) -> list[WireValue]:
        """Read parameters by name or position, or none at all; see `by_name` and `by_position`."""
        if isinstance(params, list):
            return self.by_position(params, refs)
        return self.by_name({} if params is None else params, refs)

    def by_name(self, params: JSON, refs: LiveObjects | None = None) -> list[WireValue]:
        """Read an object of parameters as positional wire arguments; a missing one takes its default.

        Raises:
            GatewayError: INVALID_ARGUMENT with the path, or what ``refs`` raises.
        """
        if not isinstance(params, dict):
            reason = f"expected an object or array of parameters, {self.signature}, got {show(params)}"
            raise GatewayError.invalid(reason)
        if not self._inline:
            return [self._read(params, refs)]
        if refs is not None:
            return self._positional(self._read(params, refs))
        # What `_read` would do; a call has no time for its way there.
        fast = self._read_fast or self._compile()
        try:
            wire = fast(params)
        except FAILURES as failure:
            wire = self._conversions.reread(self._type, params, failure)
        return self._positional(wire)

    def by_position(self, params: Sequence[JSON], refs: LiveObjects | None = None) -> list[WireValue]:
        """Read an array of parameters in written order; the missing ones at its end take their defaults.

        Raises:
            GatewayError: INVALID_ARGUMENT with the path or, for a wrong number, the signature; as `by_name`.
        """
        count = len(self._members) if self._inline else 1
        if len(params) > count or (not self._inline and not params):
            takes = f"{count} parameter{'' if count == 1 else 's'}"
            raise GatewayError.invalid(f"{self.signature} takes {takes}, got {len(params)}")
        if not self._inline:
            return [self._conversions.read_within(self._type, params[0], refs, (None, 0), 2)]
        named = dict(zip(self.names, params, strict=False))
        if self.has_references:
            return self._positional(self._read(named, refs, self._positions))
        fast = self._read_fast or self._compile()
        try:
            wire = fast(named)
        except FAILURES as failure:
            wire = self._conversions.reread(self._type, named, failure, self._positions)
        return self._positional(wire)

    def to_json(
        self, args: Sequence[WireValue], kwargs: Mapping[str, WireValue] = NO_ARGUMENTS, refs: LiveObjects | None = None
    ) -> list[JSON]:
        """Write a service's arguments as an array in which every parameter is present.

        A service with a newer schema has parameters that this one does not know; they are left out.

        Raises:
            GatewayError: INTERNAL, the service passed what does not fit.
        """
        if not self._inline:
            return [self._write(args[0] if args and args[0] is not None else _struct_of(self._members, kwargs), refs)]
        wire: dict[int, WireValue] = {member.id: value for member, value in zip(self._members, args, strict=False)}
        wire.update(_struct_of(self._members, kwargs))
        obj = self._write(wire, refs)
        return [obj.get(name) for name in self.names]

    def _compile(self) -> Callable[[JSON], WireValue]:
        self._read_fast = fast = self._conversions.fast_reader(self._type)
        return fast

    def _positional(self, wire: Mapping[int, WireValue]) -> list[WireValue]:
        if len(wire) == len(self._ids):  # all of them are there
            in_order = self._in_order
            return list(wire.values()) if in_order is None else list(in_order(wire))
        return [wire[one.id] if one.id in wire else default(one.field, one.type) for one in self._members]

    def _parameter_list(self) -> str:
        schema = self._conversions.schema
        if not self._inline:
            return f"({describe_type(schema, self._type)})"
        types = ["" if member.type is None else describe_type(schema, member.type) for member in self._members]
        return f"({', '.join(f'{name} :{type}' for name, type in zip(self.names, types, strict=True))})"


def in_written_order(layout: StructLayout) -> list[FieldLayout]:
    """The parameters or results of an inline list; their ids count in written order."""
    return sorted([*layout.fields, *layout.variants], key=lambda member: member.id)


def default(field: Field, type: Type | None) -> Any:
    """What an argument that is not given is on the wire: a fresh copy of its schema default.

    A pointer without one is the empty text, list or struct that a null pointer reads as, so that services without
    our library get a value of the type they expect.
    """
    if field.default is not None or type is None:
        return copy.deepcopy(field.default)
    return empty(type)


def _struct_of(members: Sequence[FieldLayout], kwargs: Mapping[str, WireValue]) -> dict[int, WireValue]:
    ids = {member.field.name: member.id for member in members}
    return {ids[name]: value for name, value in kwargs.items() if name in ids}

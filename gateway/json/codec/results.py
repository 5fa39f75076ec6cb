"""The results of a method, both ways: a service's result to JSON, the answer of a client's callback to the wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cara_pseud.capabilities import WireValue
from cara_pseud.schema.nodes import BoundMethod, Kind, Type, substitute
from gateway.errors import GatewayError
from gateway.json.codec.conversions import Conversions
from gateway.json.codec.layout import FieldLayout, Role
from gateway.json.codec.objects import LiveObjects, Outgoing
from gateway.json.codec.params import default, in_written_order
from gateway.json.codec.refusal import FAILURES, Refusal
from gateway.json.codec.scalars import show
from gateway.json.codec.writing import unfit
from gateway.json.text import JSON


class Results:
    """The results of one method.

    On the wire one inline result is the bare value, several are a map by schema name, none is nil, and a result that
    is a struct is that struct. In JSON they are an object by JSON name with every declared name, or unboxed.

    Attributes:
        has_references: whether a result can refer to a live object, so that writing one needs a door.
        may_be_long: whether nothing but the service says how long they are: texts, lists, structs.
        names: the declared results' JSON names; empty for a method whose result list is a struct.
    """

    def __init__(self, conversions: Conversions, bound: BoundMethod) -> None:
        method = bound.method
        self._conversions = conversions
        self._type = substitute(method.results, bound.interface.brand)
        self._inline = method.results_inline
        layout = conversions.layouts.struct(self._type)
        self._members = in_written_order(layout) if self._inline else []
        self.has_references = conversions.holds_objects(self._type)
        self._write = conversions.writer(self._type)
        self._read = conversions.reader(self._type)
        self._ids: dict[Any, int] = {member.field.name: member.id for member in self._members}
        self._ids |= {member.id: member.id for member in self._members}
        self.names = tuple(member.tag_value for member in self._members)
        self._single = self._members[0] if len(self._members) == 1 else None
        self._single_id = -1 if self._single is None else self._single.id
        self.may_be_long = not self._inline or any(map(_may_be_long, self._members))
        self._begin = conversions.begin_writing if self.may_be_long else None
        self._write_fast: Callable[[WireValue, list[Outgoing]], JSON] | None = None
        self._read_single = None
        if self._single is not None and self._single.type is not None:
            self._read_single = conversions.reader(self._single.type)

    def write(self, wire: WireValue, refs: LiveObjects | None = None, *, unbox: bool = False) -> JSON:
        """`unboxed` or `boxed`."""
        return self.unboxed(wire, refs) if unbox else self.boxed(wire, refs)

    def boxed(self, wire: WireValue, refs: LiveObjects | None = None) -> dict[str, JSON]:
        """Write the results as an object by name; an absent pointer is null.

        Raises:
            GatewayError: INTERNAL with the path where the service's answer does not fit, TOO_LARGE where it is nested
                too deeply, or what ``refs`` raises.
        """
        obj: dict[str, JSON]
        if self._single is None or self.has_references or type(wire) is dict:
            obj = self._write(self._by_id(wire), refs)
        else:
            # What `_write` would do; a call has no time for its way there.
            fast = self._write_fast or self._compile()
            by_id = {self._single_id: wire}
            if self._begin is not None:
                self._begin()
            try:
                obj = fast(by_id, [])
            except FAILURES as failure:
                obj = self._conversions.rewrite(self._type, by_id, failure)
        if len(obj) < len(self.names):
            for name in self.names:
                obj.setdefault(name, None)
        return obj

    def unboxed(self, wire: WireValue, refs: LiveObjects | None = None) -> JSON:
        """Write a single inline result as its bare value, anything else as `boxed`."""
        obj = self.boxed(wire, refs)
        return obj[self.names[0]] if self._single is not None else obj

    def to_wire(self, obj: JSON, refs: LiveObjects | None = None, unbox: bool = False) -> WireValue:
        """Read a client's answer to a callback; a missing result takes its default.

        Raises:
            GatewayError: INVALID_ARGUMENT with the path from the answer's root.
        """
        if self._inline and not self._members and (unbox or obj is None):
            return None  # what a function without declared results happens to return is nobody's concern
        if unbox and self._single is not None:
            if obj is None or self._read_single is None:
                return default(self._single.field, self._single.type)
            return self._read_single(obj, refs)
        if not isinstance(obj, dict | None):
            raise GatewayError.invalid(f"expected an object of results, got {show(obj)}")
        wire: Mapping[int, WireValue] = self._read(obj or {}, refs)
        if not self._inline:
            return wire
        if not self._members:
            return None
        if self._single is not None:
            return wire.get(self._single.id, default(self._single.field, self._single.type))
        return {
            member.field.name: wire.get(member.id, default(member.field, member.type)) for member in self._members
        }

    def place(self, path: Sequence[str], *, unbox: bool) -> tuple[tuple[int, ...], Type] | None:
        """Where the object is on the wire that lies at a place of the results, and with which interface.

        Args:
            path: the JSON names of members, from the results as a client gets them.

        Returns:
            The ids of the fields that lead there from the struct of the results; None if there is no such place, or
            one that several fields share, or what lies there is no object or one of which the schema does not say more.
        """
        ids: tuple[int, ...] = ()
        type, layout = self._type, None
        if unbox and self._single is not None:
            if self._single.type is None:
                return None
            ids, type = (self._single.id,), self._single.type
        for name in path:
            if layout is None:
                if type.kind is not Kind.STRUCT:
                    return None
                layout = self._conversions.layouts.struct(type)
            slot = layout.slots.get(name)
            field = None if slot is None or slot.role not in (Role.FIELD, Role.VARIANT) else slot.field
            if field is None:
                return None
            ids = (*ids, field.id)
            layout = field.group
            if field.type is not None:
                type = field.type
        return (ids, type) if layout is None and type.kind is Kind.INTERFACE else None

    def _compile(self) -> Callable[[WireValue, list[Outgoing]], JSON]:
        self._write_fast = fast = self._conversions.fast_writer(self._type)
        return fast

    def _by_id(self, wire: WireValue) -> WireValue:
        """The results as the struct of results, by field id."""
        if not self._inline:
            return {} if wire is None else wire
        if self._single is not None:
            name = self._single.field.name
            if isinstance(wire, dict) and name in wire and _is_by_names(wire) and not self._holds_anything():
                wire = wire[name]  # servers without cara send the single result in its box, newer ones others beside it
            return {self._single.id: wire}
        if not self._members or wire is None:
            return {}
        first = min(self._members, key=lambda member: member.id)
        if isinstance(wire, Mapping) and _is_by_names(wire):
            return {self._ids[key]: value for key, value in wire.items() if key in self._ids}
        kind = None if first.type is None else first.type.kind
        if isinstance(wire, list | tuple) and len(wire) == len(self._members):
            if kind not in (Kind.LIST, Kind.ANY_LIST) or isinstance(wire[0], list | tuple):
                return {member.id: value for member, value in zip(self._members, wire, strict=True)}
        elif isinstance(wire, Mapping) and kind not in (Kind.STRUCT, Kind.ANY_STRUCT):
            raise self._unfit(f"a map with the key {show(next(iter(wire), None))}")
        # The service has an older schema, in which the first result is the only one.
        return {first.id: wire}

    def _unfit(self, got: str) -> GatewayError:
        return unfit(Refusal(f"expected the results {', '.join(self.names)}, got {got}", []))

    def _holds_anything(self) -> bool:
        return self._single is not None and self._single.type is not None and (
            self._single.type.kind in (Kind.ANY_POINTER, Kind.ANY_STRUCT)
        )


def _is_by_names(wire: Mapping[Any, WireValue]) -> bool:
    return all(type(key) is str or type(key) is bytes for key in wire)


def _may_be_long(member: FieldLayout) -> bool:
    kind = None if member.type is None else member.type.kind
    return kind is None or (kind.is_pointer and kind not in (Kind.INTERFACE, Kind.CAPABILITY))

"""Whether programs with an old and with a new version of a schema understand each other, and where not.

The rules are those of the schema language, with what cara's wire adds: a method of a served interface and the results
of a method that has several travel by name, and a map cannot be told from a map.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cara_pseud.schema.nodes import (
    MAPS,
    EnumNode,
    Field,
    InterfaceNode,
    Kind,
    Method,
    Node,
    Schema,
    StructNode,
    Type,
    describe_type,
)
from cara_pseud.schema.places import Place, place_of


class Incompatibility(NamedTuple):
    """One change that one of both sides does not survive.

    Attributes:
        place: where it is in the new schema, or in the old one if it is gone.
        reason: what was changed and why that does not go.
    """

    place: Place
    reason: str

    def __str__(self) -> str:
        line = "" if self.place.line is None else f":{self.place.line}"
        return f"{self.place.file}{line}: {self.reason}"


def incompatibilities(old: Schema, new: Schema, served: Type | None = None) -> Iterator[Incompatibility]:
    """Compare all declarations that both have, by their ids.

    Args:
        served: an interface that is served: peers call its methods by name.
    """
    return _Comparison(old, new, served).all()


class _Comparison:
    def __init__(self, old: Schema, new: Schema, served: Type | None) -> None:
        self._old = old
        self._new = new
        ancestry = [] if served is None else [*new.ancestry(served)]
        if served is not None and served.node_id in old.nodes:
            ancestry += old.ancestry(served)
        self._served = {type.node_id for type in ancestry}

    def all(self) -> Iterator[Incompatibility]:
        for id, old in self._old.nodes.items():
            new = self._new.nodes.get(id)
            if new is None:
                continue  # nothing that is left refers to it
            if type(new) is not type(old):
                yield self._at(new, "", f"{_name(old)} was {_word(old)} and is {_word(new)}")
            elif isinstance(old, StructNode) and isinstance(new, StructNode):
                # Parameters and results have no names of their own; they are compared with their methods.
                if old.scope_id:
                    yield from self._struct(old, new)
            elif isinstance(old, EnumNode) and isinstance(new, EnumNode):
                yield from self._enum(old, new)
            elif isinstance(old, InterfaceNode) and isinstance(new, InterfaceNode):
                yield from self._interface(old, new)

    def _at(self, node: Node, member: str, reason: str) -> Incompatibility:
        return Incompatibility(place_of(self._new, node, member), reason)

    def _gone(self, node: Node, member: str, reason: str) -> Incompatibility:
        return Incompatibility(place_of(self._old, node, member), reason)

    # Structs.

    def _struct(self, old: StructNode, new: StructNode) -> Iterator[Incompatibility]:
        by_id = {field.id: field for field in new.fields}
        for field in old.fields:
            now = by_id.get(field.id)
            if now is None:
                reason = f"the field {_name(old)}.{field.name} is gone; keep it, under any name"
                yield self._gone(old, field.name, reason)
                continue
            place = f"the field {_name(new)}.{now.name}"
            if field.discriminant is not None and now.discriminant is None:
                yield self._at(new, now.name, f"{place} was a member of the union, and is none any more")
            yield from (self._at(new, now.name, f"{place} {reason}") for reason in self._field(field, now))

    def _field(self, old: Field, new: Field) -> Iterator[str]:
        if old.type is None:
            if new.type is not None:
                yield f"was a group and is {self._shown(new.type)}"
            return
        if new.type is None:
            first = self._first_field(new.group_id)
            if old.type.kind in MAPS:
                yield f"is {_of_kind(old.type)}, which cannot move into a group or union: both are maps on the wire"
            elif first is None or first.type is None or not self._same(old.type, first.type):
                yield f"is a group, whose first field is no {self._was(old.type)}"
            return
        if not self._reads(old.type, new.type):
            yield f"was {self._was(old.type)} and is {self._shown(new.type)}"
        elif old.default != new.default and old.type.kind is new.type.kind:
            yield f"has the default {new.default!r}, which was {old.default!r}: a field that is not set has two values"

    def _first_field(self, id: int | None) -> Field | None:
        fields = () if id is None else self._new.struct(id).fields
        return min(fields, key=lambda field: field.id, default=None)

    # Enums.

    def _enum(self, old: EnumNode, new: EnumNode) -> Iterator[Incompatibility]:
        numbers = {enumerant.name: enumerant.id for enumerant in new.enumerants}
        for enumerant in old.enumerants:
            if enumerant.id >= len(new.enumerants):
                yield self._gone(old, enumerant.name, f"the enumerant {_name(old)}.{enumerant.name} is gone")
            elif numbers.get(enumerant.name, enumerant.id) != enumerant.id:
                reason = f"was number {enumerant.id} and is number {numbers[enumerant.name]}"
                yield self._at(new, enumerant.name, f"the enumerant {_name(new)}.{enumerant.name} {reason}")

    # Interfaces.

    def _interface(self, old: InterfaceNode, new: InterfaceNode) -> Iterator[Incompatibility]:
        by_id = {method.id: method for method in new.methods}
        parents = {type.node_id for type in self._new.ancestry(Type(Kind.INTERFACE, new.id))}
        for parent in old.superclasses:
            if parent.node_id not in parents:
                yield self._at(new, "", f"{_name(new)} extends {self._was(parent)} no more")
        for method in old.methods:
            now = by_id.get(method.id)
            if now is None:
                yield self._gone(old, method.name, f"the method {_name(old)}.{method.name} is gone")
                continue
            place = f"the method {_name(new)}.{now.name}"
            if now.name != method.name and new.id in self._served:
                reason = f"was called {method.name}, and methods of a served interface are called by name"
                yield self._at(new, now.name, f"{place} {reason}")
            yield from (self._at(new, now.name, f"{place} {reason}") for reason in self._method(method, now))

    def _method(self, old: Method, new: Method) -> Iterator[str]:
        if old.streaming != new.streaming:
            yield "is a stream, or was one: the other side waits for another answer"
            return
        if old.params_inline != new.params_inline:
            yield "takes a list of parameters in one version and a struct in the other: they are not told apart"
        elif old.params_inline:
            yield from self._members("parameter", old.params, new.params, by_name="callers may give it by name")
        elif not self._reads(old.params, new.params):
            yield f"takes {self._shown(new.params)}, which was {self._was(old.params)}"
        if old.streaming:
            return
        if old.results_inline != new.results_inline:
            yield "gives a list of results in one version and a struct in the other: they are not told apart"
        elif old.results_inline:
            several = len(self._old.struct(old.results.node_id).fields) > 1
            why = "several results travel by name" if several else ""
            yield from self._members("result", old.results, new.results, by_name=why)
            yield from self._hides_results(old, new)
        elif not self._reads(old.results, new.results):
            yield f"gives {self._shown(new.results)}, which was {self._was(old.results)}"

    def _members(self, word: str, old: Type, new: Type, by_name: str) -> Iterator[str]:
        by_id = {field.id: field for field in self._new.struct(new.node_id).fields}
        for field in self._old.struct(old.node_id).fields:
            now = by_id.get(field.id)
            if now is None:
                yield f"has the {word} {field.name} no more"
                continue
            if now.name != field.name and by_name:
                yield f"has the {word} {now.name}, which was called {field.name}: {by_name}"
            yield from (f"has the {word} {now.name}, which {reason}" for reason in self._field(field, now))

    def _hides_results(self, old: Method, new: Method) -> Iterator[str]:
        before, now = (schema.struct(method.results.node_id).fields for schema, method in (
            (self._old, old), (self._new, new),
        ))  # fmt: skip
        if len(before) == 1 < len(now) and before[0].type is not None and before[0].type.kind is Kind.ANY_POINTER:
            yield f"has more results beside the AnyPointer {before[0].name}, which cannot be told from a map of them"

    # Types.

    def _reads(self, old: Type, new: Type) -> bool:
        """Whether a value of either type is read as one of the other."""
        if self._same(old, new):
            return True
        if old.kind is Kind.LIST and new.kind is Kind.LIST and old.element is not None and new.element is not None:
            if new.element.kind is not Kind.STRUCT or old.element.kind in MAPS:
                return self._reads(old.element, new.element) if old.element.kind is new.element.kind else False
            first = self._first_field(new.element.node_id)
            return first is not None and first.type is not None and self._same(old.element, first.type)
        return False

    def _same(self, old: Type, new: Type) -> bool:
        if new.parameter is not None or old.parameter is not None:
            return True  # it depends on what it is bound to, where that is
        if old.kind is not new.kind or old.node_id != new.node_id:
            return False
        if old.element is not None and new.element is not None:
            return self._same(old.element, new.element)
        bound, now = dict(old.brand), dict(new.brand)
        return all(
            self._same(one, other)
            for scope, types in bound.items()
            for one, other in zip(types, now.get(scope, types), strict=False)
        )

    def _was(self, type: Type) -> str:
        return describe_type(self._old, type)

    def _shown(self, type: Type) -> str:
        return describe_type(self._new, type)


def _of_kind(type: Type) -> str:
    return {Kind.STRUCT: "a struct", Kind.INTERFACE: "an interface"}.get(type.kind, "an AnyPointer")


def _name(node: Node) -> str:
    return node.qualified_name or node.name


def _word(node: Node) -> str:
    words = {StructNode: "a struct", EnumNode: "an enum", InterfaceNode: "an interface"}
    return next((word for kind, word in words.items() if isinstance(node, kind)), "another declaration")

"""The source of functions that write wire values as JSON, and what becomes of a value where one fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cara_pseud.capabilities import WireValue
from cara_pseud.schema.nodes import Type, describe_type
from gateway.json.codec.kinds import Rules, Shape, interface_of, row_of
from gateway.json.codec.layout import FieldLayout, Form, StructLayout
from gateway.json.codec.needless import NeedlessRefusals
from gateway.json.codec.objects import Outgoing
from gateway.json.codec.reading import zero
from gateway.json.codec.refusal import FAILURES, Refusal
from gateway.json.codec.source import OTHERWISE, Functions, Key, Lines, cases, indented
from gateway.json.codec.value_paths import Path, steps_of
from gateway.json.codec.writing import Writing
from gateway.json.text import JSON
from gateway.json.value_count import too_many


class Writers(Functions):
    """The generated writers of a schema: ``f(o, p)``, or ``f(o, d, p)`` where depth counts."""

    title = "writer"
    no_array = "type(o) is not tuple and type(o) is not list"
    unchanged = "[*o]"

    def __init__(self, rules: Rules, needless: NeedlessRefusals) -> None:
        super().__init__(rules, needless)
        self.namespace["JSON"] = self._json
        self.namespace["ANY"] = self._any
        self.namespace["EMPTY"] = {}
        self.namespace["LEFT"] = self._left = [0]
        self.namespace["TOO_MANY"] = self._too_many

    def arguments(self, key: Key, depth: Any, found: Any, path: Any) -> list[Any]:
        return [*super().arguments(key, depth, found, path), found]

    def begin(self) -> None:
        """A value is about to be written: it may have all the elements and members that a value may have."""
        self._left[0] = self._options.max_values

    def counted(self, layout: StructLayout | None) -> Lines:
        # What comes in is bounded, but what it becomes is more: fields that are not there are written, too. Whoever
        # sends empty structs to somebody who sends them back could make a hundred values of each.
        if layout is None:
            return []
        return [f"LEFT[0] -= {_least_values(layout)} * len(o)", "if LEFT[0] < 0: TOO_MANY()"]

    def _too_many(self) -> None:
        raise Refusal(too_many(self._options.max_values).detail, [], too_large=True)

    def members(self, layout: StructLayout) -> Lines:
        ids = self.constant(frozenset(field.id for field in layout.node.fields).issuperset)
        # Unknown ids are a newer service's fields; a name as key is for the careful walk.
        lines = [f"if not {ids}(o) and not INTS(map(type, o)): raise Unusual"]
        for member in layout.fields:
            lines += self._field(member)
        if layout.variants:
            union = self.constant(frozenset(member.id for member in layout.variants))
            lines += [f"u = o.keys() & {union}", f"a = u.pop() if u else {layout.variants[0].id}"]
            lines.append("if u: raise Unusual")
            # A member that only a newer service knows may be the one that is set.
            lines.append(f"if not {ids}(o) and not o.keys() & {union}: raise Unusual")
            for index, member in enumerate(layout.variants):
                lines += [f"{'el' if index else ''}if a == {member.id}:", *indented(self._active(member))]
        return lines

    def _field(self, member: FieldLayout) -> Lines:
        type = member.type
        if type is None:
            return self._group(member)
        if row_of(type).shape is Shape.VOID:
            return self._value(member, type)
        if not type.kind.is_pointer:
            default = member.field.default
            literal = repr(default) if isinstance(default, bool | int) else self.constant(default)
            return [f"v = o.get({member.id}, {literal})", *self._value(member, type)]
        single = row_of(type).single
        if single is not None:
            usual = single.usually_written(type, member.form, self._rules, self.constant)
            put = cases(usual, self._named(member), ["elif v is not None: raise Unusual"])
            return [f"v = o.get({member.id})", *put]
        return [f"v = o.get({member.id})", "if v is not None:", *indented(self._value(member, type))]

    def _active(self, member: FieldLayout) -> Lines:
        """Statements that write the member of a union that is set."""
        type = member.type
        if type is not None and row_of(type).shape is Shape.VOID:
            return self._value(member, type)
        if type is None:
            return self._group(member)
        value, put = f"v = o.get({member.id})", self._value(member, type)
        if self._layouts.ends_in_null(member):
            return [value, f"if v is None: w[{member.name!r}] = None", "else:", *indented(put)]
        if row_of(type).shape in (Shape.OBJECT, Shape.ANY):
            return [value, "if v is not None:", *indented(put)]
        return [value, f"if v is None: v = {self.constant(zero(member.field, type))}", *put]

    def _group(self, member: FieldLayout) -> Lines:
        assert member.group is not None  # a field is a slot or a group
        put = f"w[{member.name!r}] = {self.call(member.group, 'v', 'd + 1', 'None')}"
        return [f"v = o.get({member.id})", "if v is None: v = EMPTY", put]

    def _value(self, member: FieldLayout, type: Type) -> Lines:
        """Statements that write ``v``, the value of a member."""
        if row_of(type).shape in (Shape.OBJECT, Shape.ANY):
            return self.put(type, "w", repr(member.name), "d + 1", "None")
        return self._checked(type, member.form, self._named(member), "d + 1")

    def _named(self, member: FieldLayout) -> Callable[[str], str]:
        return lambda value: f"w[{member.name!r}] = {value}"

    def put(self, type: Type, container: str, key: str, depth: str, path: str) -> Lines:
        if row_of(type).shape is Shape.ANY:
            return [f"ANY({container}, {key}, {self.constant(type)}, v, {depth}, p)"]
        return [
            "if not isinstance(v, Capability): raise Unusual",
            f"{container}[{key}] = None",
            f"p.append(Outgoing({container}, {key}, v, {self.constant(interface_of(type))}))",
        ]

    def checked(self, type: Type, put: Callable[[str], str], depth: str, path: str) -> Lines:
        return self._checked(type, Form.PLAIN, put, depth)

    def _checked(self, type: Type, form: Form, put: Callable[[str], str], depth: str) -> Lines:
        row = row_of(type)
        if row.single is not None:
            return cases(row.single.usually_written(type, form, self._rules, self.constant), put, [OTHERWISE])
        if row.shape is Shape.VOID:
            return [put("None")]
        if row.shape is Shape.JSON:
            return [put(f"JSON(v, {depth})")]
        return [put(self.call(type, "v", depth, "None"))]

    def uniform(self, element: Type) -> str | None:
        single = row_of(element).single
        return None if single is None else single.all_written

    def unconditional(self, element: Type) -> str | None:
        single = row_of(element).single
        if single is None:
            return None
        first = single.usually_written(element, Form.PLAIN, self._rules, self.constant)[0]
        return first.value if first.test is None else None

    # What generated code calls.

    def _json(self, value: WireValue, depth: int) -> JSON:
        return Writing(*self._rules).json_value(value, None, depth)

    def _any(
        self, container: Any, key: str | int, type: Type, value: WireValue, depth: int, outgoing: list[Outgoing]
    ) -> None:
        Writing(*self._rules, outgoing).store(container, key, type, value, None, depth)

    # Where generated code fails.

    def write(self, writing: Writing, key: Key, value: WireValue, path: Path | None, depth: int) -> JSON:
        """Write a list or struct that a careful walk met, by its function; see `writing.PartsWriter`."""
        if not self.counts_depth(key) and depth + self.height(key) - 1 > self._options.max_depth:
            return writing.nested(key, value, path, depth)  # too deep perhaps, and the function does not count
        arguments = self.arguments(key, depth, writing.outgoing, path)
        try:
            return self.namespace[self.name(key)](value, *arguments)
        except Refusal as refusal:
            refusal.steps += steps_of(path)
            raise
        except FAILURES:
            obj = writing.nested(key, value, path, depth)
            self._needless.add(self.title_of(key))
            return obj

    def walks(self, key: Key) -> Callable[..., Any]:
        def walk(value: WireValue, depth: int, outgoing: list[Outgoing]) -> JSON:
            return Writing(*self._rules, outgoing, self).nested(key, value, None, depth)

        return walk

    def mends_object(self, key: Key, layout: StructLayout) -> Callable[..., None]:
        title, deepest = self.title_of(key), self.deepest(key)

        def mend(
            value: WireValue,
            made: dict[str, JSON],
            failure: Exception,
            index: int | None,
            depth: int,
            outgoing: list[Outgoing],
        ) -> None:
            writing = Writing(*self._rules, outgoing, self)
            try:
                refusal = failure if isinstance(failure, Refusal) else None
                writing.rest_of_struct(layout, value, made, refusal, depth, is_element=index is not None)
            except Refusal as refusal:
                raise (refusal if index is None else refusal.within(index)) from None
            if not writing.met_odd and depth <= deepest:
                self._needless.add(title)

        return mend

    def mends_element(self, element: Type) -> Callable[..., None]:
        title = f"{self.title} of a list of {describe_type(self._layouts.schema, element)}"

        def mend(
            made: list[JSON], value: WireValue, failure: Exception, index: int, depth: int, outgoing: list[Outgoing]
        ) -> None:
            if isinstance(failure, Refusal):
                raise failure.within(index) from None
            writing = Writing(*self._rules, outgoing, self)
            if index == len(made):
                made.append(None)
            writing.store_element(made, index, element, value, None, depth + 1)
            if not writing.met_odd:
                self._needless.add(title)

        return mend


def _least_values(layout: StructLayout) -> int:
    """How many elements and members a list of such structs has by each of them, at least: itself and what is in it."""
    always = [member for member in layout.fields if member.type is None or not member.type.kind.is_pointer]
    return 1 + sum(1 if member.group is None else _least_values(member.group) for member in always)

"""The source of functions that read JSON into wire values, and what becomes of a value where one fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from cara_pseud.capabilities import WireValue
from cara_pseud.schema.nodes import Type, describe_type
from gateway.json.codec.kinds import Rules, Shape, interface_of, row_of
from gateway.json.codec.layout import FieldLayout, Form, StructLayout, may_be_null
from gateway.json.codec.needless import NeedlessRefusals
from gateway.json.codec.objects import Incoming, ReferenceForm
from gateway.json.codec.reading import Reading
from gateway.json.codec.refusal import FAILURES, Refusal, Unusual
from gateway.json.codec.source import OTHERWISE, Functions, Key, Lines, cases, indented
from gateway.json.codec.value_paths import Path, steps_of
from gateway.json.text import JSON


class Readers(Functions):
    """The generated readers of a schema: ``f(o)``, with ``d`` where depth counts, ``p, h`` where references may be."""

    title = "reader"

    def __init__(self, rules: Rules, form: ReferenceForm, needless: NeedlessRefusals) -> None:
        super().__init__(rules, needless)
        self._form = form
        self.namespace["JSON"] = self._json
        self.namespace["ANY"] = self._any
        self.namespace["ONLY"] = self._only
        self.namespace["REFERENCE"] = form.faultless

    def arguments(self, key: Key, depth: Any, found: Any, path: Any) -> list[Any]:
        arguments = super().arguments(key, depth, found, path)
        return [*arguments, found, path] if self.holds_objects(key) else arguments

    def counts_depth(self, key: Key) -> bool:
        # What is ignored may be nested to any depth, and only the level of what it stands in tells how deep it is.
        return self._options.unknown_fields == "ignore" or self.is_bottomless(key)

    def descend(self, type: Type) -> tuple[Lines, Lines]:
        before, first = super().descend(type)
        if self.holds_objects(type):
            return [*before, "g = h"], [*first, "h = (g, len(x))"]
        return before, first

    def members(self, layout: StructLayout) -> Lines:
        lines: Lines = []
        # Objects are asked for in the order of the input, so where several members may hold some, so are the members.
        in_order = self._in_order(layout)
        ahead = [member for member in (*layout.fields, *layout.variants) if member not in in_order]
        if layout.variants:
            lines.append("n = 0")
        for member in ahead:
            lines += self._member(member)
        if in_order:
            lines.append("for k, v in o.items():")
            for index, member in enumerate(in_order):
                name = repr(member.name)
                lines += [f"    {'el' if index else ''}if k == {name}:", *indented(indented(self._given(member)))]
        if layout.variants:
            lines.append("if n > 1: raise Unusual")
        nullable = {member.name: may_be_null(member) for member in (*layout.fields, *layout.variants)}
        lines.append(f"if len(w) != len(o): {self.constant(partial(self._leftovers, nullable))}(o)")
        return lines

    def _in_order(self, layout: StructLayout) -> list[FieldLayout]:
        members = [*layout.fields, *layout.variants]
        holding = [member for member in members if self.holds_objects(member.group or member.type)]  # type: ignore[arg-type]
        return holding if len(holding) > 1 else []

    def _member(self, member: FieldLayout) -> Lines:
        """Statements that read one member of ``o`` into ``w``."""
        name = repr(member.name)
        if member.type is not None and row_of(member.type).shape is Shape.VOID:
            return [f"if {name} in o:", f"    v = o[{name}]", *indented(self._given(member))]
        return [f"v = o.get({name})", *self._given(member)]

    def _given(self, member: FieldLayout) -> Lines:
        """Statements that read ``v``, the value of a member."""
        type, path = member.type, f"(h, {member.name!r})"
        then = "; n += 1" if member.field.discriminant is not None else ""

        def put(value: str) -> str:
            return f"w[{member.id}] = {value}{then}"

        if type is None:
            assert member.group is not None  # a field is a slot or a group
            return ["if v is not None:", f"    {put(self.call(member.group, 'v', 'd + 1', path))}"]
        row = row_of(type)
        if row.single is not None:
            usual = row.single.usually_read(type, member.form, self._rules, self.constant)
            if usual[0].test is not None:
                return cases(usual, put, ["elif v is not None: raise Unusual"])
            return ["if v is not None:", *indented(cases(usual, put, []))]
        if row.shape is Shape.VOID:
            return self.checked(type, put, "d + 1", path)
        if row.shape is Shape.OBJECT or row.shape is Shape.ANY:
            lines = [*self.put(type, "w", str(member.id), "d + 1", path), *([then[2:]] if then else [])]
        else:
            lines = self.checked(type, put, "d + 1", path)
        return ["if v is not None:", *indented(lines)]

    def put(self, type: Type, container: str, key: str, depth: str, path: str) -> Lines:
        if row_of(type).shape is Shape.OBJECT:
            return [
                "r = REFERENCE(v)",
                "if r is None: raise Unusual",
                f"{container}[{key}] = None",
                f"p.append(({container}, {key}, r, v, {self.constant(interface_of(type))}, {path}))",
            ]
        if row_of(type).only is not None:
            return [f"ONLY({container}, {key}, {self.constant(type)}, v, {depth}, p, {path})"]
        plain = f"if type(v) is str or type(v) is int or type(v) is bool: {container}[{key}] = v"
        return [plain, f"else: ANY({container}, {key}, v, {depth}, p, {path})"]

    def checked(self, type: Type, put: Callable[[str], str], depth: str, path: str) -> Lines:
        row = row_of(type)
        if row.single is not None:
            usual = row.single.usually_read(type, Form.PLAIN, self._rules, self.constant)
            return cases(usual, put, [OTHERWISE])
        if row.shape is Shape.VOID:
            return ["if type(v) is dict or type(v) is list: raise Unusual", put("None")]
        if row.shape is Shape.JSON:
            return [put(f"JSON(v, {depth})")]
        return [put(self.call(type, "v", depth, path))]

    def uniform(self, element: Type) -> str | None:
        single = row_of(element).single
        return None if single is None else single.all_read

    def unconditional(self, element: Type) -> str | None:
        single = row_of(element).single
        if single is None:
            return None
        first = single.usually_read(element, Form.PLAIN, self._rules, self.constant)[0]
        return first.value if first.test is None else None

    # What generated code calls.

    def _json(self, value: JSON, depth: int) -> WireValue:
        return Reading(self._rules, self._form).json_value(value, None, depth)

    def _any(
        self, container: Any, key: Any, value: JSON, depth: int, incoming: list[Incoming], path: Path | None
    ) -> None:
        Reading(self._rules, self._form, incoming, path).anything(container, key, value, path, depth)

    def _only(
        self, container: Any, key: Any, type: Type, value: JSON, depth: int, incoming: list[Incoming], path: Path | None
    ) -> None:
        Reading(self._rules, self._form, incoming, path).store(container, key, type, value, path, depth)

    def _leftovers(self, nullable: Mapping[str | None, bool], obj: dict[str, JSON]) -> None:
        """Look at members that gave no field: nulls may mean absent, unknown members may be ignored."""
        for name, value in obj.items():
            known = nullable.get(name)
            if known is None:
                if self._options.unknown_fields == "reject" or type(value) in (dict, list):
                    raise Unusual
            elif value is None and not known:
                raise Unusual

    # Where generated code fails.

    def read(self, reading: Reading, key: Key, value: JSON, path: Path | None, depth: int) -> WireValue:
        """Read a list or struct that a careful walk met, by its function; see `reading.PartsReader`."""
        if not self.counts_depth(key) and depth + self.height(key) - 1 > self._options.max_depth:
            return reading.nested(key, value, path, depth)  # too deep perhaps, and the function does not count
        arguments = self.arguments(key, depth, reading.incoming, path)
        try:
            return self.namespace[self.name(key)](value, *arguments)
        except Refusal as refusal:
            refusal.steps += steps_of(path, reading.origin)
            raise
        except FAILURES:
            wire = reading.nested(key, value, path, depth)
            self._needless.add(self.title_of(key))
            return wire

    def walks(self, key: Key) -> Callable[..., Any]:
        def walk(
            obj: JSON, depth: int, incoming: list[Incoming] | None = None, place: Path | None = None
        ) -> WireValue:
            return Reading(self._rules, self._form, incoming, place, self).nested(key, obj, place, depth)

        return walk

    def mends_object(self, key: Key, layout: StructLayout) -> Callable[..., None]:
        title, deepest = self.title_of(key), self.deepest(key)

        def mend(
            obj: JSON,
            wire: dict[int, WireValue],
            failure: Exception,
            index: int | None,
            depth: int,
            incoming: list[Incoming] | None = None,
            place: Path | None = None,
        ) -> None:
            reading = Reading(self._rules, self._form, incoming, place, self)
            known: dict[int, Refusal | None] = dict.fromkeys(wire)
            if isinstance(failure, Refusal):
                missing = (member.id for member in self._order(layout, obj) if self._is_missing(member, obj, wire))
                known[next(missing)] = failure
            try:
                reading.rest_of_object(layout, obj, wire, known, place, depth)
            except Refusal as refusal:
                raise (refusal if index is None else refusal.within(index)) from None
            if not reading.met_odd and depth <= deepest:
                self._needless.add(title)

        return mend

    def _order(self, layout: StructLayout, obj: dict[str, JSON]) -> Iterator[FieldLayout]:
        """The members in the order in which the function of a struct reads them."""
        in_order = {member.name: member for member in self._in_order(layout)}
        yield from (member for member in (*layout.fields, *layout.variants) if member.name not in in_order)
        yield from (in_order[name] for name in obj if name in in_order)

    def _is_missing(self, member: FieldLayout, obj: dict[str, JSON], wire: dict[int, WireValue]) -> bool:
        assert member.name is not None  # nothing is flattened where members have functions
        return member.id not in wire and obj.get(member.name) is not None

    def mends_element(self, element: Type) -> Callable[..., None]:
        title = f"{self.title} of a list of {describe_type(self._layouts.schema, element)}"

        def mend(
            made: list[WireValue],
            value: JSON,
            failure: Exception,
            index: int,
            depth: int,
            incoming: list[Incoming] | None = None,
            place: Path | None = None,
        ) -> None:
            if isinstance(failure, Refusal):
                raise failure.within(index) from None
            reading = Reading(self._rules, self._form, incoming, place, self)
            if index == len(made):
                made.append(None)
            reading.store(made, index, element, value, (place, index), depth + 1)
            if not reading.met_odd:
                self._needless.add(title)

        return mend

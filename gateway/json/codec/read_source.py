"""The source of functions that read JSON into wire values."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from cara_pseud.schema.nodes import INT_RANGES, Kind, Type
from gateway.json.codec import scalars
from gateway.json.codec.layout import JSON_VALUE_ID, FieldLayout, Form, Layouts, StructLayout, may_be_null
from gateway.json.codec.options import CodecOptions
from gateway.json.codec.reading import Reading
from gateway.json.codec.references import Reference
from gateway.json.codec.source import Functions, Lines, Unusual, all_in_range, in_range, indented
from gateway.json.text import JSON

_WIDE = (Kind.INT64, Kind.UINT64)


class Readers(Functions):
    """The generated readers of a schema: ``f(o)`` or ``f(o, d)``."""

    def __init__(self, layouts: Layouts, options: CodecOptions) -> None:
        super().__init__(layouts, options)
        self.namespace["ANY"] = self._any

    def members(self, layout: StructLayout) -> Lines:
        if not layout.is_plain:
            depth = "d" if self.is_bottomless(layout) else "1"
            return [f"w = {self.constant(partial(self._careful, layout))}(o, {depth})"]
        lines = ["w = {}"]
        for member in layout.fields:
            lines += self._member(member)
        if layout.variants:
            lines.append("n = 0")
            for member in layout.variants:
                lines += self._member(member, "; n += 1")
            lines.append("if n > 1: raise Unusual")
        nullable = {member.name: may_be_null(member) for member in [*layout.fields, *layout.variants]}
        depth = "d" if self.is_bottomless(layout) else "1"
        lines.append(f"if len(w) != len(o): {self.constant(partial(self._leftovers, nullable))}(o, {depth})")
        return lines

    def _member(self, member: FieldLayout, then: str = "") -> Lines:
        """Statements that read one member of ``o`` into ``w``."""
        name, type = repr(member.name), member.type

        def put(value: str) -> str:
            return f"w[{member.id}] = {value}{then}"

        if type is not None and type.kind is Kind.VOID:
            return [f"if {name} in o:", f"    if type(o[{name}]) in (dict, list): raise Unusual", f"    {put('None')}"]
        lines = [f"v = o.get({name})"]
        if member.group is not None:
            return [*lines, "if v is not None:", f"    {put(self.call(member.group, 'v', 'd + 1'))}"]
        assert type is not None  # a field is a slot or a group
        branches = self._branches(type, put)
        if branches is not None:
            return [*lines, *branches, "elif v is not None: raise Unusual"]
        return [*lines, "if v is not None:", *indented(self._computed(type, put, member.form, "d + 1"))]

    def _branches(self, type: Type, put: Callable[[str], str]) -> Lines | None:
        """An if statement that puts ``v`` where its Python type and range show that it fits; None for other types."""
        kind = type.kind
        if kind in _WIDE:
            low = max(INT_RANGES[kind][0], -scalars.EXACT)
            return [
                "if type(v) is str:",
                "    t, v = v, int(v)",
                f"    if str(v) != t or not {in_range(kind)}: raise Unusual",
                f"    {put('v')}",
                f"elif type(v) is int and {low} <= v <= {scalars.EXACT}: {put('v')}",
            ]
        if kind in INT_RANGES:
            return [f"if type(v) is int and {in_range(kind)}: {put('v')}"]
        if kind is Kind.FLOAT64:
            return [f"if type(v) is float: {put('v')}", f"elif type(v) is int: {put('float(v)')}"]
        if kind is Kind.FLOAT32:
            return [f"if type(v) is float or type(v) is int: {put('F32(v)')}"]
        if kind is Kind.BOOL:
            return [f"if v is True or v is False: {put('v')}"]
        if kind is Kind.TEXT:
            return [f"if type(v) is str: {put('v')}"]
        return None

    def _computed(self, type: Type, put: Callable[[str], str], form: Form, depth: str) -> Lines:
        """Statements that put what is made of ``v``, which is at level ``depth`` and not null."""
        kind = type.kind
        if kind is Kind.DATA:
            careful = self.constant(partial(scalars.read_bytes, form=form))
            if form is not Form.PLAIN:
                return [put(f"{careful}(v)")]
            return [put(f"bytes(v) if type(v) is list and INTS(map(type, v)) else {careful}(v)")]
        if kind is Kind.ENUM:
            return [put(f"{self.constant(dict(self._layouts.enum(type.node_id).numbers))}[v]")]
        if kind is Kind.STRUCT and type.node_id == JSON_VALUE_ID:
            return [put(f"{self.constant(partial(self._alone, type))}(v, {depth})")]
        if kind is Kind.STRUCT or kind is Kind.LIST:
            return [put(self.call(type, "v", depth))]
        if kind is Kind.ANY_POINTER:
            return [put(f"ANY(v, {depth})")]
        return ["raise Unusual"]  # references are for the careful walk, which can tell where they are

    def array(self, element: Type) -> Lines:
        kind = element.kind
        lines = ["if type(o) is not list: raise Unusual"]
        if kind in INT_RANGES and kind not in _WIDE:
            return [*lines, f"if not ({all_in_range(kind)}): raise Unusual", "return o"]
        if kind is Kind.TEXT or kind is Kind.BOOL:
            uniform = "STRS" if kind is Kind.TEXT else "BOOLS"
            return [*lines, f"if not {uniform}(map(type, o)): raise Unusual", "return o"]
        if kind is Kind.FLOAT64:
            lines.append("if FLOATS(map(type, o)): return o")
        if kind is Kind.STRUCT and not self.is_bottomless(element):
            body = [*self.object(self._layouts.struct(element)), "x.append(w)"]
            return [*lines, "x = []", "for o in o:", *indented(body), "return x"]
        branches = self._branches(element, lambda value: f"x.append({value})")
        if branches is not None:
            return [*lines, "x = []", "for v in o:", *indented([*branches, "else: raise Unusual"]), "return x"]
        made = self._computed(element, lambda value: value, Form.PLAIN, "d + 1")
        return [*lines, made[0]] if made[0].startswith("raise") else [*lines, f"return [{made[0]} for v in o]"]

    def _careful(self, layout: StructLayout, value: JSON, depth: int) -> Any:
        """Read a struct with flattened members or a tag: too many shapes for straight code."""
        reading = Reading(self._layouts, self._options)
        wire = reading.struct(layout, value, None, depth)
        if reading.pending:
            raise Unusual
        return wire

    def _alone(self, type: Type, value: JSON, depth: int) -> Any:
        return Reading(self._layouts, self._options).value(type, value, None, depth)

    def _any(self, value: JSON, depth: int) -> Any:
        if type(value) in (str, int, bool, type(None)):
            return value
        reading = Reading(self._layouts, self._options)
        wire = reading.value(Type(Kind.ANY_POINTER), value, None, depth)
        if reading.pending or type(wire) is Reference:
            raise Unusual
        return wire

    def _leftovers(self, nullable: dict[str | None, bool], obj: dict[str, JSON], depth: int) -> None:
        """Look at members that gave no field: nulls may mean absent, unknown members may be ignored."""
        for name, value in obj.items():
            known = nullable.get(name)
            if known is None:
                if self._options.unknown_fields == "reject" or type(value) in (dict, list):
                    raise Unusual
            elif value is None and not known:
                raise Unusual

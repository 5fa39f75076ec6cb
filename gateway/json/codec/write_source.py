"""The source of functions that write wire values as JSON."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from cara_pseud.schema.nodes import INT_RANGES, Kind, Type
from gateway.json.codec import scalars
from gateway.json.codec.layout import JSON_VALUE_ID, FieldLayout, Form, Layouts, StructLayout
from gateway.json.codec.options import CodecOptions
from gateway.json.codec.reading import zero
from gateway.json.codec.references import Outgoing
from gateway.json.codec.source import Functions, Lines, all_in_range, in_range, indented
from gateway.json.codec.writing import Writing
from gateway.json.text import JSON

_WIDE = (Kind.INT64, Kind.UINT64)


class Writers(Functions):
    """The generated writers of a schema: ``f(o, p)`` or ``f(o, d, p)``."""

    def __init__(self, layouts: Layouts, options: CodecOptions) -> None:
        super().__init__(layouts, options)
        self.namespace["FLOAT"] = scalars.float_out
        self.namespace["BASE64"] = scalars.base64_out
        self.namespace["ANY"] = self._any
        self.namespace["EMPTY"] = {}

    def parameters(self, parameters: str) -> str:
        return parameters + ", p"

    def call(self, key: Type | StructLayout, value: str, depth: str) -> str:
        return super().call(key, value, depth)[:-1] + ", p)"

    def members(self, layout: StructLayout) -> Lines:
        if not layout.is_plain:
            depth = "d" if self.is_bottomless(layout) else "1"
            return [f"w = {self.constant(partial(self._careful, layout))}(o, {depth}, p)"]
        ids = self.constant(frozenset(field.id for field in layout.node.fields).issuperset)
        # Unknown ids are a newer service's fields; a name as key is for the careful walk.
        lines = [f"if not {ids}(o) and not INTS(map(type, o)): raise Unusual", "w = {}"]
        for member in layout.fields:
            lines += self._field(member)
        if layout.variants:
            union = self.constant(frozenset(member.id for member in layout.variants))
            lines += [f"u = o.keys() & {union}", f"a = u.pop() if u else {layout.variants[0].id}"]
            lines.append("if u: raise Unusual")
            for index, member in enumerate(layout.variants):
                lines += [f"{'el' if index else ''}if a == {member.id}:", *indented(self._active(member))]
        return lines

    def _field(self, member: FieldLayout) -> Lines:
        name, type = repr(member.name), member.type
        if member.group is not None:
            return [f"w[{name}] = {self.call(member.group, f'o.get({member.id}, EMPTY)', 'd + 1')}"]
        assert type is not None  # a field is a slot or a group
        if type.kind is Kind.VOID:
            return [f"w[{name}] = None"]
        if not type.kind.is_pointer:
            default = member.field.default
            literal = repr(default) if isinstance(default, bool | int) else self.constant(default)
            return [f"v = o.get({member.id}, {literal})", *self._put(type, name, member.form)]
        lines = [f"v = o.get({member.id})"]
        if type.kind is Kind.TEXT:
            return [*lines, f"if type(v) is str: w[{name}] = v", "elif v is not None: raise Unusual"]
        return [*lines, "if v is not None:", *indented(self._put(type, name, member.form))]

    def _active(self, member: FieldLayout) -> Lines:
        """Statements that write the member of a union that is set."""
        name, type = repr(member.name), member.type
        if type is not None and type.kind is Kind.VOID:
            return [f"w[{name}] = None"]
        value = f"o.get({member.id}, {self.constant(zero(member.field, type))})"
        if member.group is not None:
            return [f"w[{name}] = {self.call(member.group, value, 'd + 1')}"]
        assert type is not None  # a field is a slot or a group
        put = self._put(type, name, member.form)
        if self._layouts.ends_in_null(member):
            return [f"v = o.get({member.id})", f"if v is None: w[{name}] = None", "else:", *indented(put)]
        if type.kind in (Kind.INTERFACE, Kind.ANY_POINTER):
            return [f"v = {value}", "if v is not None:", *indented(put)]
        return [f"v = {value}", *put]

    def _put(self, type: Type, key: str, form: Form = Form.PLAIN, depth: str = "d + 1") -> Lines:
        """Statements that put ``v``, which is at level ``depth``, into ``w`` under ``key``."""
        if type.kind is Kind.ANY_POINTER:
            return [f"ANY(w, {key}, v, {depth}, p)"]
        if type.kind is Kind.INTERFACE:
            return [
                "if not isinstance(v, Capability): raise Unusual",
                f"w[{key}] = None",
                f"p.append(Outgoing(w, {key}, v, {self.constant(type)}))",
            ]
        return self._checked(type, form, lambda value: f"w[{key}] = {value}", depth)

    def _checked(self, type: Type, form: Form, put: Callable[[str], str], depth: str) -> Lines:
        """Statements that check ``v`` and put what it is in JSON."""
        kind = type.kind
        if kind in INT_RANGES:
            value = "v"
            if kind in _WIDE and self._options.int64 == "string":
                value = "str(v)"
            elif kind in _WIDE and self._options.int64 == "auto":
                value = f"v if {-scalars.EXACT} <= v <= {scalars.EXACT} else str(v)"
            return [f"if type(v) is int and {in_range(kind)}: {put(value)}", "else: raise Unusual"]
        if kind is Kind.FLOAT64 or kind is Kind.FLOAT32:
            return [
                "if type(v) is not float:",
                "    if type(v) is not int: raise Unusual",
                "    v = float(v)",
                *(["v = F32(v)"] if kind is Kind.FLOAT32 else []),
                put("v if v - v == 0.0 else FLOAT(v)"),  # the difference is NaN for an infinity and for NaN
            ]
        if kind is Kind.BOOL:
            return [f"if v is True or v is False: {put('v')}", "else: raise Unusual"]
        if kind is Kind.TEXT:
            return [f"if type(v) is str: {put('v')}", "else: raise Unusual"]
        if kind is Kind.DATA:
            value = "BASE64(v)" if self._options.data == "base64" else "[*v]"
            value = {Form.HEX: "v.hex()", Form.BASE64: "BASE64(v)"}.get(form, value)
            return [f"if type(v) is bytes: {put(value)}", "else: raise Unusual"]
        if kind is Kind.ENUM:
            names = self.constant(dict(enumerate(self._layouts.enum(type.node_id).names)))
            return ["if type(v) is not int: raise Unusual", put(f"{names}[v]")]
        if kind is Kind.STRUCT and type.node_id == JSON_VALUE_ID:
            return [put(f"{self.constant(partial(self._alone, type))}(v, {depth})")]
        if kind is Kind.STRUCT or kind is Kind.LIST:
            return [put(self.call(type, "v", depth))]
        return [put("None")]  # Void

    def array(self, element: Type) -> Lines:
        kind = element.kind
        lines = ["if type(o) is not tuple and type(o) is not list: raise Unusual"]
        if kind in INT_RANGES and kind not in _WIDE:
            return [*lines, f"if not ({all_in_range(kind)}): raise Unusual", "return [*o]"]
        if kind is Kind.TEXT or kind is Kind.BOOL:
            uniform = "STRS" if kind is Kind.TEXT else "BOOLS"
            return [*lines, f"if not {uniform}(map(type, o)): raise Unusual", "return [*o]"]
        if kind is Kind.INTERFACE or kind is Kind.ANY_POINTER:
            put = self._put(element, "i")
            if kind is Kind.INTERFACE:
                put = ["if v is not None:", *indented(put)]
            return [*lines, "w = [None] * len(o)", "for i, v in enumerate(o):", *indented(put), "return w"]
        if kind is Kind.STRUCT and not self.is_bottomless(element):
            body = [*self.object(self._layouts.struct(element)), "x.append(w)"]
            return [*lines, "x = []", "for o in o:", *indented(body), "return x"]
        checked = self._checked(element, Form.PLAIN, lambda value: f"x.append({value})", "d + 1")
        return [*lines, "x = []", "for v in o:", *indented(checked), "return x"]

    def _careful(self, layout: StructLayout, value: Any, depth: int, outgoing: list[Outgoing]) -> JSON:
        """Write a struct with flattened members or a tag: too many shapes for straight code."""
        writing = Writing(self._layouts, self._options)
        obj = writing.struct(layout, value, None, depth)
        outgoing += writing.outgoing
        return obj

    def _alone(self, type: Type, value: Any, depth: int) -> JSON:
        holder = [None]
        Writing(self._layouts, self._options).store(holder, 0, type, value, None, depth)
        return holder[0]

    def _any(self, container: Any, key: str | int, value: Any, depth: int, outgoing: list[Outgoing]) -> None:
        writing = Writing(self._layouts, self._options)
        writing.store(container, key, Type(Kind.ANY_POINTER), value, None, depth)
        outgoing += writing.outgoing

"""Values between JSON and the wire, compiled once per type.

Each conversion tries the generated function first and, where that refuses, takes the careful walk, whose word is final.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from cara_pseud.schema.nodes import Kind, Schema, Type
from gateway.json.codec.layout import JSON_VALUE_ID, Layouts
from gateway.json.codec.options import CodecOptions
from gateway.json.codec.read_source import Readers
from gateway.json.codec.reading import Reading, Wire
from gateway.json.codec.references import Outgoing, References, send_all
from gateway.json.codec.source import FAILURES
from gateway.json.codec.write_source import Writers
from gateway.json.codec.writing import Writing
from gateway.json.text import JSON

Reader: TypeAlias = "Callable[..., Wire]"
"""``(obj, refs=None) -> wire``"""

Writer: TypeAlias = "Callable[..., JSON]"
"""``(wire, refs=None) -> JSON``"""


_ENOUGH_TYPES = 50
"""Brands may grow without end (``Tree(Box(T))`` within ``Tree(T)``), and to say yes for no reason costs little."""


class Conversions:
    """The readers and writers of a schema's types."""

    def __init__(self, schema: Schema, options: CodecOptions) -> None:
        self.schema = schema
        self.options = options
        self.layouts = Layouts(schema)
        self._fast_readers = Readers(self.layouts, options)
        self._fast_writers = Writers(self.layouts, options)
        self._readers: dict[Type, Reader] = {}
        self._writers: dict[Type, Writer] = {}

    def reader(self, type: Type) -> Reader:
        """The function that reads JSON as a value of that type."""
        reader = self._readers.get(type)
        if reader is None:
            reader = self._readers[type] = self._make_reader(type)
        return reader

    def writer(self, type: Type) -> Writer:
        """The function that writes a wire value of that type as JSON."""
        writer = self._writers.get(type)
        if writer is None:
            writer = self._writers[type] = self._make_writer(type)
        return writer

    def fast_reader(self, type: Type) -> Callable[[JSON], Wire]:
        """The generated reader alone, compiled now; it raises one of `FAILURES` for what is wrong or unusual."""
        return self._fast_readers.compiled(type)

    def fast_writer(self, type: Type) -> Callable[[Wire, list[Outgoing]], JSON]:
        """The generated writer alone, as `fast_reader`. It adds the live objects that it met to a list."""
        return self._fast_writers.compiled(type)

    def carefully(self) -> Reading:
        """A new careful walk through an input."""
        return Reading(self.layouts, self.options)

    def holds_references(self, type: Type) -> bool:
        """Whether a value of that type can refer to a live object."""
        return self._holds_references(type, set())

    def _holds_references(self, type: Type, seen: set[Type]) -> bool:
        if type.kind in (Kind.INTERFACE, Kind.ANY_POINTER):
            return True
        if type.kind is Kind.LIST and type.element is not None:
            return self._holds_references(type.element, seen)
        if type.kind is not Kind.STRUCT or type.node_id == JSON_VALUE_ID or type in seen:
            return False
        if len(seen) > _ENOUGH_TYPES:
            return True
        seen.add(type)
        layout = self.layouts.struct(type)
        return any(
            self._holds_references(field.group.type if field.group is not None else field.type or type, seen)
            for field in [*layout.fields, *layout.variants]
        )

    def _make_reader(self, type: Type) -> Reader:
        fast = self._fast_readers.entrance(type) if _has_function(type) else None

        def read(obj: JSON, refs: References | None = None) -> Wire:
            if fast is not None:
                try:
                    return fast(obj)
                except FAILURES:
                    pass  # wrong, or only unusual: the careful walk knows
            reading = self.carefully()
            holder: list[Wire] = [None]
            reading.store(holder, 0, reading.value(type, obj, None, 1))
            reading.resolve(refs)
            return holder[0]

        return read

    def _make_writer(self, type: Type) -> Writer:
        fast = self._fast_writers.entrance(type) if _has_function(type) else None

        def write(wire: Wire, refs: References | None = None) -> JSON:
            if fast is not None:
                outgoing: list[Outgoing] = []
                try:
                    obj = fast(wire, outgoing)
                except FAILURES:
                    pass  # wrong, or only unusual: the careful walk knows
                else:
                    if outgoing:
                        send_all(outgoing, refs)
                    return obj
            writing = Writing(self.layouts, self.options)
            holder: list[JSON] = [None]
            writing.store(holder, 0, type, wire, None, 1)
            send_all(writing.outgoing, refs)
            return holder[0]

        return write


def _has_function(type: Type) -> bool:
    return type.kind is Kind.LIST or (type.kind is Kind.STRUCT and type.node_id != JSON_VALUE_ID)

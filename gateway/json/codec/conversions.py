"""Values between JSON and the wire, compiled once per type.

Each conversion is a generated function; what that cannot do it gives to the careful walk itself, a member or an element
at a time, and what is wrong comes back as a refusal. Here it becomes the error that a caller or a service is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from cara_pseud.capabilities import WireValue
from cara_pseud.schema.nodes import Schema, Type
from gateway.json.codec.kinds import Rules, Shape, row_of
from gateway.json.codec.layout import Layouts
from gateway.json.codec.needless import NeedlessRefusals
from gateway.json.codec.objects import Incoming, LiveObjects, Outgoing, ReferenceForm, receive_all, send_all
from gateway.json.codec.options import CodecOptions
from gateway.json.codec.read_source import Readers
from gateway.json.codec.reading import Reading, refused
from gateway.json.codec.refusal import FAILURES, Refusal
from gateway.json.codec.value_paths import Path, Positions
from gateway.json.codec.write_source import Writers
from gateway.json.codec.writing import Writing, unfit
from gateway.json.text import JSON

Reader: TypeAlias = "Callable[..., WireValue]"
"""``(obj, objects=None, positions=None) -> wire``"""

Writer: TypeAlias = "Callable[..., JSON]"
"""``(wire, objects=None) -> JSON``"""


class Conversions:
    """The readers and writers of a schema's types.

    Attributes:
        needless: what generated code refused for no reason.
    """

    def __init__(
        self, schema: Schema, options: CodecOptions, form: ReferenceForm, needless: NeedlessRefusals | None = None
    ) -> None:
        self.schema = schema
        self.options = options
        self.layouts = Layouts(schema)
        self.needless = NeedlessRefusals() if needless is None else needless
        self._form = form
        self._rules = Rules(self.layouts, options)
        self._generated_readers = Readers(self._rules, form, self.needless)
        self._generated_writers = Writers(self._rules, self.needless)
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

    def fast_reader(self, type: Type) -> Callable[[JSON], WireValue]:
        """The generated reader alone, without a door: it raises one of `FAILURES`, which are for `reread`."""
        fast = self._generated_readers.entrance(type)
        if not self.holds_objects(type):
            return fast

        def read(obj: JSON) -> WireValue:
            incoming: list[Incoming] = []
            wire = fast(obj, incoming, None)
            receive_all(incoming, self._form, None)
            return wire

        return read

    def fast_writer(self, type: Type) -> Callable[[WireValue, list[Outgoing]], JSON]:
        """The generated writer alone: it adds the live objects that it met to a list, and raises as `fast_reader`.

        Before each use there must be a `begin_writing`.
        """
        return self._generated_writers.entrance(type)

    @property
    def begin_writing(self) -> Callable[[], None]:
        """To be called before a value is written by a `fast_writer`."""
        return self._generated_writers.begin

    def carefully(self) -> Reading:
        """A new walk through an input, careful all the way."""
        return Reading(self._rules, self._form)

    def holds_objects(self, type: Type) -> bool:
        """Whether a value of that type can refer to a live object."""
        return self._generated_readers.holds_objects(type)

    def reread(self, type: Type, obj: JSON, failure: Exception, positions: Positions | None = None) -> WireValue:
        """What follows when the reader of a value without references failed.

        Raises:
            GatewayError: the value is wrong. If only the generated code is, it is taken.
        """
        if isinstance(failure, Refusal):
            raise refused(failure, positions) from None
        return self.read_within(type, obj, None, positions=positions)

    def rewrite(self, type: Type, wire: WireValue, failure: Exception) -> JSON:
        """As `reread`, the other way."""
        if isinstance(failure, Refusal):
            raise unfit(failure) from None
        return self._write_carefully(type, wire, None)

    def read_within(
        self,
        type: Type,
        obj: JSON,
        objects: LiveObjects | None,
        path: Path | None = None,
        depth: int = 1,
        positions: Positions | None = None,
    ) -> WireValue:
        """Read a value that stands at ``path``.

        Raises:
            GatewayError: as `Codec.reader`.
        """
        reading = Reading(self._rules, self._form, parts=self._generated_readers)
        holder: list[WireValue] = [None]
        try:
            reading.store(holder, 0, type, obj, path, depth)
        except Refusal as refusal:
            raise refused(refusal, positions) from None
        receive_all(reading.incoming, self._form, objects, positions)
        return holder[0]

    def _write_carefully(self, type: Type, wire: WireValue, objects: LiveObjects | None) -> JSON:
        writing = Writing(self.layouts, self.options, parts=self._generated_writers)
        holder: list[JSON] = [None]
        self._generated_writers.begin()
        try:
            writing.store(holder, 0, type, wire, None, 1)
        except Refusal as refusal:
            raise unfit(refusal) from None
        send_all(writing.outgoing, objects)
        return holder[0]

    def _make_reader(self, type: Type) -> Reader:
        if not _has_function(type):
            return lambda obj, objects=None, positions=None: self.read_within(type, obj, objects, positions=positions)
        fast: Callable[..., WireValue] | None = None  # a schema has many methods of which most are never called

        def read(obj: JSON, objects: LiveObjects | None = None, positions: Positions | None = None) -> WireValue:
            nonlocal fast
            if fast is None:
                fast = self._generated_readers.entrance(type)
            try:
                return fast(obj)
            except FAILURES as failure:
                return self.reread(type, obj, failure, positions)

        def read_with_objects(
            obj: JSON, objects: LiveObjects | None = None, positions: Positions | None = None
        ) -> WireValue:
            nonlocal fast
            if fast is None:
                fast = self._generated_readers.entrance(type)
            incoming: list[Incoming] = []
            try:
                wire = fast(obj, incoming, None)
            except Refusal as refusal:
                raise refused(refusal, positions) from None
            except FAILURES:
                return self.read_within(type, obj, objects, positions=positions)
            if incoming:
                receive_all(incoming, self._form, objects, positions)
            return wire

        return read_with_objects if self.holds_objects(type) else read

    def _make_writer(self, type: Type) -> Writer:
        if not _has_function(type):
            return lambda wire, objects=None: self._write_carefully(type, wire, objects)
        fast: Callable[..., JSON] | None = None
        begin = self._generated_writers.begin

        def write(wire: WireValue, objects: LiveObjects | None = None) -> JSON:
            nonlocal fast
            if fast is None:
                fast = self._generated_writers.entrance(type)
            outgoing: list[Outgoing] = []
            begin()
            try:
                obj = fast(wire, outgoing)
            except Refusal as refusal:
                raise unfit(refusal) from None
            except FAILURES:
                return self._write_carefully(type, wire, objects)
            if outgoing:
                send_all(outgoing, objects)
            return obj

        return write


def _has_function(type: Type) -> bool:
    return row_of(type).shape in (Shape.LIST, Shape.STRUCT)

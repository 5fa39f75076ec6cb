"""The codec's cost, in this process: JSON bytes to msgpack bytes and back, against the two libraries alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import orjson

from bench.table import Sample
from cara_pseud import wire
from cara_pseud.schema.loader import compile_schema
from cara_pseud.schema.nodes import Kind, Type
from gateway.json.codec import Codec
from gateway.json.text import dump, parse
from gateway.reference_form import REFERENCE_FORM

SCHEMA = Path(__file__).resolve().with_name("order.capnp")
ITEMS = 50

ORDER: dict[str, Any] = {
    "number": 4711, "customer": "Ann Example", "street": "12 Long Road", "city": "Anytown", "zip": "12345",
    "country": "fr", "paid": True, "express": False, "gift": True, "weight": 12.75, "discount": 0.5,
    "created": "1764230400000", "changed": "1764234000000", "currency": "EUR", "note": "please ring twice",
    "tags": ["spring", "books"], "ratings": [5, 4, 5, 3], "priority": -1, "total": 123450,
    "items": [
        {"name": f"a thing for the house, {number}", "count": number % 5 + 1, "price": 995 + number, "taxed": True,
         "weight": 0.25}
        for number in range(ITEMS)
    ],
}  # fmt: skip


class CodecCost:
    """Both ways, bare and ours; each function does the whole of one conversion.

    Attributes:
        bytes: the size of the JSON text.
    """

    def __init__(self) -> None:
        schema = compile_schema([SCHEMA])
        node = schema.find("Order")
        assert node is not None
        type = Type(Kind.STRUCT, node.id)
        codec = Codec(schema, form=REFERENCE_FORM)
        read, write = codec.reader(type), codec.writer(type)
        packing = wire.BodyCodec(_nothing, _nothing)
        text = orjson.dumps(ORDER)
        packed, bare_packed = packing.packb(read(parse(text))), msgpack.packb(ORDER)
        assert orjson.loads(dump(write(packing.unpackb(packed)))) == ORDER
        self.bytes = len(text)
        self.bare_in: Callable[[], Any] = lambda: msgpack.packb(orjson.loads(text))
        self.our_in: Callable[[], Any] = lambda: packing.packb(read(parse(text)))
        self.bare_out: Callable[[], Any] = lambda: orjson.dumps(msgpack.unpackb(bare_packed))
        self.our_out: Callable[[], Any] = lambda: dump(write(packing.unpackb(packed)))


def _nothing(*arguments: object) -> Any:
    raise TypeError("there are no objects in an order")


def measured(convert: Callable[[], Any], seconds: float, at_once: int = 20) -> Sample:
    """So many conversions in about that time; the clock is looked at after every ``at_once``."""
    wall, cpu, calls = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - wall < seconds:
        for _ in range(at_once):
            convert()
        calls += at_once
    return Sample(calls, time.perf_counter() - wall, time.process_time() - cpu)

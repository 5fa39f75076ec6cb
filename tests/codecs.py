"""The codec as the gateway makes it: with the form of references that its doors have."""

from __future__ import annotations

from cara_pseud.schema.nodes import Schema
from gateway.json import codec
from gateway.json.codec import conversions
from gateway.json.codec.options import CodecOptions
from gateway.reference_form import REFERENCE_FORM


class Codec(codec.Codec):
    def __init__(self, schema: Schema, options: CodecOptions | None = None) -> None:
        super().__init__(schema, options, form=REFERENCE_FORM)


class Conversions(conversions.Conversions):
    def __init__(self, schema: Schema, options: CodecOptions) -> None:
        super().__init__(schema, options, REFERENCE_FORM)

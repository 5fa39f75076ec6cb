"""Methods whose one Data travels over REST as the body itself, with a type of its own: ``$Gateway.body("image/png")``.

A method takes such a body if one of its parameters is Data, and gives one if its only result is; the other parameters
come from the path and the query. Decided by the schema alone; over WebSockets Data is what it always is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from cara_pseud.capabilities import WireValue
from cara_pseud.errors import SchemaError
from cara_pseud.schema.nodes import Field, InterfaceNode, Kind, Method, Schema
from cara_pseud.schema.places import place_of
from gateway.annotations import body_type, http_rule, json_name
from gateway.errors import GatewayError, Status
from gateway.json.codec.objects import LiveObjects
from gateway.json.codec.params import Params
from gateway.json.codec.results import Results
from gateway.json.text import JSON

_WORD: Final = r"[A-Za-z0-9!#$&^_.+-]{1,100}"
_MEDIA_TYPE: Final = re.compile(rf'{_WORD}/{_WORD}(?:; ?{_WORD}=(?:{_WORD}|"[^"\\\n]{{0,100}}"))*', re.ASCII)


@dataclass(frozen=True, slots=True)
class RawBody:
    """What of a method is a raw body.

    Attributes:
        media_type: as the schema has it, parameters included.
        param: the name of the Data parameter; None if there is none.
        place: where that stands among the parameters.
        result: the name of the Data result; None if there is none.
    """

    media_type: str
    param: str | None
    place: int
    result: str | None

    def takes(self, content_type: str | None) -> bool:
        """Whether a body of that type is one."""
        return _essence(content_type or "") == _essence(self.media_type)


def raw_body(schema: Schema, method: Method) -> RawBody | None:
    """What of a method is a raw body; None if nothing is.

    Raises:
        ValueError: the annotation cannot be used; the text says why.
    """
    media_type = body_type(method.annotations)
    if media_type is None:
        return None
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise ValueError(f'expected a type like "image/png", not {media_type!r}')
    if _essence(media_type) in ("application/json", "application/problem+json"):
        raise ValueError(f"{media_type} is what bodies are without it")
    params = schema.struct(method.params.node_id).fields if method.params_inline else ()
    results = schema.struct(method.results.node_id).fields if method.results_inline else ()
    data = [(place, field) for place, field in enumerate(params) if _is_data(field)]
    gives = len(results) == 1 and _is_data(results[0])
    if len(data) > 1:
        raise ValueError(f"{' and '.join(field.name for _, field in data)} are both Data, and there is one body")
    if not data and not gives:
        raise ValueError("it has neither a parameter of the type Data nor one result of that type alone")
    place, param = (data[0][0], data[0][1].name) if data else (-1, None)
    rule = http_rule(method.annotations)
    if rule is not None and param is not None:
        if rule.body not in ("", param):
            raise ValueError(f"the body is {param}, but $Gateway.http says {rule.body!r}")
        if rule.verb == "GET":
            raise ValueError(f"a GET has no body for {param}")
        if f"{{{param}}}" in rule.path.split("/"):
            raise ValueError(f"{param} is the body and stands in the path")
    return RawBody(media_type, param, place, results[0].name if gives else None)


def misused(schema: Schema) -> Iterator[SchemaError]:
    """Yield an error for each annotation of a schema that cannot be used."""
    for node in schema.nodes.values():
        for method in node.methods if isinstance(node, InterfaceNode) else ():
            try:
                raw_body(schema, method)
            except ValueError as error:
                name = json_name(method.annotations, method.name)
                yield SchemaError(f"$Gateway.body of {name}: {error}", *place_of(schema, node, method.name))


class RawParams:
    """The parameters of a method that takes a raw body: as `Params`, but that Data may be bytes."""

    def __init__(self, params: Params, name: str, place: int) -> None:
        self._params = params
        self._name, self._place = name, place
        self.has_references = params.has_references
        self.names = params.names
        self.signature = params.signature
        self.is_empty = False

    def read(self, params: JSON, refs: LiveObjects | None = None) -> list[WireValue]:
        """See `Params.read`."""
        return self._params.read(params, refs)

    def by_name(self, params: Mapping[str, JSON], refs: LiveObjects | None = None) -> list[WireValue]:
        """See `Params.by_name`."""
        data = params.get(self._name)
        if not isinstance(data, bytes):
            return self._params.by_name(params, refs)
        args = self._params.by_name({name: value for name, value in params.items() if name != self._name}, refs)
        args[self._place] = data
        return args


class RawResults:
    """The result of a method that gives a raw body: its bytes."""

    has_references = False
    may_be_long = True

    def __init__(self, results: Results, name: str) -> None:
        self._name = name
        self.names = results.names

    def boxed(self, wire: WireValue, refs: LiveObjects | None = None) -> bytes:
        """The bytes that the service gave.

        Raises:
            GatewayError: INTERNAL, it gave something else.
        """
        if isinstance(wire, dict) and len(wire) == 1:
            # Servers without cara send a single result in its box.
            wire = wire.get(self._name, wire.get(self._name.encode(), wire.get(0, wire)))
        if wire is None:
            return b""
        if not isinstance(wire, bytes):
            reason = f"the service's answer does not fit: expected Data as {self._name}, got {type(wire).__name__}"
            raise GatewayError(Status.INTERNAL, reason)
        return wire

    unboxed = boxed


def _is_data(field: Field) -> bool:
    return field.type is not None and field.type.kind is Kind.DATA


def _essence(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()

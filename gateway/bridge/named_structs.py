"""Structs that a caller names in an AnyPointer, with their values as JSON or by field id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from cara_pseud.capabilities import Capability
from cara_pseud.schema.nodes import Kind, Node, Schema, StructNode, Type
from gateway.bridge.value_writers import TYPE_NAME, AnyValueError
from gateway.errors import GatewayError, nearest, quote
from gateway.json.codec import Codec
from gateway.json.codec.objects import LiveObjects, ReferenceForm, Where

_OBJECT: Final = "object"


class _ObjectsThemselves(ReferenceForm):
    """References in values that came through the gateway: the objects have taken their places already."""

    @property
    def expected(self) -> str:
        return "an object"

    def recognise(self, obj: Any) -> str | None:
        return _OBJECT if isinstance(obj, Capability) else None

    def fault(self, kind: str, obj: Mapping[str, Any]) -> str | None:
        return None

    def faultless(self, obj: Any) -> str | None:
        return self.recognise(obj)

    def resolve(
        self, kind: str, obj: Mapping[str, Any], interface: Type | None, where: Where, objects: LiveObjects
    ) -> Capability:
        assert isinstance(obj, Capability)  # or it would not have been recognised
        return obj


class SchemaStructs:
    """The structs of a schema's own files; see `gateway.bridge.value_writers.NamedStructs`."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._codec = Codec(schema, form=_ObjectsThemselves())

    def struct_value(self, name: str, value: Any) -> tuple[Type, Any]:
        """The struct of that name, and a value of it by field id."""
        node = self._schema.find(name) if isinstance(name, str) and name else None
        if not isinstance(node, StructNode):
            meant = nearest(name, self._names()) if isinstance(name, str) else ""
            raise AnyValueError(f"{TYPE_NAME}: the schema has no struct {quote(str(name))}{meant}")
        type = Type(Kind.STRUCT, node.id)
        if isinstance(value, dict) and value and all(isinstance(key, int) for key in value):
            return type, value  # from a peer that knows the schema's ids
        try:
            return type, self._codec.reader(type)(value, _NO_DOOR)
        except GatewayError as error:
            raise AnyValueError(f"value: {error.detail}") from None

    def _names(self) -> list[str]:
        def below(node: Node) -> list[str]:
            names = [node.qualified_name] if isinstance(node, StructNode) else []
            for _, id in node.nested:
                inner = self._schema.nodes.get(id)
                names += below(inner) if inner is not None else []
            return names

        return [name for root in self._schema.roots for name in below(self._schema.nodes[root])]


# Stands where a door would be asked for objects. They are all there, so nobody asks it.
_NO_DOOR: Final = cast(LiveObjects, object())

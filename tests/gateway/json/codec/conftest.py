"""The conformance cases, and standard binary messages as wire values, read by pycapnp."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import capnp
import pytest

from cara_pseud.schema.nodes import Kind, Schema, StructNode, Type, substitute

VECTORS = Path(__file__).resolve().parents[3] / "vectors" / "json_cases.json"


@pytest.fixture(scope="session")
def wire_of(vector_directory: Path, vector_schemas: dict[str, Schema]) -> Callable[[str, str, str], Any]:
    """The wire value of a message in base64, given the schema's file and the struct's name."""
    # The parser must live as long as anything read with it.
    parser = capnp.SchemaParser()
    modules = {
        name: parser.load(str(vector_directory / name), imports=[str(vector_directory)]) for name in vector_schemas
    }
    structs = {
        node.id: getattr(modules[file], node.qualified_name).schema
        for file, schema in vector_schemas.items()
        for node in schema.nodes.values()
        if isinstance(node, StructNode) and hasattr(modules[file], node.qualified_name or "-")
    }

    def wire_of(file: str, name: str, message: str) -> Any:
        schema = vector_schemas[file]
        node = schema.find(name)
        assert node is not None
        with getattr(modules[file], name).from_bytes(base64.b64decode(message)) as reader:
            return _value(schema, Type(Kind.STRUCT, node.id), reader, structs)

    wire_of.parser = parser  # type: ignore[attr-defined]
    return wire_of


def _value(schema: Schema, type: Type, value: Any, structs: dict[int, Any]) -> Any:
    if type.kind is Kind.STRUCT:
        return _struct(schema, schema.struct(type.node_id), type, value, structs)
    if type.kind is Kind.LIST and type.element is not None:
        return tuple(_value(schema, type.element, item, structs) for item in value)
    if type.kind is Kind.ENUM:
        return value.raw
    if type.kind is Kind.VOID:
        return None
    return bytes(value) if type.kind is Kind.DATA else value


def _struct(schema: Schema, node: StructNode, type: Type, reader: Any, structs: dict[int, Any]) -> dict[int, Any]:
    wire: dict[int, Any] = {}
    for field in node.fields:
        if field.discriminant is not None and str(reader.which()) != field.name:
            continue
        value = getattr(reader, field.name)
        if field.group_id is not None:
            wire[field.id] = _struct(schema, schema.struct(field.group_id), type, value, structs)
            continue
        assert field.type is not None
        field_type = substitute(field.type, type.brand)
        if field_type.kind.is_pointer and not reader._has(field.name):
            if field.discriminant is not None:
                wire[field.id] = None
            continue
        if value.__class__.__name__.startswith("_DynamicObject"):  # a type parameter that pycapnp did not resolve
            value = value.as_text() if field_type.kind is Kind.TEXT else value.as_struct(structs[field_type.node_id])
        wire[field.id] = _value(schema, field_type, value, structs)
    return wire


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every conformance case to the tests that ask for a ``case``."""
    if "case" in metafunc.fixturenames:
        cases: list[dict[str, Any]] = json.loads(VECTORS.read_text())["cases"]
        metafunc.parametrize("case", cases, ids=[case["id"] for case in cases])

"""Schemas made up by chance load here exactly when pycapnp loads them, with the same constants and defaults.

A few by default; ``make corpus`` tries many, ``CARA_CORPUS=1000-2000`` those of these seeds.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cara_pseud.errors import SchemaError
from cara_pseud.schema.loader import compile_schema
from cara_pseud.schema.nodes import ConstNode, Field, Kind, Node, Schema, StructNode, Type
from cara_pseud.schema.trees import pycapnp_tree
from tests.cara_pseud.schema.conftest import write_files
from tests.cara_pseud.schema.corpus import oracle
from tests.cara_pseud.schema.corpus.writer import write

_FEW = "0-80"
FIRST, LAST = map(int, os.environ.get("CARA_CORPUS", _FEW).split("-"))
AT_ONCE = 20


@pytest.fixture(scope="module")
def judge() -> Iterator[subprocess.Popen[str]]:
    """pycapnp in a process of its own."""
    with subprocess.Popen(
        [sys.executable, str(Path(oracle.__file__))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.mark.parametrize("first", range(FIRST, LAST, AT_ONCE))
def test_what_pycapnp_loads_is_loaded_and_means_the_same(
    judge: subprocess.Popen[str], tmp_path: Path, caplog: pytest.LogCaptureFixture, first: int
) -> None:
    loaded = 0
    for seed in range(first, min(first + AT_ONCE, LAST)):
        folder = tmp_path / str(seed)
        write_files(folder, write(seed))
        expected = _asked(judge, folder)
        if expected is None:
            with pytest.raises(SchemaError):  # in this seed's folder there is what pycapnp does not load
                compile_schema([folder / "main.capnp"], [folder])
            continue
        schema = compile_schema([folder / "main.capnp"], [folder])
        loaded += 1
        found = {"constants": dict(_constants(schema)), "defaults": dict(_defaults(schema))}
        assert found["constants"] == expected["constants"], f"seed {seed}"
        defaults = {name: found["defaults"].get(name) for name in expected["defaults"]}
        assert defaults == expected["defaults"], f"seed {seed}"
    assert loaded > 0  # or all that is compared is that nothing loads


def _asked(judge: subprocess.Popen[str], folder: Path) -> Any:
    assert judge.stdin is not None
    assert judge.stdout is not None
    judge.stdin.write(json.dumps([str(folder / "main.capnp"), [str(folder), str(pycapnp_tree())]]) + "\n")
    judge.stdin.flush()
    return json.loads(judge.stdout.readline())


def _nested(schema: Schema, node: Node, scope: str = "") -> Iterator[tuple[str, Node]]:
    for name, id in node.nested:
        inner = schema.nodes[id]
        yield f"{scope}{name}", inner
        yield from _nested(schema, inner, f"{scope}{name}.")


def _constants(schema: Schema) -> Iterator[tuple[str, Any]]:
    for name, node in _nested(schema, schema.nodes[schema.roots[0]]):
        if isinstance(node, ConstNode):
            yield name, _value(schema, node.type, node.value)


def _defaults(schema: Schema) -> Iterator[tuple[str, Any]]:
    for name, node in _nested(schema, schema.nodes[schema.roots[0]]):
        if isinstance(node, StructNode):
            yield from _defaults_of(schema, name, node)


def _defaults_of(schema: Schema, name: str, struct: StructNode) -> Iterator[tuple[str, Any]]:
    for field in struct.fields:
        if field.group_id is not None:
            yield from _defaults_of(schema, f"{name}.{field.name}", schema.struct(field.group_id))
        elif field.type is not None and field.has_explicit_default:
            yield f"{name}.{field.name}", _value(schema, field.type, field.default)


def _value(schema: Schema, type: Type, value: Any) -> Any:
    """A wire value as the oracle says it."""
    if value is None or type.kind in (Kind.INTERFACE, Kind.ANY_POINTER, Kind.CAPABILITY):
        return None
    if type.kind in (Kind.FLOAT32, Kind.FLOAT64):
        return value if math.isfinite(value) else str(value)
    if type.kind is Kind.DATA:
        return value.hex()
    if type.kind is Kind.LIST and type.element is not None:
        return [_value(schema, type.element, item) for item in value]
    if type.kind is Kind.STRUCT:
        return dict(_members(schema, schema.struct(type.node_id), value))
    return value


def _members(schema: Schema, struct: StructNode, wire: dict[int, Any]) -> Iterator[tuple[str, Any]]:
    active = next((field for field in struct.union if field.id in wire), struct.union[0] if struct.union else None)
    for field in struct.fields:
        if field.discriminant is None or field is active:
            yield from _member(schema, field, wire)


def _member(schema: Schema, field: Field, wire: dict[int, Any]) -> Iterator[tuple[str, Any]]:
    if field.group_id is not None:
        yield str(field.id), dict(_members(schema, schema.struct(field.group_id), wire.get(field.id) or {}))
        return
    assert field.type is not None
    kind = field.type.kind
    if not kind.is_pointer:
        yield str(field.id), _value(schema, field.type, wire.get(field.id, field.default))
    elif wire.get(field.id) is not None:
        yield str(field.id), _value(schema, field.type, wire[field.id])

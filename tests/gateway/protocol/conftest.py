"""Schemas compiled from text, and the conformance cases with their schemas."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cara_pseud.schema.loader import compile_schema
from cara_pseud.schema.nodes import Kind, Schema, Type

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "json_cases.json"


@pytest.fixture(scope="session")
def compile_text(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Schema]:
    """Compile the text of a schema, without its id line; a text is compiled once for all tests."""
    known: dict[str, Schema] = {}

    def compile_text(text: str) -> Schema:
        if text not in known:
            path = tmp_path_factory.mktemp("schema") / "main.capnp"
            path.write_text("@0xb5f3c07e56b6a7d1;\n" + text)
            known[text] = compile_schema([path])
        return known[text]

    return compile_text


@pytest.fixture(scope="session")
def vector_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The schemas of the conformance cases, with their import, as files."""
    directory = tmp_path_factory.mktemp("vectors")
    vectors = json.loads(VECTORS.read_text())
    for name, text in {**vectors["schemas"], **vectors["imports"]}.items():
        path = directory / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


@pytest.fixture(scope="session")
def vector_schemas(vector_directory: Path) -> dict[str, Schema]:
    """Those schemas compiled, by file name."""
    names = [path.name for path in vector_directory.glob("*.capnp")]
    return {name: compile_schema([vector_directory / name], [vector_directory]) for name in names}


@pytest.fixture(scope="session")
def struct_type() -> Callable[[Schema, str], Type]:
    """The type of a struct (or interface) by its name in the schema's file."""

    def struct_type(schema: Schema, name: str) -> Type:
        node = schema.find(name)
        assert node is not None, name
        kind = Kind.INTERFACE if hasattr(node, "methods") else Kind.STRUCT
        return Type(kind, node.id)

    return struct_type


@pytest.fixture
def tokens() -> Callable[[], str]:
    """Tokens that a test can foresee: t1, t2 …"""
    numbers: Iterator[int] = iter(range(1, 1_000_000))
    return lambda: f"t{next(numbers)}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every conformance case to the tests that ask for a ``case``."""
    if "case" in metafunc.fixturenames:
        cases: list[dict[str, Any]] = json.loads(VECTORS.read_text())["cases"]
        metafunc.parametrize("case", cases, ids=[case["id"] for case in cases])

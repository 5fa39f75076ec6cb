from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from cara_pseud.schema.loader import compile_schema
from cara_pseud.schema.nodes import Schema


def write_files(directory: Path, files: Mapping[str, str | bytes]) -> None:
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write files, by relative path, and give the directory."""

    def write(files: Mapping[str, str | bytes]) -> Path:
        write_files(tmp_path, files)
        return tmp_path

    return write


@pytest.fixture(scope="module")
def compile_text(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Schema]:
    """Compile the text of one schema; module-scoped, because a compilation takes as long as a hundred tests."""

    def compile_text(text: str, **others: str) -> Schema:
        directory = tmp_path_factory.mktemp("schema")
        write_files(directory, {"main.capnp": text, **{f"{name}.capnp": other for name, other in others.items()}})
        return compile_schema([directory / "main.capnp"])

    return compile_text

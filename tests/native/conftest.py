"""Native services for whole files of tests; each test asks for what it changes by the difference."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.native.services import NativeService


def running(kind: str) -> Iterator[NativeService]:
    # Not below pytest's folder, whose paths are too long for sockets.
    with TemporaryDirectory() as folder:
        service = NativeService(Path(folder), kind)
        service.start()
        try:
            yield service
        finally:
            service.kill()


@pytest.fixture(scope="module")
def abacus() -> Iterator[NativeService]:
    """The abacus in C++."""
    yield from running("abacus")


@pytest.fixture(scope="module")
def python_abacus() -> Iterator[NativeService]:
    """The abacus by pycapnp."""
    yield from running("python")


@pytest.fixture(scope="module")
def node() -> Iterator[NativeService]:
    """The node whose methods take contexts, in C++."""
    yield from running("node")

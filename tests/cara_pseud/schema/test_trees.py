from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cara_pseud.errors import SchemaError
from cara_pseud.schema.trees import pycapnp_tree, schema_tree


def test_a_wheels_tree_is_inside_of_the_package(write: Callable[..., Path]) -> None:
    root = write({"cara_pseud/schemas/gateway.capnp": "", "schemas/gateway.capnp": ""})
    assert schema_tree(root / "cara_pseud") == root / "cara_pseud" / "schemas"


def test_a_checkouts_tree_is_beside_the_package(write: Callable[..., Path]) -> None:
    root = write({"cara_pseud/x.py": "", "schemas/gateway.capnp": ""})
    assert schema_tree(root / "cara_pseud") == root / "schemas"


def test_somebody_elses_schemas_directory_is_not_taken(write: Callable[..., Path]) -> None:
    root = write({"cara_pseud/schemas/other.capnp": "", "schemas/other.capnp": ""})
    with pytest.raises(SchemaError, match="the installation is incomplete") as caught:
        schema_tree(root / "cara_pseud")
    assert str(root / "schemas") in str(caught.value)


def test_our_own_tree_is_found() -> None:
    assert (schema_tree() / "capnp" / "compat" / "json.capnp").is_file()


def test_pycapnps_tree_is_found_without_importing_it() -> None:
    loaded = "capnp" in sys.modules
    tree = pycapnp_tree()
    assert tree is not None
    assert (tree / "capnp" / "c++.capnp").is_file()
    assert ("capnp" in sys.modules) is loaded


def test_a_directory_called_capnp_is_not_pycapnp(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(write({"capnp/cara.capnp": ""}))])
    monkeypatch.delitem(sys.modules, "capnp", raising=False)
    assert pycapnp_tree() is None


def test_a_module_without_a_spec_is_not_pycapnp(monkeypatch: pytest.MonkeyPatch) -> None:
    module = type(sys)("capnp")
    assert module.__spec__ is None
    monkeypatch.setitem(sys.modules, "capnp", module)
    assert pycapnp_tree() is None
    module.__spec__ = importlib.machinery.ModuleSpec("capnp", None)
    assert pycapnp_tree() is None

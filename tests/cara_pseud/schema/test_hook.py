from __future__ import annotations

import importlib
import importlib.machinery
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cara_pseud.errors import SchemaError
from cara_pseud.schema.hook import SchemaFinder, install_import_hook, remove_import_hook
from cara_pseud.schema.loader import compile_schema

Write = Callable[..., Path]
ID = "@0xd4c9b2a1f0e3d587;\n"


class Loading:
    """Loads schemas into plain modules and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[str]]] = []

    def __call__(self, path: str, import_path: Sequence[str]) -> ModuleType:
        self.asked.append((path, list(import_path)))
        schema = compile_schema([path], import_path)
        module = ModuleType("loaded")
        for name, id in schema.nodes[schema.roots[0]].nested:
            setattr(module, name, schema.nodes[id])
        return module


@pytest.fixture
def load() -> Loading:
    return Loading()


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    modules = set(sys.modules)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    remove_import_hook()
    for name in set(sys.modules) - modules:
        del sys.modules[name]
    sys.path_importer_cache.clear()


def finders() -> list[SchemaFinder]:
    return [finder for finder in sys.meta_path if isinstance(finder, SchemaFinder)]


def test_a_schema_on_the_path_is_imported_by_its_name(write: Write, load: Loading) -> None:
    root = write({"little_sums.capnp": f"{ID}interface Sums {{}}"})
    sys.path.append(str(root))
    install_import_hook(load)
    from little_sums_capnp import Sums  # type: ignore[import-not-found]

    assert Sums.display_name == "little_sums.capnp:Sums"
    module = sys.modules["little_sums_capnp"]
    assert (module.__name__, module.__file__) == ("little_sums_capnp", str(root / "little_sums.capnp"))
    importlib.import_module("little_sums_capnp")
    assert len(load.asked) == 1


@pytest.mark.parametrize("name", ["very-little-sums.capnp", "very little sums.capnp"])
def test_other_word_separators_are_tried(write: Write, load: Loading, name: str) -> None:
    sys.path.append(str(write({name: f"{ID}struct A {{}}"})))
    install_import_hook(load)
    assert importlib.import_module("very_little_sums_capnp").A.name == "A"


def test_the_import_path_is_looked_through_after_sys_path(write: Write, load: Loading) -> None:
    importing = f'{ID}using A = import "/deep/a.capnp";'
    root = write({"one/same.capnp": ID, "two/same.capnp": ID, "two/other.capnp": importing,
                  "two/deep/a.capnp": "@0xd4c9b2a1f0e3d588;"})  # fmt: skip
    sys.path.append(str(root / "one"))
    install_import_hook(load, [root / "two"])
    importlib.import_module("same_capnp")
    importlib.import_module("other_capnp")
    assert [path for path, _ in load.asked] == [str(root / "one" / "same.capnp"), str(root / "two" / "other.capnp")]
    assert load.asked[0][1][0] == str(root / "two")
    assert str(root / "one") in load.asked[0][1]


def test_the_current_directory_is_what_an_empty_entry_means(
    write: Write, load: Loading, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write({"here.capnp": ID})
    monkeypatch.chdir(root)
    sys.path.insert(0, "")
    install_import_hook(load)
    importlib.import_module("here_capnp")
    assert load.asked[0][0] == str(root / "here.capnp")


def test_packages_hold_schemas_too(write: Write, load: Loading) -> None:
    sys.path.append(str(write({
        "offered/__init__.py": "", "offered/sums.capnp": f"{ID}struct A {{}}",
        "unpacked/sums.capnp": f"{ID}struct B {{}}",
    })))  # fmt: skip
    install_import_hook(load)
    assert importlib.import_module("offered.sums_capnp").A.name == "A"
    assert importlib.import_module("unpacked.sums_capnp").B.name == "B"
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("sums_capnp")


def test_python_modules_come_first(write: Write, load: Loading) -> None:
    sys.path.append(str(write({"written_capnp.py": "A = 1", "written.capnp": ID})))
    install_import_hook(load)
    assert importlib.import_module("written_capnp").A == 1
    assert load.asked == []


def test_a_missing_schema_is_an_ordinary_missing_module(load: Loading) -> None:
    install_import_hook(load)
    for name in ("nowhere_to_be_found_capnp", "_capnp", "capnpx"):
        with pytest.raises(ModuleNotFoundError, match=f"No module named '{name}'"):
            importlib.import_module(name)


def test_a_bad_schema_is_a_schema_error_and_can_be_mended(write: Write, load: Loading) -> None:
    root = write({"broken.capnp": f"{ID}struct a {{}}"})
    sys.path.append(str(root))
    install_import_hook(load)
    with pytest.raises(SchemaError, match=r"broken\.capnp:2: Type names"):
        importlib.import_module("broken_capnp")
    assert "broken_capnp" not in sys.modules
    write({"broken.capnp": f"{ID}struct A {{}}"})
    assert importlib.import_module("broken_capnp").A.name == "A"


def test_installing_again_replaces_and_removing_is_complete(write: Write, load: Loading) -> None:
    root = write({"late.capnp": ID})
    install_import_hook(load)
    install_import_hook(load)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("late_capnp")
    install_import_hook(load, [root])
    assert len(finders()) == 1
    importlib.import_module("late_capnp")
    remove_import_hook()
    remove_import_hook()
    assert finders() == []
    assert sys.modules["late_capnp"].__file__ == str(root / "late.capnp")


def test_the_hook_stands_behind_pythons_own_and_before_later_ones(
    load: Loading, monkeypatch: pytest.MonkeyPatch
) -> None:
    last: Any = object()
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, last])
    install_import_hook(load)
    places = [sys.meta_path.index(finder) for finder in (importlib.machinery.PathFinder, finders()[0], last)]
    assert places == sorted(places)
    monkeypatch.setattr(sys, "meta_path", [])
    install_import_hook(load)
    assert sys.meta_path == finders()


def test_installing_in_many_threads_leaves_one_hook(load: Loading) -> None:
    others = [finder for finder in sys.meta_path if not isinstance(finder, SchemaFinder)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: install_import_hook(load), range(200)))
    assert len(finders()) == 1
    assert [finder for finder in sys.meta_path if finder is not finders()[0]] == others


def test_a_schema_imported_by_many_threads_is_loaded_once(write: Write, load: Loading) -> None:
    sys.path.append(str(write({"shared.capnp": f"{ID}struct A {{}}"})))
    install_import_hook(load)
    with ThreadPoolExecutor(4) as threads:
        modules = list(threads.map(importlib.import_module, ["shared_capnp"] * 8))
    assert len({id(module) for module in modules}) == 1
    assert len(load.asked) == 1

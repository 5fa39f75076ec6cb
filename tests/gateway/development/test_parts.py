"""Which files a service, its schema and its pages consist of."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.development.parts import Part, ServiceFiles, changed


@pytest.fixture
def sources(tmp_path: Path) -> ServiceFiles:
    for name in (
        "service.py", "more/helper.py", "calculator.capnp", "types.capnp", "public/index.html", "public/js/a.js",
        "public/b.py", ".git/hook.py", ".hidden.py", "node_modules/x/a.py", "env/pyvenv.cfg", "env/lib/a.py", "log.txt",
        "more/__pycache__/a.py", "public/.swp", "test_service.py",
        "more/helper_test.py", "conftest.py", "client.py", "env/lib/service.py",
    ):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (tmp_path / "service.py").write_text("def later():\n    from more.helper import answer\n")
    (tmp_path / "types.capnp").write_text("@0xb5ae38ea09b7d5b2;\n")
    (tmp_path / "calculator.capnp").write_text('@0xb5ae38ea09b7d5b1;\nusing T = import "types.capnp";\n')
    return ServiceFiles(tmp_path / "service.py", tmp_path / "calculator.capnp", (), tmp_path / "public")


def test_each_file_is_for_one_thing_and_others_are_for_none(sources: ServiceFiles, tmp_path: Path) -> None:
    found = {path: part for path, part in sources.found().items() if path.is_relative_to(tmp_path)}
    assert {str(path.relative_to(tmp_path)): part for path, part in found.items()} == {
        "service.py": Part.CODE, "more/helper.py": Part.CODE,
        "client.py": None, "test_service.py": None, "more/helper_test.py": None, "conftest.py": None,
        "calculator.capnp": Part.SCHEMA, "types.capnp": Part.SCHEMA,
        "public/index.html": Part.PAGES, "public/js/a.js": Part.PAGES, "public/b.py": Part.PAGES,
    }  # fmt: skip


def test_what_has_changed_is_said_by_part(sources: ServiceFiles, tmp_path: Path) -> None:
    state = sources.state()
    assert changed(state, sources.state()) == set()
    for name, part in (
        ("more/helper.py", Part.CODE), ("new.py", None), ("client.py", None), ("types.capnp", Part.SCHEMA),
        ("public/new.css", Part.PAGES),
        ("log.txt", None), (".hidden.py", None),
    ):  # fmt: skip
        (tmp_path / name).write_text("changed")
        assert changed(state, state := sources.state()) == ({part} if part else set()), name
    (tmp_path / "more" / "__init__.py").write_text("")  # Python runs it from now on
    assert changed(state, state := sources.state()) == {Part.CODE}
    (tmp_path / "public" / "index.html").unlink()
    (tmp_path / "service.py").rename(tmp_path / "other.py")
    assert changed(state, sources.state()) == {Part.CODE, Part.PAGES}


def test_what_the_running_service_has_loaded_is_code_from_then_on(sources: ServiceFiles, tmp_path: Path) -> None:
    state = sources.state()
    sources.loaded = [tmp_path / "client.py"]
    assert changed(state, state := sources.state()) == set()  # nothing was changed
    (tmp_path / "client.py").write_text("import new")
    assert changed(state, state := sources.state()) == {Part.CODE}
    (tmp_path / "new.py").write_text("")
    assert changed(state, sources.state()) == {Part.CODE}


def test_folders_are_watched_for_what_appears_there(sources: ServiceFiles, tmp_path: Path) -> None:
    watched = set(sources.watched())
    for name in ("", "more", "public", "public/js"):
        assert tmp_path / name in watched
    assert not [path for path in watched if {".git", "node_modules", "env"} & set(path.parts)]


def test_a_folder_without_end_is_not_walked_for_ever(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / str(number)).mkdir()
        for name in range(100):
            os.mknod(tmp_path / str(number) / f"{name}.py")
    sources = ServiceFiles(tmp_path / "service.py", tmp_path / "a.capnp", (), tmp_path / "public")
    assert len(sources.found()) < 3_010

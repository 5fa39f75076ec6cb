"""Compiled schemas that are kept between starts: found where nothing changed, and relied on only where nobody else can
have written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cara_pseud
from cara_pseud.schema import compiled_cache, loader
from cara_pseud.schema.compiled_cache import Compiled, cache_folder, load, store
from cara_pseud.schema.loader import compile_schema

Write = Callable[..., Path]
ID, OTHER = "@0xb5f3c07e56b6a7d2;", "@0xb5f3c07e56b6a7d3;"
MAIN = ID + 'using B = import "b.capnp"; struct A { b @0 :B.B; text @1 :Text = embed "text.txt"; }'
B = OTHER + "struct B { x @0 :Int32; }"
COMPILED = Compiled([b"one", b"", b"three"], [("why", "file1.capnp", 3), ("because", "", None)])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("CARA_CACHE_DIR", str(folder))
    return folder


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the compiler was asked."""
    asked: list[Any] = []
    run = loader.run_compiler

    def counted(directory: str, files: Any, timeout_s: float) -> Any:
        asked.append(files)
        return run(directory, files, timeout_s)

    monkeypatch.setattr(loader, "run_compiler", counted)
    return asked


@pytest.fixture
def main(write: Write) -> Path:
    return write({"a.capnp": MAIN, "b.capnp": B, "text.txt": "hello"}) / "a.capnp"


def test_the_same_files_are_compiled_once(folder: Path, runs: list[Any], main: Path) -> None:
    first, again = compile_schema([main]), compile_schema([main])
    assert (first, len(runs)) == (again, 1)
    assert cara_pseud.load(main).A().text == "hello"
    assert len(runs) == 1
    assert [path.suffix for path in folder.iterdir()] == [".schema"]


@pytest.mark.parametrize("changed", ["a.capnp", "b.capnp", "text.txt"])
def test_a_file_that_changed_is_compiled_anew(folder: Path, runs: list[Any], main: Path, changed: str) -> None:
    compile_schema([main])
    path = main.parent / changed
    path.write_text(path.read_text() + " # changed")
    compile_schema([main])
    assert len(runs) == 2


def test_so_is_what_is_looked_up_elsewhere_or_by_another_pycapnp(
    folder: Path, runs: list[Any], main: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_schema([main])
    (tmp_path / "elsewhere").mkdir()
    compile_schema([main], [tmp_path / "elsewhere"])
    compile_schema([main, main.parent / "b.capnp"])
    (tmp_path / "capnp").mkdir()
    (tmp_path / "capnp" / "version.py").write_text("version = '9.9.9'")
    sources = loader._sources([str(main)], [])
    sources.add_root(str(main))
    keys = {compiled_cache.key_of(sources, [], place) for place in (tmp_path, loader.pycapnp_tree(), None)}
    assert (len(runs), len(keys), len(list(folder.iterdir()))) == (3, 3, 3)


def test_it_is_off_by_an_option_and_by_an_empty_variable(
    folder: Path, runs: list[Any], main: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cara_pseud.load(main, cached=False)
    assert (len(runs), folder.exists()) == (1, False)
    monkeypatch.setenv("CARA_CACHE_DIR", "")
    cara_pseud.load(main)
    assert (len(runs), folder.exists()) == (2, False)


def test_the_usual_folder_is_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CARA_CACHE_DIR")
    monkeypatch.setenv("HOME", "/people/ann")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == "/people/ann/.cache/cara_pseud"
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache/ann")
    assert cache_folder() == "/var/cache/ann/cara_pseud"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() is None


def test_the_folder_and_what_is_in_it_are_nobody_elses(folder: Path, main: Path) -> None:
    compile_schema([main])
    assert folder.stat().st_mode & 0o7777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in folder.iterdir()] == [0o600]


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701, 0o1700])
def test_a_folder_that_others_may_use_is_not_used(folder: Path, mode: int) -> None:
    folder.mkdir()
    folder.chmod(0o700)
    store(str(folder), "key", COMPILED)
    assert load(str(folder), "key") == COMPILED
    folder.chmod(mode)
    assert load(str(folder), "key") is None
    store(str(folder), "other", COMPILED)
    assert [path.name for path in folder.iterdir()] == ["key.schema"]


@pytest.mark.parametrize("whose", ["the folder", "the entry"])
def test_what_belongs_to_somebody_else_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch, whose: str) -> None:
    store(str(folder), "key", COMPILED)
    if os.geteuid() == 0:
        os.chown(folder if whose == "the folder" else folder / "key.schema", 65534, 65534)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert load(str(folder), "key") is None


def test_a_link_is_no_folder_and_no_entry_of_ours(folder: Path, tmp_path: Path) -> None:
    store(str(folder), "key", COMPILED)
    (tmp_path / "link").symlink_to(folder)
    assert load(str(tmp_path / "link"), "key") is None
    (folder / "other.schema").symlink_to(folder / "key.schema")
    assert load(str(folder), "other") is None


def test_a_folder_that_cannot_be_written_or_made_is_no_error(
    main: Path, runs: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nothing"), Path("/dev/null/x")):
        monkeypatch.setenv("CARA_CACHE_DIR", str(place))
        compile_schema([main])
    assert len(runs) == 4


@pytest.mark.parametrize("damage", [
    lambda data: data[:-1], lambda data: data + b"x", lambda data: b"", lambda data: data[:20],
    lambda data: data.replace(b"three", b"thrEe"), lambda data: data.replace(b"schema 1", b"schema 2"),
])  # fmt: skip
def test_a_damaged_entry_is_not_used(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    store(str(folder), "key", COMPILED)
    entry = folder / "key.schema"
    entry.write_bytes(damage(entry.read_bytes()))
    assert load(str(folder), "key") is None


def test_an_entry_under_another_ones_name_is_not_used(folder: Path) -> None:
    store(str(folder), "key", COMPILED)
    (folder / "key.schema").rename(folder / "other.schema")
    assert load(str(folder), "other") is None


def test_a_damaged_entry_is_replaced(folder: Path, runs: list[Any], main: Path) -> None:
    schema = compile_schema([main])
    (entry,) = folder.iterdir()
    entry.write_bytes(b"damaged")
    assert (compile_schema([main]), compile_schema([main]), len(runs)) == (schema, schema, 2)


def test_what_was_left_out_is_told_again(
    folder: Path, runs: list[Any], write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    root = write({
        "a.capnp": ID + 'using B = import "b.capnp"; struct A { b @0 :B.B; }',
        "b.capnp": B + "\nstruct Broken {\n x @0 :Missing; }",
    })  # fmt: skip
    compile_schema([root / "a.capnp"])
    first, asked = caplog.messages.copy(), len(runs)
    compile_schema([root / "a.capnp"])
    assert len(first) == 1
    assert (caplog.messages, len(runs)) == (first * 2, asked)


def test_the_oldest_entries_go(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled_cache, "MAX_ENTRIES", 3)
    for number in range(3):
        store(str(folder), f"key{number}", COMPILED)
        os.utime(folder / f"key{number}.schema", (number, number))
    assert load(str(folder), "key0") is not None  # and is young again
    store(str(folder), "key3", COMPILED)
    assert sorted(path.name for path in folder.iterdir()) == ["key0.schema", "key2.schema", "key3.schema"]


def test_a_cached_schema_of_44_methods_is_loaded_in_milliseconds(folder: Path, tmp_path: Path) -> None:
    item = "struct Item { name @0 :Text; union { a @1 :Void; b @2 :Text; } inner :group { x @3 :Int32; } }"
    methods = "".join(f"m{n} @{n} (first :Int32 = {n}, item :Item) -> (result :Item);\n # Doc.\n" for n in range(44))
    (tmp_path / "big.capnp").write_text(f"{ID}\n{item}\ninterface Big {{\n{methods}}}")
    program = f"""
import json, time, cara_pseud
def cpu_ms():
    begun = time.process_time()
    cara_pseud.load({str(tmp_path / "big.capnp")!r}).Big
    return (time.process_time() - begun) * 1000
print(json.dumps([cpu_ms()]))
"""
    times = [
        json.loads(subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True).stdout)[0]
        for _ in range(2)
    ]
    # Processor time, so that a busy machine does not matter. 7 ms were measured, and at most 15 ms are to be taken.
    assert times[1] < 15.0

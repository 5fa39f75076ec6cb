"""The compiler's process: started once, asked again, replaced when it is no more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cara_pseud.errors import SchemaError
from cara_pseud.schema import compiler
from cara_pseud.schema.compiler import TookTooLong, run_compiler
from cara_pseud.schema.diagnosis import LastWords

ID = "@0xb5f3c07e56b6a7d2;"
LONG = ID + "".join(f"struct S{number} {{ a @0 :Text; }}\n" for number in range(20_000))


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The processes that are started from now on; there is none before, and none afterwards."""
    started: list[Any] = []
    begin = subprocess.Popen

    def counted(*arguments: Any, **options: Any) -> Any:
        started.append(begin(*arguments, **options))
        return started[-1]

    compiler._desk.cache_clear()
    monkeypatch.setattr(subprocess, "Popen", counted)
    yield started
    compiler._desk.cache_clear()


def compiled(directory: Path, text: str = ID, timeout_s: float = 30.0) -> int:
    """How many nodes a file has, compiled in a directory of its own."""
    folder = directory / str(len(list(directory.iterdir())))
    folder.mkdir()
    (folder / "a.capnp").write_text(text)
    answer = run_compiler(str(folder), ["a.capnp"], timeout_s)
    assert isinstance(answer, list), answer
    return len(answer)


def last_words(directory: Path, text: str) -> LastWords:
    (directory / "bad").mkdir()
    (directory / "bad" / "a.capnp").write_text(text)
    answer = run_compiler(str(directory / "bad"), ["a.capnp"], 30.0)
    assert isinstance(answer, LastWords)
    return answer


def test_one_process_is_asked_again_also_after_errors(tmp_path: Path, starts: list[Any]) -> None:
    assert compiled(tmp_path) == 1
    assert "failed" in last_words(tmp_path, "struct").stderr
    assert compiled(tmp_path, ID + "struct A { g :group { a @0 :Void; } }") == 3
    assert len(starts) == 1
    assert starts[0].returncode == 0  # what was started has ended, and leaves no zombie


def test_sixty_files_are_compiled_by_one_process(tmp_path: Path, starts: list[Any]) -> None:
    begun = time.monotonic()
    for _ in range(60):
        compiled(tmp_path, ID + "struct A { a @0 :Text; } interface I { m @0 (a :A) -> (b :A); }")
    assert len(starts) == 1
    assert time.monotonic() - begun < 6.0  # 0.7 s were measured; with a process for each it was 12 s


def test_one_that_is_gone_is_replaced(tmp_path: Path, starts: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    compiled(tmp_path)
    process = compiler._desk(os.getpid())._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    assert compiled(tmp_path) == 1
    assert len(starts) == 2
    monkeypatch.setattr(compiler, "pycapnp_tree", lambda: tmp_path)  # another installation
    assert compiled(tmp_path) == 1
    assert len(starts) == 3


def test_what_takes_too_long_is_ended_and_the_process_goes_on(tmp_path: Path, starts: list[Any]) -> None:
    compiled(tmp_path)
    with pytest.raises(TookTooLong) as raised:
        compiled(tmp_path, LONG, timeout_s=0.01)
    assert raised.value.compiling in ("", "a.capnp")
    assert compiled(tmp_path) == 1
    assert len(starts) == 1


def test_who_is_interrupted_gets_no_answer_to_another_request(
    tmp_path: Path, starts: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled(tmp_path)

    def interrupted(process: Any, until: float) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(compiler._Process, "line", interrupted)
        with pytest.raises(KeyboardInterrupt):
            compiled(tmp_path)
    assert compiled(tmp_path, ID + "struct A {}") == 2
    assert len(starts) == 2


def test_a_fork_has_a_process_of_its_own_and_none_outlives_this_one(tmp_path: Path) -> None:
    (tmp_path / "a.capnp").write_text(ID)
    program = f"""
import os, sys
sys.path.insert(0, {os.getcwd()!r})
from cara_pseud.schema import compiler
from cara_pseud.schema.loader import compile_schema
compile_schema([{str(tmp_path / "a.capnp")!r}])
first = compiler._desk(os.getpid())._process
pid = os.fork()
if not pid:
    compile_schema([{str(tmp_path / "a.capnp")!r}])
    own = compiler._desk(os.getpid())._process
    os._exit(0 if own is not None and own is not first else 1)
assert os.waitpid(pid, 0)[1] == 0
compile_schema([{str(tmp_path / "a.capnp")!r}])
assert compiler._desk(os.getpid())._process is first
"""
    # The stream would stay open as long as a process has it that was started there.
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_an_executable_it_says_so(tmp_path: Path, starts: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(SchemaError, match=r"sys\.executable is empty"):
        compiled(tmp_path)
    assert starts == []



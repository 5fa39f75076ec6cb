from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from cara_pseud.schema import loader

SCRIPT = Path(loader.__file__).with_name("compiler_process.py")
FAKE = """
import os, sys
print("printed at import")
class SchemaParser:
    def _parse_disk_file(self, name, path, imports):
        print("printed while compiling")
        os.write(1, b"written to the descriptor")
        raise OverflowError("fake")
"""


def run(directory: Path, requests: int = 1) -> tuple[bytes, bytes]:
    """Run the script where pycapnp can only come from that directory: the last answer, and what it wrote to stderr."""
    lines = [json.dumps([str(directory)])]
    for number in range(requests):
        (directory / f"root{number}").mkdir()
        lines.append(json.dumps({"root": str(directory / f"root{number}"), "files": ["a.capnp"], "timeout_s": 30}))
    child = subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT)],
        input="".join(f"{line}\n" for line in lines).encode(), stdout=subprocess.PIPE, timeout=30, check=True,
    )  # fmt: skip
    pid, *ends = child.stdout.split()
    assert (pid.isdigit(), ends) == (True, [b"0"] * requests)
    last = directory / f"root{requests - 1}"
    return (last / ".answer").read_bytes(), (last / ".errors").read_bytes()


def frame(kind: bytes, payload: bytes) -> bytes:
    return kind + len(payload).to_bytes(4, "little") + payload


def test_without_pycapnp_it_says_so(tmp_path: Path) -> None:
    assert run(tmp_path)[0] == frame(b"E", b"pycapnp cannot be imported: No module named 'capnp'")


def test_what_others_print_does_not_touch_the_answer(write: Callable[..., Path]) -> None:
    stdout, stderr = run(write({"capnp/__init__.py": FAKE}))
    assert stdout == frame(b"F", b"a.capnp") + frame(b"E", b"OverflowError: fake")
    assert b"written to the descriptor" in stderr
    assert b"printed while compiling" in stderr


def test_requests_are_answered_one_after_the_other(write: Callable[..., Path]) -> None:
    directory = write({"capnp/__init__.py": FAKE})
    assert run(directory, requests=3)[0] == frame(b"F", b"a.capnp") + frame(b"E", b"OverflowError: fake")


def test_the_users_modules_do_not_shadow_the_standard_library(write: Callable[..., Path]) -> None:
    directory = write({"random.py": "raise RuntimeError('shadowed')", "capnp/__init__.py": "import random\n" + FAKE})
    assert b"OverflowError: fake" in run(directory)[0]

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
os.write(1, b"written to the descriptor")
class SchemaParser:
    def _parse_disk_file(self, name, path, imports):
        print("printed while compiling")
        raise OverflowError("fake")
"""


def run(directory: Path) -> tuple[bytes, bytes]:
    """Run the script where pycapnp can only come from that directory."""
    request = {"root": str(directory), "files": ["a.capnp"], "sys_path": [str(directory)]}
    child = subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT)], input=json.dumps(request).encode(), capture_output=True, timeout=30
    )
    return child.stdout, child.stderr


def frame(kind: bytes, payload: bytes) -> bytes:
    return kind + len(payload).to_bytes(4, "little") + payload


def test_without_pycapnp_it_says_so(tmp_path: Path) -> None:
    assert run(tmp_path)[0] == frame(b"E", b"pycapnp cannot be imported: No module named 'capnp'")


def test_what_others_print_does_not_touch_the_answer(write: Callable[..., Path]) -> None:
    stdout, stderr = run(write({"capnp/__init__.py": FAKE}))
    assert stdout == frame(b"F", b"a.capnp") + frame(b"E", b"OverflowError: fake")
    for text in (b"printed at import", b"written to the descriptor", b"printed while compiling"):
        assert text in stderr


def test_the_users_modules_do_not_shadow_the_standard_library(write: Callable[..., Path]) -> None:
    directory = write({"random.py": "raise RuntimeError('shadowed')", "capnp/__init__.py": "import random\n" + FAKE})
    assert b"OverflowError: fake" in run(directory)[0]

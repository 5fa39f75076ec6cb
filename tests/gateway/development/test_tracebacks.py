"""One line of what a Python program writes when it fails; the programs here are run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.development.tracebacks import fault_of

HELPER = "def broken():\n    return 1 / 0\n"
PROGRAMS = {
    "syntax": ("import os\nif True:\nprint(1)\n", "service.py:3: IndentationError: expected an indented block"),
    "name": ("def main():\n    nothing()\n\nmain()\n", "service.py:2: NameError: name 'nothing' is not defined"),
    "of another file": ("import helper\n\nhelper.broken()\n", "helper.py:2: ZeroDivisionError: division by zero"),
    "within the library": (
        "import json\n\njson.loads('{')\n",
        "service.py:3: JSONDecodeError: Expecting property name enclosed in double quotes",
    ),
    "of the schema": (
        "import cara_pseud\n\ncara_pseud.load('broken.capnp')\n",
        "broken.capnp:2: Not defined: Int33 (in \"result\")",
    ),
    "without a text": ("raise ValueError\n", "service.py:1: ValueError"),
    "of several lines": ("raise ValueError('one\\ntwo')\n", "service.py:1: ValueError: one"),
    "after another": (
        "import helper\ntry:\n    helper.broken()\nexcept ZeroDivisionError:\n    raise KeyError('a')\n",
        "service.py:5: KeyError: 'a'",
    ),
    "in a group": (
        "import asyncio\n\nasync def fail():\n    raise OSError('gone')\n\nasync def main():\n"
        "    async with asyncio.TaskGroup() as group:\n        group.create_task(fail())\n\nasyncio.run(main())\n",
        "service.py:4: OSError: gone",
    ),
    "nothing": ("import sys\nsys.exit('not today')\n", ""),
}


@pytest.mark.parametrize("kind", PROGRAMS)
def test_an_error_is_one_line_with_the_place_in_the_author_s_files(tmp_path: Path, kind: str) -> None:
    program, expected = PROGRAMS[kind]
    (tmp_path / "service.py").write_text(program)
    (tmp_path / "helper.py").write_text(HELPER)
    (tmp_path / "broken.capnp").write_text("@0xb5ae38ea09b7d5b1;\ninterface A { b @0 () -> (result :Int33); }\n")
    ended = subprocess.run(
        [sys.executable, str(tmp_path / "service.py")], cwd=tmp_path, capture_output=True, text=True, timeout=30,
        env={"PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip
    assert ended.returncode == 1
    fault = fault_of("serving soon\n" + ended.stderr, tmp_path)
    assert fault.startswith(expected), fault
    assert bool(fault) == bool(expected)


def test_what_is_long_is_cut() -> None:
    said = f'  File "/a/service.py", line 1\nValueError: {"x" * 10_000}\n'
    assert len(fault_of(said, Path("/a"))) == 500

"""What docs/rest.md, docs/command-line.md and README.md show is true: their commands run, their answers are compared.

A block marked ``console`` holds commands behind ``$ `` and what each of them prints. All blocks of a document run in
one shell, against a demo. In what is printed ``…`` is any text within a line, and alone in a line any lines.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.integration.conftest import ROOT

if TYPE_CHECKING:
    from tests.integration.conftest import Start, Web

FENCE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^    \$ curl .*\n(?:    .*\n)+", re.MULTILINE)
PLACE = "http://127.0.0.1:8080"
END = "\x1e"


class Shown(NamedTuple):
    """A command of a document, its line there, and what is said to be printed."""

    command: str
    printed: str
    line: int


def shown_in(text: str) -> list[Shown]:
    found: list[Shown] = []
    for block in (*FENCE.finditer(text), *INDENTED.finditer(text)):
        content = block[1] if block.re is FENCE else re.sub("^    ", "", block[0], flags=re.MULTILINE)
        line = text.count("\n", 0, block.start()) + (2 if block.re is FENCE else 1)
        for number, written in enumerate(content.splitlines(), line):
            if written.startswith("$ "):
                found.append(Shown(written[2:], "", number))
            else:
                found[-1] = found[-1]._replace(printed=f"{found[-1].printed}{written}\n")
    return sorted(found, key=lambda shown: shown.line)


def pattern_of(printed: str) -> str:
    lines = [".*" if line == "…" else ".*?".join(map(re.escape, line.split("…"))) for line in printed.splitlines()]
    return r"\n".join(lines).replace(r".*\n", r"(?:.*\n)*?").replace(r"\n.*", r"(?:\n.*)*")


def run(commands: list[Shown], web: Web, folder: Path) -> list[str]:
    script = "".join(f"{shown.command}\nprintf '{END}'\n" for shown in commands).replace(PLACE, web.url)
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=60, check=False,
        # Where the command is that is tested.
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
    )  # fmt: skip
    printed = done.stdout.split(END)
    assert len(printed) == len(commands) + 1, done.stderr
    return printed[:-1]


@pytest.mark.parametrize("document", ["docs/rest.md", "docs/command-line.md", "README.md"])
def test_what_the_documents_show_of_curl_is_true(document: str, start: Start, tmp_path: Path) -> None:
    commands = shown_in((ROOT / document).read_text("utf-8"))
    assert any("curl" in shown.command or "cara-gateway call" in shown.command for shown in commands)
    _, web = start.demo()
    wrong = [
        f"{document}:{shown.line}: {shown.command}\n{printed}"
        for shown, printed in zip(commands, run(commands, web, tmp_path), strict=True)
        if not re.fullmatch(pattern_of(shown.printed), printed.rstrip("\n"))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("shown", "printed", "fits"),
    [
        ("a\n", "a", True),
        ("a\n", "b", False),
        ("a\n", "a\nb", False),
        ("", "", True),
        ("", "a", False),
        ('{"a":…}\n', '{"a":[1]}', True),
        ("a…c\n", "a\nc", False),
        ("a\n…\nd\n", "a\nb\nc\nd", True),
        ("…\nb\n", "b", True),
        ("…\nb\n…\n", "a\nb\nc\n", True),
        ("a.b\n", "acb", False),
    ],
)
def test_what_is_left_out_fits_and_nothing_else(shown: str, printed: str, fits: bool) -> None:
    assert (re.fullmatch(pattern_of(shown), printed.rstrip("\n")) is not None) is fits

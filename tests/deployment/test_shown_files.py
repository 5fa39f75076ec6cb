"""The files of examples: the pages show them as they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "examples" / "deploy"
PAGES = tuple(sorted((ROOT / "docs").glob("*.md")))
SHOWN = re.compile(
    r"\[(?P<name>examples/[^]]+)\]\(\.\./(?P<link>[^)]+)\):\n\n```\w*\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def shown(page: Path) -> dict[str, str]:
    """The blocks that a page says are files, by file."""
    found = {}
    for match in SHOWN.finditer(page.read_text("utf-8")):
        assert match["name"] == match["link"]
        found[match["name"]] = match["text"]
    return found


def test_pages_show_the_files_as_they_are() -> None:
    blocks = {name: text for page in PAGES for name, text in shown(page).items()}
    assert {name: (ROOT / name).read_text("utf-8") for name in blocks} == blocks


@pytest.mark.parametrize("folder", ["proxies"])
def test_the_files_of_a_folder_are_shown(folder: str) -> None:
    names = {path.relative_to(ROOT).as_posix() for path in (DEPLOY / folder).iterdir()}
    assert names
    assert names <= {name for page in PAGES for name in shown(page)}

"""Which files a script consists of, by what its source imports."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.development.imported_files import ImportedFiles


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("import votes", {"votes"}),
        ("import votes, os.path as path", {"votes"}),
        ("from votes import Poll", {"votes"}),
        ("from votes import *", {"votes"}),
        ("import poll.votes", {"poll/__init__", "poll/votes"}),
        ("from poll import votes", {"poll/__init__", "poll/votes"}),
        ("from poll.votes import count", {"poll/__init__", "poll/votes"}),
        ("from poll import near", {"poll/__init__", "poll/near", "poll/votes", "votes"}),
        ("from bare import votes", {"bare/votes"}),
        ("if True:\n    def late():\n        import votes", {"votes"}),
        ("import nowhere", set()),
        ("import client.nothing", {"client"}),
    ],
)
def test_what_a_line_imports(tmp_path: Path, line: str, found: set[str]) -> None:
    write(tmp_path, service=line, votes="", client="", bare__votes="", poll__votes="")
    (tmp_path / "poll" / "__init__.py").write_text("")
    write(tmp_path, poll__near="from . import votes\nfrom .. import votes as outer")
    names = {str(path.relative_to(tmp_path).with_suffix("")) for path in ImportedFiles(tmp_path / "service.py").found()}
    assert names == {"service", *found}


def test_circles_end(tmp_path: Path) -> None:
    write(tmp_path, service="import votes", votes="import service, votes")
    assert len(ImportedFiles(tmp_path / "service.py").found()) == 2


@pytest.mark.parametrize("broken", ["import (", "x = 1\n  y", "\0", "(" * 500])
def test_a_file_with_an_error_imports_what_it_did(tmp_path: Path, broken: str) -> None:
    write(tmp_path, service="import votes", votes="")
    imported = ImportedFiles(tmp_path / "service.py")
    assert len(imported.found()) == 2
    write(tmp_path, service=broken)
    assert len(imported.found()) == 2
    write(tmp_path, service="")
    assert len(imported.found()) == 1
    (tmp_path / "service.py").unlink()
    assert len(imported.found()) == 1


def test_also_what_nothing_imports(tmp_path: Path) -> None:
    write(tmp_path, service="", plugin="import votes", votes="")
    found = ImportedFiles(tmp_path / "service.py").found([tmp_path / "plugin.py"])
    assert {path.stem for path in found} == {"service", "plugin", "votes"}

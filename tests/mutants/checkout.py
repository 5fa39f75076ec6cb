"""A copy of the checkout in which the source may be made wrong, and the interpreter that imports it.

The environment is shared by a link. It holds an editable install of the original, so PYTHONPATH puts the copy before
it, and `verify` asks the interpreter where it found the packages.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PACKAGES = ("gateway", "cara_pseud")
LINKS = (".venv", ".venvs", "tests/js/node_modules")
LEFT_OUT = (".git", ".venv*", "node_modules", "__pycache__", ".*_cache", ".hypothesis", ".coverage*", "dist", "build")
WHERE = "import gateway, cara_pseud; print(gateway.__file__); print(cara_pseud.__file__)"


class Checkout:
    """One copy; a context manager that removes it."""

    def __init__(self, original: Path, place: Path) -> None:
        self.root = place
        shutil.copytree(original, place, ignore=shutil.ignore_patterns(*LEFT_OUT))
        for name in LINKS:
            if (original / name).exists():
                (place / name).symlink_to(original / name)
        # Checked by their content: two mutants of one file may have the same size and be made in the same second.
        command = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash", *PACKAGES]
        subprocess.run(command, cwd=place, check=True)

    def environment(self, **more: str) -> Mapping[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "PYTEST_"))}
        return {**inherited, "PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1", **more}

    def verify(self) -> None:
        """Make sure that it is the copy that tests import.

        Raises:
            RuntimeError: it is not.
        """
        command = [sys.executable, "-c", WHERE]
        done = subprocess.run(
            command, cwd=self.root, env=self.environment(), capture_output=True, text=True, check=True
        )
        for line in done.stdout.splitlines():
            if not Path(line).resolve().is_relative_to(self.root.resolve()):
                raise RuntimeError(f"the tests of {self.root} would import {line}")

    @contextmanager
    def changed(self, file: str, text: str) -> Iterator[None]:
        """Another text in the place of a file, for as long as the block lasts."""
        path = self.root / file
        original = path.read_bytes()
        path.write_text(text, "utf-8")
        try:
            yield
        finally:
            path.write_bytes(original)

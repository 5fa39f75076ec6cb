"""The browser client's own tests, which node runs: one test here for each file there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

JS = Path(__file__).resolve().parent / "js"
# The slowest file starts a gateway; it takes a few seconds on a busy machine.
TIMEOUT_S = 60


@pytest.mark.parametrize("file", sorted(JS.glob("*.test.js")), ids=lambda file: file.name)
def test_node_tests_pass(file: Path) -> None:
    assert (JS / "node_modules" / "ws").is_dir(), "the node packages are not there: run `npm ci` in tests/js"
    run = subprocess.run(
        ["node", "--test", "--test-reporter=spec", file.name],
        cwd=JS,
        env={**os.environ, "PYTHON": sys.executable},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert run.returncode == 0, run.stdout

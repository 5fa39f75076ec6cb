"""The browser client's own tests, which node runs: one test here for each file there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

JS = Path(__file__).resolve().parent / "js"
# The slowest file makes twenty thousand calls over a bad network, which takes half a minute on a good day.
TIMEOUT_S = 240


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

"""Programs that use the library: a type checker accepts them in strict mode, and they run."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "tests" / "typing" / "sample.py"


def test_a_type_checker_accepts_a_service_and_its_client(tmp_path: Path) -> None:
    # As for a user: no configuration of ours, and complaints about the sample only.
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent"]
    done = subprocess.run(
        [*command, f"--cache-dir={tmp_path}", str(SAMPLE)],
        cwd=ROOT, env=os.environ | {"MYPYPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_the_sample_runs(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("sample", SAMPLE)
    assert spec is not None
    assert spec.loader is not None
    sample: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sample)
    assert asyncio.run(asyncio.wait_for(sample.main(tmp_path), 20)) == [
        500, ["tea"], "cash", {"item": "tea", "count": 2, "cash": None}, ["tea"], 7,
        ("not_found", {"item": "coffee"}), "$.count", 500, ["a"], ["up", "down"],
    ]  # fmt: skip

"""Where the programs are that `make test` brings."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "examples" / "deploy"
UNPACKED = ROOT / ".venvs" / "prometheus" / "usr" / "bin"


def of_prometheus(name: str) -> Path:
    """The path of `prometheus` or `promtool`."""
    path = UNPACKED / name
    assert path.exists(), f"{name} is not there: make .venvs/prometheus/.stamp"
    return path

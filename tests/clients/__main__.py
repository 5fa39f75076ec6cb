"""Clients of others against the demo: ``python -m tests.clients PYTHON``.

The gateway's OpenAPI document is judged by three programs, four generators make a client of it each, and a program that
uses the client is compiled with strict types and run. PYTHON is the interpreter that has what requirements/clients.txt
locks; the node packages are those of tests/clients/package-lock.json. Ends with 1 at the first thing that fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent.parent
STEP_S: Final = 240.0
START_S: Final = 30.0


@contextmanager
def demo(log: Path) -> Iterator[str]:
    """The example services and a gateway; its URL."""
    command = [sys.executable, "-m", "gateway", "demo", "--listen", "127.0.0.1:0"]
    with log.open("w") as stderr:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr, text=True)
    try:
        assert process.stdout is not None
        words, _, url = process.stdout.readline().strip().rpartition(" ")
        if words != "listening on":
            sys.exit(f"the demo did not start: {log.read_text()}")
        yield url
    finally:
        process.terminate()
        process.wait(START_S)


class Steps:
    """What is done one after the other in a folder of its own."""

    def __init__(self, folder: Path, python: str, url: str) -> None:
        self.folder = folder
        self._python = python
        self._environment = {
            **os.environ,
            "GATEWAY_URL": url,
            "PYTHONPATH": str(folder),
            # The generator of Python looks for ruff there.
            "PATH": f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}",
            # Tools that tell their makers of each run, or look for newer releases of themselves.
            "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "CI": "1",
        }  # fmt: skip

    def node(self, what: str, program: str, *arguments: str) -> str:
        return self._run(what, [str(HERE / "node_modules" / ".bin" / program), *arguments])

    def script(self, what: str, file: str) -> str:
        return self._run(what, ["node", file])

    def python(self, what: str, *arguments: str) -> str:
        return self._run(what, [self._python, *arguments])

    def tool(self, what: str, program: str, *arguments: str) -> str:
        return self._run(what, [str(Path(self._python).parent / program), *arguments])

    def _run(self, what: str, command: Sequence[str]) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self._environment, capture_output=True, text=True, timeout=STEP_S, check=False
        )
        if done.returncode:
            sys.exit(f"{what}: ended with {done.returncode}\n{done.stdout[-8000:]}{done.stderr[-8000:]}")
        print(f"{what}: fine", flush=True)
        return done.stdout + done.stderr


def lint(steps: Steps) -> None:
    """Nobody has anything to complain of, warnings included."""
    steps.node("spectral", "spectral", "lint", "--fail-severity", "hint", "openapi.json")
    steps.node("redocly", "redocly", "lint", "--max-problems", "20", "openapi.json")
    steps.tool("openapi-spec-validator", "openapi-spec-validator", "--schema", "3.1.0", "openapi.json")


def node_clients(steps: Steps) -> None:
    """Three generators of TypeScript."""
    steps.node("openapi-typescript", "openapi-typescript", "openapi.json", "--output", "fetch/schema.ts")
    steps.node("hey-api", "openapi-ts", "--input", "openapi.json", "--output", "hey")
    steps.node("orval", "orval", "--config", "orval.config.cjs")
    steps.node("tsc", "tsc", "--project", "tsconfig.json")
    for name in ("fetch", "hey", "orval"):
        steps.node(
            f"{name}: esbuild", "esbuild", f"{name}_program.ts", "--bundle", "--platform=node", "--format=esm",
            "--log-level=warning", f"--outfile=built/{name}.mjs",
        )  # fmt: skip
        steps.script(f"{name}: the program", f"built/{name}.mjs")


def python_client(steps: Steps) -> None:
    """One generator of Python."""
    steps.tool(
        "openapi-python-client", "openapi-python-client", "generate", "--path", "openapi.json", "--meta", "none",
        "--output-path", "generated_client", "--fail-on-warning",
    )  # fmt: skip
    steps.tool("mypy", "mypy", "--strict", "python_program.py")
    steps.python("openapi-python-client: the program", "python_program.py")


def main(python: str) -> int:
    with tempfile.TemporaryDirectory(prefix="clients-") as name, demo(Path(name) / "demo.log") as url:
        folder = Path(name)
        for source in (HERE / "programs").iterdir():
            shutil.copy(source, folder)
        # Where TypeScript and the programs look for packages.
        (folder / "node_modules").symlink_to(HERE / "node_modules")
        (folder / "package.json").write_text('{"type": "module", "private": true}')
        (folder / "openapi.json").write_bytes(urllib.request.urlopen(f"{url}/openapi.json").read())
        steps = Steps(folder, python, url)
        lint(steps)
        node_clients(steps)
        python_client(steps)
        steps.python("jsonrpclib-pelix: the program", "json_rpc_program.py")
    return 0


if __name__ == "__main__":
    sys.exit(main(os.path.abspath(sys.argv[1])))

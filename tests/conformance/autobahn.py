"""Run the Autobahn test suite against the frame layer, on both paths of the bytes, and say what it found.

``python autobahn.py PYTHON2 FOLDER REPORT``: an interpreter of Python 2.7, the folder that the suite is installed
in, and where its report goes. Ends with 1 if a case failed.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).resolve().parent
PATHS: Final = ("transport", "stream")
CASES: Final = [f"{category}.*" for category in (1, 2, 3, 4, 5, 6, 7, 9, 10)]
"""All but compression (12 and 13), which is another layer, and 8, which does not exist."""
START_S: Final = 20.0
RUN_S: Final = 900.0
GOOD: Final = ("OK", "INFORMATIONAL", "NON-STRICT")
# The folder has packages that share a namespace, which only a site folder may.
START: Final = "import site, sys; site.addsitedir(sys.argv.pop(1)); from autobahntestsuite.wstest import run; run()"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"no server came up on port {port}")


def main(python: str, folder: Path, report: Path) -> int:
    report.mkdir(parents=True, exist_ok=True)
    (report / "index.json").unlink(missing_ok=True)
    with ExitStack() as stack:
        servers = []
        for path in PATHS:
            port = free_port()
            log = stack.enter_context((report / f"{path}.log").open("w"))
            command = [sys.executable, str(HERE / "edge_server.py"), path, str(port)]
            server = subprocess.Popen(command, cwd=HERE.parent.parent, stdout=log, stderr=log)
            stack.callback(server.wait)
            stack.callback(server.kill)
            servers.append({"agent": path, "url": f"ws://127.0.0.1:{port}"})
            wait_for(port)
        spec = {
            "outdir": str(report), "servers": servers, "cases": CASES, "exclude-cases": [], "exclude-agent-cases": {}
        }  # fmt: skip
        (report / "spec.json").write_text(json.dumps(spec), "utf-8")
        with (report / "wstest.log").open("w") as log:
            command = [python, "-c", START, str(folder), "-m", "fuzzingclient", "-s", str(report / "spec.json")]
            subprocess.run(command, stdout=log, stderr=log, timeout=RUN_S, check=True, cwd=report)
    return verdict(json.loads((report / "index.json").read_text("utf-8")), report)


def verdict(index: dict[str, dict[str, Any]], report: Path) -> int:
    failed = 0
    for agent in PATHS:
        cases = index.get(agent, {})
        counts = Counter(case["behavior"] for case in cases.values())
        print(f"{agent}: {len(cases)} cases, " + ", ".join(f"{count} {word}" for word, count in sorted(counts.items())))
        bad = {name: case for name, case in cases.items() if not {case["behavior"], case["behaviorClose"]} <= {*GOOD}}
        for name, case in sorted(bad.items()):
            print(f"  {name}: {case['behavior']}, closing {case['behaviorClose']}: {report / case['reportfile']}")
        failed += len(bad) + (not cases)
    print(f"The report: {report / 'index.html'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]).resolve(), Path(sys.argv[3]).resolve()))

"""Two native Cap'n Proto services and a gateway in front of them, until Ctrl-C. `make demo-native` starts it.

Without a C++ compiler there is one service, in Python.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).resolve().parent
PROGRAM = HERE.parent.parent / "build" / "native" / "native"
HINT = """\
There are no services in C++, so the abacus is the one in Python and there is no node. To have them on Debian or Ubuntu:
    sudo apt-get install g++ capnproto libcapnp-dev
"""
STOP_S = 35.0


def services(folder: Path) -> dict[str, tuple[Sequence[str], str, str]]:
    """The command of each service, its interface and its endpoint."""
    places = {name: f"unix:{folder / name}.sock" for name in ("abacus", "node")}
    if not PROGRAM.exists():
        print(HINT, file=sys.stderr, flush=True)
        return {"abacus": ([sys.executable, str(HERE / "abacus.py")], "Abacus", places["abacus"])}
    interfaces = {"abacus": "Abacus", "node": "Node"}
    return {name: ([str(PROGRAM), name], interfaces[name], place) for name, place in places.items()}


def main(arguments: Sequence[str]) -> int:
    with TemporaryDirectory(prefix="native-") as folder:
        running: list[subprocess.Popen[str]] = []
        configuration = ""
        try:
            for name, (command, interface, endpoint) in services(Path(folder)).items():
                service = subprocess.Popen([*command, endpoint], stdout=subprocess.PIPE, text=True)  # noqa: S603
                running.append(service)
                if service.stdout is None or not service.stdout.readline():
                    return 1
                configuration += (
                    f'[services.{name}]\nprotocol = "capnp"\nschema = "{HERE / name}.capnp"\n'
                    f'interface = "{interface}"\nendpoint = "{endpoint}"\n'
                )
            file = Path(folder) / "gateway.toml"
            file.write_text(configuration, "utf-8")
            command = [sys.executable, "-m", "gateway", "serve", "--config", str(file), *arguments]
            gateway = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
            running.append(gateway)
            # Ctrl-C reaches all of them; what is asked of this process alone is passed on.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, lambda *_: gateway.terminate())
            _tell(gateway)
            return gateway.wait()
        finally:
            until = time.monotonic() + STOP_S
            for process in reversed(running):
                process.terminate()
                process.wait(max(0.1, until - time.monotonic()))


def _tell(gateway: subprocess.Popen[str]) -> None:
    """Say what can be typed now, once the gateway listens."""
    assert gateway.stdout is not None
    line = gateway.stdout.readline()
    print(line, end="", flush=True)
    url = line.removeprefix("listening on ").strip()
    if url:
        print(
            f"console  {url}/\ndivide   curl -s {url}/api/abacus/divide -H 'content-type: application/json' "
            f"-d '{{\"dividend\":\"17\"}}'",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

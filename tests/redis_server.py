"""A real Redis of a test's own, at a unix socket in its folder."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path


class RedisServer:
    """One that remembers nothing beyond its process.

    Args:
        folder: where its socket is; a short path, as sockets have.
    """

    def __init__(self, folder: Path, password: str = "") -> None:
        found = shutil.which("redis-server", path="/usr/bin:/usr/local/bin:/bin")
        assert found is not None, "make test installs redis-server"
        self._program = found
        self._folder = folder
        self._password = password
        self._process: subprocess.Popen[str] | None = None
        self.url = f"redis+unix://{f':{password}@' if password else ''}{folder}/redis.sock"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        arguments = ["--port", "0", "--unixsocket", f"{self._folder}/redis.sock", "--save", "", "--appendonly", "no"]
        if self._password:
            arguments += ["--requirepass", self._password]
        self._process = subprocess.Popen(
            [self._program, *arguments, "--dir", str(self._folder)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if "ready to accept connections" in line.lower():
                return
        raise AssertionError("redis-server did not start")

    def hang(self) -> None:
        """Have it take connections and answer nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Have it answer again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it; harmless if it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None

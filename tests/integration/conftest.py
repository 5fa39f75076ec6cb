"""Real processes and real sockets: a demo for the whole run, and services and gateways that a test may kill."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import websockets.sync.client

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = Path(__file__).resolve().parent
WAIT_S = 20.0
LINE_S = 120.0
"""A process that says nothing for so long is ended: nobody else would notice that a test waits for it."""
JSON_TYPE = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    data: bytes

    @property
    def text(self) -> str:
        return self.data.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        """The status name of a problem object, which must be one."""
        assert self.headers["content-type"] == "application/problem+json", self
        problem = self.json
        assert problem["status"] == self.status
        assert problem["request_id"] == self.headers["x-request-id"]
        assert problem.keys() >= {"type", "title", "detail", "code"}
        code: str = problem["code"]
        return code


class Web:
    """A client of one gateway; every request has a connection of its own."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        try:
            if body is not None and not isinstance(body, bytes | Iterator):
                body = json.dumps(body).encode()
            sent = {**(JSON_TYPE if body is not None else {}), **(headers or {})}
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("POST", path, body, headers)

    @contextmanager
    def socket(self, **options: Any) -> Iterator[Socket]:
        with websockets.sync.client.connect(f"ws://127.0.0.1:{self.port}/ws", **options) as connection:
            yield Socket(connection)


class Socket:
    """A JSON-RPC client that leaves the order of messages to the test."""

    def __init__(self, connection: websockets.sync.client.ClientConnection) -> None:
        self.connection = connection

    def send(self, obj: Any) -> None:
        self.connection.send(obj if isinstance(obj, str | bytes) else json.dumps(obj))

    def receive(self) -> Any:
        return json.loads(self.connection.recv(WAIT_S))

    def call(self, method: str, params: Any = None, id: Any = 1, **members: Any) -> Any:
        """Call and return the next message, which is expected to be the answer; when what was sent is confirmed is a
        matter of time.
        """
        self.send({"jsonrpc": "2.0", "id": id, "method": method, "params": params or {}, **members})
        while (answer := self.receive()).get("method") == "rpc.ack":
            pass
        assert answer.get("id") == id, answer
        return answer

    def result(self, method: str, params: Any = None, **members: Any) -> Any:
        answer = self.call(method, params, **members)
        assert "result" in answer, answer
        return answer["result"]

    def closed(self) -> tuple[int, str]:
        """Read until the other side has closed; code and reason."""
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until:
            try:
                self.connection.recv(WAIT_S)
            except websockets.exceptions.ConnectionClosed as closed:
                if closed.rcvd is None:
                    pytest.fail("closed without a close frame")
                return closed.rcvd.code, closed.rcvd.reason
        pytest.fail("not closed")


class Process:
    """A subprocess whose stdout is read line by line and whose stderr goes into a file."""

    def __init__(self, arguments: list[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.log = log
        # Python's own variables decide about warnings and paths; the rest of ours must not configure a gateway.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CARA_")}
        inherited["CARA_CACHE_DIR"] = ""  # what one run has compiled is not used by the next
        with log.open("a") as stderr:
            self.popen = subprocess.Popen(
                [sys.executable, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                cwd=ROOT,
                env={**inherited, "PYTHONPATH": str(ROOT), **(environment or {})},
            )

    @property
    def pid(self) -> int:
        return self.popen.pid

    def line(self) -> str:
        assert self.popen.stdout is not None
        late = threading.Timer(LINE_S, self.popen.kill)
        late.start()
        line = self.popen.stdout.readline()
        late.cancel()
        late.join()
        assert line, f"ended with {self.popen.wait(WAIT_S)}: {self.log.read_text()}"
        return line.rstrip("\n")

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.popen.send_signal(number)
        return self.popen.wait(WAIT_S)

    def end(self) -> None:
        self.popen.kill()
        self.popen.wait()
        for stream in (self.popen.stdin, self.popen.stdout):
            assert stream is not None
            stream.close()


class Start:
    """Starts processes and ends them with the test."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack

    def process(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Process:
        process = Process(list(arguments), self.folder / "stderr.txt", environment)
        self._stack.callback(process.end)
        return process

    def demo(self, *arguments: str) -> tuple[Process, Web]:
        return self._listening(self.process("-m", "gateway", "demo", "--listen", "127.0.0.1:0", *arguments))

    def gateway(self, config: str, *arguments: str) -> tuple[Process, Web]:
        path = self.folder / "gateway.toml"
        path.write_text(config, "utf-8")
        process = self.process("-m", "gateway", "serve", "--config", str(path), "--listen", "127.0.0.1:0", *arguments)
        return self._listening(process)

    def counting(
        self, endpoint: str = "tcp://127.0.0.1:*", environment: Mapping[str, str] | None = None
    ) -> tuple[Process, str]:
        """The service that counts; the process and its endpoint."""
        count = self.folder / "count.txt"
        process = self.process(str(HERE / "counting_service.py"), endpoint, str(count), environment=environment)
        return process, process.line()

    def _listening(self, process: Process) -> tuple[Process, Web]:
        words, _, url = process.line().rpartition(" ")
        assert words == "listening on"
        return process, Web(int(url.rpartition(":")[2]))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:
        yield Start(tmp_path, stack)


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A demo for all tests that leave it as it was."""
    with ExitStack() as stack:
        yield Start(tmp_path_factory.mktemp("demo"), stack).demo()[1]


@pytest.fixture
def socket(web: Web) -> Iterator[Socket]:
    with web.socket() as socket:
        yield socket


@pytest.fixture
def eventually() -> Callable[..., None]:
    """Ask again and again until the answer is yes, for what no event tells of; fail after ``within_s``."""

    def ask(question: Callable[[], bool], within_s: float) -> None:
        until = time.monotonic() + within_s
        while not question():
            assert time.monotonic() < until, f"not within {within_s} s"
            time.sleep(0.01)

    return ask

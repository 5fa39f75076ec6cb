"""A reader of a document, who saves its files and types its commands, in their order, in an empty folder.

A block whose first line is a comment with a name, ``# service.py``, ``// main.ts`` or ``<!-- public/index.html -->``,
is a file. Every shell-session block is a terminal, opened in the checkout: lines after ``$`` are typed, others are what
must be shown (``…`` stands for anything), and ``^C`` is where Ctrl-C is pressed, which the reader does when all
else has been played. Only the ports are others, since somebody may hold the document's.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DEADLINE_S = 60
DONE = "\0done "
BLOCK = re.compile(r"^```([\w-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"(?:#|//|<!--) ([\w./-]+\.\w+)(?: -->)?\n")


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


class Terminal:
    """A shell into which the reader types; ends with everything in it.

    Attributes:
        says_more: whether what runs until Ctrl-C shows more than the document does.
    """

    says_more = False

    def __init__(self, home: Path, stderr: Path, variables: Mapping[str, str]) -> None:
        inherited = {name: value for name, value in os.environ.items() if name.startswith(("LANG", "LC_", "PATH"))}
        self.log = stderr
        with stderr.open("a") as log:
            # Ctrl-C works in a terminal, even where the tests were started by something that ignores it.
            self._shell = subprocess.Popen(
                ["env", "--default-signal=INT", "bash", "--norc", "--noprofile"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT, start_new_session=True,
                # Python writes lines at once to a terminal, which a pipe is not.
                env={**inherited, **variables, "HOME": str(home), "PYTHONUNBUFFERED": "1"},
            )  # fmt: skip

    def type(self, command: str) -> None:
        assert self._shell.stdin is not None
        # The second line is for the shell: what is typed while a program runs is read when it has ended.
        self._shell.stdin.write(f'{command}\nprintf "\\0done %s\\n" $?\n')
        self._shell.stdin.flush()

    def shown(self, lines: int | None = None) -> tuple[list[str], int | None]:
        """What the command shows: all until it has ended, and its status; or the first ``lines`` of one that stays."""
        assert self._shell.stdout is not None
        seen: list[str] = []
        while len(seen) != lines and (line := self._shell.stdout.readline()):
            # An answer of a server need not end its line.
            text, done, status = line.rstrip("\n").partition(DONE)
            if text:
                seen.append(text)
            if done:
                return seen, int(status)
        return seen, None

    def press_ctrl_c(self) -> None:
        os.killpg(self._shell.pid, signal.SIGINT)

    def kill(self) -> None:
        os.killpg(self._shell.pid, signal.SIGKILL)

    def end(self) -> None:
        self.kill()
        self._shell.wait()
        for stream in (self._shell.stdin, self._shell.stdout):
            assert stream is not None
            stream.close()


@contextmanager
def deadline(terminals: list[Terminal]) -> Iterator[None]:
    """End all terminals when it has passed, so that no line is waited for any longer."""
    timer = threading.Timer(DEADLINE_S, lambda: [terminal.kill() for terminal in terminals])
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _is_shown(expected: str, seen: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, expected.split("…"))), seen) is not None


def play(terminal: Terminal, block: str) -> bool:
    """Type a block and compare what is shown; whether it ends with a program that runs until Ctrl-C."""
    commands = re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    assert commands, block
    for command, text in commands:
        terminal.type(command)
        expected = text.splitlines()
        stays = expected[-1:] == ["^C"]
        if stays:
            expected.pop()
            if expected[-1:] == ["…"]:
                expected.pop()
                terminal.says_more = True
        seen, status = terminal.shown(len(expected) if stays else None)
        assert status == (None if stays else 0), f"{command}: {terminal.log.read_text()[-3000:]}"
        assert len(seen) == len(expected), (command, expected, seen)
        assert all(map(_is_shown, expected, seen)), (command, expected, seen)
        if stays:
            return True
    return False


class Reader:
    """See the module; to be used in a ``with`` statement, which presses Ctrl-C at the end.

    Args:
        home: the reader's home.
        folder: where files are saved, below home.
        variables: of the environment, with the document's ports in them.

    Attributes:
        ports: those that are free, by those of the document.
        running: the terminals in which something runs until Ctrl-C.
    """

    def __init__(self, home: Path, folder: str, variables: Mapping[str, str] | None = None) -> None:
        self._variables = variables or {}
        self.home, self.folder = home, home / folder
        self.ports: dict[str, str] = {}
        self.running: list[Terminal] = []
        self._opened: list[Terminal] = []
        self._stack = ExitStack()
        self.log = home / "stderr.txt"

    def __enter__(self) -> Reader:
        self._stack.enter_context(deadline(self._opened))
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._stack:
            if kind is not None:
                return
            for terminal in reversed(self.running):
                terminal.press_ctrl_c()
                lines, status = terminal.shown()
                assert (lines if not terminal.says_more else [], status) == ([], 0), terminal.log.read_text()[-3000:]
        assert "Traceback" not in self.log.read_text()

    def play(self, text: str) -> None:
        """Do what a text says."""
        for port in re.findall(r"127\.0\.0\.1:(\d+)", text):
            self.ports.setdefault(port, free_port())
        text = self._at_free_ports(text)
        text = text.replace("source .venv/", f"source {sys.prefix}/")
        for language, block in BLOCK.findall(text):
            named = NAMED.match(block)
            if language == "shell-session":
                variables = {name: self._at_free_ports(value) for name, value in self._variables.items()}
                terminal = Terminal(self.home, self.log, variables)
                self._stack.callback(terminal.end)
                self._opened.append(terminal)
                if play(terminal, block):
                    self.running.append(terminal)
            elif named is not None:
                file = self.folder / named[1]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(block, "utf-8")

    def _at_free_ports(self, text: str) -> str:
        return re.sub(r"(?<=127\.0\.0\.1:)\d+", lambda port: self.ports[port[0]], text)

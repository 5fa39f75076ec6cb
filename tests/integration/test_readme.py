"""README's way to a service of one's own, from the empty folder to the call, played as a reader types it.

Every block that begins with a comment ``# name.ext`` is a file in ``~/calculator``. Every shell-session block is a
terminal, opened in the checkout: lines after ``$`` are typed, lines without are what must be shown, and ``^C`` is where
Ctrl-C is pressed, which the reader does when all else has been played. Only the ports are others, since somebody may
hold README's.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text("utf-8")
SECTIONS = ("In Python", "A gateway of your own")
DEADLINE_S = 60
DONE = "\0done "


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def own_service_path() -> str:
    """The two sections, with free ports in the place of README's and the environment that this test runs in."""
    parts = [re.search(rf"^## {title}\n(.*?)^## ", README, re.MULTILINE | re.DOTALL) for title in SECTIONS]
    text = "".join(part[1] for part in parts if part is not None)
    free = {port: free_port() for port in re.findall(r"127\.0\.0\.1:(\d+)", text)}
    text = re.sub(r"(?<=127\.0\.0\.1:)\d+", lambda port: free[port[0]], text)
    return text.replace("source .venv/", f"source {sys.prefix}/")


class Terminal:
    """A shell into which the reader types; ends with everything in it."""

    def __init__(self, home: Path, stderr: Path) -> None:
        inherited = {name: value for name, value in os.environ.items() if name.startswith(("LANG", "LC_", "PATH"))}
        self.log = stderr
        with stderr.open("a") as log:
            # Ctrl-C works in a terminal, even where the tests were started by something that ignores it.
            self._shell = subprocess.Popen(
                ["env", "--default-signal=INT", "bash", "--norc", "--noprofile"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT, start_new_session=True,
                # Python writes lines at once to a terminal, which a pipe is not.
                env={**inherited, "HOME": str(home), "PYTHONUNBUFFERED": "1"},
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
        seen, status = terminal.shown(len(expected) if stays else None)
        assert (seen, status) == (expected, None if stays else 0), f"{command}: {terminal.log.read_text()}"
        if stays:
            return True
    return False


def test_a_service_of_one_s_own_works_as_readme_says_it(tmp_path: Path) -> None:
    text = own_service_path()
    opened: list[Terminal] = []
    running: list[Terminal] = []
    with ExitStack() as stack:
        stack.enter_context(deadline(opened))
        for language, block in re.findall(r"^```([\w-]+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            if language != "shell-session":
                named = re.match(r"# (\w+\.\w+)\n", block)
                assert named is not None, f"a file without a name: {block}"
                (tmp_path / "calculator" / named[1]).write_text(block, "utf-8")
                continue
            terminal = Terminal(tmp_path, tmp_path / "stderr.txt")
            stack.callback(terminal.end)
            opened.append(terminal)
            if play(terminal, block):
                running.append(terminal)
        assert len(running) == 2, "the service and the gateway stay up"
        for terminal in reversed(running):
            terminal.press_ctrl_c()
            assert terminal.shown() == ([], 0), terminal.log.read_text()
    assert "Traceback" not in (tmp_path / "stderr.txt").read_text()


def test_every_variable_that_readme_s_configuration_needs_is_set_in_readme() -> None:
    for name in re.findall(r'^password_env = "(\w+)"', README, re.MULTILINE):
        assert f"$ export {name}=" in README


def test_readme_s_own_gateway_leaves_the_demo_its_port() -> None:
    listens = re.findall(r'^listen = "([^"]+)"', README, re.MULTILINE)
    assert listens
    assert "127.0.0.1:8080" not in listens

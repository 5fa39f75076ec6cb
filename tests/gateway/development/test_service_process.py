"""The process of a service that somebody develops."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.development.service_process import ServiceProcess


def run(program: str) -> tuple[int, str]:
    async def main() -> tuple[int, str]:
        ended: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        process = ServiceProcess([sys.executable, "-c", program], os.environ, lambda *told: ended.set_result(told))
        try:
            return await asyncio.wait_for(ended, 20)
        finally:
            process.stop()

    return asyncio.run(main())


def test_its_words_are_passed_on_and_told_with_its_status(capfd: pytest.CaptureFixture[str]) -> None:
    program = "import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(3)"
    assert run(program) == (3, "out\nerr\n")
    assert capfd.readouterr() == ("", "out\nerr\n")


def test_a_signal_is_a_status_below_zero() -> None:
    assert run("import os; os.kill(os.getpid(), 9)") == (-signal.SIGKILL, "")


def test_one_that_does_not_end_is_ended_with_what_it_started(tmp_path: Path) -> None:
    program = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid)); time.sleep(60)"
    )
    told: list[object] = []

    async def main() -> None:
        process = ServiceProcess([sys.executable, "-c", program], os.environ, lambda *ended: told.append(ended))
        async with asyncio.timeout(20):
            while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()):
                await asyncio.sleep(0.02)
        process.stop()
        await asyncio.sleep(0)

    asyncio.run(main())
    assert told == []
    assert not is_running(int((tmp_path / "pid").read_text()))


def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent = (
        "import asyncio, os, sys\n"
        "from gateway.development.service_process import ServiceProcess\n"
        "async def main():\n"
        "    program = f'import os, time; open({sys.argv[1]!r}, \"w\").write(str(os.getpid())); time.sleep(60)'\n"
        "    ServiceProcess([sys.executable, '-c', program], os.environ, print)\n"
        "    while not (os.path.exists(sys.argv[1]) and open(sys.argv[1]).read()):\n"
        "        await asyncio.sleep(0.02)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    subprocess.run([sys.executable, "-c", parent, str(tmp_path / "pid")], timeout=20, check=False)
    assert not is_running(int((tmp_path / "pid").read_text()))


def is_running(pid: int) -> bool:
    """Whether a process is there after all; one that was killed needs a moment to go."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "Z":
                return False
        except FileNotFoundError:
            return False
        time.sleep(0.02)
    return True

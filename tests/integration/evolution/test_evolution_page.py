"""docs/evolution.md says what happens: its example runs, and its command prints what it shows."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import cara_pseud

if TYPE_CHECKING:
    from tests.integration.conftest import Start

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "evolution.md").read_text("utf-8")
NEW, OLD = re.findall(r"```capnp\n(.*?)```", PAGE, re.DOTALL)
ANSWER = re.search(r'When the service answers `(.*?)`', PAGE, re.DOTALL).group(1)  # type: ignore[union-attr]
CONFIG = """
[services.jobs]
schema = "{schema}"
interface = "Jobs"
endpoint = "{endpoint}"
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "jobs.capnp").write_text(NEW)
    (tmp_path / "jobs.old.capnp").write_text(OLD)
    return tmp_path / "jobs.capnp", tmp_path / "jobs.old.capnp"


def test_the_older_caller_of_the_example_gets_what_the_page_says(files: tuple[Path, Path], start: Start) -> None:
    new, old = map(cara_pseud.load, files)
    answer = eval(re.sub(r"\s+", " ", ANSWER), {"Job": new.Job})

    class Jobs(new.Jobs):  # type: ignore[misc, name-defined]
        def get(self, id: int) -> Any:
            return answer

    async def main() -> None:
        server = cara_pseud.Server(b"server")
        server.bind("tcp://127.0.0.1:*")
        cara_pseud.register_interface(server, new.Jobs, Jobs())
        client = cara_pseud.Client(b"server")
        async with server:
            client.connect(server.endpoint)
            async with client:
                job = await old.Jobs(client).get(1)
                assert (job.id, job.state, repr(job.state)) == (1, 2, "<State: 2>")
            config = CONFIG.format(schema=files[1], endpoint=server.endpoint)
            _, web = await asyncio.to_thread(start.gateway, config)
            answered = await asyncio.to_thread(web.post, "/api/jobs/get", {"id": 1})
            assert answered.text.strip() == re.sub(r"[ \n]", "", '{"job": {"id": 1, "state": 2}}')
            assert '`{"job": {"id": 1, "state": 2}}`' in PAGE

    asyncio.run(main())


def asked(folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "gateway.toml").write_text(CONFIG.format(schema="jobs.capnp", endpoint="tcp://127.0.0.1:1"))
    arguments = ["check", "--config", "gateway.toml", "--against", "jobs.old.capnp"]
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments], cwd=folder, capture_output=True, text=True, timeout=30
    )


def test_check_says_nothing_of_the_example(files: tuple[Path, Path], tmp_path: Path) -> None:
    done = asked(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_check_prints_what_the_page_shows(files: tuple[Path, Path], tmp_path: Path) -> None:
    shown = re.search(r"--against jobs.old.capnp\n(.*?)\n```", PAGE, re.DOTALL).group(1)  # type: ignore[union-attr]
    files[1].write_text(NEW)
    files[0].write_text(NEW.replace("note @2 :Text", "note @2 :Data"))
    done = asked(tmp_path)
    assert (done.returncode, done.stderr.strip()) == (2, shown)


def test_check_knows_when_there_is_nothing_to_compare(files: tuple[Path, Path], tmp_path: Path) -> None:
    files[1].write_text(OLD.replace("@0xa5e1f90c3b7d2846", "@0xb5e1f90c3b7d2846"))
    done = asked(tmp_path)
    assert done.returncode == 2
    assert "no service has a schema with a declaration of this one" in done.stderr


def test_check_says_what_is_wrong_with_the_old_schema(files: tuple[Path, Path], tmp_path: Path) -> None:
    files[1].write_text(OLD + "struct {")
    done = asked(tmp_path)
    assert done.returncode == 2
    assert "jobs.old.capnp:5" in done.stderr

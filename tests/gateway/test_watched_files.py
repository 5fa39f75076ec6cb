"""Real files. Nothing tells of a change but the look of the watch itself, so the tests ask often and wait for it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from gateway.watched_files import WatchedFiles

POLL_S = 0.01


def write(file: Path, text: str) -> None:
    file.write_text(text)


class Watch:
    def __init__(self, *files: Path) -> None:
        self.files = list(files)
        self.changes: asyncio.Queue[str] = asyncio.Queue()
        self.during: Callable[[], None] = lambda: None

    async def changed(self) -> None:
        text = self.files[0].read_text() if self.files[0].is_file() else ""
        self.during()
        self.during = lambda: None
        self.changes.put_nowait(text)

    async def next(self) -> str:
        async with asyncio.timeout(5):
            return await self.changes.get()

    async def is_quiet(self) -> bool:
        # That nothing happens is shown by nothing but time.
        await asyncio.sleep(10 * POLL_S)
        return self.changes.empty()


def watching(watch: Watch, play: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        watching = asyncio.create_task(WatchedFiles(lambda: watch.files, watch.changed, POLL_S).run())
        try:
            assert await watch.is_quiet()
            await play()
        finally:
            watching.cancel()

    asyncio.run(main())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "file"
    write(file, "before")
    return file


def test_a_file_that_is_written_is_told_once_with_what_stands_in_it_at_the_end(file: Path) -> None:
    watch = Watch(file)

    async def play() -> None:
        for text in ("a", "aft", "after"):
            write(file, text)
            await asyncio.sleep(0)
        assert await watch.next() == "after"
        assert await watch.is_quiet()

    watching(watch, play)


def test_an_editor_that_puts_another_file_in_the_place_is_noticed(file: Path) -> None:
    watch = Watch(file)
    before = os.stat(file)

    async def play() -> None:
        other = file.with_name("other")
        write(other, "behind")
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        other.replace(file)
        assert await watch.next() == "behind"

    watching(watch, play)


def test_a_link_that_leads_elsewhere_is_noticed(tmp_path: Path) -> None:
    # As Kubernetes has it: file -> ..data/file, ..data -> a folder by its time.
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    (tmp_path / "data").symlink_to("1")
    (tmp_path / "file").symlink_to("data/file")
    watch = Watch(tmp_path / "file")

    async def play() -> None:
        (tmp_path / "new").symlink_to("2")
        (tmp_path / "new").replace(tmp_path / "data")
        assert await watch.next() == "2"

    watching(watch, play)


def test_files_that_vanish_and_appear_are_noticed(file: Path) -> None:
    watch = Watch(file)

    async def play() -> None:
        os.unlink(file)
        assert await watch.next() == ""
        write(file, "again")
        assert await watch.next() == "again"

    watching(watch, play)


def test_what_changes_while_a_change_is_looked_at_is_told_as_well(file: Path) -> None:
    watch = Watch(file)

    async def play() -> None:
        watch.during = lambda: write(file, "late")
        write(file, "first")
        assert await watch.next() == "first"
        assert await watch.next() == "late"

    watching(watch, play)


def test_files_that_are_new_among_the_watched_are_watched(file: Path) -> None:
    watch = Watch(file)
    other = file.with_name("other")

    async def play() -> None:
        watch.files.append(other)
        write(file, "first")
        assert await watch.next() == "first"
        assert await watch.is_quiet()
        write(other, "something")
        assert await watch.next() == "first"

    watching(watch, play)


def test_what_is_watched_from_now_on_and_has_changed_since_is_told_as_well(file: Path) -> None:
    watch = Watch(file)
    other = file.with_name("other")

    def during() -> None:
        watch.files.append(other)
        write(other, "something")

    async def play() -> None:
        watch.during = during
        write(file, "first")
        assert await watch.next() == "first"
        assert await watch.next() == "first"
        assert await watch.is_quiet()

    watching(watch, play)


def test_of_a_folder_it_is_told_what_appears_in_it(file: Path) -> None:
    watch = Watch(file, file.parent)

    async def play() -> None:
        file.with_name("beside").write_text("something")
        assert await watch.next() == "before"

    watching(watch, play)

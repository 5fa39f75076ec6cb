"""Who waits for changes of pages."""

from __future__ import annotations

import asyncio

from gateway.http.page_changes import PageChanges


def test_whoever_waits_is_told_of_a_change_and_of_the_end_of_its_patience() -> None:
    async def main() -> None:
        changes = PageChanges()
        first = changes.version
        assert await changes.after("of another process", 60) == first
        assert await changes.after(first, 0.001) == first
        waiting = asyncio.ensure_future(changes.after(first, 60))
        await asyncio.sleep(0)
        changes.tell()
        assert await waiting == changes.version != first
        changes.tell()
        assert await changes.after(first, 60) == changes.version

    asyncio.run(main())


def test_two_processes_have_no_version_in_common() -> None:
    assert PageChanges().version != PageChanges().version

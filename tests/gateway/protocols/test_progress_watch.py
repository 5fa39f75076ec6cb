"""When a client that takes nothing is given up, and who is not."""

from __future__ import annotations

from typing import Any

from gateway.protocols.progress_watch import ProgressWatch


class Scene:
    def __init__(self) -> None:
        self.progress: object = 0
        self.stuck = 0
        self.watch = ProgressWatch(lambda: self.progress, self._on_stuck, 30.0)

    def _on_stuck(self) -> None:
        self.stuck += 1


def test_who_takes_nothing_is_given_up_once(fakes: Any) -> None:
    async def main() -> None:
        scene = Scene()
        scene.watch.begin()
        for _ in range(29):
            await fakes.pass_time(1)
        assert scene.stuck == 0
        await fakes.pass_time(1.5)
        assert scene.stuck == 1
        await fakes.pass_time(100)
        assert scene.stuck == 1

    fakes.run(main())


def test_whatever_is_taken_begins_the_time_anew(fakes: Any) -> None:
    async def main() -> None:
        scene = Scene()
        scene.watch.begin()
        for step in range(1, 10):
            for _ in range(4):
                await fakes.pass_time(6)
            scene.progress = step
        assert scene.stuck == 0
        scene.watch.begin()  # which changes nothing
        for _ in range(7):
            await fakes.pass_time(5)
        assert scene.stuck == 1

    fakes.run(main())


def test_where_nothing_is_owed_nobody_looks_until_it_begins_again(fakes: Any) -> None:
    async def main() -> None:
        scene = Scene()
        scene.watch.begin()
        scene.progress = None
        await fakes.pass_time(6)
        assert fakes.timers() == 0
        scene.progress = 1
        await fakes.pass_time(100)
        assert scene.stuck == 0
        scene.watch.begin()
        scene.watch.end()
        scene.watch.end()
        assert fakes.timers() == 0

    fakes.run(main())

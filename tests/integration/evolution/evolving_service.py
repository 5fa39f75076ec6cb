"""A service with one of two versions of a schema: gives back what it is given, and adds what only its version has.

`python evolving_service.py SCHEMA` prints its endpoint and serves until it is killed.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import cara_pseud


def implementation(schema: Any) -> Any:
    """An implementation of the schema's version of the interface."""
    is_new = hasattr(schema, "Base")

    class Note(schema.Note):  # type: ignore[misc]
        def text(self) -> str:
            return "a note"

        def length(self) -> int:
            return 6

        def name(self) -> str:
            return "the note"

    class Keeper(schema.Moved.Keeper[cara_pseud.Text] if is_new else schema.Keeper):  # type: ignore[misc]
        def keep(self, text: Any) -> Any:
            return text

    class Evolving(schema.Evolving):  # type: ignore[misc]
        def field(self, job: Any) -> Any:
            if is_new:
                job.note, job.extra.size, job.object = f"{job.note}!", job.extra.size + 1, Note()
            return job

        def jobs(self, jobs: Any) -> Any:
            return [self.field.handler(job) for job in jobs] if is_new else jobs

        def enumerant(self, task: Any) -> Any:
            if is_new:
                task.state, task.states = "failed", ["busy", "failed"]
            return task

        def state(self, state: Any) -> Any:
            return "failed" if is_new else state

        def member(self, shape: Any) -> Any:
            if is_new and shape.which() == "none":
                shape.square = 2.0
            return shape

        def named(self, box: Any) -> Any:
            if is_new and box.content.which() == "empty":
                box.content.number = 5
            return box

        def group(self, place: Any) -> Any:
            if is_new:
                place.at.town = "Oslo"
            return place

        def union(self, chosen: Any) -> Any:
            if is_new and chosen.name == "text":
                chosen.by.text = "word"
            return chosen

        def lists(self, row: Any) -> Any:
            if is_new:
                for number in row.numbers:
                    number.unit = "m"
            return row

        def parameter(self, first: int, second: int = 0, text: str = "") -> int:
            return first + second + len(text)

        def result(self, number: int) -> Any:
            return {"number": number, "text": "new"} if is_new else number

        def results(self, number: int) -> Any:
            all = {"number": number, "twice": 2 * number, "thrice": 3 * number}
            return all if is_new else {"number": number, "twice": 2 * number}

        def nothing(self) -> Any:
            return "something" if is_new else None

        def generic(self, pair: Any) -> Any:
            return pair

        def renamed(self, value: Any) -> Any:
            return value

        def whole(self, job: Any) -> Any:
            return self.field.handler(job) if is_new else job

        def note(self, job: Any) -> Any:
            return Note()

        def keeper(self) -> Any:
            return Keeper()

        def tone(self, tone: Any, tones: Any) -> Any:
            return tones[0]

        async def tell(self, listener: Any) -> int:
            if is_new:
                told = await listener.told("news", 3)
                return int(told.count) + len(told.was)
            return int(await listener.told("news"))

        def added(self) -> str:
            return "added"

        def count(self) -> int | None:
            return 3 if is_new else None

        def later(self) -> str:
            return "later"

    return Evolving()


async def main(path: str) -> None:
    schema = cara_pseud.load(path)
    server = cara_pseud.Server(b"evolving")
    server.bind("tcp://127.0.0.1:*")
    cara_pseud.register_interface(server, schema.Evolving, implementation(schema))
    async with server:
        print(server.endpoint, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

"""A program that uses everything that a schema can have, and that type checkers take."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

import cara_pseud

if TYPE_CHECKING:
    import common_capnp as common
    import every_capnp as schema
else:
    schema = cara_pseud.load("every.capnp")
    common = cara_pseud.load("common.capnp")


class MyThing(schema.Thing):
    """Implements an interface: by plain methods, by async ones, with results in every form."""

    def __init__(self, name: str) -> None:
        self.name = name

    def base(self) -> str:
        return self.name

    def list(self, prefix: str, limit: int = 100) -> list[schema.Every]:
        return [schema.Every(text=prefix)] * limit

    async def whole(self, _value: schema.Every, /) -> schema.Every:
        _value.small, _value["text"], _value[5] = 5, "x", None
        return _value

    def several(self, color: schema.Color) -> tuple[int, str, MyThing]:
        return (1 if color is schema.Color.red else 0, "x", self)

    async def watch(self, listener: schema.Thing.ListenerClient) -> None:
        await listener.told(schema.Every())

    def send(self, every: schema.Every) -> Awaitable[None] | None:
        return None


def values() -> schema.Every:
    every = schema.Every(
        bool=True, big=2**60, half=1, bytes=bytearray(b"x"), color="green", every={"text": "x"}, many=[{"small": 1}],
        table=[[1], (2, 3)], any={"a": 1}, shape={"circle": 1.0}, place={"x": 1, "y": 2}, two={"value": 3},
        person={"name": "Ann"}, box={"value": "x"}, thing=MyThing("x"),
    )
    every.color = schema.Color.class_
    every.every = None
    every.many = [every, {"small": 1}]
    every["items"] = "a field that has the name of a method"
    every.import_ = every["items"]
    inner = schema.Every.Inner(value=1)
    every.two = inner
    every.place.x = every.small + len(every.text) + len(every.bytes)
    if every.which() == "two":
        every.shape.square = every.half
    first: schema.Every = every.many[0]
    number: int = first.table[0][0] + schema.limit
    person: common.Person = every.person
    text: str = person.name + schema.names[0] + every["text"]
    return schema.Every({0: None}, small=number, text=text)


async def calls(client: cara_pseud.Client) -> int:
    thing = schema.Thing(client)
    every = await thing.whole({"text": "x"})
    found = await thing.list("a")
    found += await thing.list(prefix="a", limit=5)
    results = await thing.several("red")
    other = results.thing
    await other.watch(lambda every: None)
    await other.watch({"told": lambda every: None})
    base: str = await other.base()
    task: asyncio.Task[str] = asyncio.create_task(thing.base())
    async with asyncio.TaskGroup() as group:
        group.create_task(thing.send(every))
    anything: Any = await thing.generic(5)
    with_text = cara_pseud.with_options(thing, timeout=5)
    return results.first + len(results["items"]) + len(base) + len(await task) + len(str((anything, with_text)))

known: schema.Common.Person = schema.Person(name="x", age=5)

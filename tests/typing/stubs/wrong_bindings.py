"""What does not fit what a program has bound a generic type to."""

from __future__ import annotations

import generic_capnp as schema

import cara_pseud
from cara_pseud import Text

schema.Box[Text](value=5)  # wrong
box = schema.Box[Text]()
box.value = b"x"  # wrong
number: int = box.next.value  # wrong
box["value"] = 7  # wrong
name = schema.Pair[Text, schema.Person]().second.nmae  # wrong


async def wrong(client: cara_pseud.Client) -> tuple[bytes, int]:
    store = schema.Store[Text](client)
    await store.put(5)  # wrong
    data: bytes = await store.get()  # wrong
    other: int = (await store.box()).value  # wrong
    return data, other

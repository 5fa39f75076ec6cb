"""Generic types that the program binds itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import generic_capnp as schema

import cara_pseud
from cara_pseud import Data, Text

if TYPE_CHECKING:
    from generic_capnp import _Box_of, _Pair_of


def made() -> tuple[_Box_of[str], _Pair_of[schema.Person, bytes]]:
    box = schema.Box[Text](value="a", kids=[schema.Box[Text](value="b")])
    box.next.value = "c"
    return box, schema.Pair[schema.Person, Data](first={"name": "Ann"}, second=b"12345")


def taken_apart(box: _Box_of[str], pair: _Pair_of[schema.Person, bytes]) -> tuple[str, str, str, int, str]:
    return box.value, box.kids[0]["value"], pair.first.name, len(pair.second), box.next.value.lower()


def of_boxes() -> str:
    return schema.Box[schema.Box[Text]]().value.value


async def called(client: cara_pseud.Client) -> str:
    store = schema.Store[Text](client)
    await store.put("x")
    some = (await store.box()).value
    top: bytes = await schema.Shelf[Data](client).top()
    any_box: schema.Box = await store.box()
    await schema.Both(client).both()
    return await store.get() + some + any_box.type + top.decode()

"""What belongs to which of two things of one name."""

from __future__ import annotations

import collisions_capnp as schema
import od_ds_capnp

from cara_pseud.testing import local_proxy


def taken_apart(person: schema.Person, whole: schema.Whole) -> tuple[str, int, int, int]:
    inner: schema.Person.Address = person.inner
    outer: schema.Address = person.outer
    odd: od_ds_capnp.Odd = person.odds[0]
    part: schema.Whole.Whole = whole.part
    same: schema.Whole = whole.whole
    return inner.street, outer.top, odd.number, part.part + same.part.part


class Inner(schema.Store.Store):
    def keep(_self, self: str, store: schema.Store.StoreClient) -> tuple[str, Store]:
        return self.upper(), Store()


class Store(schema.Store):
    def open(_self, self: str) -> tuple[Inner, Inner]:
        assert self == "me"
        return Inner(), Inner()

    def store(self, word: schema.Word) -> int:
        return int(word)


async def used() -> tuple[str, int]:
    store: schema.StoreClient = local_proxy(Store())
    opened = await store.open(self="me")
    kept = await opened.await_.keep("a", opened["store"])
    again: schema.StoreClient = kept.store
    return kept.self, await again.store("value")


def values() -> tuple[list[int], int, int]:
    return schema.list, schema.int, int(schema.Word["value"])


def renamed(alias: schema.Alias, inner: schema.Alias.Inner) -> tuple[str, int]:
    outer: schema.Alias.Address = alias.outer
    alias.inner = inner
    return alias.inner.street, outer.top


def made() -> schema.Person:
    return schema.Person(self="me", outer={"top": 5}, odds=[{"number": 1}], mro="order", list=["a"])



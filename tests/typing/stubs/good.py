from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import cara_pseud

if TYPE_CHECKING:
    import addressbook_capnp as book
    import calculator_capnp as calc
else:
    book = cara_pseud.load("addressbook.capnp")
    calc = cara_pseud.load("calculator.capnp")

class MyCalculator(calc.Calculator):
    def add(self, first: int, second: int) -> int:
        return first + second
    async def divide(self, dividend: int, divisor: int) -> tuple[int, int]:
        return divmod(dividend, divisor)

class Listener(book.AddressBook.Listener):
    def __init__(self, name: str) -> None:
        self.name = name
    def changed(self, person: book.Person, change: book.Change) -> None:
        print(person.name, change is book.Change.added)

class Book(book.AddressBook):
    async def find(self, name: str) -> book.Person:
        return book.Person(name=name, tags=["a"])
    def add(self, person: book.Person) -> book.Person:
        person.email = None
        person["tags"] = ("x", "y")
        return person
    def list(self, prefix: str, limit: int = 100) -> list[book.Person]:
        return []

async def use(client: cara_pseud.Client) -> None:
    calculator = calc.Calculator(client)
    total: int = await calculator.add(2, second=5)
    task: asyncio.Task[int] = asyncio.create_task(calculator.add(1, 2))
    both: tuple[int, int] | list[int] = await asyncio.gather(calculator.add(1, 2), calculator.add(3, 4))
    async with asyncio.TaskGroup() as group:
        group.create_task(calculator.add(1, 1))
    result = await calculator.divide(7, 2)
    print(total, await task, both, result.quotient + result["remainder"])
    addresses = book.AddressBook(client)
    person = await addresses.find("Ann")
    name: str = person.name
    tags: list[str] = person["tags"]
    await addresses.add({"name": name, "tags": tags})
    await addresses.add(book.Person({"name": "x"}, email="e"))
    subscription = await addresses.watch(Listener("l"))
    await addresses.watch(lambda person, change: None)
    await subscription.cancel()
    changed = await person.updater.update(person)
    print(changed.phoneNumber.upper())


async def promised(gateway: cara_pseud.gateway.GatewaySession) -> None:
    addresses = gateway.service("addressbook", book.AddressBook)
    changed: book.Person = await addresses.find("Ann").updater.update({"email": "e"})
    await addresses.add(await addresses.find("Ann").updater.update(changed))
    # A Future has a `cancel` of its own.
    cancelled = await addresses.watch(Listener("l"))["cancel"]()
    plain = gateway.service("addressbook")
    print((await plain.find("Ann"))["name"], await plain.find("Ann").updater.update({}), cancelled)
    async with cara_pseud.gateway.connect("wss://gateway", token=lambda: "t", retry=True) as other:
        print(other.session, other.state, other.limits["max_values"])

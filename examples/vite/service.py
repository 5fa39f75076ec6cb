"""A counter that all pages share."""

import asyncio
from pathlib import Path

import cara_pseud

schema = cara_pseud.load(Path(__file__).with_name("counter.capnp"))


class Counter(schema.Counter):
    def __init__(self):
        self.value = 0
        self.listeners = []

    async def increase(self, by):
        self.value += by
        await asyncio.gather(*(listener.changed(self.value) for listener in self.listeners), return_exceptions=True)
        return self.value

    async def watch(self, listener):
        await listener.changed(self.value)
        return Subscription(self.listeners, listener)


class Subscription(schema.Counter.Subscription):
    def __init__(self, listeners, listener):
        self.listeners, self.listener = listeners, listener
        listeners.append(listener)

    def cancel(self):
        if self.listener in self.listeners:
            self.listeners.remove(self.listener)

    __released__ = cancel


cara_pseud.run(Counter())

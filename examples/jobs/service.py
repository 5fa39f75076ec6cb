"""The queue: it knows who wants what done and who does it, and calls both."""

import asyncio
from pathlib import Path

import cara_pseud

schema = cara_pseud.load(Path(__file__).with_name("jobs.capnp"))


class Queue(schema.Queue):
    def __init__(self):
        self.free = asyncio.Queue()

    def join(self, worker):
        self.free.put_nowait(worker)

    def submit(self, lines, watcher):
        return Job(self.free, lines, watcher)


class Job(schema.Queue.Job):
    def __init__(self, free, lines, watcher):
        self.task = asyncio.create_task(self.run(free, lines, watcher))

    async def run(self, free, lines, watcher):
        worker, words, begun = await free.get(), 0, 0
        while begun < len(lines):
            try:
                words += await worker.count(lines[begun])
            except cara_pseud.RpcError:
                worker = await free.get()  # that one has gone; another one does the line
                continue
            begun += 1
            await watcher.progress(100 * begun // len(lines))
        free.put_nowait(worker)
        await watcher.done(words)

    def cancel(self):
        self.task.cancel()

    __released__ = cancel  # whoever submitted it has gone


cara_pseud.run(Queue())

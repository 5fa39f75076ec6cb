"""A worker: a client whose object the queue calls. As many of them as there is work for."""

import asyncio
import os
from pathlib import Path

import cara_pseud

ENDPOINT = os.environ.get("CARA_ENDPOINT", "tcp://127.0.0.1:5555")
schema = cara_pseud.load(Path(__file__).with_name("jobs.capnp"))


class Worker(schema.Queue.Worker):
    async def count(self, line):
        await asyncio.sleep(0.1)  # it is hard work
        return len(line.split())


async def main():
    client = cara_pseud.Client("server", security_plugin="plain", user_id="worker", password="any")
    client.connect(ENDPOINT)
    async with cara_pseud.setup_client(client):
        await schema.Queue(client).join(Worker())
        print("waiting for work")
        await asyncio.Event().wait()


cara_pseud.run(main)

"""A network that can be switched off, or swallows what it is given: a TCP proxy in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress


class Network:
    """Leads to a port of this machine as long as it is on."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._on = True
        self._swallows = False
        self._swallowed: set[asyncio.StreamWriter] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,))
        self._thread.start()
        ready.wait(10)

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._stopped = asyncio.Event()
        ready.set()
        self._loop.run_until_complete(self._until_stopped())
        self._loop.close()

    async def _until_stopped(self) -> None:
        await self._stopped.wait()
        self._server.close()
        self._cut()
        # What was cut ends by itself.
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._on:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers |= {writer, back}
        if self._swallows:
            self._swallowed |= {writer, back}
        await asyncio.gather(self._pass_on(reader, back), self._pass_on(there, writer))
        self._writers -= {writer, back}
        self._swallowed -= {writer, back}

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if writer not in self._swallowed:
                    writer.write(data)
                    await writer.drain()
        writer.transport.abort()

    def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    def switch(self, on: bool) -> None:
        """Switch it on, or off: what is open breaks and nothing new gets through."""

        def change() -> None:
            self._on = on
            if not on:
                self._cut()

        self._loop.call_soon_threadsafe(change)

    def swallow(self, swallows: bool) -> None:
        """Let nothing through any more and tell nobody, or be as before for new connections; the others stay dead."""

        def change() -> None:
            self._swallows = swallows
            if swallows:
                self._swallowed |= self._writers

        self._loop.call_soon_threadsafe(change)

    def stop(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

"""The process of a bridge to a native service: started, watched by its beats, and started again when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from asyncio.subprocess import PIPE, Process
from typing import Final

from gateway.bridge.reports import read_report
from gateway.config.connection import NativeSource

_LOG: Final = logging.getLogger(__name__)

SILENCE_S: Final = 4.0
"""A bridge without a beat for so long hangs; it has two a second, which come late on a loaded machine."""
AGAIN_S: Final = (0.0, 0.2, 0.5, 1.0, 2.0)
"""After each end; the last one for ever. Who ran for `_WELL_S` begins anew."""
_WELL_S: Final = 10.0
_STOP_S: Final = 3.0
STARTS: Final = "the bridge to it is being started"


class BridgeProcess:
    """One bridge, from `start` to `stop`, in as many processes one after the other as it takes.

    Attributes:
        trouble: why the service cannot be called through it, as the end of a sentence; empty if nothing is wrong.
    """

    def __init__(self, service: str, endpoint: str, native: NativeSource, bind: str) -> None:
        self._service = service
        self._said = json.dumps({
            "endpoint": endpoint, "bind": bind, "peer": "bridge", "schema": os.path.abspath(native.schema),
            "import_path": [os.path.abspath(folder) for folder in native.import_path], "interface": native.interface,
        })  # fmt: skip
        self.trouble = STARTS
        self._process: Process | None = None
        self._keeping: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process's id, while there is one."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Begin, in the running loop."""
        self._keeping = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """End it for good."""
        keeping, self._keeping = self._keeping, None
        if keeping is not None:
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        ended = 0
        while True:
            began = loop.time()
            try:
                await self._run()
            except OSError as error:
                _LOG.error("the bridge to service %s cannot be started: %s", self._service, error.strerror)
            if loop.time() - began > _WELL_S:
                ended = 0
            await asyncio.sleep(AGAIN_S[min(ended, len(AGAIN_S) - 1)])
            ended += 1

    async def _run(self) -> None:
        """Have one process until it ends or hangs."""
        # A session of its own: Ctrl-C in a terminal is for the gateway, which lets calls under way end first.
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway.bridge.process", stdin=PIPE, stdout=PIPE, start_new_session=True
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            # Its standard input stays open: with its end the bridge ends, too, so that it cannot outlive a gateway.
            process.stdin.write(self._said.encode() + b"\n")
            while True:
                try:
                    async with asyncio.timeout(SILENCE_S):
                        line = await process.stdout.readline()
                except TimeoutError:
                    _LOG.warning("the bridge to service %s hangs, it is started anew", self._service)
                    return
                if not line:
                    _LOG.warning("the bridge to service %s has ended, it is started anew", self._service)
                    return
                trouble = read_report(line)
                if trouble is not None:
                    self.trouble = trouble
        finally:
            self.trouble = STARTS
            await _end(process)
            self._process = None


async def _end(process: Process) -> None:
    """See a process to its end; one that hangs hears nothing else than SIGKILL."""
    assert process.stdin is not None
    process.stdin.close()
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_STOP_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()

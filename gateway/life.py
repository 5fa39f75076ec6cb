"""A gateway's process from its first signal to its last: start, reload, stop. Knows no door and prints nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Final

from cara_pseud.schema.loader import schema_files
from gateway import logs
from gateway.app import Gateway
from gateway.config.file import ConfigError, GatewayConfig
from gateway.http.descriptors import permit_descriptors
from gateway.loop import CollectorWatch, give_back_large_blocks, settle_collector, watched_loop
from gateway.stalls import Stalls
from gateway.watched_files import WatchedFiles

_LOG: Final = logging.getLogger(__name__)

_CERTIFICATES_S: Final = 2.0
"""How often it is looked whether a certificate was renewed; twice that is waited for its key."""

Announce = Callable[[Gateway], Awaitable[None]]


class StartError(Exception):
    """The gateway cannot run; the text says why."""


def stop_quietly() -> None:
    """End with 0 on a signal that comes before the loop looks for signals itself."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))


def run(
    config: GatewayConfig,
    announce: Announce,
    source: Callable[[], GatewayConfig] | None = None,
    *,
    watches: bool = False,
) -> None:
    """Run a gateway until a signal ends it.

    Args:
        announce: called once it listens.
        source: reads the configuration again, at SIGHUP; None = there is nothing to read, and SIGHUP ends the process.
        watches: whether it is read again when a file changes that it comes from.

    Raises:
        ConfigError: the configuration cannot be used.
        StartError: it cannot listen, or ``announce`` says so.
    """
    log = logs.set_up(config.limits.max_log_bytes)
    stalls = Stalls()
    if source is not None:
        # What it asks for is about to be done: the files are read now.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        gateway = Gateway(config, log, stalls=stalls, source=source)
        permit_descriptors(gateway.wanted_descriptors)
        with CollectorWatch(stalls), asyncio.Runner(loop_factory=partial(watched_loop, stalls)) as runner:
            runner.run(_Life(gateway, config, announce, reloads=source is not None, watches=watches).run())
    finally:
        log.close()


class _Life:
    def __init__(
        self, gateway: Gateway, config: GatewayConfig, announce: Announce, *, reloads: bool, watches: bool
    ) -> None:
        self._gateway = gateway
        self._config = config
        self._announce = announce
        self._reloads = reloads
        self._watches = watches
        self._tasks: set[asyncio.Task[None]] = set()
        self._reload_failed = False
        self._stopped_by = 0

    async def run(self) -> None:
        gateway = self._gateway
        async with self._signals() as stopped:
            delay_s = 0.0
            try:
                await gateway.start()
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                raise StartError(f"cannot listen on {self._config.listen}: {reason}") from None
            give_back_large_blocks()
            settle_collector()
            if self._config.tls is not None:
                self._begin(WatchedFiles(self._certificates, self._renew, _CERTIFICATES_S).run())
            if self._watches:
                self._begin(WatchedFiles(self._watched, self._reload).run())
            try:
                await self._announce_until(stopped)
                # Who is at the terminal has no proxy before it that must notice first.
                delay_s = gateway.config.drain_delay_s if self._stopped_by == signal.SIGTERM else 0.0
            finally:
                for task in self._tasks:
                    task.cancel()
                await gateway.stop(delay_s)

    async def _announce_until(self, stopped: asyncio.Event) -> None:
        announcing = asyncio.ensure_future(self._announce(self._gateway))
        waiting = asyncio.ensure_future(stopped.wait())
        await asyncio.wait((announcing, waiting), return_when=asyncio.FIRST_COMPLETED)
        if announcing.done():
            announcing.result()
            sys.stdout.flush()
            await waiting
        else:
            announcing.cancel()

    @contextlib.asynccontextmanager
    async def _signals(self) -> AsyncIterator[asyncio.Event]:
        """An event that SIGTERM and SIGINT set. A second one ends the process as it always does."""
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()

        def stop(number: int) -> None:
            _LOG.info("stopping")
            self._stopped_by = number
            stopped.set()
            for number in numbers:
                loop.remove_signal_handler(number)

        numbers = (signal.SIGTERM, signal.SIGINT)
        for number in numbers:
            loop.add_signal_handler(number, stop, number)
        if self._reloads:
            loop.add_signal_handler(signal.SIGHUP, lambda: self._begin(self._reload()))
        try:
            yield stopped
        finally:
            for number in (*numbers, signal.SIGHUP):
                loop.remove_signal_handler(number)

    # Reloading.

    async def _reload(self) -> None:
        try:
            await self._gateway.reload()
        except ConfigError:
            self._reload_failed = True  # the log has it
        except Exception:
            self._reload_failed = True
            _LOG.exception("the configuration is not reloaded")
        else:
            self._reload_failed = False

    def _watched(self) -> Iterable[Path]:
        config = self._gateway.attempted
        files = list(config.files)
        for service in config.services:
            files += schema_files(service.schema, config.import_path)
        if self._reload_failed:
            # What is missing may appear beside what is there.
            files += [path.parent for path in files] + list(config.import_path)
        return files

    # Certificates, which are renewed by programs that know of no gateway.

    def _certificates(self) -> Iterable[Path]:
        tls = self._gateway.config.tls
        return () if tls is None else [path for path in (tls.certificate, tls.key, tls.client_ca) if path is not None]

    async def _renew(self) -> None:
        try:
            await self._gateway.renew_certificates()
        except ConfigError as error:
            _LOG.error("the certificate before is used on: %s", error)

    def _begin(self, doing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

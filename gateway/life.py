"""A gateway's process from its first signal to its last: start, reload, stop. Knows no door and prints nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from cara_pseud.schema.loader import schema_files
from gateway import logs
from gateway.app import Gateway
from gateway.config.file import ConfigError, GatewayConfig
from gateway.config.lasting import check_guard
from gateway.config.values import Listen, UnixListen
from gateway.http.admin.door import AdminAddressError
from gateway.http.descriptors import permit_descriptors
from gateway.http.page_changes import PageChanges
from gateway.loop import CollectorWatch, give_back_large_blocks, settle_collector, watched_loop
from gateway.stalls import Stalls
from gateway.systemd import PassedSocketError, Supervisor, listen_of, passed_sockets
from gateway.watched_files import WatchedFiles

_LOG: Final = logging.getLogger(__name__)

_CLOSING_S: Final = 10.0
"""How much longer than for what is under way it may take to end."""
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
    page_changes: PageChanges | None = None,
) -> None:
    """Run a gateway until a signal ends it.

    Args:
        announce: called once it listens.
        source: reads the configuration again, at SIGHUP; None = there is nothing to read, and SIGHUP ends the process.
        watches: whether it is read again when a file changes that it comes from.
        page_changes: see `Gateway`.

    Raises:
        ConfigError: the configuration cannot be used.
        StartError: it cannot listen, or ``announce`` says so.
    """
    began_ns = time.time_ns()
    supervisor = Supervisor.of(os.environ, os.getpid())
    passed = _passed_sockets()
    if passed:
        config = _at(listen_of(passed), config)
        source = None if source is None else partial(_read_at, config.listen, source)
    log = logs.set_up(config.limits.max_log_bytes)
    log.adopt(config.log.level, config.log.format)
    stalls = Stalls()
    if passed:
        _LOG.info("listening at the sockets that were passed, the first of which is %s", config.listen)
    if source is not None:
        # What it asks for is about to be done: the files are read now.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        gateway = Gateway(config, log, stalls=stalls, source=source, passed=passed, page_changes=page_changes)
        permit_descriptors(gateway.wanted_descriptors)
        with CollectorWatch(stalls), asyncio.Runner(loop_factory=partial(watched_loop, stalls)) as runner:
            life = _Life(
                gateway, config, announce, supervisor, stalls,
                reloads=source is not None, watches=watches, began_ns=began_ns,
            )  # fmt: skip
            runner.run(life.run())
    finally:
        supervisor.close()
        log.close()


def _passed_sockets() -> list[socket.socket]:
    """The sockets that a supervisor has bound.

    Raises:
        StartError: one cannot be used.
    """
    try:
        return passed_sockets(os.environ, os.getpid())
    except PassedSocketError as error:
        raise StartError(str(error)) from None
    finally:
        for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
            os.environ.pop(name, None)  # they are taken, by nobody else


def _at(listen: Listen | UnixListen, config: GatewayConfig) -> GatewayConfig:
    config = replace(config, listen=listen)
    check_guard(config)
    return config


def _read_at(listen: Listen | UnixListen, source: Callable[[], GatewayConfig]) -> GatewayConfig:
    return _at(listen, source())


class _Life:
    def __init__(
        self,
        gateway: Gateway,
        config: GatewayConfig,
        announce: Announce,
        supervisor: Supervisor,
        stalls: Stalls,
        *,
        reloads: bool,
        watches: bool,
        began_ns: int,
    ) -> None:
        self._began_ns = began_ns
        self._gateway = gateway
        self._config = config
        self._announce = announce
        self._supervisor = supervisor
        self._stalls = stalls
        self._reloads = reloads
        self._watches = watches
        self._tasks: set[asyncio.Task[None]] = set()
        self._reload_failed = False
        self._stopped_by = 0

    async def run(self) -> None:
        gateway, supervisor = self._gateway, self._supervisor
        feeding: asyncio.Task[None] | None = None
        async with self._signals() as stopped:
            delay_s = 0.0
            try:
                await gateway.start()
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                is_admin = isinstance(error, AdminAddressError)
                where = f"{self._config.admin}, which is admin" if is_admin else self._config.listen
                raise StartError(f"cannot listen on {where}: {reason}") from None
            give_back_large_blocks()
            settle_collector(self._stalls)
            if self._config.tls is not None:
                self._begin(WatchedFiles(self._certificates, self._renew, _CERTIFICATES_S).run())
            if self._watches:
                self._begin(WatchedFiles(self._watched, self._reload, since_ns=self._began_ns).run())
            try:
                if supervisor.watchdog_s is not None:
                    feeding = asyncio.create_task(self._feed(supervisor.watchdog_s))
                await self._announce_until(stopped)
                # Who is at the terminal has no proxy before it that must notice first.
                delay_s = gateway.config.drain_delay_s if self._stopped_by == signal.SIGTERM else 0.0
            finally:
                for task in self._tasks:
                    task.cancel()
                supervisor.stopping("ending", delay_s + gateway.config.drain_s + _CLOSING_S)
                await gateway.stop(delay_s)
                if feeding is not None:
                    feeding.cancel()

    async def _announce_until(self, stopped: asyncio.Event) -> None:
        announcing = asyncio.ensure_future(self._announce(self._gateway))
        waiting = asyncio.ensure_future(stopped.wait())
        await asyncio.wait((announcing, waiting), return_when=asyncio.FIRST_COMPLETED)
        if announcing.done():
            announcing.result()
            sys.stdout.flush()
            self._supervisor.ready(self._status())
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

    def _status(self) -> str:
        failed = ", the last reload failed" if self._reload_failed else ""
        return f"serving at {self._gateway.url}{failed}"

    async def _feed(self, watchdog_s: float) -> None:
        """Show that the loop goes round, twice in the time that the supervisor waits."""
        while True:
            self._supervisor.alive()
            await asyncio.sleep(watchdog_s / 2)

    async def _reload(self) -> None:
        self._supervisor.reloading()
        await self._reload_once()
        self._supervisor.ready(self._status())

    async def _reload_once(self) -> None:
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

"""A service while it is written: it runs, a gateway serves it, and both follow its files.

    a file changes ──► code: the process is started again ──► it says what it serves ──┐
                  └──► schema: the same, and the gateway reads it again ───────────────┴──► the gateway serves that
                  └──► pages: browsers load them again

What is wrong is told as one line with its place, in the terminal and by `/readyz`, until it is mended.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from cara_pseud.announcing import VARIABLE as ANNOUNCE_VARIABLE
from cara_pseud.running import ENDPOINT
from cara_pseud.running import VARIABLE as ENDPOINT_VARIABLE
from gateway.app import Gateway
from gateway.config.auth import AuthConfig
from gateway.config.exposure import reach
from gateway.config.file import ConfigError, GatewayConfig, ServiceConfig
from gateway.config.values import Listen, UnixListen
from gateway.development.announced import PASSWORD, USER, Announcement, named, read_announcement
from gateway.development.parts import Part, ServiceFiles, State, changed
from gateway.development.service_process import ServiceProcess
from gateway.development.tracebacks import fault_of
from gateway.http.page_changes import PageChanges
from gateway.own_folders import OwnFolder
from gateway.watched_files import WatchedFiles

_POLL_S: Final = 0.1
_GATHERING_S: Final = 0.05
"""A service may have several servers, which tell of themselves one after the other."""
_FIRST_S: Final = 15.0
"""How long the first line waits for the service, or for what is wrong with it."""
_SILENT_S: Final = 5.0
"""A service that runs and serves nothing for so long has been forgotten to be served."""
_SOCKET: Final = "announce"
_MAX_ANNOUNCEMENT_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What somebody who develops a service says.

    Attributes:
        arguments: the service's own.
        pages: the folder of the pages, which need not be there yet.
        endpoint: where the service is to listen, or beside it if that is taken; None = anywhere, so that programs that
            listen where nobody says otherwise can be started meanwhile.
    """

    script: Path
    arguments: Sequence[str]
    schema: Path
    import_path: tuple[Path, ...]
    pages: Path
    listen: Listen | UnixListen
    endpoint: str | None = None


class Development:
    """See the module. To be ended with `end`, also if it was never begun.

    Args:
        say: told what is wrong, and that it is mended, a line each.
        used: told each configuration that is in use.

    Attributes:
        page_changes: told when the pages have changed.
    """

    def __init__(self, wishes: Wishes, say: Callable[[str], None], used: Callable[[GatewayConfig], None]) -> None:
        self._wishes = wishes
        self._say, self._used = say, used
        self.page_changes = PageChanges()
        self._sources = ServiceFiles(wishes.script.absolute(), wishes.schema, wishes.import_path, wishes.pages)
        self._announced: dict[str, Announcement] = {}
        self._heard: dict[str, Announcement] = {}
        self._is_stale = True
        self._endpoint = ""
        self._asked = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._faults: dict[Part, str] = {}
        self._folder = OwnFolder("cara-dev-")
        self._process: ServiceProcess | None = None
        self._gateway: Gateway | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._gathering: asyncio.TimerHandle | None = None
        self._silence: asyncio.TimerHandle | None = None
        self._settled: asyncio.Event | None = None

    # The configuration.

    def source(self) -> GatewayConfig:
        """The configuration as far as the service has said what it serves.

        Raises:
            ConfigError: it cannot be served.
        """
        wishes, services = self._wishes, []
        served = [(interface, one) for one in self._announced.values() for interface in one.interfaces]
        names = named(interface for interface, _ in served)
        for interface, one in served:
            security = one.gateway_security
            if security is None:
                raise ConfigError(
                    f"{wishes.script.name} wants a login (security {one.security!r}), whose secrets only you know: "
                    "write gateway.toml and use `cara-gateway serve --reload`"
                )
            user_id, password = (None, None) if security == "noop" else (USER, PASSWORD)
            services.append(
                ServiceConfig(
                    name=names[interface], schema=wishes.schema, interface=interface, endpoints=(one.endpoint,),
                    peer=one.peer, security=security, user_id=user_id, password=password,
                )
            )  # fmt: skip
        is_for_others = reach(wishes.listen, (), ()) is not None
        return GatewayConfig(
            listen=wishes.listen,
            import_path=wishes.import_path,
            pages=wishes.pages if wishes.pages.is_dir() else None,
            expose_errors=not is_for_others,
            # Whoever shows it to other machines means everybody; that is said at the start all the same.
            auth=AuthConfig(required=False) if is_for_others else None,
            drain_delay_s=0.0,
            drain_s=2.0,
            services=tuple(services),
        )

    # Life.

    async def begin(self, gateway: Gateway) -> None:
        """Start the service and follow it; returns when it is served, or it is known why not."""
        self._gateway = gateway
        self._settled = asyncio.Event()
        self._asked.bind(str(self._folder.path / _SOCKET))
        self._asked.setblocking(False)
        asyncio.get_running_loop().add_reader(self._asked, self._hear)
        self._endpoint = os.environ.get(ENDPOINT_VARIABLE) or free_endpoint(self._wishes.endpoint)
        since_ns = time.time_ns()
        state = await asyncio.to_thread(self._sources.state)
        self._start()
        self._begin(self._follow(state, since_ns))
        try:
            async with asyncio.timeout(_FIRST_S):
                await self._settled.wait()
        except TimeoutError:
            self._say(f"{self._wishes.script.name} is not served yet")

    def end(self) -> None:
        """End the service."""
        if self._process is not None:
            self._process.stop()
        self._asked.close()
        self._folder.remove()

    def _start(self) -> None:
        wishes = self._wishes
        environment = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            ANNOUNCE_VARIABLE: str(self._folder.path / _SOCKET),
            ENDPOINT_VARIABLE: self._endpoint,
        }
        self._heard = {}
        command = [sys.executable, str(wishes.script), *wishes.arguments]
        self._process = ServiceProcess(command, environment, self._ended)
        self._silence = asyncio.get_running_loop().call_later(_SILENT_S, self._is_silent)

    async def _start_again(self) -> None:
        process, self._process = self._process, None
        if self._silence is not None:
            self._silence.cancel()
        if process is not None:
            await asyncio.to_thread(process.stop)
        self._start()

    # The service.

    def _hear(self) -> None:
        try:
            data = self._asked.recv(_MAX_ANNOUNCEMENT_BYTES)
        except BlockingIOError:
            return
        announcement = read_announcement(data)
        if announcement is None or not announcement.interfaces or self._process is None:
            return
        self._heard[announcement.endpoint] = announcement
        self._sources.loaded = announcement.files
        if self._silence is not None:
            self._silence.cancel()
        if self._gathering is None:
            self._gathering = asyncio.get_running_loop().call_later(_GATHERING_S, self._gathered)

    def _gathered(self) -> None:
        self._gathering = None
        self._fault(Part.CODE, "")
        # What it served before it was started again is served on until it has said what it serves now.
        if self._is_stale or self._heard != self._announced:
            self._announced = dict(self._heard)
            self._begin(self._serve())

    def _ended(self, status: int, said: str) -> None:
        if self._silence is not None:
            self._silence.cancel()
        name = self._wishes.script.name
        ending = "ended; it has to stay, as cara_pseud.run() does" if not status else f"ended with status {status}"
        if not self._wishes.script.exists():
            ending = "there is no such file"
        elif status < 0:
            ending = f"was ended by {signal.Signals(-status).name}"
        self._fault(Part.CODE, (fault_of(said, Path.cwd()) if status > 0 else "") or f"{name}: {ending}")
        self._settle()

    def _is_silent(self) -> None:
        name = self._wishes.script.name
        self._fault(Part.CODE, f"{name}: runs, but serves nothing: cara_pseud.run(…) serves objects")
        self._settle()

    def _settle(self) -> None:
        if self._settled is not None:
            self._settled.set()

    # The gateway.

    async def _serve(self) -> None:
        """Have the gateway serve what there is now."""
        gateway = self._gateway
        assert gateway is not None
        self._is_stale = False
        try:
            await gateway.reload()
        except ConfigError as error:
            self._is_stale = True
            self._fault(Part.SCHEMA, "; ".join(error.complaints))
        else:
            self._fault(Part.SCHEMA, "")
            if gateway.config.services:
                self._used(self._in_use(gateway))
                await gateway.services_up(_SILENT_S)
        self._settle()

    @staticmethod
    def _in_use(gateway: Gateway) -> GatewayConfig:
        """What the gateway is configured with, at the port that it was given."""
        listen = gateway.config.listen
        if isinstance(listen, Listen):
            listen = Listen(listen.host, gateway.port or listen.port)
        return replace(gateway.config, listen=listen)

    def _fault(self, part: Part, text: str) -> None:
        """Tell of what is wrong now with a part; nothing, if the text is empty."""
        gateway = self._gateway
        assert gateway is not None
        before = self._faults.get(part, "")
        others = [fault for other, fault in self._faults.items() if other is not part]
        if text:
            self._faults[part] = text
        else:
            self._faults.pop(part, None)
        if text and text != before and text not in others:
            self._say(text)
        elif before and not self._faults:
            self._say("mended")
        names = [service.name for service in gateway.config.services] or [self._wishes.schema.stem]
        gateway.faults.clear()
        if self._faults:
            gateway.faults.update(dict.fromkeys(names, "; ".join(dict.fromkeys(self._faults.values()))))

    # The files.

    async def _follow(self, known: State, since_ns: int) -> None:
        async def look() -> None:
            nonlocal known
            found = await asyncio.to_thread(self._sources.state)
            parts, known = changed(known, found), found
            await self._renew(parts)

        await WatchedFiles(self._sources.watched, look, _POLL_S, since_ns).run()

    async def _renew(self, parts: set[Part]) -> None:
        gateway = self._gateway
        assert gateway is not None
        self._is_stale = self._is_stale or Part.SCHEMA in parts
        if Part.CODE in parts or Part.SCHEMA in parts:
            await self._start_again()
        if Part.PAGES in parts:
            if self._wishes.pages.is_dir() != (gateway.config.pages is not None):
                self._begin(self._serve())
            self.page_changes.tell()

    def _begin(self, doing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def free_endpoint(preferred: str | None) -> str:
    """The preferred endpoint of this machine, or one at a port that is free if that one is taken or none is."""
    wanted = urlsplit(preferred or f"{ENDPOINT.rpartition(':')[0]}:0")
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            free.bind((wanted.hostname, wanted.port))
        except OSError:
            free.bind((wanted.hostname, 0))
        return f"{wanted.scheme}://{wanted.hostname}:{free.getsockname()[1]}"

"""A service that speaks native Cap'n Proto RPC, by way of a bridge: a process of its own that makes it a cara service.

The gateway reaches the bridge as it reaches any service that speaks cara, over a socket in a folder that nobody else
may enter. A bridge that dies or hangs is a service that is down, until the next one is there.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from cara_pseud.cork import Cork
from cara_pseud.errors import RpcError
from gateway.bridge.reports import SIGN_OF_LIFE
from gateway.config.connection import ConnectionConfig
from gateway.config.limits import Limits
from gateway.own_folders import OwnFolder
from gateway.upstream.base import Upstream
from gateway.upstream.bridge_process import BridgeProcess
from gateway.upstream.pseud import PseudUpstream

_FIRST_CONNECTION_S: Final = 3.0
"""How long the first calls wait: a bridge has to start and to compile its schema."""
_FIRST_UP_S: Final = 1.0
_BRIDGES_UP_S: Final = 5.0
_LONGEST_FOLDER_BYTES: Final = 80
"""A socket's path has room for 107 (unix(7)), and its name and the folder's own take some."""


class BridgedUpstream(PseudUpstream):
    """A bridge and the connection to it; implements `gateway.upstream.base.EndpointConnection`."""

    def __init__(self, config: ConnectionConfig, limits: Limits, cork: Cork | None = None) -> None:
        assert config.native is not None  # it is a native service
        # Whoever may enter the folder may call.
        as_peer = replace(config, peer="bridge", security="noop")
        super().__init__(as_peer, limits, cork, _FIRST_CONNECTION_S, self._why_nobody)
        self._native = config.native
        self._service = config.service
        self._process: BridgeProcess | None = None
        self._folder: OwnFolder | None = None

    @property
    def process_id(self) -> int | None:
        """The bridge's process, while there is one; for tests and operators."""
        return None if self._process is None else self._process.pid

    def _why_nobody(self) -> str:
        # A bridge that has nothing to say of its service, and listens to nobody, hangs; soon another one is there.
        return "" if self._process is None else self._process.trouble or "the bridge to it does not answer"

    async def answers(self, within_s: float) -> bool:
        # The bridge answers for itself also while the service hangs.
        try:
            async with asyncio.timeout(within_s):
                await self.root.call(0, SIGN_OF_LIFE)
        except (RpcError, TimeoutError):
            return False
        return True

    async def start(self) -> None:
        self._folder = _private_folder()
        bind = f"ipc://{self._folder.path / 'bridge'}"
        self._process = BridgeProcess(self._service, self.endpoint, self._native, bind)
        self._process.start()
        self._client.connect(bind)
        await self._client.start()

    async def stop(self) -> None:
        await super().stop()
        if self._process is not None:
            await self._process.stop()
        if self._folder is not None:
            self._folder.remove()


def first_up_s(upstreams: Iterable[Upstream]) -> float:
    """How long to wait for new connections, so that the first calls find them there: longer where bridges start."""
    bridges = (each for upstream in upstreams for each in upstream.connections if isinstance(each, BridgedUpstream))
    return _FIRST_UP_S if next(bridges, None) is None else _BRIDGES_UP_S


def _private_folder() -> OwnFolder:
    """Make a folder that nobody else may enter."""
    place = tempfile.gettempdir()
    if len(place.encode()) > _LONGEST_FOLDER_BYTES:
        place = "/tmp"  # noqa: S108 - the folder is for its owner alone
    return OwnFolder("cara-bridge-", Path(place))

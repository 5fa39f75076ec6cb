"""Remote methods as attributes of peers, as pseud has it: ``client.some.name(1)``, ``server.send_to(user).name()``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class RemoteName:
    """``peer.some.name``: calling it calls the remote method ``"some.name"``."""

    __slots__ = ("_name", "_send")

    def __init__(self, send: Callable[..., asyncio.Future[Any]], name: str) -> None:
        self._send = send
        self._name = name

    def __getattr__(self, part: str) -> RemoteName:
        if part.startswith("_"):
            raise AttributeError(part)
        return RemoteName(self._send, f"{self._name}.{part}")

    def __call__(self, *args: Any, **kwargs: Any) -> asyncio.Future[Any]:
        return self._send(self._name, args, kwargs)


class Recipient:
    """``peer.send_to(user)``: the methods of one remote peer as attributes."""

    __slots__ = ("_send",)

    def __init__(self, send: Callable[..., asyncio.Future[Any]]) -> None:
        self._send = send

    def __getattr__(self, name: str) -> RemoteName:
        if name.startswith("_"):
            raise AttributeError(name)
        return RemoteName(self._send, name)

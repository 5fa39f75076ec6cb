"""Waits for what tells of itself: a client's state, and messages at a socket of the test's own."""

from __future__ import annotations

import asyncio
from typing import Any

import zmq
import zmq.asyncio

from cara_pseud.client import UP, Client


async def until_state(client: Client, *states: str) -> None:
    """Wait until a client is in one of these states."""
    changed = asyncio.Event()
    forget = client.on_state(lambda state: changed.set())
    try:
        while client.state not in states:
            changed.clear()
            await changed.wait()
    finally:
        forget()


async def until_greeted(client: Client) -> None:
    """Wait until a client knows what its server understands."""
    await until_state(client, UP)
    assert client.connections[0].extended is not None


async def until_readable(socket: zmq.Socket[Any]) -> None:
    """Wait until there is a message at a socket, which stays there."""
    poller = zmq.asyncio.Poller()
    poller.register(socket, zmq.POLLIN)
    await poller.poll()

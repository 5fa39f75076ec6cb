"""`run`: a program that serves objects until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any, Final

from cara_pseud.binding import register_interface
from cara_pseud.errors import RegistrationError
from cara_pseud.server import Server

ENDPOINT: Final = "tcp://127.0.0.1:5555"
VARIABLE: Final = "CARA_ENDPOINT"


def run(
    *implementations: Any,
    endpoint: str | None = None,
    peer: bytes | str = b"server",
    announce: Callable[[str], None] = print,
    **arguments: Any,
) -> None:
    """Serve objects until SIGINT or SIGTERM comes; then calls under way have until the server's ``stop`` to end.

    Args:
        implementations: instances of classes that are derived from interfaces, or such classes, which are instantiated
            without arguments; for any other object a pair of the interface and the object.
        endpoint: where to listen. If it is not said, the environment's CARA_ENDPOINT does, else it is
            ``tcp://127.0.0.1:5555``.
        peer: the server's ``user_id``.
        announce: is told in one line that it listens, and where; by default it stands on stdout.
        arguments: those of `Server`, such as ``security_plugin`` and ``passwords``.

    Raises:
        RegistrationError: there is nothing to serve, or an object cannot be served; see `register_interface`.
        ValueError, zmq.ZMQError: the endpoint cannot be bound.
    """
    if not implementations:
        raise RegistrationError("run() needs an object to serve: run(MyCalculator())")
    asyncio.run(_serve(implementations, endpoint or os.environ.get(VARIABLE) or ENDPOINT, peer, announce, arguments))


async def _serve(
    implementations: tuple[Any, ...],
    endpoint: str,
    peer: bytes | str,
    announce: Callable[[str], None],
    arguments: dict[str, Any],
) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    server = Server(peer, **arguments)
    for one in implementations:
        if isinstance(one, tuple):
            register_interface(server, *one)
        else:
            register_interface(server, one)
    server.bind(endpoint)
    async with server:
        names = ", ".join(dict.fromkeys(server.served.values()))
        announce(f"{names} listening on {server.endpoint}")
        await stopped.wait()

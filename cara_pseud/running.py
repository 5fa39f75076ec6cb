"""`run`: a program that serves objects until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import inspect
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Final

import zmq

from cara_pseud.binding import register_interface
from cara_pseud.errors import RegistrationError
from cara_pseud.plugins import plugin_named
from cara_pseud.server import Server

ENDPOINT: Final = "tcp://127.0.0.1:5555"
VARIABLE: Final = "CARA_ENDPOINT"


def run(
    *implementations: Any,
    endpoint: str | None = None,
    peer: bytes | str = b"server",
    security: str = "trusted_peer",
    announce: Callable[[str], None] = print,
    **arguments: Any,
) -> None:
    """Serve objects until SIGINT or SIGTERM comes; then calls under way have until the server's ``stop`` to end.

    Args:
        implementations: instances of classes that are derived from interfaces, or such classes, which are instantiated
            without arguments; for any other object a pair of the interface and the object. Or one ``async`` function
            without parameters, which makes its servers itself: it is run until it ends or a signal comes, which cancels
            it.
        endpoint: where to listen. If it is not said, the environment's CARA_ENDPOINT does, else it is
            ``tcp://127.0.0.1:5555``.
        peer: the server's ``user_id``.
        security: `Server`'s ``security_plugin``, or ``"noop"``; unless something else is said it believes every login.
        announce: is told in one line that it listens, and where; by default it stands on stdout.
        arguments: those of `Server`, such as ``passwords``.

    Raises:
        RegistrationError: there is nothing to serve, or an object cannot be served; see `register_interface`.
        ValueError, zmq.ZMQError: the endpoint cannot be bound.
    """
    if not implementations:
        raise RegistrationError("run() needs an object to serve: run(MyCalculator())")
    if inspect.iscoroutinefunction(implementations[0]):
        if len(implementations) > 1 or arguments or endpoint is not None:
            raise TypeError("run() takes one async function, which makes its servers itself, and nothing beside it")
        asyncio.run(_until_told(implementations[0]()))
        return
    arguments.setdefault("security_plugin", plugin_named(security))
    place = endpoint or os.environ.get(VARIABLE) or ENDPOINT
    asyncio.run(_until_told(_serve(implementations, place, peer, announce, arguments)))


async def _until_told(serving: Coroutine[Any, Any, Any]) -> None:
    """Go on with it until it ends, or a signal says that it is to end."""
    task = asyncio.ensure_future(serving)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _serve(
    implementations: tuple[Any, ...],
    endpoint: str,
    peer: bytes | str,
    announce: Callable[[str], None],
    arguments: dict[str, Any],
) -> None:
    server = Server(peer, **arguments)
    for one in implementations:
        if isinstance(one, tuple):
            register_interface(server, *one)
        else:
            register_interface(server, one)
    try:
        server.bind(endpoint)
    except zmq.ZMQError as error:
        if error.errno == errno.EADDRINUSE:
            error.add_note(
                f"Another program listens there. run(…, endpoint=…) or {VARIABLE} says where else, such as tcp://127.0.0.1:*"
            )
        raise
    async with server:
        names = ", ".join(dict.fromkeys(server.served.values()))
        announce(f"{names} listening on {server.endpoint}")
        await asyncio.Event().wait()

"""How a gateway that ends sends its clients away: each when it waits for nothing, all when the time is over."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import Final

from gateway.http.site import Site, Socket

_POLL_S: Final = 0.02
_AT_ONCE: Final = 100
"""So many clients are sent away at a time: ten thousand in two seconds, as the next gateway has to take them all."""


async def drain(site: Site, within_s: float) -> None:
    """Take no calls of WebSockets any more, and let what is under way end; of REST, what comes on open connections too.

    Args:
        within_s: what is not over then is broken off, of which clients are told.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    leaving: set[Socket] = set()
    # This happens once, when the gateway stops; an event would have to be looked after by every call.
    while loop.time() < until:
        leaving &= site.sockets
        for socket in [socket for socket in leaving if not socket.client.is_busy]:
            socket.client.shut_down()
        staying = site.sockets - leaving
        for socket in islice(staying, _AT_ONCE):
            socket.client.drain()
            leaving.add(socket)
        if not staying and not site.is_busy:
            break
        await asyncio.sleep(_POLL_S)
    for socket in list(site.sockets):
        socket.client.shut_down()

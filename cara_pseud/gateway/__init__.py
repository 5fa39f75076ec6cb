"""Clients of a cara gateway in Python: its services, returned objects and callbacks, over one WebSocket.

    async with connect("wss://gateway.example", token=key) as gateway:
        calculator = gateway.service("calculator", schema.Calculator)
        await calculator.add(2, 5)

The protocol is that of PROTOCOL.md. What is not named here is internal.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

from cara_pseud.errors import InvalidValue
from cara_pseud.gateway.blocking import BlockingGateway
from cara_pseud.gateway.callbacks import RunPlain
from cara_pseud.gateway.client import Connecting, GatewaySession
from cara_pseud.gateway.connection import Credential, GatewayConnection
from cara_pseud.gateway.greeting import Resumption
from cara_pseud.gateway.plain_objects import PlainObject
from cara_pseud.gateway.session_events import ConnectionState, Reset, StateChange
from cara_pseud.gateway.transport import WebSocketOpener
from cara_pseud.scalars import check_text

__all__ = [
    "BlockingGateway",
    "Connecting",
    "ConnectionState",
    "GatewaySession",
    "PlainObject",
    "Reset",
    "Resumption",
    "StateChange",
    "connect",
]


def connect(
    url: str,
    *,
    token: Credential | None = None,
    session: str | None = None,
    resume: Resumption | Mapping[str, Any] | None = None,
    retry: bool = False,
    ssl_context: ssl.SSLContext | None = None,
    headers: Mapping[str, str] | None = None,
) -> Connecting:
    """A connection to a gateway: ``await connect(url)``, or ``async with connect(url) as gateway``.

    In a program without a loop ``with connect(url) as gateway``, or ``connect(url).wait()``: calls wait then.

    Args:
        url: of the gateway, such as ``https://gateway.example`` or ``ws://127.0.0.1:8080``, with its prefix if it has
            one, or of its ``/ws``.
        token: says who calls; a function, which may be ``async``, is asked again for each connection.
        session: the id of a session to share, such as ``Session-Id`` of a REST answer; ``not_found`` if it is no more.
        resume: a stream to go on with: `GatewaySession.resumption` of a process that is no more. If the gateway does
            not have it any more, a new one begins, and the event ``reset`` tells.
        retry: try again until the gateway can be reached, instead of failing with `Unavailable`.
        ssl_context: whom to trust, and who this is.
        headers: sent with each upgrade.

    Raises:
        InvalidValue: it is no address of a gateway, or something else is none that could be sent. When it is awaited,
            also:
        Unavailable: the gateway cannot be reached.
        Unauthenticated: the token is none that it takes.
        RpcError: it refuses this client, or has no such session.
    """
    opener = WebSocketOpener(url, ssl_context=ssl_context, headers=headers)
    for name, text in (("token", token), ("session", session)):
        if text is not None and not callable(text):
            try:
                check_text(text)
            except InvalidValue as error:
                # Not the value itself, which is a secret.
                raise type(error)(f"{name}: it has to be text that UTF-8 can carry", path="") from None

    def begin(run_plain: RunPlain | None) -> GatewayConnection:
        return GatewayConnection(opener, run_plain, token=token, session=session, resume=resume, retry=retry)

    return Connecting(begin)

"""Peers of ours in the place of stock pseud objects: the same name, endpoint, login and registry, another socket."""

from __future__ import annotations

import time
from typing import Any, Final

import zmq

from cara_pseud.client import Client
from cara_pseud.server import Server
from cara_pseud.stock import StockClient, StockServer

_REBIND_TIMEOUT_S: Final = 5.0
_REBIND_PAUSE_S: Final = 0.01


def adopt_server(server: Any) -> Server:
    """Our server for a `pseud.Server`, which may be bound already; a server of ours is given back as it is.

    The stock object's socket is closed and its endpoint bound anew, which may block for some milliseconds.

    Raises:
        TypeError: it is neither.
        zmq.ZMQError: the endpoint cannot be bound again.
    """
    if isinstance(server, Server):
        return server
    if not isinstance(server, StockServer):
        raise TypeError(f"expected a pseud Server, not {type(server).__name__}")
    adopted = Server(server.user_id, **_shared_arguments(server))
    endpoint = _take_endpoint(server)
    if endpoint:
        deadline = time.monotonic() + _REBIND_TIMEOUT_S
        while True:
            try:
                adopted.bind(endpoint)
                break
            except zmq.ZMQError as error:
                # ZeroMQ closes the old socket on a thread of its own.
                if error.errno != zmq.EADDRINUSE or time.monotonic() > deadline:
                    raise
                time.sleep(_REBIND_PAUSE_S)
    return adopted


def adopt_client(client: Any) -> Client:
    """Our client for a `pseud.Client`, which may be connected already; a client of ours is given back as it is.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(client, Client):
        return client
    if not isinstance(client, StockClient):
        raise TypeError(f"expected a pseud Client, not {type(client).__name__}")
    adopted = Client(
        client.peer_routing_id,
        user_id=client.user_id,
        password=client.password,
        peer_public_key=client.peer_public_key,
        **_shared_arguments(client),
    )
    endpoint = _take_endpoint(client)
    if endpoint:
        adopted.connect(endpoint)
    return adopted


def _shared_arguments(peer: Any) -> dict[str, Any]:
    return {
        "context": peer.context,
        "security_plugin": peer.security_plugin,
        "heartbeat_plugin": peer.heartbeat_backend.name,
        "public_key": peer.public_key,
        "secret_key": peer.secret_key,
        "timeout": peer.timeout,
        "registry": peer.registry,
        "proxy_to": peer.proxy_to,
    }


def _take_endpoint(peer: Any) -> str:
    if peer.reader is not None:
        peer.reader.cancel()
        peer.reader = None
    if peer.socket is None or peer.socket.closed:
        return ""
    endpoint = peer.socket.getsockopt(zmq.LAST_ENDPOINT).decode().rstrip("\0")
    peer.socket.close(linger=0)
    return str(endpoint)

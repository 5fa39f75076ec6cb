"""A gateway before the example calculator and, beside it, an echo of the same frame layer, on a path of bytes that is
chosen here: ``python edge_server.py transport|stream [ECHO_PORT]``.

Prints the two ports, of the gateway and of the echo, and serves until it is killed. The echo is the gateway's own
handler, channel and frame reader; only what a message means is another matter, and binary messages are welcome.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import tornado.netutil

import cara_pseud
from gateway import logs
from gateway.app import Gateway
from gateway.calls import Calls
from gateway.catalogue import Catalogue, Served
from gateway.config.file import load
from gateway.config.limits import Limits
from gateway.demo.calculator import calculator_service
from gateway.http.application import GatewayApplication
from gateway.http.connections import ClientConnection, Connections
from gateway.http.origins import OriginPolicy
from gateway.http.request_head import HttpRequest
from gateway.http.server import GatewayServer
from gateway.http.site import Site
from gateway.http.websocket import frames
from gateway.http.websocket.byte_transports import ByteTransports, LoopTransports, StreamTransports
from gateway.http.websocket.channel import SocketChannel
from gateway.http.websocket.deflate import Agreement
from gateway.http.websocket.handshake import SocketHandler
from gateway.routes import HttpRoutes
from gateway.sessions.sessions import Sessions

SCHEMA: Final = Path(__file__).resolve().parent.parent.parent / "schemas" / "calculator.capnp"
WIRES: Final[dict[str, type[ByteTransports]]] = {"transport": LoopTransports, "stream": StreamTransports}
ECHO_BYTES: Final = 64 * 2**20
CONFIG: Final = """\
[gateway]
listen = "127.0.0.1:0"
websocket_compression = true
[services.calculator]
schema = "{schema}"
interface = "Calculator"
endpoint = "{endpoint}"
"""


class Echo:
    """Says again what it is told."""

    is_busy = False

    def __init__(self, channel: SocketChannel) -> None:
        self._channel = channel
        self.intake = self

    def receive(self, text: bytes) -> None:
        self._channel.send(text)

    def put_some(self, texts: Sequence[bytes]) -> int:
        for text in texts:
            self.receive(text)
        return len(texts)

    def when_done(self, then: Callable[[], None]) -> None:
        then()

    def drained(self) -> None:
        """Nothing: nothing was held."""

    def channel_closed(self, channel: SocketChannel, code: int | None = None) -> None:
        """Nothing: there is nothing to release."""

    channel_failed = channel_closed

    def drain(self) -> None:
        """Nothing: nothing takes time here."""

    def shut_down(self) -> None:
        self._channel.close(1001, "the echo ends")


class EchoChannel(SocketChannel):
    def on_binary(self, data: bytes) -> None:
        self.send_binary(data)


class EchoHandler(SocketHandler):
    def channel(self, greeting: bytes, agreement: Agreement | None, connection: ClientConnection) -> SocketChannel:
        limits = self.site.limits
        reader = frames.FrameReader(limits.max_message_bytes, takes_binary=True, inflates=agreement is not None)
        channel = EchoChannel(limits, reader, greeting, self.site.sockets.discard, self.site.cork, agreement)
        channel.conversation = Echo(channel)
        return channel


class EchoApplication(GatewayApplication):
    def answer(self, request: HttpRequest) -> EchoHandler:
        handler = EchoHandler(request)
        handler.initialize(self.site)
        handler.run()
        return handler


async def main(transports: ByteTransports, echo_port: int) -> None:
    server = cara_pseud.Server(b"server", security_plugin="noop_auth_backend")
    server.bind("tcp://127.0.0.1:*")
    cara_pseud.setup_server(server)
    await server.start()
    cara_pseud.register_interface(server, *calculator_service())
    log = logs.set_up(Limits().max_log_bytes)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "gateway.toml"
        file.write_text(CONFIG.format(schema=SCHEMA, endpoint=server.endpoint), "utf-8")
        gateway = Gateway(load(file, {}), log, transports=transports)
    await gateway.start()
    await gateway.services_up(10)
    limits = Limits(max_message_bytes=ECHO_BYTES, send_buffer_bytes=4 * ECHO_BYTES)
    site = Site(
        served=Served(Catalogue({}, HttpRoutes([]), {})),
        calls=Calls(limits),
        sessions=Sessions(limits),
        limits=limits,
        origins=OriginPolicy("127.0.0.1", (), ()),
        log=log,
        cookie_name="",
        connections=Connections(limits),
        transports=transports,
        compresses_sockets=True,
    )
    sockets = tornado.netutil.bind_sockets(echo_port, "127.0.0.1")
    GatewayServer(EchoApplication(site, "."), connections=site.connections).add_sockets(sockets)
    print(gateway.port, sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(WIRES[sys.argv[1]](), int(sys.argv[2]) if len(sys.argv) > 2 else 0))

"""The web edge in this process: the real application and server on a real socket, before services that a test plays.

The fixtures are those of pytest-tornado (`io_loop`, `http_server`, `http_client`, `base_url`, the marker `gen_test`).
Tests talk to it from outside, over HTTP and WebSockets; how it is put together is said in `build` and nowhere else.
"""

from __future__ import annotations

import asyncio
import io
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.ioloop import IOLoop

from cara_pseud.local import LocalCapability
from gateway.access.permissions import Permissions
from gateway.access.rates import Rates
from gateway.access.refusals import Refusals
from gateway.calls import Calls
from gateway.catalogue import Catalogue, Describe, Served, Service
from gateway.config.limits import Limits
from gateway.config.rates import RatesConfig
from gateway.describe.documents import TEXT_TYPE, Document, PlacedDocument
from gateway.http.application import GatewayApplication
from gateway.http.connections import Connections
from gateway.http.identification import Identification
from gateway.http.origins import OriginPolicy
from gateway.http.proxies import Proxies
from gateway.http.server import GatewayServer
from gateway.http.site import Site
from gateway.http.websocket.byte_transports import ByteTransports, best_transports
from gateway.logs import LogWriter
from gateway.routes import HttpRoutes
from gateway.sessions.sessions import Sessions
from tests.clock import MovedClock
from tests.gatekeeper import FakeGatekeeper
from tests.gateway.http.raw import WAIT_S, RawConnection, RawSocket

FRIEND = "https://app.example"
"""The origin of another page that may use the gateway."""
PATIENCE_S = 63.0
"""How long the head or the body of a request may take."""
moves_time = pytest.mark.gen_test(timeout=None)
"""Marks tests that move the clock, with which pytest-tornado's own timeout would pass; each wait in them has one."""


class Edge:
    """A gateway as its clients see it."""

    def __init__(self, url: str, client: AsyncHTTPClient) -> None:
        self.url = url
        self.port = int(url.rpartition(":")[2])
        self._client = client
        self._connections: list[RawConnection] = []

    async def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> HTTPResponse:
        """Make a request, of JSON unless the body is bytes, and have its answer as it came."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = {} if data is None else {"Content-Type": "application/json"}
        return await self._client.fetch(
            HTTPRequest(
                self.url + path, method, {**sent, **(headers or {})}, data,
                allow_nonstandard_methods=True, decompress_response=False, follow_redirects=False,
            ),
            raise_error=False,
        )  # fmt: skip

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> HTTPResponse:
        return await self.request("GET", path, None, headers)

    async def post(self, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> HTTPResponse:
        return await self.request("POST", path, body, headers)

    def asks(self, *arguments: Any) -> asyncio.Task[HTTPResponse]:
        """A `request` that goes on while the test plays the service."""
        return asyncio.ensure_future(self.request(*arguments))

    async def session(self) -> dict[str, str]:
        """Open a session; the header that names it."""
        return {"Session-Id": (await self.post("/api/session")).headers["Session-Id"]}

    @staticmethod
    def ended(call: asyncio.Future[Any]) -> asyncio.Task[Any]:
        """A wait for the end of a call, whatever it is, within a deadline."""
        return asyncio.ensure_future(asyncio.wait([call], timeout=WAIT_S))

    async def metrics(self) -> dict[str, float]:
        """The samples by their names with their labels, without the prefix."""
        lines = (await self.get("/metrics")).body.decode().splitlines()
        samples = [line.rpartition(" ") for line in lines if not line.startswith("#")]
        return {name.removeprefix("cara_gateway_"): float(value) for name, _, value in samples}

    async def connect(self, **options: Any) -> RawConnection:
        """A connection that is closed with the test."""
        return self._kept(await RawConnection.open(self.port, **options))

    async def socket(self, *lines: str, **options: Any) -> RawSocket:
        """A WebSocket that is closed with the test."""
        return self._kept(await RawSocket.open(self.port, *lines, **options))

    async def is_open(self, connection: RawConnection) -> bool:
        """Whether a connection is: had it been closed, we would have read so before the answer to a later request.

        So nobody waits, which would let time pass by itself.
        """
        assert (await self.get("/healthz")).code == 200
        return not connection.is_at_end()

    def _kept(self, connection: Any) -> Any:
        self._connections.append(connection)
        return connection

    async def close(self) -> None:
        for connection in self._connections:
            await connection.close()


def problem(answer: HTTPResponse) -> dict[str, Any]:
    """The problem object of an answer, which must be one."""
    assert answer.headers["Content-Type"] == "application/problem+json", (answer.code, answer.body)
    found: dict[str, Any] = json.loads(answer.body)
    assert (found["status"], found["request_id"]) == (answer.code, answer.headers["X-Request-Id"])
    assert answer.headers["Cache-Control"] == "no-store"
    return found


class Built:
    """The parts of a gateway that listens.

    Attributes:
        log: what its handlers have logged, as JSON.
        connections: the table of its connections.
        is_left: whether nothing is open or under way any more.
        is_busy: whether calls are under way, for whose end `gateway.app` waits when it stops.
        say_that_it_stops: have it say so, as `gateway.app` does first of all when it stops.
    """

    def __init__(
        self,
        application: GatewayApplication,
        server: GatewayServer,
        log: io.StringIO,
        connections: Connections,
        is_left: Callable[[], bool],
        is_busy: Callable[[], bool],
        say_that_it_stops: Callable[[], None],
    ) -> None:
        self.application = application
        self.server = server
        self.log = log
        self.connections = connections
        self.is_left = is_left
        self.is_busy = is_busy
        self.say_that_it_stops = say_that_it_stops


def build(
    services: Mapping[str, Service],
    limits: Limits,
    transports: ByteTransports,
    compresses: bool,
    pages: Path,
    port: int,
    proxies: Proxies,
    gatekeeper: FakeGatekeeper | None,
    describe: Describe | None,
    rates: RatesConfig | None = None,
) -> Built:
    """Put a gateway together; to be called in its loop."""
    log = io.StringIO()
    refusals, closings = Refusals(), Refusals()
    connections = Connections(limits, refusals=refusals, closings=closings)
    made = iter(range(1, 10))

    def broken() -> bytes:
        raise ValueError("a secret of the gateway's own")

    documents = {
        "/openapi.json": Document(lambda: b'{"made":%d}' % next(made)),
        "/openrpc.json": Document(lambda: b'{"openrpc":"made"}'),
        "/placed.json": PlacedDocument(lambda prefix: b'{"prefix":"%b"}' % prefix.encode()),
        "/types/calculator.d.ts": Document(lambda: b"// " + b"x" * 2000, TEXT_TYPE),
        "/types/broken.d.ts": Document(broken, TEXT_TYPE),
    }
    sessions = Sessions(limits, refusals=refusals, permits=None if gatekeeper is None else gatekeeper.may_call)
    origins = OriginPolicy("127.0.0.1", ["gateway.example"], [FRIEND])
    http_routes = HttpRoutes([service.routes for service in services.values()])
    if describe is not None:
        documents |= describe([service.routes for service in services.values()])
    served = Served(Catalogue(services, http_routes, documents, describe))
    loop = asyncio.get_running_loop()
    counted = None if rates is None else Rates(rates, lambda: loop.time(), refusals)
    site = Site(
        served=served,
        calls=Calls(
            limits,
            authorise=Permissions(served).authorise,
            refusals=refusals,
            admit=None if counted is None else counted.admit,
        ),
        sessions=sessions,
        limits=limits,
        origins=origins,
        log=LogWriter(log, as_json=True),
        cookie_name=f"cara_session_{port}",
        connections=connections,
        refusals=refusals,
        closings=closings,
        transports=transports,
        compresses_sockets=compresses,
        proxies=proxies,
        identification=None if gatekeeper is None else Identification(gatekeeper, sessions, origins),
        rates=counted,
    )
    application = GatewayApplication(site, str(pages))
    server = GatewayServer(application, connections=connections)

    def is_left() -> bool:
        return not site.sockets and not site.is_busy and not len(connections)

    return Built(
        application, server, log, connections, is_left, lambda: site.is_busy, lambda: setattr(site, "stopping", True)
    )


@pytest.fixture(autouse=True)
def no_loop_before() -> None:
    """Tornado's loop asks for the one before it, and asyncio would make one for the answer that nobody closes."""
    asyncio.set_event_loop(None)


# What a module or a test may set otherwise, by a fixture of its own or a parameter of the name.


@pytest.fixture
def limits() -> Limits:
    return Limits(
        max_message_bytes=10_000, max_calls_per_session=3, send_buffer_bytes=400_000, max_sessions=20,
        default_call_timeout_s=30.0, max_call_timeout_s=50.0, idle_session_s=100.0,
        head_s=PATIENCE_S, idle_connection_s=PATIENCE_S,
    )  # fmt: skip


@pytest.fixture
def transports() -> ByteTransports:
    return best_transports()


@pytest.fixture
def compresses() -> bool:
    return False


@pytest.fixture
def proxies() -> Proxies:
    return Proxies()


@pytest.fixture
def gatekeeper() -> FakeGatekeeper | None:
    return None


@pytest.fixture
def describe() -> Describe | None:
    """Makes documents of what somebody sees; None: everybody has the same."""
    return None


@pytest.fixture
def rates() -> RatesConfig | None:
    return None


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pages, and a file beside it that is none."""
    folder = tmp_path_factory.mktemp("site") / "pages"
    (folder / "client").mkdir(parents=True)
    (folder.parent / "secret.txt").write_text("not for you")
    (folder / "index.html").write_text("<title>Console</title>")
    (folder / "client" / "index.js").write_text("export {};\n")
    (folder / "client" / "module.mjs").write_text("export {};\n")
    (folder / "console.css").write_text("body { margin: 0; }\n")
    (folder / "large.bin").write_bytes(bytes(2_000_000))
    (folder / "logo.svg").write_text("<svg/>")
    (folder / "data.json").write_text("{}")
    (folder / "a b+c.txt").write_text("with a space")
    return folder


@pytest.fixture
def services(calculator: Service, addressbook: Service) -> Mapping[str, Service]:
    return {service.name: service for service in (calculator, addressbook)}


@pytest.fixture
def built(
    io_loop: IOLoop,
    http_port: int,
    services: Any,
    limits: Limits,
    transports: ByteTransports,
    compresses: bool,
    pages: Path,
    proxies: Proxies,
    gatekeeper: FakeGatekeeper | None,
    describe: Describe | None,
    rates: RatesConfig | None,
) -> Built:
    async def main() -> Built:
        return build(
            services, limits, transports, compresses, pages, http_port, proxies, gatekeeper, describe, rates
        )

    made: Built = io_loop.run_sync(main)
    return made


@pytest.fixture
def app(built: Built) -> GatewayApplication:
    """pytest-tornado's name for what it serves."""
    return built.application


@pytest.fixture
def http_server(io_loop: IOLoop, app: GatewayApplication, built: Built, _unused_port: Any) -> Iterator[GatewayServer]:
    """pytest-tornado's fixture with the gateway's own server; and nobody may leave anything open or under way."""
    listening = _unused_port[0]
    # Connections inherit it: the kernel keeps little, so that it is the gateway who keeps what nobody reads.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
    built.server.add_socket(listening)
    yield built.server

    async def stop() -> None:
        built.server.stop()
        await built.server.close_all_connections()
        async with asyncio.timeout(WAIT_S):
            while not built.is_left() or len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0)

    io_loop.run_sync(stop)


@pytest.fixture
def edge(io_loop: IOLoop, base_url: str, http_client: AsyncHTTPClient) -> Iterator[Edge]:
    edge = Edge(base_url, http_client)
    yield edge
    io_loop.run_sync(edge.close)


@pytest.fixture
def clock(io_loop: IOLoop, edge: Edge) -> MovedClock:
    """The loop's clock, for tests that are marked `moves_time`."""
    return MovedClock(io_loop.asyncio_loop)


# The services' side.


@pytest.fixture
def root(calculator: Service) -> Any:
    """The calculator as its calls reach it: ``await root.next_call()`` is the next one."""
    return calculator.upstream.root


@pytest.fixture
def people(addressbook: Service) -> Any:
    """The same of the address book."""
    return addressbook.upstream.root


@pytest.fixture
def ask_callback(calculator: Service, fakes: Any) -> Callable[[LocalCapability, int], asyncio.Future[int]]:
    """The calculator calls `apply` of a Transform that a client passed."""
    return lambda capability, value: fakes.invoke(calculator, capability, value)

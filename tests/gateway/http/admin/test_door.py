"""Who is let in at the admin listener, and that nobody at another door keeps an operator out."""

from __future__ import annotations

import json
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from gateway.config.file import GatewayConfig
from gateway.config.limits import Limits
from gateway.config.values import UnixListen
from gateway.http.admin.door import MAX_CONNECTIONS, AdminAddressError, bind_admin
from gateway.http.proxies import Proxies
from tests.gateway.http.admin.conftest import Reload
from tests.gateway.http.conftest import FRIEND, Edge

pytestmark = pytest.mark.gen_test


@pytest.fixture
def limits() -> Limits:
    return Limits(max_connections=8, max_connections_per_address=8, max_half_open=4, max_half_open_per_address=4)


@pytest.fixture
def proxies() -> Proxies:
    """What the gateway's other doors believe."""
    return Proxies(["127.0.0.1"])


async def test_the_metrics_are_there(admin: Edge) -> None:
    answer = await admin.get("/metrics")
    assert answer.code == 200
    assert b"cara_gateway_calls_total" in answer.body


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/calculator/add", "/ws", "/rpc", "/healthz", "/openapi.json", "/admin", "/admin/"]
)
async def test_nothing_else_is(admin: Edge, path: str) -> None:
    assert (await admin.get(path)).code == 404


@pytest.mark.parametrize("path", ["/admin/sessions", "/admin/upstreams", "/admin/reload"])
async def test_at_the_other_doors_there_is_nothing_of_it(edge: Edge, admin: Edge, reload: Reload, path: str) -> None:
    assert (await edge.get(path)).code == 404
    assert (await edge.request("POST", path, b"")).code in (404, 405)
    assert reload.asked == 0


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "metrics.internal"])
async def test_other_names_are_refused_also_where_the_gateway_answers_to_all(admin: Edge, host: str) -> None:
    answer = await admin.get("/admin/sessions", {"Host": host})
    assert answer.code == 421


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "gateway.example"])
async def test_its_own_names_and_those_of_the_configuration_are_answered(admin: Edge, host: str) -> None:
    assert (await admin.get("/admin/sessions", {"Host": host})).code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", FRIEND, "null"])
async def test_no_page_of_another_origin_does_anything(
    edge: Edge, admin: Edge, reload: Reload, origin: str
) -> None:
    await edge.session()
    (session,) = json.loads((await admin.get("/admin/sessions")).body)["sessions"]
    for method, path in (("POST", "/admin/reload"), ("DELETE", f"/admin/sessions/{session['id']}")):
        body = b"" if method == "POST" else None
        refused = await admin.request(method, path, body, {"Origin": origin})
        assert refused.code == 403
        assert b"may not use this listener\"" in refused.body
        assert (await admin.request(method, path, body, {"Sec-Fetch-Site": "cross-site"})).code == 403
    assert reload.asked == 0
    assert json.loads((await admin.get("/admin/sessions")).body)["total"] == 1
    read = await admin.get("/admin/sessions", {"Origin": origin})
    assert "Access-Control-Allow-Origin" not in read.headers


async def test_what_a_proxy_would_say_is_not_believed(edge: Edge, admin: Edge) -> None:
    forged = {"Host": "evil.example", "X-Forwarded-Host": "localhost", "X-Forwarded-For": "127.0.0.1"}
    assert (await admin.get("/admin/sessions", forged)).code == 421
    assert (await edge.get("/api", forged)).code == 200


async def test_who_takes_all_places_of_the_gateway_takes_none_from_an_operator(edge: Edge, admin: Edge) -> None:
    flood = [await edge.connect() for _ in range(100)]
    for connection in flood:
        connection.ask("GET", "/healthz")
    answer = await admin.get("/admin/sessions")
    assert answer.code == 200
    page = await edge.socket()
    page.say("rpc.hello", {"protocol": 1})
    assert "result" in await page.hear()


async def test_a_gateway_that_is_full_of_clients_has_room_for_operators(edge: Edge, admin: Edge, root: Any) -> None:
    clients = [await edge.socket() for _ in range(8)]
    for client in clients:
        client.say("calculator.add", [1, 2])
        (await root.next_call()).reply(3)
        await client.hear()
    refused = await edge.get("/api")
    assert refused.code in (429, 503)
    answer = await admin.get("/admin/sessions")
    assert (answer.code, json.loads(answer.body)["total"]) == (200, 8)


async def test_too_many_connections_to_it_take_none_from_the_gateway(edge: Edge, admin: Edge) -> None:
    good = await edge.socket()
    flood = [await admin.connect() for _ in range(4 * MAX_CONNECTIONS)]
    assert (await edge.get("/healthz")).code == 200
    good.say("rpc.hello", {"protocol": 1})
    assert "result" in await good.hear()
    # And who comes last is heard all the same: those that say nothing go.
    assert (await admin.get("/admin/upstreams")).code == 200
    assert sum([connection.is_at_end() for connection in flood]) >= 3 * MAX_CONNECTIONS - 20


def test_an_address_that_is_taken_is_told_apart_from_the_gateways_own(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(AdminAddressError, match="already in use"):
            bind_admin(GatewayConfig(admin=UnixListen(path)))


def test_a_unix_socket_is_for_its_owner_alone(tmp_path: Path) -> None:
    bound = bind_admin(GatewayConfig(admin=UnixListen(tmp_path / "admin.sock"), socket_mode=0o666))
    assert bound is not None
    assert stat.S_IMODE((tmp_path / "admin.sock").stat().st_mode) == 0o600
    bound.close()
    assert not (tmp_path / "admin.sock").exists()


def test_without_an_address_there_is_none() -> None:
    assert bind_admin(GatewayConfig()) is None


async def test_large_answers_are_packed(edge: Edge, admin: Edge) -> None:
    for _ in range(20):
        await edge.session()
    answer = await admin.get("/admin/sessions", {"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"



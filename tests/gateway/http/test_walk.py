"""Every route of the table of paths and every control method, asked by nobody and by somebody without a role.

Each must pass the hook for callers and show nothing of a service that needs a role, or stand in the short list of what
is public. A new route or control method is walked by itself, and one that has no row here fails.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway import fixed_paths
from gateway.access.principals import Principal
from gateway.catalogue import Describe, Service
from gateway.http.base import METHODS, BaseHandler
from gateway.http.page_changes import PageChanges
from gateway.protocols import close_codes
from gateway.protocols.jsonrpc.control_methods import control_methods
from tests.gatekeeper import FakeGatekeeper
from tests.gateway.access import vault as play
from tests.gateway.access.vault import Compile, Find
from tests.gateway.http.conftest import Built, Edge
from tests.gateway.http.test_base import ABSTRACT, NOBODY_S, handlers_of_clients

pytestmark = pytest.mark.gen_test(timeout=60)

SOMEBODY = {"X-Api-Key": "somebody"}
KEEPER = {"X-Api-Key": "keeper"}
SECRET = re.compile(rb"wipe|burn|light|erase|Reader|Vault|secretWord")
"""What only the vault's schema has."""

PUBLIC = {
    "/healthz", "/readyz", "/", "/console/", "/client/index.js", "/nothing", "/.dev/changes", "/.dev/reload.js", "*",
}  # fmt: skip
"""Places at which it does not matter who asks: health, pages, and the server as a whole."""
WITHOUT_ROLES = {
    *PUBLIC, "/api", "/api/session", "/openapi.json", "/openrpc.json", "/rpc", "/ws",
}  # fmt: skip
"""Places that have an answer for somebody without any role, in which nothing of the vault stands."""
OTHERS = [
    "/", "/console/", "/client/index.js", "/nothing", "/api/nothing", "/api/nothing/none", "/api/vault/none",
    "/api/not/here/either", "/schema/nothing", "/types/nothing.d.ts", "/api/handles/abc", "/api/handles/abc/read",
    "/api/handles/abc/vault/Vault.Session/erase", "/api/callbacks/g:1",
]  # fmt: skip
"""Paths that are in no dict."""


@pytest.fixture
def vault(compile_text: Compile, struct_type: Find, fakes: Any) -> Service:
    schema = compile_text(play.SCHEMA)
    return play.vault(schema, struct_type(schema, "Vault"), fakes.Upstream())


@pytest.fixture
def services(vault: Service) -> Mapping[str, Service]:
    return {"vault": vault}


@pytest.fixture
def describe() -> Describe:
    return play.describe


@pytest.fixture
def gatekeeper() -> FakeGatekeeper:
    roles = frozenset({"staff", "admin", "reader", "writer"})
    return FakeGatekeeper({"somebody": Principal("key:somebody"), "keeper": Principal("key:keeper", roles)})


@pytest.fixture
def places(built: Built, pages: Path) -> list[str]:
    """Every path of the table, the paths of annotations, and others, where there are pages that somebody develops."""
    built.application.site.pages, built.application.site.page_changes = pages, PageChanges()
    built.application.serve(built.application.site.served.catalogue)
    table = built.application._paths
    routed = [path for _, path, _, _ in table._catalogue.http_routes.rows()]
    return [path for path in [*table._fixed, *routed, *OTHERS] if path != "*"]


async def test_the_walk_comes_by_every_fixed_path(edge: Edge, places: list[str]) -> None:
    fixed = [path for name, path in vars(fixed_paths).items() if name.isupper()]
    patterns = [re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)) for path in fixed]
    assert [pattern for pattern in patterns if not any(re.fullmatch(pattern, place) for place in places)] == []


def learned(answer: bytes, asked: str) -> set[bytes]:
    """What an answer says of the vault that did not stand in what was asked."""
    return set(SECRET.findall(answer)) - set(SECRET.findall(asked.encode()))


def walked(places: list[str]) -> Iterator[tuple[str, str]]:
    yield from ((method, place) for place in places for method in METHODS if method != "OPTIONS")


async def test_nobody_gets_past_the_hook(
    edge: Edge, places: list[str], vault: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached: set[str] = set()
    run = BaseHandler.run

    def noted(handler: BaseHandler, *arguments: Any) -> None:
        reached.add(type(handler).__name__)
        run(handler, *arguments)

    monkeypatch.setattr(BaseHandler, "run", noted)
    for method, place in walked(places):
        answer = await edge.request(method, place, None)
        is_public = place in (*PUBLIC, "/ws")  # whose sockets are told that they have to say hello
        assert (answer.code != 401) is is_public, (method, place, answer.code)
        assert is_public or answer.headers["WWW-Authenticate"]
        assert learned(answer.body, place) == set(), (method, place)
    connection = await edge.connect()
    connection.ask("OPTIONS", "*")
    assert (await connection.head()).status == 204
    expected = handlers_of_clients() - ABSTRACT - NOBODY_S - {"BasePathHandler"}
    assert reached == expected
    root: Any = vault.upstream.root
    assert root.calls == []


async def test_somebody_without_roles_learns_nothing_of_what_needs_them(
    edge: Edge, places: list[str], vault: Service
) -> None:
    for method, place in walked(places):
        if place == fixed_paths.EVENTS and method in ("GET", "HEAD"):
            continue  # there is no session to listen to; what it is answered does not end
        answer = await edge.request(method, place, None if method in ("GET", "HEAD") else {}, SOMEBODY)
        assert answer.code in (400, 403, 404, 405, 415, 426) or place in WITHOUT_ROLES, (method, place, answer.code)
        assert learned(answer.body, place) == set(), (method, place, answer.body)
    root: Any = vault.upstream.root
    assert root.calls == []


async def test_the_secret_words_are_those_that_the_keeper_sees(edge: Edge) -> None:
    seen = b"".join([(await edge.get(path, KEEPER)).body for path in ("/api", "/api/vault", "/schema/vault")])
    assert set(SECRET.findall(seen)) == set(SECRET.pattern.split(b"|"))


CONTROL: Mapping[str, list[dict[str, Any]]] = {
    "rpc.hello": [{"protocol": 1}],
    "rpc.ack": [{"received": 0}],
    "rpc.release": [{"handle": "abc"}],
    "rpc.cancel": [{"id": 7}],
    "rpc.cast": [{"handle": "abc", "interface": "Vault.Session"}, {"handle": "abc", "interface": "Secret"}],
    "rpc.describe": [
        {"service": "vault"}, {"interface": "Vault"}, {"interface": "Vault.Session", "service": "vault"},
        {"interface": "Secret"}, {"handle": "abc"},
    ],
    "rpc.ping": [{}],
    "rpc.discover": [{}],
}  # fmt: skip
"""Parameters for each, that ask for the vault where something can be asked for."""


def test_every_control_method_has_a_row() -> None:
    assert {method["name"] for method in control_methods()} == CONTROL.keys()  # type: ignore[index, call-overload]


@pytest.mark.parametrize("method", CONTROL)
async def test_a_socket_of_nobody_may_say_hello_and_nothing_else(edge: Edge, method: str) -> None:
    good = await edge.socket("X-Api-Key: keeper")
    for params in CONTROL[method]:
        socket = await edge.socket()
        socket.say(method, params)
        if method == "rpc.hello":
            assert (await socket.hear())["error"]["data"]["code"] == "unauthenticated"
        assert (await socket.closed())[0] == close_codes.UNAUTHENTICATED
        good.say("rpc.ping")
        assert "result" in await good.hear()
        answer = await edge.post("/rpc", {"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        assert answer.code == 401


@pytest.mark.parametrize("method", CONTROL)
async def test_a_control_method_tells_nothing_of_what_needs_a_role(edge: Edge, method: str) -> None:
    for params in CONTROL[method]:
        socket = await edge.socket("X-Api-Key: somebody")
        if method != "rpc.hello":
            socket.say("rpc.hello", {"protocol": 1}, id=0)
            await socket.hear()
        socket.say(method, params)
        socket.say("rpc.ping", id="behind")
        said = [await socket.hear()]
        while said[-1].get("id") != "behind":
            said.append(await socket.hear())
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        told = [json.dumps(said).encode(), (await edge.post("/rpc", message, SOMEBODY)).body]
        for text in told:
            assert learned(text, json.dumps(params)) == set(), text

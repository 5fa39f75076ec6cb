"""What callers with other roles may call and see, through every door; what they may not is told apart by nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse

from gateway.access.principals import Principal
from gateway.catalogue import Describe, Service
from tests.gatekeeper import FakeGatekeeper
from tests.gateway.access import vault as play
from tests.gateway.access.vault import Compile, Find
from tests.gateway.http.conftest import Edge, problem

pytestmark = pytest.mark.gen_test

NOBODY, STAFF, ADMIN = ({"X-Api-Key": key} for key in ("nobody", "staff", "admin"))
EVERYBODY = ({}, NOBODY, STAFF, ADMIN)
LOOK: Any = {"name": "Ann"}


@pytest.fixture
def vault(compile_text: Compile, struct_type: Find, fakes: Any) -> Service:
    schema = compile_text(play.SCHEMA)
    return play.vault(schema, struct_type(schema, "Vault"), fakes.Upstream())


@pytest.fixture
def services(calculator: Service, vault: Service) -> Mapping[str, Service]:
    return {service.name: service for service in (calculator, vault)}


@pytest.fixture
def describe() -> Describe:
    return play.describe


@pytest.fixture
def gatekeeper() -> FakeGatekeeper:
    return FakeGatekeeper(
        {
            "nobody": Principal("key:nobody", frozenset({"admin"})),
            "staff": Principal("key:staff", frozenset({"staff", "other"})),
            "admin": Principal("key:admin", frozenset({"staff", "admin", "reader", "writer"})),
        }
    )


# Calls.


def outcome(answer: HTTPResponse) -> str:
    """How a call over REST ended: ``done``, or the code of its problem."""
    return "done" if answer.code == 200 else problem(answer)["code"]


async def over_rest(edge: Edge, headers: Mapping[str, str], service: str, method: str) -> str:
    return outcome(await edge.post(f"/api/{service}/{method}", LOOK if method == "look" else {}, headers))


async def over_rpc(edge: Edge, headers: Mapping[str, str], service: str, method: str) -> str:
    message = {"jsonrpc": "2.0", "id": 1, "method": f"{service}.{method}", "params": LOOK if method == "look" else {}}
    answer = await edge.post("/rpc", message, headers)
    if answer.code != 200:
        return outcome(answer)
    said = json.loads(answer.body)
    return "done" if "result" in said else said["error"]["data"]["code"]


async def over_socket(edge: Edge, headers: Mapping[str, str], service: str, method: str) -> str:
    if not headers:
        return "unauthenticated"  # where sockets without credentials are told so is tested with them
    socket = await edge.socket(*[f"{name}: {value}" for name, value in headers.items()])
    socket.say(f"{service}.{method}", LOOK if method == "look" else {})
    said = await socket.hear()
    await socket.close()
    return "done" if "result" in said else said["error"]["data"]["code"]


DOORS = {"rest": over_rest, "rpc": over_rpc, "socket": over_socket}
CALLS = [
    ("vault", "look", ["unauthenticated", "permission_denied", "done", "done"]),
    ("vault", "wipe", ["unauthenticated", "permission_denied", "permission_denied", "done"]),
    ("vault", "nothing", ["unauthenticated", "permission_denied", "not_found", "not_found"]),
    ("nothing", "look", ["unauthenticated", "not_found", "not_found", "not_found"]),
]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("service", "method", "expected"), CALLS, ids=[f"{call[0]}.{call[1]}" for call in CALLS])
async def test_each_door_lets_the_same_calls_pass(
    edge: Edge, vault: Service, door: str, service: str, method: str, expected: list[str]
) -> None:
    root: Any = vault.upstream.root

    async def answers() -> None:
        while True:
            (await root.next_call()).reply(True if method == "look" else None)

    answering = asyncio.ensure_future(answers())
    assert [await DOORS[door](edge, who, service, method) for who in EVERYBODY] == expected
    answering.cancel()
    assert len(root.calls) == expected.count("done")


async def test_a_notification_that_may_not_be_made_is_dropped(edge: Edge, vault: Service) -> None:
    socket = await edge.socket("X-Api-Key: staff")
    socket.notify("vault.wipe")
    socket.say("vault.wipe")
    assert (await socket.hear())["error"]["code"] == -32007
    root: Any = vault.upstream.root
    assert root.calls == []


async def test_objects_are_called_by_the_same_rules_and_a_lost_role_acts_at_once(
    edge: Edge, vault: Service, gatekeeper: FakeGatekeeper, fakes: Any
) -> None:
    root: Any = vault.upstream.root
    asked = edge.asks("POST", "/api/vault/open", {}, ADMIN)
    thing = fakes.Object("session")
    (await root.next_call()).reply(thing)
    made = await asked
    headers = {**ADMIN, "Session-Id": made.headers["Session-Id"]}
    handle = json.loads(made.body)["session"]["$handle"]
    paths = [f"/api/handles/{handle}/erase", f"/api/handles/{handle}/vault/Vault.Session/erase"]
    for path in paths:
        asked = edge.asks("POST", path, {}, headers)
        (await thing.next_call()).reply(None)
        assert (await asked).code == 200
    described = json.loads((await edge.get(f"/api/handles/{handle}", headers)).body)
    assert [method["name"] for method in described["methods"]] == ["write", "erase", "read"]
    gatekeeper.principals["admin"].roles = frozenset({"staff", "reader"})
    for path in [*paths, f"/api/handles/{handle}/write"]:
        assert outcome(await edge.post(path, {"text": ""} if "write" in path else {}, headers)) == "permission_denied"
    described = json.loads((await edge.get(f"/api/handles/{handle}", headers)).body)
    assert [method["name"] for method in described["methods"]] == ["read"]
    asked = edge.asks("POST", f"/api/handles/{handle}/vault/Vault.Reader/read", {}, headers)
    (await thing.next_call()).reply("text")
    assert (await asked).code == 200
    unknown = await edge.post(f"/api/handles/{handle}/eras", {}, headers)
    assert "erase" not in problem(unknown)["detail"]


async def test_a_call_into_an_answer_that_has_not_come_is_asked_for(edge: Edge, vault: Service, fakes: Any) -> None:
    socket = await edge.socket("X-Api-Key: staff")
    socket.say("rpc.hello", {"protocol": 1})
    await socket.hear()
    socket.say("vault.open", id=7)
    socket.say("#7.session.erase", id=8)
    root: Any = vault.upstream.root
    thing = fakes.Object("session")
    (await root.next_call()).reply(thing)
    answers = {(said := await socket.hear())["id"]: said for _ in range(2)}
    assert "result" in answers[7]
    assert answers[8]["error"]["code"] == -32007
    assert thing.calls == []


@pytest.mark.parametrize(
    ("method", "path", "body", "headers"),
    [
        ("POST", "/api/vault/burn", b"", {}),
        ("POST", "/api/vault/burn", b"{", {}),
        ("POST", "/api/vault/burn", {"word": 1}, {}),
        ("POST", "/api/vault/burn?x=1", {}, {}),
        ("POST", "/api/vault/burn", {}, {"Request-Timeout": "never"}),
        ("POST", "/api/vault/burn", {}, {"Session-Id": "unknown"}),
        ("POST", "/api/vault/burn", b"x", {"Content-Type": "text/plain"}),
        ("PUT", "/vault/fire", b"{", {}),
        ("PUT", "/vault/fire?word=1", {}, {}),
        ("GET", "/api/vault/burn", None, {}),
    ],
)
async def test_what_is_wrong_with_a_call_is_not_told_to_who_may_not_make_it(
    edge: Edge, method: str, path: str, body: Any, headers: Mapping[str, str]
) -> None:
    refused = problem(await edge.request(method, path, body, {**headers, **STAFF}))
    # What a path of an annotation calls is not told either.
    is_named = path.startswith("/api")
    what = 'that "vault.burn" requires' if is_named else "that are required here"
    assert (refused["code"], refused["detail"]) == ("permission_denied", f"the caller has not all roles {what}")
    assert ("method" in refused) is ("service" in refused) is is_named
    told = await edge.request(method, path, body, {**headers, **ADMIN})
    assert told.code in (400, 404, 405, 415)


# What is seen.


async def test_the_list_of_services_has_those_that_one_may_call_and_their_state(edge: Edge, vault: Service) -> None:
    vault.upstream.become("down")  # type: ignore[attr-defined]
    for who, expected in ((NOBODY, {"calculator": "up"}), (STAFF, {"calculator": "up", "vault": "down"})):
        answer = await edge.get("/api", who)
        listed = json.loads(answer.body)["services"]
        assert {service["name"]: service["state"] for service in listed} == expected
        assert answer.headers["Vary"] == "Authorization, Cookie"
        assert answer.headers["Cache-Control"] == "private, no-cache"
    assert [service["methods"] for service in listed if service["name"] == "vault"] == [["open", "look", "light"]]


PLACES = ["/api/{}", "/types/{}.d.ts", "/schema/{}"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
async def test_a_service_that_one_may_not_see_is_one_that_there_is_not(edge: Edge, place: str, method: str) -> None:
    unseen, unknown = [await edge.request(method, place.format(name), None, NOBODY) for name in ("vault", "vaulx")]
    assert unseen.code == unknown.code == 404
    told = [answer.body.replace(b"vaulx", b"vault") for answer in (unseen, unknown)]
    known = [{**json.loads(each), "request_id": ""} if each else {} for each in told]
    assert known[0] == known[1]
    assert {name for name in unseen.headers if name != "Date"} == {name for name in unknown.headers if name != "Date"}


@pytest.mark.parametrize("place", [*PLACES, "/api/{}/look"])
async def test_who_says_nothing_learns_of_no_service(edge: Edge, place: str) -> None:
    there, unknown = [await edge.get(place.format(name)) for name in ("vault", "vaulx")]
    assert there.code == unknown.code == 401
    told = [{**json.loads(answer.body), "request_id": ""} for answer in (there, unknown)]
    assert told[0] == told[1]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_a_method_of_a_service_that_one_may_not_see_is_answered_as_any_name(edge: Edge, method: str) -> None:
    answers = [await edge.request(method, f"/api/vault/{name}", None, NOBODY) for name in ("look", "wipe", "none")]
    assert {answer.code for answer in answers} == {403}
    assert len({answer.headers.get("Allow") for answer in answers}) == 1


async def test_options_tell_nobody_what_there_is(edge: Edge) -> None:
    paths = ("/api/vault/look", "/api/vault/none", "/api/none/none", "/api/vault", "/api/none", "/api/handles/x/y")
    plain = [await edge.request("OPTIONS", path) for path in paths]
    assert {(answer.code, answer.headers["Allow"]) for answer in plain} == {(204, "OPTIONS")}
    asked = {"Origin": edge.url, "Access-Control-Request-Method": "GET"}
    preflights = [await edge.request("OPTIONS", path, None, asked) for path in paths]
    assert {answer.headers["Access-Control-Allow-Methods"] for answer in preflights} == {"GET"}
    assert {(answer.code, answer.headers["Allow"]) for answer in preflights} == {(204, "OPTIONS")}


async def test_a_path_of_a_method_that_one_may_not_call_has_no_other_verbs(edge: Edge) -> None:
    for who, status in ((NOBODY, 404), (STAFF, 404), (ADMIN, 405)):
        answer = await edge.get("/vault/fire", who)
        assert answer.code == status
    assert answer.headers["Allow"] == "PUT"


async def test_documents_are_of_what_one_may_call(edge: Edge) -> None:
    for who, names in ((NOBODY, b"calculator"), (STAFF, b"look"), (ADMIN, b"wipe")):
        for path in ("/openapi.json", "/openrpc.json"):
            answer = await edge.get(path, who)
            assert names in answer.body
            assert (b"wipe" in answer.body) is (who is ADMIN)
            assert (b"vault" in answer.body) is (who is not NOBODY)
            assert (await edge.get(path, {**who, "If-None-Match": answer.headers["ETag"]})).code == 304
    tag = (await edge.get("/openapi.json", ADMIN)).headers["ETag"]
    assert (await edge.get("/openapi.json", {**STAFF, "If-None-Match": tag})).code == 200


async def test_a_schema_is_for_who_may_call_all_of_it(edge: Edge) -> None:
    assert problem(await edge.get("/schema/vault", STAFF))["code"] == "permission_denied"
    shown = await edge.get("/schema/vault", ADMIN)
    assert b"wipe" in shown.body
    assert {"Authorization", "Cookie"} <= {name.strip() for name in shown.headers["Vary"].split(",")}
    assert (await edge.get("/schema/calculator", NOBODY)).code == 200


async def test_metrics_are_for_a_role_of_their_own(edge: Edge, gatekeeper: FakeGatekeeper) -> None:
    assert [(await edge.get("/metrics", who)).code for who in EVERYBODY] == [401, 403, 403, 403]
    gatekeeper.principals["nobody"].roles = frozenset({"metrics"})
    assert (await edge.get("/metrics", NOBODY)).code == 200
    gatekeeper.is_required = False
    assert (await edge.get("/metrics")).code == 401
    gatekeeper.is_on = False
    assert (await edge.get("/metrics")).code == 200


async def test_rpc_describes_what_one_may_call(edge: Edge) -> None:
    async def told(who: Mapping[str, str], method: str, **params: Any) -> Any:
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        said = json.loads((await edge.post("/rpc", message, who)).body)
        return said.get("result", said.get("error"))

    assert "vault" not in await told(NOBODY, "rpc.discover")
    assert "wipe" not in (await told(STAFF, "rpc.discover"))["vault"]
    names = [method["name"] for method in (await told(STAFF, "rpc.describe", service="vault"))["methods"]]
    assert names == ["open", "look", "light"]
    for params in ({"service": "vault"}, {"interface": "Vault"}, {"interface": "Vault", "service": "vault"}):
        unseen = await told(NOBODY, "rpc.describe", **params)
        unknown = await told(NOBODY, "rpc.describe", **{key: f"x{value}" for key, value in params.items()})
        assert unseen["code"] == unknown["code"]
        assert unseen["message"].replace("vault", "").replace("Vault", "") == unknown["message"].replace(
            "xvault", "").replace("xVault", "")  # fmt: skip
    assert (await told(STAFF, "rpc.describe", interface="Secret"))["message"] == 'no service has an interface "Secret"'
    assert (await told(ADMIN, "rpc.describe", interface="Secret"))["interface"] == "Secret"

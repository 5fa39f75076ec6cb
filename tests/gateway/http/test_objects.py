"""Objects that the schema says too little of, and what they are cast to, over REST, ``/rpc`` and sockets."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from cara_pseud.schema.nodes import Schema, Type
from gateway.access.principals import Principal
from gateway.access.rules import RoleRule, ServiceRules
from gateway.catalogue import Service
from gateway.config.limits import Limits
from gateway.routes import ServiceRoutes
from tests.codecs import Codec
from tests.gatekeeper import FakeGatekeeper
from tests.gateway.http.conftest import Edge, problem

pytestmark = pytest.mark.gen_test

SCHEMA = """
using Gateway = import "/gateway.capnp";
interface Store {
  restore @0 (name :Text) -> (cap :Capability);
  base @1 () -> (counter :Readable);
  all @2 () -> (caps :List(Capability));
  take @3 (counter :Counter) -> ();
  boxed @4 () -> (box :Box(Text));
}
interface Readable { read @0 () -> (value :Int32); }
interface Counter extends(Readable) {
  increment @0 (by :Int32) -> (value :Int32);
  reset @1 () -> () $Gateway.requires(["admin"]);
}
interface Admin $Gateway.requires(["admin"]) { wipe @0 () -> (); }
interface Loud extends(Readable) { read @0 () -> (value :Int32); }
interface Inner $Gateway.hidden { poke @0 () -> (); }
interface Box(T) { get @0 () -> (value :T); put @1 (value :T) -> (); }
"""
STAFF, ADMIN = {"X-Api-Key": "staff"}, {"X-Api-Key": "admin"}


@pytest.fixture
def store(compile_text: Callable[[str], Schema], struct_type: Callable[[Schema, str], Type], fakes: Any) -> Service:
    schema = compile_text(SCHEMA)
    interface = struct_type(schema, "Store")
    rules = ServiceRules(schema, interface, (), (RoleRule(("Loud.read",), ("loud",)),))
    routes = ServiceRoutes("store", schema, interface, rules)
    return Service(routes, Codec(schema), fakes.Upstream(), 30.0)


@pytest.fixture
def services(store: Service) -> Mapping[str, Service]:
    return {"store": store}


@pytest.fixture
def gatekeeper() -> FakeGatekeeper:
    return FakeGatekeeper({
        "staff": Principal("key:staff", frozenset({"staff", "loud"})),
        "admin": Principal("key:admin", frozenset({"admin", "loud"})),
        "quiet": Principal("key:quiet", frozenset()),
    })  # fmt: skip


@pytest.fixture
def limits() -> Limits:
    return Limits(max_handles_per_session=3)


@pytest.fixture
def root(store: Service) -> Any:
    return store.upstream.root


async def restored(edge: Edge, root: Any, thing: Any, who: Mapping[str, str] = STAFF) -> tuple[str, dict[str, str]]:
    """The token of an object of which the schema says nothing, and the headers of its session's requests."""
    asked = edge.asks("POST", "/api/store/restore", {"name": "a"}, who)
    (await root.next_call()).reply(thing)
    answer = await asked
    handle = json.loads(answer.body)["cap"]
    assert handle["interface"] is None
    return handle["$handle"], {**who, "Session-Id": answer.headers["Session-Id"]}


async def cast(edge: Edge, token: str, interface: str, session: Mapping[str, str]) -> str:
    answer = await edge.post(f"/api/handles/{token}", {"interface": interface}, session)
    assert (answer.code, answer.headers["Cache-Control"]) == (200, "no-store"), answer.body
    given = json.loads(answer.body)
    assert given == {"$handle": given["$handle"], "interface": interface}
    return str(given["$handle"])


async def test_an_object_without_an_interface_cannot_be_called_but_says_what_it_may_be(
    edge: Edge, root: Any, fakes: Any
) -> None:
    token, session = await restored(edge, root, fakes.Object())
    found = problem(await edge.post(f"/api/handles/{token}/read", {}, session))
    assert (found["code"], "rpc.cast" in found["detail"]) == ("failed_precondition", False)
    assert "cast" in found["detail"]
    described = json.loads((await edge.get(f"/api/handles/{token}", session)).body)
    assert (described["interface"], described["methods"]) == (None, [])
    assert described["casts"] == ["Box", "Counter", "Loud", "Readable", "Store", "Box(Text)"]


async def test_over_rest_it_is_cast_and_called(edge: Edge, root: Any, fakes: Any) -> None:
    thing = fakes.Object()
    token, session = await restored(edge, root, thing)
    counter = await cast(edge, token, "Counter", session)
    assert counter != token
    asked = edge.asks("POST", f"/api/handles/{counter}/increment", {"by": 2}, session)
    call = await thing.next_call()
    assert (call.method, call.args) == ("increment", [2])
    call.reply(2)
    assert json.loads((await asked).body) == {"value": 2}
    described = json.loads((await edge.get(f"/api/handles/{counter}", session)).body)
    names = [each["name"] for each in described["methods"]]
    assert (described["interface"], names) == ("Counter", ["increment", "read"])
    asked = edge.asks("POST", "/api/store/take", {"counter": {"$handle": counter}}, session)
    (passed,) = (await root.next_call()).args
    assert passed is thing
    root.calls[-1].reply(None)
    assert (await asked).code == 200


async def test_the_same_cast_again_is_the_same_handle_and_each_handle_lives_for_itself(
    edge: Edge, root: Any, fakes: Any
) -> None:
    thing = fakes.Object()
    token, session = await restored(edge, root, thing)
    counter = await cast(edge, token, "Counter", session)
    assert await cast(edge, token, "Counter", session) == counter
    assert await cast(edge, counter, "Counter", session) == counter
    readable = await cast(edge, counter, "Readable", session)
    held = json.loads((await edge.get("/api/session", session)).body)["handles"]
    assert [(each["$handle"], each["interface"], each["count"]) for each in held] == [
        (token, None, 1), (counter, "Counter", 3), (readable, "Readable", 1),
    ]  # fmt: skip
    assert (await edge.request("DELETE", f"/api/handles/{token}", None, session)).code == 204
    assert (await edge.request("DELETE", f"/api/handles/{readable}", None, session)).code == 204
    assert thing.released == 0
    asked = edge.asks("POST", f"/api/handles/{counter}/read", {}, session)
    (await thing.next_call()).reply(1)
    assert (await asked).code == 200
    assert (await edge.request("DELETE", f"/api/handles/{counter}", None, session)).code == 204
    assert (thing.released, thing.given_back) == (1, 1)
    assert problem(await edge.post(f"/api/handles/{counter}", {"interface": "Counter"}, session))["code"] == "not_found"


async def test_a_narrower_object_that_came_as_its_base_is_cast(edge: Edge, root: Any, fakes: Any) -> None:
    thing = fakes.Object()
    asked = edge.asks("POST", "/api/store/base", {}, STAFF)
    (await root.next_call()).reply(thing)
    answer = await asked
    token = json.loads(answer.body)["counter"]["$handle"]
    session = {**STAFF, "Session-Id": answer.headers["Session-Id"]}
    counter = await cast(edge, token, "Counter", session)
    asked = edge.asks("POST", f"/api/handles/{counter}/increment", {"by": 1}, session)
    (await thing.next_call()).reply(1)
    assert (await asked).code == 200
    asked = edge.asks("POST", f"/api/handles/{token}/read", {}, session)
    (await thing.next_call()).reply(1)
    assert (await asked).code == 200  # the first handle is what it was


async def test_a_generic_interface_is_named_with_or_without_what_it_is_bound_to(
    edge: Edge, root: Any, fakes: Any
) -> None:
    thing = fakes.Object()
    token, session = await restored(edge, root, thing)
    text, anything = [await cast(edge, token, name, session) for name in ("Box(Text)", "Box")]
    found = problem(await edge.post(f"/api/handles/{text}/put", {"value": 5}, session))
    assert found["path"] == "$.value"
    asked = edge.asks("POST", f"/api/handles/{anything}/put", {"value": 5}, session)
    call = await thing.next_call()
    assert call.args == [5]
    call.reply(None)
    assert (await asked).code == 200
    assert problem(await edge.post(f"/api/handles/{token}", {"interface": "Box(Data)"}, session))["status"] == 400


REFUSED: list[tuple[Any, str]] = [
    ({"interface": "Countr"}, '$.interface: the schema of store has no interface "Countr"; did you mean "Counter"?'),
    ({"interface": "Admin"}, '$.interface: the schema of store has no interface "Admin"'),
    ({"interface": "Inner"}, '$.interface: the schema of store has no interface "Inner"'),
    ({"interface": "x" * 5000}, "$.interface: the schema of store has no interface"),
    *[(body, '$: expected {"interface": …}') for body in (
        {}, {"interface": 5}, {"interface": None}, {"interface": "Counter", "more": 1}, [], "Counter",
    )],
]  # fmt: skip


@pytest.mark.parametrize(("body", "detail"), REFUSED)
async def test_what_it_cannot_be_is_refused(edge: Edge, root: Any, fakes: Any, body: Any, detail: str) -> None:
    token, session = await restored(edge, root, fakes.Object())
    found = problem(await edge.post(f"/api/handles/{token}", body, session))
    assert found["code"] == "invalid_argument"
    assert found["detail"].startswith(detail)
    assert len(found["detail"]) < 500


async def test_a_cast_needs_a_handle_of_its_session_and_room_for_one_more(edge: Edge, root: Any, fakes: Any) -> None:
    token, session = await restored(edge, root, fakes.Object())
    other = {**STAFF, "Session-Id": (await edge.post("/api/session", None, STAFF)).headers["Session-Id"]}
    assert problem(await edge.post(f"/api/handles/{token}", {"interface": "Counter"}, other))["code"] == "not_found"
    assert problem(await edge.post(f"/api/handles/{token}", {"interface": "Counter"}, STAFF))["code"] == "not_found"
    for name in ("Counter", "Readable"):
        await cast(edge, token, name, session)
    found = problem(await edge.post(f"/api/handles/{token}", {"interface": "Store"}, session))
    assert found["code"] == "resource_exhausted"
    await cast(edge, token, "Counter", session)


# Who may call what.


async def test_no_rule_is_evaded_by_a_cast(edge: Edge, root: Any, fakes: Any) -> None:
    thing = fakes.Object()
    token, session = await restored(edge, root, thing)
    counter = await cast(edge, token, "Counter", session)
    assert problem(await edge.post(f"/api/handles/{counter}/reset", {}, session))["code"] == "permission_denied"
    quiet = {"X-Api-Key": "quiet"}
    token, session = await restored(edge, root, thing, quiet)
    # `read` of Readable is what Loud declares anew, and needs what that needs.
    readable = problem(await edge.post(f"/api/handles/{token}", {"interface": "Readable"}, session))
    assert (readable["code"], readable["path"]) == ("invalid_argument", "$.interface")
    counter = await cast(edge, token, "Counter", session)
    assert problem(await edge.post(f"/api/handles/{counter}/read", {}, session))["code"] == "permission_denied"
    assert thing.calls == []


async def test_who_has_the_role_may_cast_to_what_needs_it(edge: Edge, root: Any, fakes: Any) -> None:
    thing = fakes.Object()
    token, session = await restored(edge, root, thing, ADMIN)
    admin = await cast(edge, token, "Admin", session)
    asked = edge.asks("POST", f"/api/handles/{admin}/wipe", {}, session)
    (await thing.next_call()).reply(None)
    assert (await asked).code == 200


# JSON-RPC.


async def test_over_rpc_an_object_of_the_same_batch_is_cast_and_called(edge: Edge, root: Any, fakes: Any) -> None:
    thing = fakes.Object()
    batch = [
        {"jsonrpc": "2.0", "id": 1, "method": "store.restore", "params": ["a"]},
        {"jsonrpc": "2.0", "id": 2, "method": "rpc.cast",
         "params": {"handle": {"$result": 1, "path": ["cap"]}, "interface": "Counter"}},
        {"jsonrpc": "2.0", "id": 3, "method": "#2.increment", "params": [5]},
    ]  # fmt: skip
    asked = edge.asks("POST", "/rpc", batch, STAFF)
    (await root.next_call()).reply(thing)
    call = await thing.next_call()
    assert (call.method, call.args) == ("increment", [5])
    call.reply(5)
    answer = await asked
    restored, counter, value = [message["result"] for message in json.loads(answer.body)]
    assert (counter["interface"], value) == ("Counter", {"value": 5})
    session = {**STAFF, "Session-Id": answer.headers["Session-Id"]}
    assert answer.headers["Cache-Control"] == "no-store"
    held = json.loads((await edge.get("/api/session", session)).body)["handles"]
    assert [(each["$handle"], each["count"]) for each in held] == [
        (restored["cap"]["$handle"], 1), (counter["$handle"], 1),
    ]  # fmt: skip
    message = {"jsonrpc": "2.0", "id": 1, "method": "rpc.cast",
               "params": {"handle": counter["$handle"], "interface": "Readable"}}
    answer = await edge.post("/rpc", message, session)
    assert json.loads(answer.body)["result"]["interface"] == "Readable"


async def test_a_socket_casts_what_has_not_come_yet_in_one_round_trip(edge: Edge, root: Any, fakes: Any) -> None:
    thing = fakes.Object()
    socket = await edge.socket("X-Api-Key: staff")
    socket.say("rpc.hello", {"protocol": 1, "unbox": True}, id=0)
    await socket.hear()
    socket.say("store.restore", ["a"], id=1)
    socket.say("rpc.cast", {"handle": {"$result": 1, "path": []}, "interface": "Counter"}, id=2)
    socket.say("#2.increment", [3], id="three")
    (await root.next_call()).reply(thing)
    call = await thing.next_call()
    assert (call.method, call.args) == ("increment", [3])
    call.reply(3)
    answers = {(message := await socket.hear())["id"]: message["result"] for _ in range(3)}
    first, counter = answers[1], answers[2]
    assert (first["interface"], counter["interface"], answers["three"]) == (None, "Counter", 3)
    # Each handle has its own count.
    for token, released in ((first["$handle"], 0), (counter["$handle"], 1)):
        socket.say("rpc.release", {"handle": token}, id=4)
        assert (await socket.hear())["result"] == {}
        assert thing.released == released


async def test_on_a_socket_a_cast_waits_for_the_calls_before_it_and_can_be_given_up(
    edge: Edge, root: Any, fakes: Any
) -> None:
    thing = fakes.Object()
    socket = await edge.socket("X-Api-Key: staff")
    socket.say("rpc.hello", {"protocol": 1, "unbox": True}, id=0)
    await socket.hear()
    socket.say("store.restore", ["a"], id=1)
    for id in (2, 3):
        socket.say("rpc.cast", {"handle": {"$result": 1}, "interface": "Counter"}, id=id)
    socket.notify("rpc.cast", {"handle": {"$result": 1}, "interface": "Counter"})
    socket.say("rpc.cancel", {"id": 2}, id=4)
    answers = [await socket.hear() for _ in range(2)]
    assert sorted((each["id"], each.get("error", {}).get("code")) for each in answers) == [(2, -32001), (4, None)]
    (await root.next_call()).reply(thing)
    answers = [await socket.hear() for _ in range(2)]
    token, counter = (each["result"]["$handle"] for each in answers)
    # The notification's and the cancelled one's are not counted.
    for each in (token, counter):
        socket.say("rpc.release", {"handle": each}, id=5)
        await socket.hear()
    assert thing.released == 1


@pytest.mark.parametrize(
    ("params", "code", "path"),
    [
        ({"handle": "unknown", "interface": "Counter"}, "not_found", None),
        ({"handle": "unknown"}, "invalid_argument", "$.interface"),
        ({"handle": 5, "interface": "Counter"}, "invalid_argument", "$.handle"),
        ({"handle": {"$callback": "c"}, "interface": "Counter"}, "invalid_argument", "$.handle"),
        ({"handle": {"$handle": 5}, "interface": "Counter"}, "invalid_argument", "$.handle"),
        ({"handle": {"$result": 9}, "interface": "Counter"}, "failed_precondition", None),
        (["unknown", "Counter"], "invalid_argument", "$"),
    ],
)
async def test_a_socket_is_told_what_is_wrong_with_a_cast(edge: Edge, params: Any, code: str, path: str | None) -> None:
    socket = await edge.socket("X-Api-Key: staff")
    socket.say("rpc.cast", params)
    data = (await socket.hear())["error"]["data"]
    assert (data["code"], data.get("path")) == (code, path)

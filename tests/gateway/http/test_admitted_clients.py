"""WebSockets and event streams of clients who have to say who they are: how they get in, and what puts them out.

Attacks by the door they try; a good client beside each goes on.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

import pytest

from cara_pseud.errors import Unavailable
from cara_pseud.local import LocalCapability
from gateway.access.principals import Principal
from gateway.config.limits import Limits
from gateway.http.identification import Identification
from tests.clock import MovedClock
from tests.conformance import rfc6455
from tests.gatekeeper import FakeGatekeeper
from tests.gateway.http.conftest import Built, Edge, moves_time
from tests.gateway.http.raw import WAIT_S, RawConnection, RawSocket

ALICE = "X-Api-Key: a"
BOB = "X-Api-Key: b"
OURS = "Origin: http://localhost"
HELLO_S = 20.0
"""How long hello may take: head_s in these tests. All times are below the minute after which silence is death."""
WINDOW_S = 20.0
"""How long a stream may be away: resume_window_s."""


@pytest.fixture
def limits() -> Limits:
    return Limits(head_s=HELLO_S, resume_window_s=WINDOW_S, idle_session_s=100.0)


@pytest.fixture
def gatekeeper() -> FakeGatekeeper:
    return FakeGatekeeper(
        {
            "a": Principal("key:alice", frozenset({"staff"})),
            "b": Principal("key:bob"),
            "newer": Principal("key:alice"),
        }
    )


def text(obj: Any) -> bytes:
    return rfc6455.text(json.dumps(obj).encode())


async def greets(edge: Edge, *lines: str, **params: Any) -> tuple[RawSocket, dict[str, Any]]:
    """A WebSocket that has said hello, and what it was answered."""
    socket = await edge.socket(*lines)
    socket.say("rpc.hello", {"protocol": 1, **params})
    answer = await socket.hear()
    return socket, answer.get("result") or answer["error"]


async def calls(socket: RawSocket, root: Any, id: int = 2) -> Any:
    """Make a call over a socket; what the service was told of it."""
    socket.say("calculator.add", {"first": 1, "second": 2}, id)
    call = await root.next_call()
    call.reply(3)
    assert (await heard(socket))["result"] == {"result": 3}
    return call.options


async def heard(socket: RawSocket) -> Any:
    """The next message, before which nothing came but pings and acknowledgements."""
    async with asyncio.timeout(WAIT_S):
        while (frame := await socket.frame())[0] == rfc6455.FINAL | rfc6455.PING or b"rpc.ack" in frame[1]:
            pass
    assert frame[0] == rfc6455.FINAL | rfc6455.TEXT, frame
    return json.loads(frame[1])


async def asked(edge: Edge, gatekeeper: FakeGatekeeper) -> None:
    """Wait until somebody waits for the gatekeeper."""
    async with asyncio.timeout(WAIT_S):
        while not any(credentials.token for credentials in gatekeeper.asked):
            await edge.get("/healthz")


async def closed(socket: RawSocket) -> tuple[int, str]:
    """Code and reason of the close frame, before which nothing came but pings and acknowledgements."""
    async with asyncio.timeout(WAIT_S):
        while (frame := await socket.frame())[0] == rfc6455.FINAL | rfc6455.PING or b"rpc.ack" in frame[1]:
            pass
    assert frame[0] == rfc6455.FINAL | rfc6455.CLOSE, frame
    return int.from_bytes(frame[1][:2], "big"), frame[1][2:].decode()


# Getting in.


@pytest.mark.gen_test
async def test_a_socket_is_whoever_shows_credentials_at_the_upgrade(edge: Edge, root: Any) -> None:
    plain = await edge.socket(ALICE)
    options = await calls(plain, root)
    assert (options.principal, options.roles) == ("key:alice", ("staff",))
    greeted, _ = await greets(edge, "Authorization: Bearer b")
    assert (await calls(greeted, root)).principal == "key:bob"


@pytest.mark.gen_test
async def test_a_socket_is_whoever_says_so_in_hello(edge: Edge, root: Any) -> None:
    socket, _ = await greets(edge, token="a")
    assert (await calls(socket, root)).principal == "key:alice"
    # A token is the last word, whatever was shown before.
    socket, _ = await greets(edge, ALICE, token="b")
    assert (await calls(socket, root)).principal == "key:bob"


@pytest.mark.gen_test
async def test_what_was_said_behind_hello_waits_until_it_is_known_who_says_it(
    edge: Edge, root: Any, gatekeeper: FakeGatekeeper
) -> None:
    slow = gatekeeper.slow["a"] = asyncio.get_running_loop().create_future()
    socket, beside = await edge.socket(), await edge.socket(BOB)
    socket.say("rpc.hello", {"protocol": 1, "token": "a"})
    for id in (2, 3):
        socket.say("calculator.add", {"first": 1, "second": 2}, id)
    assert (await calls(beside, root)).principal == "key:bob"
    assert len(root.calls) == 1
    slow.set_result(None)
    assert (await socket.hear())["result"]["protocol"] == 1
    for id in (2, 3):
        call = await root.next_call()
        assert call.options.principal == "key:alice"
        call.reply(3)
        assert (await socket.hear())["id"] == id


STRANGE: Sequence[Any] = [
    {"jsonrpc": "2.0", "id": 1, "method": "calculator.add", "params": {"first": 1, "second": 2}},
    {"jsonrpc": "2.0", "method": "calculator.add", "params": {"first": 1, "second": 2}},
    {"jsonrpc": "2.0", "id": 1, "method": "rpc.describe", "params": {"service": "calculator"}},
    {"jsonrpc": "2.0", "id": 1, "method": "rpc.discover"},
    {"jsonrpc": "2.0", "id": 1, "method": "rpc.ping"},
    {"jsonrpc": "2.0", "id": 1, "method": "rpc.cancel", "params": {"id": 5}},
    {"jsonrpc": "2.0", "id": 1, "method": "rpc.release", "params": {"handle": "x"}},
    {"jsonrpc": "2.0", "method": "rpc.ack", "params": {"received": 0}},
    {"jsonrpc": "2.0", "id": 1, "method": "rpc.nothing"},
    {"jsonrpc": "2.0", "id": 1, "method": "@token.read"},
    {"jsonrpc": "2.0", "id": "g:1", "result": {}},
    [{"jsonrpc": "2.0", "id": 1, "method": "rpc.hello", "params": {"protocol": 1, "token": "a"}}],
    [{"jsonrpc": "2.0", "id": 1, "method": "calculator.add", "params": {"first": 1, "second": 2}}] * 2,
    [],
    5,
    {},
]


@pytest.mark.parametrize("message", STRANGE, ids=json.dumps)
@pytest.mark.gen_test
async def test_a_stranger_may_say_hello_and_nothing_else(edge: Edge, root: Any, message: Any) -> None:
    beside = await edge.socket(ALICE)
    socket = await edge.socket()
    # What stands behind it is not looked at either.
    socket.send(text(message), text(STRANGE[0]))
    assert (await closed(socket))[0] == 4401
    assert root.calls == []
    assert (await calls(beside, root)).principal == "key:alice"


@pytest.mark.gen_test
async def test_a_stranger_who_sends_no_json_is_put_out(edge: Edge) -> None:
    socket = await edge.socket()
    socket.send(rfc6455.text(b"{"))
    assert (await closed(socket))[0] == 4401


@pytest.mark.gen_test
async def test_a_bad_token_is_told_and_put_out(edge: Edge, root: Any) -> None:
    beside = await edge.socket(ALICE)
    for lines in ((), (ALICE,)):
        socket, error = await greets(edge, *lines, token="forged")
        assert (error["code"], error["data"]["code"]) == (-32016, "unauthenticated")
        socket.say("calculator.add", {"first": 1, "second": 2}, 2)
        assert await closed(socket) == (4401, "nobody has this key")
    assert (await calls(beside, root)).principal == "key:alice"


@pytest.mark.gen_test
async def test_a_token_that_is_found_out_to_be_bad_is_told_and_put_out(
    edge: Edge, gatekeeper: FakeGatekeeper
) -> None:
    gatekeeper.slow["forged"] = asyncio.get_running_loop().create_future()
    socket = await edge.socket()
    socket.say("rpc.hello", {"protocol": 1, "token": "forged"})
    await asked(edge, gatekeeper)
    gatekeeper.slow["forged"].set_result(None)
    assert (await socket.hear())["error"]["data"]["code"] == "unauthenticated"
    assert (await closed(socket))[0] == 4401


@pytest.mark.gen_test
async def test_hello_without_a_token_is_told_what_is_missing(edge: Edge) -> None:
    socket, error = await greets(edge)
    assert error["data"]["path"] == "$.token"
    assert (await closed(socket))[0] == 4401


@pytest.mark.gen_test
async def test_bad_credentials_at_the_upgrade_get_no_socket(edge: Edge) -> None:
    answer = await edge.get(
        "/ws", {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "x", "X-Api-Key": "forged"}
    )
    assert (answer.code, "WWW-Authenticate" in answer.headers) == (401, True)


@moves_time
async def test_a_socket_that_says_nothing_is_put_out(edge: Edge, root: Any, clock: MovedClock) -> None:
    beside, silent, wrong = await edge.socket(ALICE), await edge.socket(), await edge.socket()
    await clock.advance(HELLO_S - 5)
    wrong.say("rpc.hello", {"protocol": 99})
    assert (await heard(wrong))["error"]["data"]["code"] == "unimplemented"
    assert [frame for frame in await silent.heard() if frame[0] != rfc6455.FINAL | rfc6455.PING] == []
    await clock.advance(6)
    assert (await closed(silent))[0] == 4401
    assert (await closed(wrong))[0] == 4401
    assert (await calls(beside, root)).principal == "key:alice"


@pytest.mark.gen_test
async def test_who_needs_no_name_may_have_one(edge: Edge, root: Any, gatekeeper: FakeGatekeeper) -> None:
    gatekeeper.is_required = False
    socket = await edge.socket()
    assert (await calls(socket, root)).principal is None
    socket, _ = await greets(edge, token="a")
    assert (await calls(socket, root)).principal == "key:alice"


@pytest.mark.gen_test
async def test_where_nobody_is_asked_a_token_is_refused_and_the_socket_stays(
    edge: Edge, root: Any, gatekeeper: FakeGatekeeper
) -> None:
    gatekeeper.is_on = False
    socket, error = await greets(edge, token="a")
    assert error["message"] == "$.token: the gateway knows no tokens, as it has no authentication; leave it out"
    socket.say("rpc.hello", {"protocol": 1}, 2)
    assert (await socket.hear())["result"]["protocol"] == 1
    assert (await calls(socket, root, 3)).principal is None


# Being out.


@moves_time
async def test_an_expired_credential_puts_a_socket_out_and_a_newer_one_goes_on(
    edge: Edge, root: Any, clock: MovedClock, gatekeeper: FakeGatekeeper
) -> None:
    gatekeeper.principals["a"].expires_at = time.time() + 30
    beside, _ = await greets(edge, token="b")
    socket, hello = await greets(edge, token="a")
    plain = await edge.socket(ALICE)
    socket.say("calculator.add", {"first": 1, "second": 2}, 2)
    under_way = await root.next_call()
    await clock.advance(25)
    assert [frame for frame in await socket.heard() if b"rpc.ack" not in frame[1]] == []
    await clock.advance(10)
    for one in (socket, plain):
        assert await closed(one) == (4401, "the credentials have expired")
    # What is answered meanwhile is kept, and told to whoever proves to be the same.
    under_way.reply(3)
    await clock.advance(WINDOW_S - 10)
    there = {"session": hello["session"], "stream": hello["stream"], "received": 0}
    _, stolen = await greets(edge, token="b", **there)
    assert (stolen["data"]["code"], stolen["data"]["reason"]) == ("not_found", "session")
    newer, resumed = await greets(edge, token="newer", **there)
    assert (resumed["resumed"], resumed["received"]) == (True, 1)
    assert (await heard(newer))["result"] == {"result": 3}
    # It is the newer one now that counts.
    gatekeeper.principals["newer"].roles = frozenset({"admin"})
    assert (await calls(newer, root, 3)).roles == ("admin",)
    assert (await calls(beside, root)).principal == "key:bob"


@moves_time
async def test_what_comes_after_the_end_is_not_looked_at(
    edge: Edge, root: Any, clock: MovedClock, gatekeeper: FakeGatekeeper
) -> None:
    gatekeeper.principals["a"].expires_at = time.time() + 5
    socket, _ = await greets(edge, token="a")
    await clock.advance(6)
    socket.say("calculator.add", {"first": 1, "second": 2}, 2)
    assert (await closed(socket))[0] == 4401
    assert root.calls == []


@moves_time
async def test_an_expired_stream_ends_with_its_window(
    edge: Edge, root: Any, clock: MovedClock, gatekeeper: FakeGatekeeper
) -> None:
    gatekeeper.principals["a"].expires_at = time.time() + 5
    socket, hello = await greets(edge, token="a")
    await clock.advance(6)
    assert (await closed(socket))[0] == 4401
    await clock.advance(WINDOW_S + 1)
    _, error = await greets(edge, token="newer", session=hello["session"], stream=hello["stream"], received=0)
    assert error["data"]["code"] == "not_found"


@moves_time
async def test_a_stream_resumed_with_a_credential_that_ends_later_lives_on(
    edge: Edge, root: Any, clock: MovedClock, gatekeeper: FakeGatekeeper
) -> None:
    gatekeeper.principals["a"].expires_at = time.time() + 20
    gatekeeper.principals["newer"].expires_at = time.time() + 60
    first, hello = await greets(edge, token="a")
    there = {"session": hello["session"], "stream": hello["stream"], "received": 0}
    second, resumed = await greets(edge, token="newer", **there)
    assert resumed["resumed"]
    assert (await closed(first))[0] == 4001
    await clock.advance(30)
    assert (await calls(second, root)).principal == "key:alice"
    await clock.advance(31)
    assert (await closed(second))[0] == 4401


@pytest.mark.gen_test
async def test_a_removed_principal_is_put_out_at_once(
    edge: Edge, root: Any, gatekeeper: FakeGatekeeper
) -> None:
    beside, _ = await greets(edge, token="b")
    greeted, hello = await greets(edge, token="a")
    plain, idle = await edge.socket(ALICE), await edge.socket(ALICE)
    await calls(plain, root)
    rest = await edge.post("/api/session", None, {"X-Api-Key": "a"})
    gatekeeper.remove("a")
    assert (await closed(greeted))[0] == 4002
    assert (await closed(plain))[0] == 4002
    assert (await closed(idle))[0] == 4401
    for id in (hello["session"], rest.headers["Session-Id"]):
        assert (await edge.get("/api/session", {"X-Api-Key": "newer", "Session-Id": id})).code == 404
    assert (await calls(beside, root)).principal == "key:bob"


@pytest.mark.gen_test
async def test_a_session_that_was_shown_another_credential_outlives_the_removed_one(
    edge: Edge, root: Any, gatekeeper: FakeGatekeeper
) -> None:
    first, hello = await greets(edge, token="a")
    second, _ = await greets(edge, token="newer", session=hello["session"])
    gatekeeper.remove("a")
    assert (await closed(first))[0] == 4401
    assert (await calls(second, root)).principal == "key:alice"


@pytest.mark.gen_test
async def test_a_role_that_is_lost_is_lost_at_the_next_call(
    edge: Edge, root: Any, gatekeeper: FakeGatekeeper
) -> None:
    socket, _ = await greets(edge, token="a")
    assert (await calls(socket, root)).roles == ("staff",)
    gatekeeper.principals["a"].roles = frozenset()
    assert (await calls(socket, root, 3)).roles == ()


def identification(built: Built) -> Identification:
    found = built.application.site.identification
    assert found is not None
    return found


@pytest.mark.gen_test
async def test_who_has_no_name_is_put_out_when_a_reload_asks_for_one(
    edge: Edge, root: Any, built: Built, gatekeeper: FakeGatekeeper
) -> None:
    gatekeeper.is_required = False
    named, (nameless, _) = await edge.socket(ALICE), await greets(edge)
    identification(built).reloaded()
    assert (await calls(nameless, root)).principal is None
    gatekeeper.is_required = True
    identification(built).reloaded()
    assert (await closed(nameless))[0] == 4401
    assert (await calls(named, root)).principal == "key:alice"


async def passes(socket: RawSocket, root: Any, name: str, id: int) -> LocalCapability:
    """Pass an object to the service in a call; as the service has it."""
    socket.say("calculator.map", {"values": [1], "transform": {"$callback": name}}, id)
    call = await root.next_call()
    capability: LocalCapability = call.args[1]
    call.reply([1])
    assert (await heard(socket))["id"] == id
    return capability


@pytest.mark.gen_test
async def test_what_was_passed_in_calls_that_are_permitted_no_more_ends(
    edge: Edge, root: Any, built: Built, gatekeeper: FakeGatekeeper, ask_callback: Any
) -> None:
    gatekeeper.needs["map"] = "staff"
    gatekeeper.principals["b"].roles = frozenset({"staff"})
    alice, _ = await greets(edge, token="a")
    bob, _ = await greets(edge, token="b")
    of_alice, of_bob = await passes(alice, root, "f", 2), await passes(bob, root, "f", 2)
    asked_already = ask_callback(of_alice, 1)
    assert (await heard(alice))["method"] == "!f.apply"
    gatekeeper.principals["a"].roles = frozenset()
    identification(built).reloaded()
    told = [await heard(alice), await heard(alice)]
    assert sorted(message["method"] for message in told) == ["rpc.cancel", "rpc.released"]
    released = next(message for message in told if message["method"] == "rpc.released")["params"]
    assert (released["callback"], released["code"]) == ("f", "permission_denied")
    with pytest.raises(Unavailable):
        await asked_already
    with pytest.raises(Unavailable):
        await ask_callback(of_alice, 1)
    # The role is bob's still, and so is what he passed.
    answer = ask_callback(of_bob, 1)
    request = await heard(bob)
    bob.send(text({"jsonrpc": "2.0", "id": request["id"], "result": {"result": 5}}))
    assert await answer == 5


@pytest.mark.gen_test
async def test_a_newer_credential_with_fewer_roles_ends_what_the_older_could_pass(
    edge: Edge, root: Any, gatekeeper: FakeGatekeeper, ask_callback: Any
) -> None:
    gatekeeper.needs["map"] = "staff"
    first, hello = await greets(edge, token="a")
    capability = await passes(first, root, "f", 2)
    there = {"session": hello["session"], "stream": hello["stream"], "received": 1}
    second, resumed = await greets(edge, token="newer", **there)
    assert resumed["resumed"]
    assert (await heard(second))["params"]["code"] == "permission_denied"
    with pytest.raises(Unavailable):
        await ask_callback(capability, 1)


@pytest.mark.gen_test
async def test_what_a_listener_has_passed_ends_with_the_role_too(
    edge: Edge, root: Any, built: Built, gatekeeper: FakeGatekeeper, ask_callback: Any
) -> None:
    gatekeeper.needs["map"] = "staff"
    opened = await edge.post("/api/session", None, {"X-Api-Key": "a"})
    session = {"Session-Id": opened.headers["Session-Id"], "X-Api-Key": "a"}
    listener = await listens(edge, ALICE, f"Session-Id: {session['Session-Id']}")
    capabilities = []
    for path, body in [
        ("/api/calculator/map", {"values": [1], "transform": {"$callback": "f"}}),
        ("/rpc", {"jsonrpc": "2.0", "id": 1, "method": "calculator.map",
                  "params": {"values": [1], "transform": {"$callback": "g"}}}),
    ]:  # fmt: skip
        asked = edge.asks("POST", path, body, session)
        call = await root.next_call()
        capabilities.append(call.args[1])
        call.reply([1])
        assert (await asked).code == 200
    gatekeeper.principals["a"].roles = frozenset()
    identification(built).reloaded()
    told = await listener.until(b'"callback":"g"')
    assert b'"callback":"f","code":"permission_denied"' in told
    for capability in capabilities:
        with pytest.raises(Unavailable):
            await ask_callback(capability, 1)


# What belongs to others.


@pytest.mark.gen_test
async def test_nothing_of_somebody_else_exists_for_a_socket(edge: Edge, root: Any) -> None:
    alice, hello = await greets(edge, token="a")
    alice.say("calculator.accumulator", {}, 2)
    thing = type(root)("object")
    (await root.next_call()).reply(thing)
    handle = (await alice.hear())["result"]["accumulator"]["$handle"]
    for there in ({}, {"stream": hello["stream"], "received": 0}, {"stream": "x", "received": 0}):
        answers = []
        for session in (hello["session"], "x" * len(hello["session"])):
            _, error = await greets(edge, token="b", session=session, **there)
            answers.append(error)
        assert answers[0] == answers[1]
        assert answers[0]["data"]["reason"] == "session"
    bob, _ = await greets(edge, token="b")
    for number, token in enumerate((handle, "x" * len(handle))):
        bob.say(f"@{token}.read", {}, number + 2)
        assert (await bob.hear())["error"]["data"]["code"] == "not_found"
    bob.notify("rpc.release", {"handle": handle})
    alice.say(f"@{handle}.value", {}, 3)
    (await thing.next_call()).reply(5)
    assert (await alice.hear())["result"] == {"total": "5"}


def rpc(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


THROUGH: Sequence[tuple[str, str, Any]] = [
    ("GET", "/api/handles/HANDLE", None),
    ("DELETE", "/api/handles/HANDLE", None),
    ("POST", "/api/handles/HANDLE/value", {}),
    ("POST", "/api/handles/HANDLE/calculator/Calculator.Accumulator/value", {}),
    ("POST", "/rpc", rpc("@HANDLE.value")),
    ("POST", "/rpc", rpc("rpc.describe", handle="HANDLE")),
    ("POST", "/rpc", rpc("rpc.release", handle="HANDLE")),
    ("POST", "/api/callbacks/g:1", {"result": 1}),
]


@pytest.mark.parametrize(("verb", "path", "body"), THROUGH, ids=json.dumps)
@pytest.mark.gen_test
async def test_nothing_of_somebody_else_exists_in_a_session_of_ones_own(
    edge: Edge, root: Any, ask_callback: Any, verb: str, path: str, body: Any
) -> None:
    opened = [await edge.post("/api/session", None, {"X-Api-Key": key}) for key in ("a", "b")]
    alice, bob = (
        {"X-Api-Key": key, "Session-Id": answer.headers["Session-Id"]}
        for key, answer in zip(("a", "b"), opened, strict=True)
    )
    thing = type(root)("object")
    asked = edge.asks("POST", "/api/calculator/accumulator", {}, alice)
    (await root.next_call()).reply(thing)
    handle = json.loads((await asked).body)["accumulator"]["$handle"]
    listener = await listens(edge, *(f"{name}: {value}" for name, value in alice.items()))
    asked = edge.asks("POST", "/api/calculator/map", {"values": [1], "transform": {"$callback": "f"}}, alice)
    call = await root.next_call()
    waits = ask_callback(call.args[1], 1)
    assert b'"id":"g:1"' in await listener.until(b"\n\n")
    answers = []
    for token in (handle, "x" * len(handle)):
        answer = await edge.request(
            verb, path.replace("HANDLE", token), json.loads(json.dumps(body).replace("HANDLE", token)), bob
        )
        told = answer.body.decode().replace(token, "HANDLE").replace(answer.headers["X-Request-Id"], "ID")
        answers.append((answer.code, told))
    assert answers[0] == answers[1]
    assert thing.calls == []
    # For alice everything is as it was.
    assert not waits.done()
    assert (await edge.post("/api/callbacks/g:1", {"result": 5}, alice)).code == 204
    assert await waits == 5
    call.reply([5])
    assert (await asked).code == 200
    assert (await edge.get(f"/api/handles/{handle}", alice)).code == 200


@pytest.mark.gen_test
async def test_a_stream_of_somebody_else_is_not_in_a_session_of_ones_own(edge: Edge) -> None:
    _, alice = await greets(edge, token="a")
    _, bob = await greets(edge, token="b")
    errors = []
    for stream in (alice["stream"], "x" * len(alice["stream"])):
        _, error = await greets(edge, token="b", session=bob["session"], stream=stream, received=0)
        errors.append(error)
    assert errors[0] == errors[1]
    assert errors[0]["data"]["reason"] == "stream"


# Sockets of a page that logged in.


async def logs_in(edge: Edge) -> str:
    answer = await edge.post("/api/session", None, {"X-Api-Key": "a"})
    return f"Cookie: {answer.headers['Set-Cookie'].partition(';')[0]}"


@pytest.mark.gen_test
async def test_the_cookie_of_a_login_opens_sockets_of_our_own_pages(edge: Edge, root: Any) -> None:
    cookie = await logs_in(edge)
    socket = await edge.socket(cookie, OURS)
    assert (await calls(socket, root)).principal == "key:alice"
    # Pages that the configuration names bring a token; the cookie is not theirs.
    stranger = await edge.socket(cookie, "Origin: https://app.example")
    stranger.say("calculator.add", {"first": 1, "second": 2})
    assert (await closed(stranger))[0] == 4401
    for lines in (("Origin: https://evil.example",), ("Sec-Fetch-Site: same-site",)):
        connection = await edge.connect()
        connection.ask(
            "GET", "/ws", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13", cookie, *lines,
        )  # fmt: skip
        assert (await connection.head()).status == 403


@pytest.mark.gen_test
async def test_a_logout_puts_the_sockets_of_the_login_out(edge: Edge, root: Any) -> None:
    cookie = await logs_in(edge)
    beside = await edge.socket(ALICE)
    greeted, _ = await greets(edge, cookie, OURS)
    named, _ = await greets(edge, cookie, OURS, token="a")
    bob, _ = await greets(edge, cookie, OURS, BOB)
    left = await edge.request(
        "DELETE", "/api/session", None, {"Cookie": cookie.removeprefix("Cookie: "), "Origin": edge.url}
    )
    assert left.code == 204
    assert (await closed(greeted))[0] == 4401
    for socket in (beside, named):
        assert (await calls(socket, root)).principal == "key:alice"
    assert (await calls(bob, root)).principal == "key:bob"


@moves_time
async def test_a_login_lives_as_long_as_its_sockets(edge: Edge, root: Any, clock: MovedClock) -> None:
    cookie = await logs_in(edge)
    socket, _ = await greets(edge, cookie, OURS)
    for _ in range(25):
        await clock.advance(10)
        socket.notify("rpc.ping")
    assert (await edge.get("/api/session", {"Cookie": cookie.removeprefix("Cookie: ")})).code == 200


# Event streams.


async def listens(edge: Edge, *lines: str) -> RawConnection:
    connection = await edge.connect()
    connection.ask("GET", "/api/events", *lines)
    assert (await connection.head()).status == 200
    await connection.until(b"\n\n")
    return connection


@moves_time
async def test_an_expired_credential_ends_a_listener_and_a_newer_one_goes_on(
    edge: Edge, clock: MovedClock, gatekeeper: FakeGatekeeper
) -> None:
    gatekeeper.principals["a"].expires_at = time.time() + 5
    opened = await edge.post("/api/session", None, {"X-Api-Key": "a"})
    session = f"Session-Id: {opened.headers['Session-Id']}"
    listener = await listens(edge, ALICE, session)
    await clock.advance(6)
    told = await listener.until(b"\n\n")
    assert b'event: end\ndata: {"code":4401,"reason":"the credentials have expired"}' in told
    connection = await edge.connect()
    connection.ask("GET", "/api/events", BOB, session)
    assert (await connection.head()).status == 404
    await listens(edge, "X-Api-Key: newer", session, "Last-Event-ID: 0")


@pytest.mark.gen_test
async def test_a_logout_ends_the_listener_that_came_by_the_cookie(edge: Edge) -> None:
    cookie = await logs_in(edge)
    listener = await listens(edge, cookie)
    headers = {"Cookie": cookie.removeprefix("Cookie: "), "Origin": edge.url}
    assert (await edge.request("DELETE", "/api/session", None, headers)).code == 204
    assert b'event: end\ndata: {"code":4002' in await listener.until(b"\n\n")


@pytest.mark.gen_test
async def test_a_removed_principal_listens_no_more(edge: Edge, gatekeeper: FakeGatekeeper) -> None:
    opened = await edge.post("/api/session", None, {"X-Api-Key": "a"})
    listener = await listens(edge, ALICE, f"Session-Id: {opened.headers['Session-Id']}")
    gatekeeper.remove("a")
    assert b'event: end\ndata: {"code":4002' in await listener.until(b"\n\n")

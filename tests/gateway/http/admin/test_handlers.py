"""What operators see and do at the admin listener, over real sockets."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from gateway.config.file import ConfigError
from tests.clock import MovedClock
from tests.gateway.http.admin.conftest import Reload
from tests.gateway.http.conftest import Built, Edge, moves_time, problem

pytestmark = pytest.mark.gen_test


async def sessions(admin: Edge, query: str = "") -> Any:
    answer = await admin.get(f"/admin/sessions{query}")
    assert answer.code == 200, answer.body
    assert answer.headers["Cache-Control"] == "no-store"
    return json.loads(answer.body)


async def greeted(edge: Edge) -> tuple[Any, dict[str, Any]]:
    """A socket that said hello, and what it was told."""
    socket = await edge.socket()
    socket.say("rpc.hello", {"protocol": 1})
    return socket, (await socket.hear())["result"]


# Sessions.


async def test_nobody_is_there(admin: Edge) -> None:
    assert await sessions(admin) == {"sessions": [], "next": None, "total": 0}


@moves_time
async def test_a_session_is_shown_with_what_it_has_and_without_its_secret(
    edge: Edge, admin: Edge, root: Any, fakes: Any, clock: MovedClock
) -> None:
    socket, hello = await greeted(edge)
    socket.say("calculator.accumulator", {}, 1)
    (await root.next_call()).reply(fakes.Object())
    await socket.hear()
    socket.say("calculator.add", [1, 2], 2)
    under_way = await root.next_call()
    await clock.advance(7)
    told = await sessions(admin)
    (session,) = told["sessions"]
    assert told["total"] == 1
    of_nobody = json.loads((await admin.get("/admin/sessions?principal=key:nobody")).body)
    assert (of_nobody["sessions"], of_nobody["total"]) == ([], 0)
    assert 7 <= session.pop("age_s") < 9
    assert session.pop("kept_bytes") > 0
    assert session.pop("id").endswith("-1")
    assert session == {
        "principal": None, "address": "127.0.0.1", "idle_s": 0, "streams": 1, "connected": 1, "handles": 1,
        "callbacks": 0, "calls": 1,
    }  # fmt: skip
    secrets = [hello["session"], hello["stream"]]
    assert not any(secret in json.dumps(told) for secret in secrets)
    under_way.reply(3)
    await socket.hear()


@moves_time
async def test_how_long_nobody_used_a_session_is_shown(edge: Edge, admin: Edge, clock: MovedClock) -> None:
    header = await edge.session()
    await clock.advance(30)
    (session,) = (await sessions(admin))["sessions"]
    assert 30 <= session["idle_s"] < 32
    await edge.get("/api/session", header)
    (again,) = (await sessions(admin))["sessions"]
    assert again["idle_s"] < 2
    assert (again["id"], again["age_s"] >= 30) == (session["id"], True)


async def test_a_socket_that_never_said_hello_is_shown_when_it_has_called(edge: Edge, admin: Edge, root: Any) -> None:
    socket = await edge.socket()
    socket.say("calculator.add", [1, 2])
    call = await root.next_call()
    (session,) = (await sessions(admin))["sessions"]
    assert (session["streams"], session["calls"]) == (1, 1)
    call.reply(3)
    await socket.hear()
    assert (await admin.request("DELETE", f"/admin/sessions/{session['id']}")).code == 204
    assert (await socket.closed())[0] == 4002


async def test_sessions_come_in_pages_in_the_order_in_which_they_were_opened(edge: Edge, admin: Edge) -> None:
    for _ in range(5):
        await edge.session()
    first = await sessions(admin, "?limit=2")
    second = await sessions(admin, f"?limit=2&after={first['next']}")
    third = await sessions(admin, f"?limit=2&after={second['next']}")
    ids = [session["id"] for page in (first, second, third) for session in page["sessions"]]
    numbers = [int(id.partition("-")[2], 16) for id in ids]
    assert numbers == [1, 2, 3, 4, 5]
    assert (third["next"], third["total"]) == (None, 5)
    # One that has ended meanwhile is no reason to begin anew.
    assert (await admin.request("DELETE", f"/admin/sessions/{ids[1]}")).code == 204
    assert [each["id"] for each in (await sessions(admin, f"?after={ids[1]}"))["sessions"]] == ids[2:]


async def test_those_of_one_principal_are_shown_alone(edge: Edge, admin: Edge) -> None:
    await edge.session()
    assert (await sessions(admin, "?principal=key:alice"))["sessions"] == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("limit=0", "limit: expected a number from 1 to 1000"),
        ("limit=1001", "limit: expected a number from 1 to 1000"),
        ("limit=%D9%A3", "limit: expected a number from 1 to 1000"),
        ("limit=-1", "limit: expected a number from 1 to 1000"),
        ("after=1", "after: it is no id of a session of this process"),
        ("after=0123abcd-1", "after: it is no id of a session of this process"),
        ("before=1", "the query may have after, limit, principal, each once"),
        ("limit=1&limit=2", "the query may have after, limit, principal, each once"),
        ("principal=%ff", "the query may have after, limit, principal, each once"),
        ("principal=" + "x" * 3000, "the query may have after, limit, principal, each once"),
    ],
)
async def test_what_cannot_be_asked_is_said(admin: Edge, query: str, expected: str) -> None:
    answer = await admin.get(f"/admin/sessions?{query}")
    assert (answer.code, problem(answer)["detail"]) == (400, expected)


async def test_a_session_that_is_ended_tells_its_client_and_others_live_on(edge: Edge, admin: Edge, root: Any) -> None:
    ended, _ = await greeted(edge)
    other, _ = await greeted(edge)
    first, _ = (await sessions(admin))["sessions"]
    answer = await admin.request("DELETE", f"/admin/sessions/{first['id']}")
    assert (answer.code, answer.body) == (204, b"")
    code, reason = await ended.closed()
    assert (code, reason) == (4002, "the session has ended: an operator ended it")
    other.say("calculator.add", [1, 2])
    (await root.next_call()).reply(3)
    assert (await other.hear())["result"] == {"result": 3}
    assert (await sessions(admin))["total"] == 1


async def test_a_session_of_rest_is_no_more_when_it_was_ended(edge: Edge, admin: Edge) -> None:
    header = await edge.session()
    (session,) = (await sessions(admin))["sessions"]
    await admin.request("DELETE", f"/admin/sessions/{session['id']}")
    assert (await edge.get("/api/session", header)).code == 404


@pytest.mark.parametrize("id", ["x", "%2e%2e", "12345678-1", "-1", "a%2fb", "x" * 3000])
async def test_a_session_that_is_not_there_cannot_be_ended(edge: Edge, admin: Edge, id: str) -> None:
    await edge.session()
    answer = await admin.request("DELETE", f"/admin/sessions/{id}")
    assert answer.code == 404
    assert (await sessions(admin))["total"] == 1


@pytest.mark.parametrize("behind", ["", "/more"])
async def test_the_secret_of_a_session_is_no_id_of_it_and_not_logged(
    edge: Edge, admin: Edge, built: Built, behind: str
) -> None:
    secret = (await edge.session())["Session-Id"]
    assert (await admin.request("DELETE", f"/admin/sessions/{secret}{behind}")).code == 404
    built.application.site.log.flush()
    assert f"/admin/sessions/…{behind}" in built.log.getvalue()
    assert secret not in built.log.getvalue()


async def test_the_id_of_a_session_that_was_ended_is_logged(edge: Edge, admin: Edge, built: Built) -> None:
    await edge.session()
    (session,) = (await sessions(admin))["sessions"]
    await admin.request("DELETE", f"/admin/sessions/{session['id']}")
    built.application.site.log.flush()
    assert f"/admin/sessions/{session['id']}" in built.log.getvalue()


# Services.


async def upstreams(admin: Edge) -> list[Any]:
    answer = await admin.get("/admin/upstreams")
    assert answer.code == 200, answer.body
    found: list[Any] = json.loads(answer.body)["upstreams"]
    return found


async def test_services_are_shown_with_their_endpoints(admin: Edge, calculator: Any, wall: list[float]) -> None:
    calculator.upstream.state, calculator.upstream.trouble = "down", "connection refused"
    found = await upstreams(admin)
    assert [each["service"] for each in found] == ["calculator", "addressbook"]
    assert found[0] == {
        "service": "calculator", "endpoint": "tcp://service:1", "state": "down", "trouble": "connection refused",
        "in_flight": 3, "since": "2027-01-15T08:00:00.000Z",
    }  # fmt: skip


async def test_since_when_it_is_so_changes_with_the_state_alone(
    admin: Edge, calculator: Any, wall: list[float]
) -> None:
    await upstreams(admin)
    wall[0] += 60
    assert (await upstreams(admin))[0]["since"] == "2027-01-15T08:00:00.000Z"
    calculator.upstream.state = "down"
    assert (await upstreams(admin))[0]["since"] == "2027-01-15T08:01:00.000Z"


# Reloading.


async def test_a_reload_that_succeeds_has_nothing_to_say(admin: Edge, reload: Reload) -> None:
    answer = await admin.request("POST", "/admin/reload", b"")
    assert (answer.code, answer.body, reload.asked) == (204, b"", 1)


async def test_a_reload_that_fails_says_where(admin: Edge, reload: Reload) -> None:
    async def fail() -> None:
        raise ConfigError("gateway.limits.max_depth: expected a number", "a.capnp:3: expected ';'")

    reload.outcome = fail
    answer = await admin.request("POST", "/admin/reload", b"")
    told = problem(answer)
    assert (answer.code, told["title"], told["code"]) == (422, "Unprocessable Content", "failed_precondition")
    assert told["details"]["complaints"] == [
        "gateway.limits.max_depth: expected a number", "a.capnp:3: expected ';'",
    ]  # fmt: skip
    assert "a.capnp:3: expected ';'" in told["detail"]


async def test_a_reload_that_breaks_is_a_fault_and_tells_nothing(
    admin: Edge, reload: Reload, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise RuntimeError("planted")

    reload.outcome = fail
    answer = await admin.request("POST", "/admin/reload", b"")
    assert answer.code == 500
    assert b"planted" not in answer.body
    assert "a handler failed" in caplog.text


async def test_others_are_answered_while_a_reload_takes_its_time(edge: Edge, admin: Edge, reload: Reload) -> None:
    goes_on = asyncio.Event()

    async def wait() -> None:
        await goes_on.wait()

    reload.outcome = wait
    asked = admin.asks("POST", "/admin/reload", b"")
    while not reload.asked:
        await asyncio.sleep(0)
    assert (await admin.get("/admin/upstreams")).code == 200
    assert (await edge.get("/healthz")).code == 200
    goes_on.set()
    assert (await asked).code == 204


# All of it.


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/admin/sessions", "GET, HEAD"),
        ("GET", "/admin/sessions/x", "DELETE"),
        ("GET", "/admin/reload", "POST"),
        ("DELETE", "/admin/upstreams", "GET, HEAD"),
    ],
)
async def test_other_methods_are_refused(admin: Edge, reload: Reload, method: str, path: str, allowed: str) -> None:
    answer = await admin.request(method, path, b"" if method == "POST" else None)
    assert (answer.code, answer.headers["Allow"]) == (405, allowed)
    assert reload.asked == 0

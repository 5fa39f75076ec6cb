"""Callbacks over Server-Sent Events, and metrics, against the demo."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.integration.conftest import Web


class Listener:
    """A reader of events as the HTML standard describes them."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self._answer = answer
        self.headers = answer.headers
        self.last_id: str | None = None

    def next(self) -> tuple[str, Any]:
        kind, data = "message", ""
        while True:
            line = self._answer.readline().decode().rstrip("\n")
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                data += value
            elif name == "id":
                self.last_id = value
            elif not line and data:
                return kind, json.loads(data)


@contextmanager
def listening(web: Web, session: str, last_id: str | None = None) -> Iterator[Listener]:
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=20)
    try:
        headers = {"Session-Id": session, **({} if last_id is None else {"Last-Event-ID": last_id})}
        connection.request("GET", "/api/events", headers=headers)
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
        assert answer.headers["Cache-Control"] == "no-store"
        yield Listener(answer)
        answer.close()
    finally:
        connection.close()


@pytest.fixture
def session(web: Web) -> str:
    opened: str = web.post("/api/session").json["session"]
    return opened


def in_session(session: str) -> dict[str, str]:
    return {"Session-Id": session}


def add(web: Web, prefix: str) -> str:
    name = f"{prefix} {time.time_ns()}"
    assert web.post("/api/addressbook/add", {"person": {"name": name}}).status == 200
    return name


def watch(web: Web, session: str) -> str:
    answer = web.post("/api/addressbook/watch", {"listener": {"$callback": "people"}}, in_session(session))
    assert answer.status == 200, answer
    token: str = answer.json["subscription"]["$handle"]
    return token


def test_a_service_calls_a_listener_and_gets_its_answer(web: Web, session: str) -> None:
    with listening(web, session) as listener:
        subscription = watch(web, session)
        assert web.get("/api/session", **in_session(session)).json["callbacks"] == ["people"]
        name = add(web, "Event")
        kind, call = listener.next()
        assert (kind, call["method"], call["params"][0]["name"]) == ("callback", "!people.changed", name)
        path = f"/api/callbacks/{call['id']}"
        assert web.post(path, {}, in_session(session)).status == 204
        assert web.post(path, {}, in_session(session)).code == "not_found"
        assert web.post(f"/api/handles/{subscription}/cancel", headers=in_session(session)).status == 200
        kind, what = listener.next()
        assert (kind, what["callback"], what["code"]) == ("released", "people", "released")


def test_results_of_a_callback_are_checked_and_an_error_is_a_problem(web: Web, session: str) -> None:
    """`map` of the calculator waits for its callback, so it is asked from another thread."""
    from concurrent.futures import ThreadPoolExecutor

    body = {"values": [21], "transform": {"$callback": "f"}}
    with listening(web, session) as listener, ThreadPoolExecutor() as pool:
        for kind, answer, status, seen in (
            ("application/json", {"result": 42}, 200, {"results": [42]}),
            ("application/json", {"jsonrpc": "2.0", "id": "any", "result": {"result": 7}}, 200, {"results": [7]}),
            ("application/problem+json", {"code": "aborted", "detail": "not today"}, 409, "aborted"),
        ):
            mapped = pool.submit(web.post, "/api/calculator/map", body, in_session(session))
            asked, call = listener.next()
            while asked == "released":
                asked, call = listener.next()
            path, headers = f"/api/callbacks/{call['id']}", {**in_session(session), "Content-Type": kind}
            # What does not fit is refused, and the call waits on.
            misfit = web.post(path, {"result": "x"}, {**headers, "Content-Type": "application/json"})
            assert (misfit.status, misfit.json["path"]) == (400, "$.result")
            assert web.post(path, answer, headers).status == 204
            result = mapped.result()
            assert result.status == status, result
            assert (result.json if status == 200 else result.code) == seen


def test_a_listener_that_comes_back_gets_what_it_missed(web: Web, session: str) -> None:
    with listening(web, session) as listener:
        watch(web, session)
        names = [add(web, "Missed")]
        listener.next()
    names += [add(web, "Missed") for _ in range(3)]
    with listening(web, session, listener.last_id) as again:
        assert [again.next()[1]["params"][0]["name"] for _ in range(3)] == names[1:]


def test_without_a_listener_a_callback_is_refused(web: Web, session: str, eventually: Callable[..., None]) -> None:
    body = {"listener": {"$callback": "people"}}
    refused = web.post("/api/addressbook/watch", body, in_session(session))
    assert (refused.code, refused.json["path"]) == ("failed_precondition", "$.listener")
    with listening(web, session):
        assert web.post("/api/addressbook/watch", body, in_session(session)).status == 200

    def is_refused() -> bool:
        return web.post("/api/addressbook/watch", body, in_session(session)).status == 400

    eventually(is_refused, 5)


def test_bad_requests_for_events(web: Web, session: str) -> None:
    assert web.get("/api/events").code == "not_found"
    assert web.get("/api/events", **in_session("nobody")).code == "not_found"
    assert web.get("/api/events", Accept="application/json", **in_session(session)).code == "not_acceptable"
    assert web.get("/api/events", **{"Last-Event-ID": "x"}, **in_session(session)).code == "invalid_argument"
    assert web.post("/api/events", {}).code == "method_not_allowed"
    assert web.post("/api/callbacks/g:1", {}, in_session(session)).code == "not_found"
    assert web.get("/api/callbacks/g:1", **in_session(session)).code == "method_not_allowed"


def test_the_end_of_the_session_ends_its_events(web: Web, session: str) -> None:
    with listening(web, session) as listener:
        assert web.request("DELETE", "/api/session", headers=in_session(session)).status == 204
        kind, what = listener.next()
        assert (kind, what["code"]) == ("end", 4002)


def test_metrics_count_calls_and_what_is_held(web: Web, session: str) -> None:
    def metric(name: str) -> float:
        lines = [line for line in web.get("/metrics").text.splitlines() if line.startswith(f"cara_gateway_{name} ")]
        return float(lines[0].split(" ")[1]) if lines else 0

    calls = 'calls_total{method="add",service="calculator"}'
    failures = 'call_failures_total{code="invalid_argument",method="add",service="calculator"}'
    before = (metric(calls), metric(failures), metric("handles"))
    web.post("/api/calculator/add", [1, 2])
    web.post("/api/calculator/add", ["x"])
    web.post("/api/calculator/accumulator", {}, in_session(session))
    assert (metric(calls), metric(failures), metric("handles")) == (before[0] + 2, before[1] + 1, before[2] + 1)
    assert metric('service_up{service="addressbook"}') == 1
    assert web.get("/metrics").headers["content-type"].startswith("text/plain; version=0.0.4")

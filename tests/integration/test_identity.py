"""A real gateway with keys and passwords, and callers through each of its doors."""

from __future__ import annotations

import base64
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import websockets.exceptions

from tests.guarded import PASSWORD, Guarded, guarded_gateway
from tests.integration.conftest import Answer, Start

ADD = {"first": 2, "second": 5}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with ExitStack() as stack:
        yield guarded_gateway(Start(tmp_path_factory.mktemp("guarded"), stack))


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def raw_status(guarded: Guarded, *lines: str) -> int:
    """The status of ``GET /api`` with those lines, as they are."""
    with socket.create_connection(("127.0.0.1", guarded.web.port), timeout=20) as connection:
        connection.sendall("\r\n".join(["GET /api HTTP/1.1", "Host: localhost", *lines, "", ""]).encode())
        return int(connection.recv(4096).split()[1])


def test_each_way_to_say_who_one_is(guarded: Guarded) -> None:
    web = guarded.web
    for headers in (
        {"X-API-Key": guarded.alice},
        {"Authorization": f"Bearer {guarded.alice}"},
        {"Authorization": basic("carol", PASSWORD)},
    ):
        assert web.post("/api/calculator/add", ADD, headers).json == {"result": 7}
        assert {service["name"] for service in web.get("/api", **headers).json["services"]} == {
            "calculator", "addressbook",
        }  # fmt: skip
        with web.socket(additional_headers=headers) as upgraded:
            assert upgraded.result("addressbook.list", {"prefix": ""}).keys() == {"people"}
    for key in (guarded.alice, guarded.bob):
        with web.socket() as greeted:
            assert greeted.result("rpc.hello", {"protocol": 1, "token": key})["protocol"] == 1
            assert greeted.result("calculator.add", ADD) == {"result": 7}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": "forged"},
        {"X-API-Key": ""},
        {"Authorization": "Bearer forged"},
        {"Authorization": "Bearer a.b.c"},
        {"Authorization": "Bearer"},
        {"Authorization": "Digest x"},
        {"Authorization": basic("carol", "wrong")},
        {"Authorization": basic("nobody", PASSWORD)},
        {"Authorization": "Basic !"},
        {"X-Forwarded-User": "alice"},
        {"X-Forwarded-User": "alice", "X-Forwarded-For": "127.0.0.1"},
        {"Cookie": "cara_session=alice"},
    ],
    ids=str,
)
def test_nobody_comes_in_by(guarded: Guarded, headers: dict[str, str]) -> None:
    web = guarded.web

    def refused(answer: Answer) -> None:
        assert (answer.status, answer.code) in ((401, "unauthenticated"), (429, "resource_exhausted")), answer
        if answer.status == 401:
            assert "www-authenticate" in answer.headers

    refused(web.post("/api/calculator/add", ADD, headers))
    refused(web.post("/rpc", {"jsonrpc": "2.0", "id": 1, "method": "calculator.add", "params": ADD}, headers))
    refused(web.post("/api/session", None, headers))
    refused(web.get("/api/events", **headers))
    if "X-API-Key" in headers or "Authorization" in headers:
        with pytest.raises(websockets.exceptions.InvalidStatus), web.socket(additional_headers=headers):
            pass
    else:
        with web.socket(additional_headers=headers) as stranger:
            stranger.send({"jsonrpc": "2.0", "id": 1, "method": "calculator.add", "params": ADD})
            assert stranger.closed()[0] == 4401
    assert web.post("/api/calculator/add", ADD, {"X-API-Key": guarded.bob}).json == {"result": 7}


def test_an_identity_that_is_told_twice_is_none(guarded: Guarded) -> None:
    alice, bob = f"X-API-Key: {guarded.alice}", f"X-API-Key: {guarded.bob}"
    assert raw_status(guarded, alice) == 200
    assert raw_status(guarded, alice, alice) == 401
    assert raw_status(guarded, alice, bob) == 401
    assert raw_status(guarded, alice, bob.replace("X-API-Key", "x-api-key")) == 401
    assert raw_status(guarded, f"Authorization: Bearer {guarded.alice}", f"authorization: Bearer {guarded.bob}") == 401
    assert raw_status(guarded, f"Authorization: Bearer {guarded.alice}, Bearer {guarded.bob}") == 401
    # Two headers are two ways, of which the first counts; a bad one is not the other's turn.
    assert raw_status(guarded, f"Authorization: Bearer {guarded.alice}", bob) == 200
    assert raw_status(guarded, "Authorization: Bearer forged", bob) == 401


def test_only_a_browsers_own_page_is_asked_for_a_password(guarded: Guarded) -> None:
    for mode, scheme in ((None, "Bearer"), ("navigate", "Basic"), ("cors", "Bearer"), ("no-cors", "Bearer")):
        headers = {} if mode is None else {"Sec-Fetch-Mode": mode, "Sec-Fetch-Site": "same-origin"}
        assert guarded.web.get("/api", **headers).headers["www-authenticate"].startswith(scheme)


def test_a_reload_acts_on_who_is_there(start: Start) -> None:
    guarded = guarded_gateway(start)
    web, alice, bob = guarded.web, {"X-API-Key": guarded.alice}, {"X-API-Key": guarded.bob}
    with web.socket() as staff, web.socket(additional_headers=bob) as plain, web.socket() as greeted:
        assert staff.result("rpc.hello", {"protocol": 1, "token": guarded.alice})
        listener = {"listener": {"$callback": "l"}}
        assert "subscription" in staff.result("addressbook.watch", listener, id=2)
        assert plain.result("calculator.add", ADD) == {"result": 7}
        assert greeted.result("rpc.hello", {"protocol": 1, "token": guarded.bob})
        rest = {**bob, "Session-Id": web.post("/api/session", None, bob).headers["session-id"]}
        # Alice loses her role, and bob his key.
        keys = (start.folder / "keys.txt").read_text().splitlines()
        (start.folder / "keys.txt").write_text(keys[0].replace(":staff:", "::") + "\n")
        guarded.process.popen.send_signal(signal.SIGHUP)
        assert (plain.closed()[0], greeted.closed()[0]) == (4002, 4002)
        assert web.get("/api/session", **rest).status == 401
        told = staff.receive()
        while told["method"] != "rpc.released":  # an acknowledgement may come before
            told = staff.receive()
        assert (told["params"]["callback"], told["params"]["code"]) == ("l", "permission_denied")
        refused = staff.call("addressbook.list", {"prefix": ""}, id=3)
        assert refused["error"]["data"]["code"] == "permission_denied"
        assert staff.result("calculator.add", ADD, id=4) == {"result": 7}
        assert [service["name"] for service in web.get("/api", **alice).json["services"]] == ["calculator"]


def test_a_page_logs_in_with_a_password_once(guarded: Guarded) -> None:
    web = guarded.web
    opened = web.post("/api/session", None, {"Authorization": basic("carol", PASSWORD)})
    cookie = {"Cookie": opened.headers["set-cookie"].partition(";")[0]}
    ours = {**cookie, "Origin": web.url}
    assert web.get("/api/addressbook", **cookie).status == 200
    assert web.post("/api/addressbook/list", {"prefix": ""}, ours).status == 200
    assert web.post("/api/addressbook/list", {"prefix": ""}, cookie).code == "unauthenticated"
    with web.socket(additional_headers=cookie, origin=web.url) as page:
        assert page.result("addressbook.list", {"prefix": ""}).keys() == {"people"}
        # Beside a key the cookie is nobody's.
        bobs = web.post("/api/addressbook/list", {"prefix": ""}, {**ours, "X-API-Key": guarded.bob})
        assert bobs.code == "permission_denied"
        assert web.request("DELETE", "/api/session", None, ours).status == 204
        assert page.closed()[0] == 4401
    assert web.get("/api/addressbook", **cookie).code == "unauthenticated"

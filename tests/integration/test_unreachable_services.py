"""Why a service cannot be used: clients are told the cause without an address, the log the endpoint as well."""

from __future__ import annotations

import json
import signal
import socket as sockets
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.integration.test_services import config, free_endpoint, works

if TYPE_CHECKING:
    from tests.integration.conftest import Process, Start, Web

Eventually = Callable[..., None]
PLAIN = {"COUNTING_PASSWORD": "topsecret"}
LOGIN = 'security = "plain"\nuser_id = "gateway"\npassword = "{}"\n'
OTHER_NAME = "connected, but the server there has another name than this client asks for"
NO_HANDSHAKE = (
    "ZeroMQ's handshake fails with what listens at the endpoint: it is no ZeroMQ server, or has other keys or security"
)
OTHER_SECURITY = "the server expects another security plugin"
# A server of another plugin says so, or has hung up before that can be read.
SAME = {OTHER_SECURITY: {OTHER_SECURITY, NO_HANDSHAKE}}


@pytest.fixture
def listener() -> Iterator[str]:
    """What accepts connections and says nothing."""
    with sockets.create_server(("127.0.0.1", 0)) as listening:
        yield f"tcp://127.0.0.1:{listening.getsockname()[1]}"


def reason(web: Web) -> str | None:
    text: str | None = web.get("/readyz").json.get("reasons", {}).get("counting")
    return text


def warnings(process: Process) -> list[str]:
    """What was logged about services that cannot be used."""
    lines = [json.loads(line) for line in process.log.read_text().splitlines() if "cannot be used" in line]
    assert {line["level"] for line in lines} <= {"warning"}
    return [line["message"] for line in lines]


def check(process: Process, web: Web, endpoint: str, expected: str, eventually: Eventually) -> None:
    eventually(lambda: reason(web) in SAME.get(expected, {expected}), within_s=5)
    eventually(lambda: len(warnings(process)) >= 1, within_s=5)
    ready = web.get("/readyz")
    assert (ready.status, ready.code) == (503, "unavailable")
    for _ in range(3):
        answer = web.post("/api/counting/count")
        assert (answer.status, answer.code) == (503, "unavailable")
        assert any(text in answer.json["detail"] for text in SAME.get(expected, {expected}))
        for shown in (answer.text, ready.text):
            for secret in ("127.0.0.1", "tcp:", "topsecret", "stranger", "b'"):
                assert secret not in shown
    told = warnings(process)
    place, _, text = told[-1].partition(": ")
    assert place == f"service counting at {endpoint} cannot be used"
    assert text in SAME.get(expected, {expected})
    assert len(told) == len(set(told))
    assert "topsecret" not in process.log.read_text()


@pytest.mark.parametrize(("environment", "more", "expected"), [
    ({}, LOGIN.format("topsecret"), OTHER_SECURITY),
    (PLAIN, "", OTHER_SECURITY),
    (PLAIN, LOGIN.format("stranger"), "the server refused the credentials"),
    ({}, None, OTHER_NAME),
])  # fmt: skip
def test_a_service_that_does_not_fit_the_configuration(
    start: Start, eventually: Eventually, environment: dict[str, str], more: str | None, expected: str
) -> None:
    _, endpoint = start.counting(environment=environment)
    settings = config(endpoint)
    settings = settings.replace('peer = "counting"', 'peer = "stranger"') if more is None else settings + more
    process, web = start.gateway(settings)
    check(process, web, endpoint, expected, eventually)


def test_nobody_listens(start: Start, eventually: Eventually) -> None:
    endpoint = free_endpoint()
    process, web = start.gateway(config(endpoint))
    check(process, web, endpoint, "nobody listens at the endpoint", eventually)
    start.counting(endpoint)
    eventually(lambda: works(web), within_s=5)
    assert web.get("/readyz").json == {"status": "ready", "services": {"counting": "up"}}
    assert "service counting is up" in process.log.read_text()


def test_what_listens_is_no_zeromq(start: Start, eventually: Eventually, web: Web) -> None:
    endpoint = f"tcp://127.0.0.1:{web.port}"
    process, gateway = start.gateway(config(endpoint))
    check(process, gateway, endpoint, NO_HANDSHAKE, eventually)


def test_what_listens_says_nothing(start: Start, eventually: Eventually, listener: str) -> None:
    process, web = start.gateway(config(listener))
    eventually(lambda: reason(web) == "the server does not answer at its endpoint", within_s=5)
    assert "does not answer at its endpoint" in web.post("/api/counting/count").json["detail"]
    eventually(lambda: reason(web) == NO_HANDSHAKE, within_s=5)
    assert "the server does not answer at its endpoint" in warnings(process)[0]


def test_a_service_that_never_answers_the_greeting_is_not_ready(start: Start, eventually: Eventually) -> None:
    service, endpoint = start.counting(environment={"COUNTING_WAITS": "1"})
    process, web = start.gateway(config(endpoint))
    silent = "the server does not answer the greeting"
    eventually(lambda: len(warnings(process)) == 1, within_s=5)
    assert warnings(process) == [f"service counting at {endpoint} cannot be used: {silent}"]
    ready = web.get("/readyz")
    assert (ready.status, ready.json["reasons"]) == (503, {"counting": silent})
    late = web.post("/api/counting/count", None, {"Request-Timeout": "0.2"})
    assert (late.status, late.code, late.json["detail"]) == (
        504, "deadline_exceeded", f"no answer within the deadline: {silent}"
    )  # fmt: skip
    assert service.popen.stdin is not None
    service.popen.stdin.write("\n")
    service.popen.stdin.flush()
    eventually(lambda: web.get("/readyz").status == 200, within_s=5)


def test_each_change_of_the_cause_is_logged_once(start: Start, eventually: Eventually) -> None:
    service, endpoint = start.counting()
    process, web = start.gateway(config(endpoint))
    eventually(lambda: works(web), within_s=5)
    service.stop(signal.SIGKILL)
    eventually(lambda: reason(web) == "nobody listens at the endpoint", within_s=5)
    other, _ = start.counting(endpoint, PLAIN)
    eventually(lambda: reason(web) in SAME[OTHER_SECURITY], within_s=5)
    other.stop(signal.SIGKILL)
    start.counting(endpoint)
    eventually(lambda: works(web), within_s=5)
    told = [line.partition("cannot be used: ")[2] for line in warnings(process)]
    # A server that refuses may be seen to hang up first; and it may be seen that nobody listened in between.
    assert told[0] == "nobody listens at the endpoint"
    assert set(told[1:3]) & SAME[OTHER_SECURITY]
    assert len(told) <= 4

"""A gateway in front of native services: REST, WebSocket, the command line; and what becomes of losses and restarts."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.integration.conftest import ROOT, Process, Socket, Start, Web
from tests.integration.conftest import eventually as eventually
from tests.native.bridges import TRIALS, census, gateway_of, trials
from tests.native.services import NativeService

BACK_S = 2.0
"""How long a service may be gone after it is there again."""


@pytest.fixture(scope="module")
def gateway(abacus: NativeService, python_abacus: NativeService) -> Iterator[tuple[Process, Web, Start]]:
    with TemporaryDirectory() as folder:
        services = trials("abacus", abacus), trials("python", python_abacus)
        with gateway_of(Path(folder), *services) as running:
            yield running


@pytest.fixture(scope="module")
def web(gateway: tuple[Process, Web, Start]) -> Web:
    return gateway[1]


def place_of(bridge: int) -> Path:
    """The socket that a bridge listens at."""
    inodes = {os.readlink(link).removeprefix("socket:[").rstrip("]") for link in links(bridge)}
    table = [line.split() for line in Path(f"/proc/{bridge}/net/unix").read_text().splitlines()[1:]]
    (place,) = {columns[7] for columns in table if columns[6] in inodes and "cara-bridge-" in columns[-1]}
    return Path(place)


def links(pid: int) -> list[Path]:
    return [link for link in Path(f"/proc/{pid}/fd").iterdir() if os.readlink(link).startswith("socket:")]


def bridges_of(pid: int) -> list[int]:
    """The processes that a gateway has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def welcome(socket: Socket) -> None:
    assert "session" in socket.result("rpc.hello", {"protocol": 1}, id=0)


def answers(socket: Socket, *ids: Any) -> dict[Any, Any]:
    """The answers to requests, by their ids; what else comes is told by `requests`."""
    found: dict[Any, Any] = {}
    while set(ids) - found.keys():
        message = socket.receive()
        if "method" not in message:
            found[message["id"]] = message
    return found


def test_calls_objects_and_values_over_rest(web: Web) -> None:
    assert web.post("/api/abacus/divide", {"dividend": "17"}).json == {"quotient": "5", "remainder": "2"}
    made = web.post("/api/abacus/number", {"number": 2.5})
    handle, session = made.json["value"], {"Session-Id": made.headers["session-id"]}
    assert handle["interface"] == "Value"
    path = f"/api/handles/{handle['$handle']}"
    assert web.post(f"{path}/read", {}, session).json == {"number": 2.5}
    entries = [{"label": "a", "value": handle}, {"label": "b", "value": handle, "weight": 3}]
    statement = web.post("/api/abacus/statement", {"title": "t", "entries": entries}, session).json["statement"]
    total = statement["total"]["value"]["$handle"]
    assert web.post(f"/api/handles/{total}/read", {}, session).json == {"number": 10}
    assert web.request("DELETE", path, None, session).status == 204


def test_objects_are_let_go_with_their_session(web: Web, eventually: Callable[..., None]) -> None:
    before = census(web)["values"]
    made = web.post("/api/abacus/make", {"count": 500})
    assert len(made.json["values"]) == 500
    assert census(web)["values"] == before + 500
    web.request("DELETE", "/api/session", None, {"Session-Id": made.headers["session-id"]})
    eventually(lambda: census(web)["values"] == before, 5)


def test_what_is_refused_names_its_place(web: Web) -> None:
    for params, path in (
        ({"any": 5}, "$.any"),
        ({"any": {"$type": "Nothing", "value": {}}}, "$.any"),
        ({"any": {"$type": "Everything", "value": {"int8": 200}}}, "$.any"),
    ):
        answer = web.post("/api/abacus/echoAny", params)
        assert (answer.status, answer.code, answer.json["path"]) == (400, "invalid_argument", path)


def test_what_a_service_throws_has_no_traceback_and_no_path(web: Web) -> None:
    answer = web.post("/api/python/divide", {"dividend": "1", "divisor": "0"})
    assert (answer.status, answer.code) == (500, "unknown")
    assert answer.json["details"] == {"exception": "ZeroDivisionError"}
    for kind, code in (("overloaded", "resource_exhausted"), ("unimplemented", "unimplemented")):
        answer = web.post("/api/abacus/fail", {"kind": kind, "reason": "/srv/secret/place.txt is full"})
        assert answer.code == code
        assert "/srv" not in answer.text


def test_callbacks_over_a_websocket(web: Web) -> None:
    with web.socket() as socket:
        welcome(socket)
        params = {"function": {"$callback": "square"}, "to": 9, "rows": {"$callback": "rows"}}
        socket.send({"jsonrpc": "2.0", "id": 1, "method": "abacus.tabulate", "params": params})
        rows: list[Any] = []
        while True:
            message = socket.receive()
            if message.get("id") == 1:
                break
            if message["method"] == "!square.call":
                result: Any = {"number": message["params"][0][0] ** 2}
            elif message["method"] == "!rows.row":
                rows.append(message["params"])
                result = {"more": len(rows) < 3}
            else:
                continue  # that one of them is held no more
            socket.send({"jsonrpc": "2.0", "id": message["id"], "result": result})
        assert (message["result"], rows) == ({"count": 3}, [[1, 1.0], [2, 4.0], [3, 9.0]])


def test_a_chain_of_calls_is_one_round_trip_at_the_service(web: Web) -> None:
    with web.socket() as socket:
        welcome(socket)
        before = census(web)
        chain = (
            ("abacus.later", [1, 50]),
            ("#1.value.plus", [2]),
            ("#2.value.add", [{"$result": 1, "path": ["value"]}]),
            ("#3.value.read", []),
        )
        for id, (method, params) in enumerate(chain, 1):
            socket.send({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
        assert answers(socket, 1, 2, 3, 4)[4]["result"] == {"number": 4}
        after = census(web)
        # The other one is that of the census itself.
        assert after["roundTrips"] - before["roundTrips"] == 2
        assert after["pipelined"] - before["pipelined"] == 3


def test_a_deadline_and_a_cancelled_call_reach_the_service(web: Web, eventually: Callable[..., None]) -> None:
    before = census(web)["cancelled"]
    began = time.monotonic()
    late = web.post("/api/abacus/wait", {"milliseconds": 60_000}, {"Request-Timeout": "0.2"})
    assert (late.status, late.code) == (504, "deadline_exceeded")
    assert time.monotonic() - began < 2
    with web.socket() as socket:
        welcome(socket)
        socket.send({"jsonrpc": "2.0", "id": 1, "method": "abacus.wait", "params": [60_000]})
        eventually(lambda: census(web)["waiting"] == 1, 5)
        socket.send({"jsonrpc": "2.0", "method": "rpc.cancel", "params": {"id": 1}})
        assert answers(socket, 1)[1]["error"]["data"]["code"] == "cancelled"
    eventually(lambda: census(web)["cancelled"] == before + 2, 5)


def test_ten_thousand_messages_of_a_stream(web: Web) -> None:
    with web.socket() as socket:
        welcome(socket)
        handle = socket.result("abacus.record", [0], id=1)["tape"]["$handle"]
        line = {"jsonrpc": "2.0", "method": f"@{handle}.write", "params": ["0123456789"]}
        for begin in range(10, 10_010, 500):
            for id in range(begin, begin + 500):
                socket.send({**line, "id": id})
            answers(socket, *range(begin, begin + 500))
        socket.send({"jsonrpc": "2.0", "id": 2, "method": f"@{handle}.end"})
        assert answers(socket, 2)[2]["result"] == {"lines": "10000", "characters": "100000"}


def test_the_command_line_calls_it(web: Web) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "call", "abacus.divide", '{"dividend": 7}', "--url", web.url],
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, json.loads(done.stdout)) == (0, {"quotient": "2", "remainder": "1"})


def test_a_service_that_is_killed_and_comes_back(abacus: NativeService, gateway: tuple[Process, Web, Start]) -> None:
    _, web, _ = gateway
    with web.socket() as socket:
        welcome(socket)
        handle = socket.result("abacus.number", [1], id=1)["value"]["$handle"]
        socket.result("abacus.watch", [{"$callback": "listener"}], id=3)
        socket.send({"jsonrpc": "2.0", "id": 2, "method": "abacus.wait", "params": [60_000]})
        assert census(web)["waiting"] == 1
        slowest, over = [0.0], threading.Event()

        def others() -> None:
            while not over.is_set():
                began = time.monotonic()
                assert web.post("/api/python/divide", {"dividend": "4"}).status == 200
                slowest[0] = max(slowest[0], time.monotonic() - began)

        beside = threading.Thread(target=others)
        beside.start()
        try:
            abacus.kill()
            told: dict[Any, Any] = {}
            while not told.keys() >= {2, handle, "listener"}:
                message = socket.receive()
                params = message.get("params", {})
                told[message.get("id") or params.get("handle") or params.get("callback")] = message
            assert told[2]["error"]["data"]["code"] == "outcome_unknown"
            # Nobody let go of anything: who had it is gone.
            assert {told[gone]["params"]["code"] for gone in (handle, "listener")} == {"unavailable"}
            began = time.monotonic()
            assert web.post("/api/abacus/census").code == "unavailable"
            assert time.monotonic() - began < 0.5
            abacus.start()
            began = time.monotonic()
            while web.post("/api/abacus/census").status != 200:
                assert time.monotonic() - began < BACK_S
                time.sleep(0.02)
        finally:
            over.set()
            beside.join()
        assert slowest[0] < 1
        assert census(web)["calls"] == 2, "the two that were answered, and nothing twice"


def p99_s(web: Web, path: str, for_s: float) -> float:
    """How long the slowest hundredth of one call after the other takes at least."""
    took, until = [], time.monotonic() + for_s
    while (began := time.monotonic()) < until:
        assert web.post(path, {"dividend": "4"}).status == 200
        took.append(time.monotonic() - began)
    return sorted(took)[len(took) * 99 // 100]


@pytest.mark.compares_waits
def test_calls_of_other_services_take_no_longer_while_one_hangs_or_is_lost(
    abacus: NativeService, gateway: tuple[Process, Web, Start]
) -> None:
    _, web, _ = gateway

    def ratio(trouble: Callable[[], None], end: Callable[[], None]) -> float:
        alone_s = p99_s(web, "/api/python/divide", 0.4)
        with web.socket() as socket:
            trouble()
            for id in range(10):
                socket.send({"jsonrpc": "2.0", "id": id, "method": "abacus.census"})
            troubled_s = p99_s(web, "/api/python/divide", 0.4)
            end()
        until = time.monotonic() + BACK_S
        while web.post("/api/abacus/census").status != 200:
            assert time.monotonic() < until
            time.sleep(0.02)
        return troubled_s / alone_s

    for trouble, end in ((abacus.hang, abacus.go_on), (abacus.kill, abacus.start)):
        # What else the machine does at that moment falls upon one of the two.
        assert any(ratio(trouble, end) < 3 for _ in range(3))


def test_a_bridge_that_is_killed_or_hangs_is_started_anew(gateway: tuple[Process, Web, Start]) -> None:
    process, web, _ = gateway
    assert len(bridges_of(process.pid)) == 2
    for number in (signal.SIGKILL, signal.SIGSTOP):
        with web.socket() as socket:
            welcome(socket)
            handle = socket.result("abacus.number", [1], id=1)["value"]["$handle"]
            socket.send({"jsonrpc": "2.0", "id": 2, "method": "abacus.wait", "params": [60_000]})
            census(web)
            for bridge in bridges_of(process.pid):
                os.kill(bridge, number)
            told: dict[Any, Any] = {}
            while not told.keys() >= {2, "rpc.released"}:
                message = socket.receive()
                told[message.get("id", message.get("method"))] = message
            assert told[2]["error"]["data"]["code"] == "outcome_unknown"
            assert told["rpc.released"]["params"]["handle"] == handle
        refused = web.post("/api/abacus/divide", {"dividend": "4"})
        assert (refused.code, "the bridge to it" in refused.json["detail"]) == ("unavailable", True)
        until = time.monotonic() + 12
        while {web.post(f"/api/{name}/divide", {"dividend": "4"}).status for name in ("abacus", "python")} != {200}:
            assert time.monotonic() < until
            time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_bridge_ends_with_its_gateway(abacus: NativeService, number: int) -> None:
    with TemporaryDirectory() as folder, gateway_of(Path(folder), trials("abacus", abacus)) as (process, _, _):
        (bridge,) = bridges_of(process.pid)
        folder_of_it = place_of(bridge).parent
        assert stat.S_IMODE(folder_of_it.stat().st_mode) == 0o700
        process.stop(number)
        until = time.monotonic() + 5
        while Path(f"/proc/{bridge}").exists() and "Z" not in Path(f"/proc/{bridge}/stat").read_text().split():
            assert time.monotonic() < until
            time.sleep(0.02)
        assert number == signal.SIGKILL or not folder_of_it.exists()


def test_a_reload_starts_a_bridge_anew_only_if_its_keys_changed(abacus: NativeService, tmp_path: Path) -> None:
    with TemporaryDirectory() as folder, gateway_of(Path(folder), trials("abacus", abacus)) as (process, web, _):
        config = Path(folder) / "gateway.toml"
        before = bridges_of(process.pid)
        text = config.read_text("utf-8")
        config.write_text(text + "timeout = 3\n", "utf-8")
        process.popen.send_signal(signal.SIGHUP)
        _reloaded(process, 1)
        assert bridges_of(process.pid) == before
        schema = tmp_path / "trials.capnp"
        schema.write_text(TRIALS.read_text("utf-8").replace("# Gives back what it was given.", "# Changed."), "utf-8")
        (tmp_path / "abacus.capnp").write_text((TRIALS.parent / "abacus.capnp").read_text("utf-8"), "utf-8")
        config.write_text(text.replace(str(TRIALS), str(schema)), "utf-8")
        process.popen.send_signal(signal.SIGHUP)
        _reloaded(process, 2)
        until = time.monotonic() + 5
        while bridges_of(process.pid) == before or len(bridges_of(process.pid)) != 1:
            assert time.monotonic() < until
            time.sleep(0.02)
        assert web.post("/api/abacus/divide", {"dividend": "9"}).status == 200


def _reloaded(process: Process, times: int) -> None:
    until = time.monotonic() + 10
    while process.log.read_text().count("the configuration is reloaded") < times:
        assert time.monotonic() < until, process.log.read_text()
        time.sleep(0.02)


def test_it_needs_no_file(abacus: NativeService, start: Start) -> None:
    process = start.process(
        "-m", "gateway", "serve", "--schema", str(TRIALS), "--interface", "Trials", "--endpoint", abacus.endpoint,
        "--listen", "127.0.0.1:0",
    )  # fmt: skip
    web = Web(int(process.line().rpartition(":")[2]))
    until = time.monotonic() + 5
    while (answer := web.post("/api/trials/divide", {"dividend": "9"})).status != 200:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert answer.json == {"quotient": "3", "remainder": "0"}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:
        yield Start(tmp_path, stack)

"""A gateway that reads its configuration and schemas again while it is used: by a signal, and when files change.

RELOADS says how often the loaded one is reloaded.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import websockets.asyncio.client

from tests.integration.conftest import HERE, WAIT_S

if TYPE_CHECKING:
    from tests.integration.conftest import Process, Socket, Start, Web

Eventually = Callable[..., None]
RELOADS = int(os.environ.get("RELOADS", "6"))
SCHEMA = (HERE / "counting.capnp").read_text("utf-8")
NEW_METHOD = "  more{number} @{number} () -> ();\n\n  interface Halver"


class Site:
    """A gateway before the counting service, with files that a test may change."""

    def __init__(self, start: Start, *arguments: str, services: tuple[str, ...] = ("counting",)) -> None:
        self.folder: Path = start.folder
        self.schema = start.folder / "served.capnp"
        self.config = start.folder / "gateway.toml"
        self.schema.write_text(SCHEMA, "utf-8")
        self.service, self.endpoint = start.counting()
        self.process: Process
        self.web: Web
        self.process, self.web = start.gateway(self.text(*services), *arguments)

    def text(self, *services: str, gateway: str = "") -> str:
        described = [
            f'[services.{name}]\nschema = "{self.schema}"\ninterface = "Counting"\n'
            f'endpoint = "{self.endpoint}"\npeer = "counting"\n'
            for name in services
        ]
        return "\n".join((gateway, "[gateway.auth]\nrequired = false", *described))

    def grown(self, methods: int) -> None:
        """Add so many methods to the schema, as somebody would who keeps to the rules."""
        text = SCHEMA
        for number in range(16, 16 + methods):
            text = text.replace("  interface Halver", NEW_METHOD.format(number=number))
        self.schema.write_text(text, "utf-8")

    def hang_up(self) -> None:
        self.process.popen.send_signal(signal.SIGHUP)

    def log(self) -> str:
        return self.process.log.read_text("utf-8")

    def reloads(self) -> int:
        return self.log().count("the configuration is reloaded")


def hello(socket: Socket) -> None:
    socket.result("rpc.hello", {"protocol": 1}, id=0)


def told(socket: Socket) -> dict[str, Any]:
    """The next thing that is told to be no more."""
    while True:
        message = socket.receive()
        if message.get("method") == "rpc.released":
            params: dict[str, Any] = message["params"]
            return params


def answer(socket: Socket, id: int) -> Any:
    while True:
        message = socket.receive()
        if message.get("id") == id:
            return message


# By a signal.


def test_a_new_method_is_callable_within_a_second(start: Start, eventually: Eventually) -> None:
    site = Site(start)
    assert site.web.post("/api/counting/more16").status == 404
    site.grown(1)
    site.hang_up()
    # The service itself does not know it yet.
    eventually(lambda: site.web.post("/api/counting/more16").status == 501, 1)
    assert "more16" in site.web.get("/openapi.json").text


def test_a_broken_schema_is_refused_with_its_place_and_the_old_one_is_served_on(
    start: Start, eventually: Eventually
) -> None:
    site = Site(start)
    site.schema.write_text(SCHEMA.replace("(done :Bool)", "(done :Nothing)"), "utf-8")
    site.hang_up()
    line = 1 + SCHEMA[: SCHEMA.index("(done :Bool)")].count("\n")
    eventually(lambda: f"{site.schema}:{line}" in site.log(), WAIT_S)
    assert site.web.post("/api/counting/slow", [1]).json == {"done": True}
    site.schema.write_text(SCHEMA, "utf-8")
    site.hang_up()
    eventually(lambda: site.reloads() == 1, WAIT_S)
    assert site.web.post("/api/counting/slow", [1]).json == {"done": True}


def test_a_broken_configuration_is_refused_with_its_place(start: Start, eventually: Eventually) -> None:
    site = Site(start)
    site.config.write_text(site.text("counting", gateway="[gateway]\nhost = 1\n"), "utf-8")
    site.hang_up()
    eventually(lambda: "gateway.host: unknown key; did you mean 'hosts'?" in site.log().replace('\\"', "'"), WAIT_S)
    assert site.web.post("/api/counting/slow", [1]).json == {"done": True}


def test_the_handles_of_a_service_that_is_removed_end_and_the_others_live_on(
    start: Start, eventually: Eventually
) -> None:
    site = Site(start, services=("counting", "other"))
    with site.web.socket() as socket:
        hello(socket)
        handle = socket.result("other.object", id=1)["object"]["$handle"]
        kept = socket.result("counting.object", id=2)["object"]["$handle"]
        socket.result("other.listen", [{"$callback": "adder"}], id=3)
        # A call that has begun ends as it began.
        socket.send({"jsonrpc": "2.0", "id": 4, "method": "other.slow", "params": [1_000]})
        site.config.write_text(site.text("counting"), "utf-8")
        site.hang_up()
        assert told(socket) == {"handle": handle, "code": "not_found", "reason": "other is served no more"}
        assert socket.call(f"@{handle}.name", id=5)["error"]["data"]["code"] == "not_found"
        assert socket.result(f"@{kept}.name", id=6) == {"name": "object"}
        assert socket.call("other.count", id=7)["error"]["data"]["code"] == "not_found"
        assert answer(socket, 4)["result"] == {"done": True}
        ended = told(socket)
        assert (ended["callback"], ended["code"]) == ("adder", "unavailable")
    assert [service["name"] for service in site.web.get("/api").json["services"]] == ["counting"]


def test_limits_names_and_origins_hold_for_what_lives(start: Start, eventually: Eventually) -> None:
    site = Site(start)
    with site.web.socket() as socket:
        hello(socket)
        assert site.web.get("/api", Host="new.example").status == 421
        assert site.web.post("/api/counting/count", {}, {"Origin": "https://page.example"}).status == 403
        lines = '[gateway]\nhosts = ["new.example"]\norigins = ["https://page.example"]\nexpose_errors = true\n'
        bounds = "[gateway.limits]\nmax_handles_per_session = 1\nmax_call_timeout_s = 0.1\nmax_sessions = 1\n"
        site.config.write_text(site.text("counting", gateway=lines + bounds), "utf-8")
        site.hang_up()
        eventually(lambda: site.reloads() == 1, WAIT_S)
        assert site.web.get("/api", Host="new.example").status == 200
        assert site.web.post("/api/counting/count", {}, {"Origin": "https://page.example"}).status == 200
        assert "password" in site.web.post("/api/counting/crash").json["detail"]
        socket.result("counting.object", id=1)
        assert socket.call("counting.object", id=2)["error"]["data"]["code"] == "resource_exhausted"
        assert socket.call("counting.slow", [500], id=3)["error"]["data"]["code"] == "deadline_exceeded"
        assert site.web.post("/api/session").status == 429


def test_what_needs_a_new_start_is_named(start: Start, eventually: Eventually) -> None:
    site = Site(start)
    lines = '[gateway]\nlisten = "127.0.0.1:1"\nsocket_mode = 0o600\nhosts = ["new.example"]\n'
    site.config.write_text(site.text("counting", gateway=lines), "utf-8")
    site.hang_up()
    eventually(lambda: site.reloads() == 1, WAIT_S)
    assert "gateway.socket_mode has changed" in site.log()
    # The option of the command line beats the file then as at the start.
    assert "gateway.listen has changed" not in site.log()
    assert site.web.get("/api", Host="new.example").status == 200


def test_how_much_is_logged_and_in_which_form_is_read_again(start: Start, eventually: Eventually) -> None:
    site = Site(start)
    lines = '[gateway.log]\nformat = "text"\n'
    site.config.write_text(site.text("counting", gateway=lines), "utf-8")
    site.hang_up()
    eventually(lambda: " info: the configuration is reloaded: counting\n" in site.log(), WAIT_S)
    # Refused for its path, and then because nothing else is said any more.
    assert site.web.get("/first").status == 404
    eventually(lambda: " 404 not_found GET /first " in site.log(), WAIT_S)
    site.config.write_text(site.text("counting", gateway='[gateway.log]\nlevel = "warning"\n'), "utf-8")
    site.hang_up()

    def is_quiet() -> bool:
        before = site.log()
        site.web.get("/again")
        time.sleep(0.2)  # twice as long as lines of requests are gathered
        return site.log() == before

    eventually(is_quiet, WAIT_S)
    site.config.write_text(site.text("counting", gateway="[gateway.logg]"), "utf-8")
    site.hang_up()
    eventually(lambda: '"level":"error"' in site.log().splitlines()[-1], WAIT_S)


def test_a_key_that_is_taken_away_is_good_no_more_and_a_role_acts_at_once(
    start: Start, eventually: Eventually
) -> None:
    site = Site(start)
    keys = start.folder / "keys.txt"
    made = {
        name: _key(start, keys, name) for name in ("alice", "bob")
    }
    text = site.text("counting").replace("required = false", 'keys = "keys.txt"')
    site.config.write_text(text + 'roles = ["caller"]\n', "utf-8")
    site.hang_up()

    def status(name: str) -> int:
        return site.web.post("/api/counting/count", {}, {"Authorization": f"Bearer {made[name]}"}).status

    eventually(lambda: status("alice") == 200, WAIT_S)
    assert status("bob") == 200
    assert site.web.post("/api/counting/count").status == 401
    alice, bob = keys.read_text("utf-8").splitlines()
    keys.write_text(f"{alice.replace('caller', 'other')}\n", "utf-8")
    site.hang_up()
    eventually(lambda: status("bob") == 401, WAIT_S)
    assert status("alice") == 403
    assert bob.startswith("bob:")


def _key(start: Start, keys: Path, name: str) -> str:
    process = start.process("-m", "gateway", "key", name, "--role", "caller", "--file", str(keys))
    key = process.line()
    assert process.popen.wait(WAIT_S) == 0
    return key


def test_what_listens_for_others_is_not_opened_to_everybody(start: Start, eventually: Eventually) -> None:
    path = start.folder / "socket"
    site = Site(start)
    text = site.text("counting")
    config = start.folder / "unix.toml"
    config.write_text(f'[gateway]\nlisten = "unix:{path}"\n{text}', "utf-8")
    process = start.process("-m", "gateway", "serve", "--config", str(config))
    assert process.line().startswith("listening on http+unix://")
    # The file would be fine for a start, but until then it listens where others are.
    config.write_text(text.replace("[gateway.auth]\nrequired = false", ""), "utf-8")
    process.popen.send_signal(signal.SIGHUP)
    eventually(lambda: "gateway.auth: is missing, and others than" in process.log.read_text(), WAIT_S)
    assert process.stop() == 0


# Under load.


class Load:
    """Clients of all kinds who call all the time; what fails is noted."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.failures: list[Any] = []
        self.done = dict.fromkeys(("rest", "socket", "handle", "callback"), 0)
        self.is_over = False

    async def rest(self) -> None:
        async with httpx.AsyncClient(base_url=self.url, timeout=WAIT_S) as client:
            session = (await client.post("/api/session")).headers["session-id"]
            made = await client.post("/api/counting/object", json={}, headers={"Session-Id": session})
            handle = made.json()["object"]["$handle"]
            while not self.is_over:
                answer = await client.post("/api/counting/again", json=[1])
                self._note("rest", answer.status_code == 200, answer.text)
                path = f"/api/handles/{handle}/name"
                answer = await client.post(path, json={}, headers={"Session-Id": session})
                self._note("handle", answer.text == '{"name":"object"}', answer.text)

    async def socket(self) -> None:
        async with websockets.asyncio.client.connect(self.url.replace("http", "ws") + "/ws") as socket:
            numbers = iter(range(10**9))

            async def call(method: str, params: Any) -> Any:
                id = next(numbers)
                await socket.send(json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
                while True:
                    message = json.loads(await socket.recv())
                    if message.get("id") == id:
                        return message.get("result", message)
                    if str(message.get("method")).startswith("!"):
                        answer = {"jsonrpc": "2.0", "id": message["id"], "result": {"half": message["params"][0] / 2}}
                        await socket.send(json.dumps(answer))

            await call("rpc.hello", {"protocol": 1})
            handle = (await call("counting.object", []))["object"]["$handle"]
            while not self.is_over:
                answer = await call("counting.slow", [1])
                self._note("socket", answer == {"done": True}, answer)
                answer = await call(f"@{handle}.name", [])
                self._note("handle", answer == {"name": "object"}, answer)
                answer = await call("counting.floats", [[8.0], "text", {"$callback": "halver"}])
                self._note("callback", answer.get("half") == 4, answer)

    def _note(self, kind: str, is_right: bool, answer: Any) -> None:
        self.done[kind] += 1
        if not is_right:
            self.failures.append((kind, answer))

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        clients = [asyncio.create_task(client()) for client in (self.rest, self.socket) * 8]
        try:
            yield
        finally:
            self.is_over = True
            for error in await asyncio.gather(*clients, return_exceptions=True):
                if error is not None:
                    self.failures.append(error)


async def asked_until(question: Callable[[], Awaitable[bool]], within_s: float) -> float:
    began = time.monotonic()
    while not await question():
        assert time.monotonic() < began + within_s, f"not within {within_s} s"
        await asyncio.sleep(0.01)
    return time.monotonic() - began


def test_no_call_fails_while_it_is_reloaded_again_and_again(start: Start) -> None:
    site = Site(start)

    async def main() -> None:
        load, slowest_s = Load(site.web.url), 0.0
        async with load.going_on(), httpx.AsyncClient(base_url=site.web.url, timeout=WAIT_S) as client:
            for number in range(RELOADS):
                methods = 1 + number % 5
                site.grown(methods)
                site.hang_up()
                path, before = f"/api/counting/more{15 + methods}", dict(load.done)

                async def is_served(path: str = path) -> bool:
                    return (await client.post(path, json={})).status_code == 501

                async def all_go_on(before: dict[str, int] = before) -> bool:
                    return all(load.done[kind] > before[kind] + 10 for kind in before)

                slowest_s = max(slowest_s, await asked_until(is_served, WAIT_S))
                await asked_until(all_go_on, WAIT_S)
        print(f"\n{RELOADS} reloads, {load.done}, new method after {slowest_s:.2f} s at most")
        assert load.failures == []

    asyncio.run(main())
    assert "Traceback" not in site.log()


def test_of_many_signals_at_once_the_last_state_holds(start: Start, eventually: Eventually) -> None:
    site = Site(start)
    for methods in (1, 2, 3, 4):
        site.grown(methods)
        site.hang_up()
        time.sleep(0.001)  # signals that come together are one, and a reading takes some milliseconds
    eventually(lambda: site.web.post("/api/counting/more19").status == 501, WAIT_S)
    assert site.reloads() <= 3


# When files change.


def test_with_reload_what_is_saved_is_served(start: Start, eventually: Eventually) -> None:
    site = Site(start, "--reload")
    site.grown(1)
    eventually(lambda: site.web.post("/api/counting/more16").status == 501, WAIT_S)
    other = site.config.with_name("other.toml")
    other.write_text(site.text("counting", "other"), "utf-8")
    other.replace(site.config)
    eventually(lambda: site.web.post("/api/other/count").status == 200, WAIT_S)


def test_with_reload_an_import_that_was_missing_is_found_when_it_appears(start: Start, eventually: Eventually) -> None:
    site = Site(start, "--reload")
    method = '  late @16 (late :import "late.capnp".Late) -> ();\n\n'
    text = SCHEMA.replace("  interface Halver", f"{method}  interface Halver")
    site.schema.write_text(text, "utf-8")
    eventually(lambda: "late.capnp" in site.log(), WAIT_S)
    assert site.web.post("/api/counting/count").status == 200
    late = site.folder / "late.capnp"
    late.write_text("@0xc4f1d1c8a1e0b7d4;\nstruct Late { one @0 :Text; }\n", "utf-8")
    eventually(lambda: site.web.post("/api/counting/late", [{"one": "a"}]).status == 501, WAIT_S)
    # And the file that it imports is watched from now on.
    late.write_text("@0xc4f1d1c8a1e0b7d4;\nstruct Late { one @0 :Text; two @1 :Text; }\n", "utf-8")
    eventually(lambda: site.web.post("/api/counting/late", [{"two": "a"}]).status == 501, WAIT_S)


@pytest.mark.parametrize("arguments", [(), ("--reload",)])
def test_it_still_ends_well(start: Start, eventually: Eventually, arguments: tuple[str, ...]) -> None:
    site = Site(start, *arguments)
    site.hang_up()
    eventually(lambda: site.reloads() >= 1, WAIT_S)
    site.hang_up()
    assert site.process.stop() == 0
    assert "Traceback" not in site.log()


def test_reloads_are_counted_and_series_of_what_is_gone_go(start: Start, eventually: Eventually) -> None:
    site = Site(start)
    site.process.stop()
    # Nobody is asked who they are, so that whoever likes may read the metrics.
    text = site.text("counting").replace("[gateway.auth]\nrequired = false", "")
    site.process, site.web = start.gateway(text)

    def metrics() -> dict[str, float]:
        lines = site.web.get("/metrics").text.splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}

    before = metrics()
    assert before["cara_gateway_last_reload_timestamp_seconds"] == 0
    assert any('service="counting"' in name for name in before)
    site.config.write_text("[gateway]\nlisten = 5.5\n", "utf-8")
    site.hang_up()
    eventually(lambda: metrics()['cara_gateway_reloads_total{result="failure"}'] == 1, 20)
    assert metrics()["cara_gateway_last_reload_failed"] == 1
    site.config.write_text(text.replace("[services.counting]", "[services.other]"), "utf-8")
    site.hang_up()
    eventually(lambda: metrics()['cara_gateway_reloads_total{result="success"}'] == 1, 20)
    after = metrics()
    assert after["cara_gateway_last_reload_failed"] == 0
    assert after["cara_gateway_last_reload_timestamp_seconds"] > 1_700_000_000
    assert not any('service="counting"' in name for name in after)
    assert any('service="other"' in name for name in after)

"""The admin listener of a gateway that runs, as operators use it: over its socket, and by commands."""

from __future__ import annotations

import json
import re
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.conftest import HERE, ROOT, WAIT_S, Process, Start, Web

Serve = Callable[..., tuple[Process, Web]]


def config(endpoint: str, admin: str, limits: str = "", schema: str = f"{HERE}/counting.capnp") -> str:
    return (
        f'[gateway]\nadmin = "{admin}"\n{limits}'
        f'[services.counting]\nschema = "{schema}"\ninterface = "Counting"\nendpoint = "{endpoint}"\n'
        'peer = "counting"\n'
    )


@pytest.fixture
def endpoint(start: Start) -> str:
    return start.counting()[1]


def command(admin: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments, "--admin", admin],
        capture_output=True, text=True, cwd=ROOT, timeout=WAIT_S, check=False,
    )  # fmt: skip


def admin_of(process: Process) -> Web:
    """The listener of a process that was left to choose a port, which its log says."""
    found = re.search(r"operators are heard at http://127\.0\.0\.1:(\d+)", process.log.read_text())
    assert found is not None, process.log.read_text()
    return Web(int(found[1]))


def opened_by(process: Process) -> int:
    """How many files a process has open."""
    return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))


def test_the_public_port_is_told_from_the_admin_listener(start: Start, endpoint: str) -> None:
    _, web = start.gateway(config(endpoint, "unix:admin.sock"))
    for arguments in (["sessions"], ["sessions", "--end", "a-1"], ["upstreams"], ["reload"]):
        refused = command(f"127.0.0.1:{web.port}", *arguments)
        assert refused.returncode == 1
        assert "that is not the admin listener; --admin takes the address that admin has" in refused.stderr


def test_operators_look_and_act_by_commands_over_a_unix_socket(start: Start, endpoint: str) -> None:
    _, web = start.gateway(config(endpoint, "unix:admin.sock"))
    admin = f"unix:{start.folder}/admin.sock"
    with web.socket() as client, web.socket() as other:
        for each in (client, other):
            each.result("rpc.hello", {"protocol": 1})
        listed = command(admin, "sessions", "--json")
        assert listed.returncode == 0, listed.stderr
        first, second = map(json.loads, listed.stdout.splitlines())
        assert (first["streams"], first["address"], second["connected"]) == (1, "127.0.0.1", 1)
        head, *lines = command(admin, "sessions").stdout.splitlines()
        assert head.split() == [
            "id", "principal", "address", "age_s", "idle_s", "streams", "handles", "callbacks", "calls", "kept_bytes",
        ]  # fmt: skip
        assert [line.split()[0] for line in lines] == [first["id"], second["id"]]
        ended = command(admin, "sessions", "--end", first["id"])
        assert (ended.returncode, ended.stdout) == (0, "")
        assert client.closed()[0] == 4002
        assert "result" in other.call("rpc.ping", id=2)
        again = command(admin, "sessions", "--end", first["id"])
        assert again.returncode == 1
        assert json.loads(again.stderr)["code"] == "not_found"
    head, line = command(admin, "upstreams").stdout.splitlines()
    assert head.split() == ["service", "endpoint", "state", "in_flight", "since", "trouble"]
    assert line.split()[:4] == ["counting", endpoint, "up", "0"]
    assert line.split()[5] == "-"


def test_a_reload_is_had_by_a_command_and_says_what_is_wrong_where(start: Start, endpoint: str) -> None:
    schema = start.folder / "counting.capnp"
    good = (HERE / "counting.capnp").read_text()
    schema.write_text(good)
    _, web = start.gateway(config(endpoint, "unix:admin.sock", schema=str(schema)))
    admin = f"unix:{start.folder}/admin.sock"
    done = command(admin, "reload")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    schema.write_text(good + "\nstruct Broken { x @0 :Nothing; }\n")
    failed = command(admin, "reload")
    line = good.count("\n") + 2
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith(f"{schema}:{line}: ")
    # What was served is served on.
    assert web.get("/api/counting").status == 200
    schema.write_text(good)
    (start.folder / "gateway.toml").write_text(config(endpoint, "unix:admin.sock", '[gateway.limits]\nmax_dept = 3\n'))
    failed = command(admin, "reload")
    assert failed.stderr == 'gateway.limits.max_dept: unknown key; did you mean "max_depth"?\n'
    assert failed.returncode == 1


def test_metrics_are_at_the_admin_listener_alone(start: Start, endpoint: str) -> None:
    process, web = start.gateway(config(endpoint, "127.0.0.1:0"))
    admin = admin_of(process)
    assert web.get("/metrics").status == 404
    assert "cara_gateway_calls_total" in admin.get("/metrics").text
    assert web.get("/admin/sessions").status == 404
    assert web.request("POST", "/admin/reload").status in (404, 405)
    assert admin.get("/admin/upstreams").json["upstreams"][0]["service"] == "counting"


def test_operators_are_not_asked_who_they_are_and_see_who_calls(start: Start, endpoint: str) -> None:
    keys = start.folder / "keys.txt"
    made = subprocess.run(
        [sys.executable, "-m", "gateway", "key", "alice", "--file", str(keys)],
        capture_output=True, text=True, cwd=ROOT, timeout=WAIT_S, check=True,
    )  # fmt: skip
    key = made.stdout.strip()
    extra = '[gateway.auth]\nkeys = "keys.txt"\n[gateway.rates]\nper_principal = "2/h"\n'
    process, web = start.gateway(config(endpoint, "127.0.0.1:0", extra))
    admin = admin_of(process)
    assert web.get("/api").status == 401
    answers = [web.post("/api/counting/count", {}, {"X-API-Key": key}) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429], answers
    assert int(answers[2].headers["retry-after"]) > 1000
    with web.socket(additional_headers={"X-API-Key": key}) as client:
        client.result("rpc.hello", {"protocol": 1})
        (session,) = admin.get("/admin/sessions?principal=key:alice").json["sessions"]
        assert admin.get("/admin/sessions?principal=key:bob").json["sessions"] == []
        assert admin.request("DELETE", f"/admin/sessions/{session['id']}").status == 204
        assert client.closed()[0] == 4002
    assert 'cara_gateway_refused_total{reason="per_principal"} 1' in admin.get("/metrics").text
    told = admin.get("/admin/sessions").text + admin.get("/metrics").text + process.log.read_text()
    assert key not in told


def test_each_endpoint_of_a_service_is_shown(start: Start, endpoint: str) -> None:
    _, second = start.counting()
    text = config(endpoint, "unix:admin.sock").replace(f'"{endpoint}"', f'["{endpoint}", "{second}"]')
    start.gateway(text)
    admin = f"unix:{start.folder}/admin.sock"
    told = [json.loads(line) for line in command(admin, "upstreams", "--json").stdout.splitlines()]
    assert [(each["service"], each["endpoint"], each["state"]) for each in told] == [
        ("counting", endpoint, "up"), ("counting", second, "up"),
    ]  # fmt: skip


def test_without_one_there_is_nothing_to_administer(start: Start, endpoint: str) -> None:
    _, web = start.gateway(config(endpoint, "unix:unused.sock").replace('admin = "unix:unused.sock"\n', ""))
    assert web.get("/metrics").status == 200
    assert web.get("/admin/sessions").status == 404
    nobody = command(f"unix:{start.folder}/unused.sock", "sessions")
    assert nobody.returncode == 1
    assert json.loads(nobody.stderr)["code"] == "unavailable"


def test_who_takes_all_descriptors_of_the_gateway_leaves_those_of_operators(start: Start, endpoint: str) -> None:
    process, web = start.gateway(config(endpoint, "127.0.0.1:0"))
    admin = admin_of(process)
    # What the process may open is what it has and little more; the table of connections knows nothing of it.
    most = opened_by(process) + 80
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (most, most))
    flood = []
    try:
        for _ in range(300):
            one = socket.create_connection(("127.0.0.1", web.port), WAIT_S)
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
            flood.append(one)
        until = time.monotonic() + WAIT_S
        while opened_by(process) < most:
            assert time.monotonic() < until
            time.sleep(0.01)
        for _ in range(5):
            assert admin.get("/admin/sessions").status == 200
        assert "cara_gateway_connections" in admin.get("/metrics").text
    finally:
        for one in flood:
            one.close()
    assert web.get("/healthz").status == 200


def test_a_gateway_that_cannot_listen_for_operators_does_not_start(start: Start, endpoint: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        path = start.folder / "gateway.toml"
        path.write_text(config(endpoint, f"127.0.0.1:{taken.getsockname()[1]}"))
        done = subprocess.run(
            [sys.executable, "-m", "gateway", "serve", "--config", str(path), "--listen", "127.0.0.1:0"],
            capture_output=True, text=True, cwd=ROOT, timeout=WAIT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        assert done.stderr == f"cara-gateway: cannot listen on {where}, which is admin: address already in use\n"

"""A drill: secrets of every kind go through every kind of failure, and nothing that is printed has one of them.

What is printed: the log, answers, `check`, metrics, traces, what operators see, the titles of processes, and what the
gateway's own objects say of themselves.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import websockets.exceptions

from cara_pseud.passwords import set_password
from gateway.app import Gateway
from gateway.config.file import GATEWAY_KEYS, GATEWAY_TABLES, ConfigError, load
from gateway.config.key_file import digest_of
from gateway.logs import LogWriter
from tests.integration.conftest import HERE, ROOT, Answer, Process, Start, Web
from tests.issuer import ISSUER, claims, token
from tests.otlp_receiver import Receiver, receiving

MARK = "pl4nt"
"""In every secret that the drill makes up, so that a part of one is found too."""
KEY, WRONG_KEY = f"cara_{MARK}-the-key-of-alice", f"cara_{MARK}-nobody"
PASSWORD, WRONG_PASSWORD = f"{MARK}-password-of-bob", f"{MARK}-wrong-password"
SERVICE_PASSWORD = f"{MARK}-password-of-the-service"
SIGNING = f"{MARK}-signs-web-tokens-with-it-0123456789"
COLLECTOR = f"{MARK}-token-of-the-collector"
PIN, SECRET = f"{MARK}-pin", f"{MARK}-secret-of-the-service"
BY_KEY = {"X-Api-Key": KEY}
WEB_TOKEN = token(claims(exp=4e9, iat=None), key=SIGNING.encode(), algorithm="HS256")
FORGED = token(claims(exp=4e9, iat=None), key=f"{MARK}-another-secret-0123456789-0123456".encode(), algorithm="HS256")
ENVIRONMENT = {
    "VAULT_PASSWORD": SERVICE_PASSWORD, "SIGNING": SIGNING, "OTEL_EXPORTER_OTLP_HEADERS": f"authorization={COLLECTOR}",
}  # fmt: skip


def config(endpoint: str, collector: str) -> str:
    # Of the tables and keys that the gateway has, those that somebody shows secrets to.
    parts = ["[gateway]", "expose_errors = false"]
    if "admin" in GATEWAY_KEYS:
        parts.append('admin = "127.0.0.1:0"')
    parts += ["[gateway.limits]", "max_message_bytes = 20_000", "max_handles_per_session = 3"]
    parts += [
        "[gateway.auth]", 'keys = "keys.txt"', 'passwords = "passwords.txt"',
        "[gateway.auth.jwt]", f'issuer = "{ISSUER}"', 'audience = "cara"', 'algorithms = ["HS256"]',
        'secret_env = "SIGNING"', "[gateway.tracing]", f'otlp = "{collector}"',
    ]  # fmt: skip
    if "rates" in GATEWAY_TABLES:
        parts += ["[gateway.rates]", 'per_principal = "1000/s"']
    parts += [
        "[services.vault]", f'schema = "{HERE / "vault.capnp"}"', 'interface = "Vault"', f'endpoint = "{endpoint}"',
        'security = "plain"', 'user_id = "gateway"', 'password_env = "VAULT_PASSWORD"',
    ]  # fmt: skip
    return "\n".join(parts) + "\n"


class Seen:
    """Everything that came to light, and what must not be in it.

    Attributes:
        secrets: those that are not made up here, such as ids of sessions, by what they are.
    """

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self._texts: list[tuple[str, bytes]] = []

    def look(self, where: str, text: str | bytes) -> None:
        self._texts.append((where, text.encode("utf-8", "replace") if isinstance(text, str) else text))

    def failed(self, answer: Answer, status: int) -> None:
        """An answer to a request that has to fail."""
        assert answer.status == status, answer
        self.look(f"the answer {answer.status}", json.dumps(dict(answer.headers)).encode() + answer.data)

    def found(self) -> list[str]:
        """Where which secret stands."""
        encoded = [base64.b64encode(part.encode()).decode() for part in (f"bob:{PASSWORD}", f"bob:{WRONG_PASSWORD}")]
        parts = [f"{name}-{PASSWORD}" for name in ("bob",)] + encoded
        secrets = {**self.secrets, "a secret of the drill": MARK, "a signature": WEB_TOKEN.rpartition(".")[2]}
        secrets |= {f"encoded {number}": part for number, part in enumerate(parts)}
        return [
            f"{name} in {where}: …{text[max(0, at - 60) : at + 60]!r}…"
            for where, text in self._texts
            for name, secret in secrets.items()
            if (at := text.find(secret.encode())) >= 0
        ]


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def service(start: Start) -> Iterator[Process]:
    """It may log its own exceptions as it likes: to a file of its own."""
    process = Process([str(HERE / "vault_service.py"), SERVICE_PASSWORD, SECRET], start.folder / "service.txt")
    yield process
    process.end()


@pytest.fixture
def site(start: Start, service: Process, receiver: Receiver) -> tuple[Process, Process, Web]:
    """The service, the gateway, and a client of it."""
    set_password(start.folder / "passwords.txt", "bob", PASSWORD)
    keys = start.folder / "keys.txt"
    keys.write_text(f"alice:metrics:sha256${digest_of(KEY).hex()}\n")
    keys.chmod(0o600)
    text = config(service.line(), receiver.url)
    (start.folder / "gateway.toml").write_text(text)
    gateway = start.process(
        "-m", "gateway", "serve", "--config", str(start.folder / "gateway.toml"), "--listen", "127.0.0.1:0",
        environment=ENVIRONMENT,
    )  # fmt: skip
    return service, gateway, Web(int(gateway.line().rpartition(":")[2]))


def try_credentials(web: Web, seen: Seen) -> None:
    """Wrong ones of every kind, good ones where they are of no use, and strange ways to write them."""
    pair = base64.b64encode(f"bob:{WRONG_PASSWORD}".encode()).decode()
    good = base64.b64encode(f"bob:{PASSWORD}".encode()).decode()
    for headers in (
        {"X-Api-Key": WRONG_KEY},
        {"Authorization": f"Bearer {WRONG_KEY}"},
        {"Authorization": f"Bearer {FORGED}"},
        {"Authorization": f"Bearer {WEB_TOKEN}x"},
        {"Authorization": f"Basic {pair}"},
        {"Authorization": f"Basic {MARK}"},
        {"Authorization": f"Digest {MARK}"},
        {"Authorization": f"{MARK}"},
        {"Authorization": f"Bearer  {KEY}, {KEY}"},
    ):
        seen.failed(web.post("/api/vault/box", {}, headers), 401)
        seen.failed(web.get("/openapi.json", **headers), 401)
    for headers in (BY_KEY, {"Authorization": f"Basic {good}"}, {"Authorization": f"Bearer {WEB_TOKEN}"}):
        seen.failed(web.post("/api/vault/nothing", {}, headers), 404)
        seen.failed(web.post("/api/vault/forbidden", {"pin": PIN}, headers), 403)
    # Where nobody looks for one.
    seen.failed(web.get(f"/api?api_key={KEY}"), 401)
    seen.failed(web.post("/api/vault/box", {}, {"Cookie": f"key={KEY}; cara_session_{web.port}={MARK}"}), 401)
    seen.failed(web.request("POST", "/api/vault/box", {}, {**BY_KEY, "Origin": "https://evil.example"}), 403)
    seen.failed(web.request("POST", "/rpc", {}, {"X-Api-Key": KEY + "\t" + KEY}), 401)


def try_values(web: Web, seen: Seen) -> None:
    """Values that the schema calls secrets, in every place where a call may have them, and some where it may not."""
    for body, status in (
        ({"pin": [PIN], "how": "code"}, 400),
        ({"pin": {"a": PIN}, "how": ""}, 400),
        ({"pin": PIN, "more": PIN}, 400),
        ([PIN, "", PIN], 400),
        (PIN, 400),
        (f'{{"pin": "{PIN}'.encode(), 400),
        ({"pin": PIN * 4_000, "how": ""}, 413),
    ):
        answer = web.post("/api/vault/fail", body, BY_KEY)
        assert answer.status == status, answer
        # What a caller sent may come back to it alone, where it says which value is wrong.
    seen.failed(web.request("POST", "/api/vault/fail", PIN.encode(), {**BY_KEY, "Content-Type": "text/plain"}), 415)
    for how, status in (("exception", 500), ("type", 500), ("slowly", 504)):
        seen.failed(web.post("/api/vault/fail", [PIN, how], {**BY_KEY, "Request-Timeout": "0.2"}), status)
    assert web.post("/api/vault/fail", [PIN, "code"], BY_KEY).status == 409  # in the service's own words
    for how, status in (("exception", 500), ("type", 500)):
        seen.failed(web.post("/api/vault/reveal", [how], BY_KEY), status)
    for path, status in (
        (f"/vaults/ann/{PIN}/", 404), (f"/vaults/ann/{PIN}/x/y", 404), (f"/Vaults/ann/{PIN}", 404),
        (f"//vaults/ann/{PIN}", 404), (f"/vaults/ann/{PIN}?x={PIN}", 400), (f"/vaults//{PIN}", 404),
    ):  # fmt: skip
        answer = web.request("POST", path, b"", BY_KEY)
        assert answer.status in (status, 400, 404, 405), answer
    seen.failed(web.get(f"/vaults/ann/{PIN}", **BY_KEY), 405)
    assert web.request("POST", f"/vaults/ann/{PIN}", b"", BY_KEY).status == 200


def try_sessions(web: Web, seen: Seen) -> None:
    """Handles and ids of sessions, good ones, wrong ones, and those of somebody else."""
    made = web.post("/api/vault/box", {}, BY_KEY)
    session, handle = made.headers["session-id"], made.json["box"]["$handle"]
    cookie = made.headers["set-cookie"].partition(";")[0]
    seen.secrets |= {"a session": session, "a handle": handle, "a cookie": cookie.partition("=")[2]}
    mine, theirs = {**BY_KEY, "Session-Id": session}, {"Authorization": f"Bearer {WEB_TOKEN}", "Session-Id": session}
    for headers in (theirs, {**mine, "Session-Id": session + "x"}, {**mine, "Session-Id": MARK}):
        seen.failed(web.get("/api/session", **headers), 404)
        assert web.post(f"/api/handles/{handle}/put", [PIN, "exception"], headers).status == 404
    # What somebody sent himself may be in the answer to him; in the log it may not.
    assert web.post(f"/api/handles/{handle}/put", [PIN, "exception"], mine).status == 500
    assert web.post(f"/api/handles/{handle}/put", [[PIN], "exception"], mine).status == 400
    assert web.post(f"/api/handles/{handle}/nothing", [], mine).status == 404
    assert web.get(f"/api/handles/{handle}/a/b/c/d", **mine).status == 404
    assert web.request("PUT", f"/api/handles/{handle}", b"", mine).status == 405
    assert web.post("/api/callbacks/g:1", {"pin": PIN}, mine).status == 404
    for _ in range(3):
        web.post("/api/vault/box", {}, mine)
    seen.failed(web.post("/api/vault/box", {}, mine), 429)


def try_sockets(web: Web, seen: Seen) -> None:
    """Tokens in hello, secrets in calls, callbacks and what comes back of them, and messages that are none."""
    for wrong in (WRONG_KEY, FORGED, MARK, PASSWORD):
        with web.socket() as socket:
            socket.send({"jsonrpc": "2.0", "id": 0, "method": "rpc.hello", "params": {"protocol": 1, "token": wrong}})
            with suppress(websockets.exceptions.ConnectionClosed):
                seen.look("the answer to hello", json.dumps(socket.receive()))
                seen.look("the end of a socket", str(socket.closed()))
    with web.socket() as socket:
        socket.send({"jsonrpc": "2.0", "id": 1, "method": "vault.fail", "params": [PIN, "code"]})
        seen.look("what a stranger is told", str(socket.closed()))
    with web.socket(additional_headers=BY_KEY) as socket:
        hello = socket.result("rpc.hello", {"protocol": 1}, id=0)
        seen.secrets |= {"a socket's session": hello["session"], "a stream": hello["stream"]}
        seen.look("an answer", json.dumps(socket.call("vault.fail", [PIN, "exception"], id=1)["error"]))
        seen.look("an answer", json.dumps(socket.call("vault.reveal", ["exception"], id=2)["error"]))
        socket.call("vault.fail", [[PIN]], id=3)
        socket.call(f"@{PIN}.put", [PIN], id=4)
        socket.call("rpc.release", {"handle": PIN}, id=5)
        for answer in ({"result": {"pin": [PIN]}}, {"error": {"code": 1, "message": PIN}}, {"result": PIN}):
            watch = {"listener": {"$callback": "l"}, "pin": PIN}
            socket.send({"jsonrpc": "2.0", "id": 6, "method": "vault.watch", "params": watch})
            while not str((asked := socket.receive()).get("method", "")).startswith("!"):
                continue
            socket.send({"jsonrpc": "2.0", "id": asked["id"], **answer})
            while socket.receive().get("id") != 6:
                continue
        socket.send(f'{{"jsonrpc": "2.0", "{PIN}')
        seen.look("the end of a socket", str(socket.closed()))


_PLAIN = (str, bytes, int, float, type, types.FunctionType, types.ModuleType)


def objects(root: Any) -> Iterator[Any]:
    """The gateway's own objects that something leads to, each once."""
    waiting, known = [root], set()
    while waiting:
        one = waiting.pop()
        if id(one) in known or isinstance(one, _PLAIN):
            continue
        known.add(id(one))
        if isinstance(one, Mapping):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple | set | frozenset):
            waiting += one
        if type(one).__module__.partition(".")[0] in ("gateway", "cara_pseud"):
            yield one
            waiting += getattr(one, "__dict__", {}).values()
            slots = [name for kind in type(one).__mro__ for name in getattr(kind, "__slots__", ())]
            waiting += [getattr(one, name, None) for name in slots if not name.startswith("__")]


def test_nothing_that_is_printed_has_a_secret(
    start: Start, site: tuple[Process, Process, Web], seen: Seen, receiver: Receiver, eventually: Callable[..., None]
) -> None:
    service, gateway, web = site
    for attempt in (try_credentials, try_values, try_sessions, try_sockets):
        attempt(web, seen)
    by_metrics = {**BY_KEY, "Accept": "application/openmetrics-text"}
    seen.look("metrics", web.get("/metrics", **by_metrics).data)
    for path in ("/healthz", "/readyz"):
        seen.look(path, web.get(path).data)
    seen.look("the title of the process", Path(f"/proc/{gateway.pid}/cmdline").read_bytes())
    admin = re.search(r"operators are heard at (http://[\w.:]+)", gateway.log.read_text("utf-8"))
    assert (admin is not None) == ("admin" in GATEWAY_KEYS)
    if admin is not None:
        operators = Web(int(admin[1].rstrip("/").rpartition(":")[2]))
        for path in ("/metrics", "/admin/sessions", "/admin/upstreams", "/admin/sessions/unknown"):
            seen.look(path, operators.get(path).data)
        seen.look("an answer of /admin", operators.request("DELETE", "/admin/sessions/unknown").data)
    # The service dies in the middle of a call, and what comes then finds nobody.
    assert web.post("/api/vault/fail", [PIN, "dead"], BY_KEY).status == 502
    service.popen.wait(20)
    eventually(lambda: web.post("/api/vault/fail", [PIN, "code"], BY_KEY).status == 503, 10)
    assert gateway.stop() == 0
    log = gateway.log.read_text("utf-8")
    seen.look("the log", log)
    assert log.count('"path":"/vaults/ann/…"') >= 2
    assert '"principal":"key:alice"' in log
    seen.look("traces", b"".join(receiver.raw))
    assert len(receiver.spans) > 20
    assert seen.found() == []


BROKEN: Mapping[str, tuple[str, str]] = {
    "a password that is no text": ('password_env = "VAULT_PASSWORD"', f'password = ["{SERVICE_PASSWORD}"]'),
    "a password for nobody": ('security = "plain"', f'security = "noop"\npassword = "{SERVICE_PASSWORD}"'),
    "two passwords": ('user_id = "gateway"', f'user_id = "gateway"\npassword = "{SERVICE_PASSWORD}"'),
    "a key of CURVE that is too short": ('security = "plain"', f'security = "curve"\nsecret_key = "{MARK}-short"'),
    "an unknown key": ('user_id = "gateway"', f'user_id = "gateway"\npasword = "{SERVICE_PASSWORD}"'),
    "no TOML": ('user_id = "gateway"', f'user_id = "gateway"\npassword = "{SERVICE_PASSWORD}'),
    "a secret in the collector's address": ('otlp = "http://', f'otlp = "http://ann:{COLLECTOR}@'),
    "a secret where its variable belongs": ('secret_env = "SIGNING"', f'secret = "{SIGNING}"'),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_configuration_that_cannot_be_used_is_told_without_its_secrets(
    site: tuple[Process, Process, Web], start: Start, seen: Seen, name: str
) -> None:
    path, (right, wrong) = start.folder / "gateway.toml", BROKEN[name]
    text = path.read_text()
    assert right in text
    path.write_text(text.replace(right, wrong))
    checked = _command("check", "--config", str(path))
    assert checked.returncode == 2
    seen.look(f"check of {name}", checked.stdout + checked.stderr)
    assert seen.found() == []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("keys.txt", f"alice:admin:{KEY}\n"),  # the key itself where its hash belongs
        ("keys.txt", f"{KEY}\n"),
        ("passwords.txt", f"bob:{PASSWORD}\n"),
        ("passwords.txt", f"{PASSWORD}"),
    ],
)
def test_a_file_of_secrets_that_cannot_be_used_is_told_by_its_lines_alone(
    site: tuple[Process, Process, Web], start: Start, seen: Seen, file: str, text: str
) -> None:
    (start.folder / file).write_text(text)
    checked = _command("check", "--config", str(start.folder / "gateway.toml"))
    assert checked.returncode == 2, checked
    seen.look("check", checked.stdout + checked.stderr)
    assert seen.found() == []


def test_no_object_shows_a_secret(site: tuple[Process, Process, Web], start: Start, seen: Seen) -> None:
    loaded = load(start.folder / "gateway.toml", {**ENVIRONMENT, "CARA_GATEWAY_LISTEN": "127.0.0.1:0"})
    seen.look("the configuration", repr(loaded) + str(loaded))
    gateway = Gateway(loaded, LogWriter(io.StringIO(), as_json=True))
    names = set()
    for one in objects(gateway):
        names.add(type(one).__name__)
        seen.look(f"the repr of a {type(one).__name__}", repr(one))
    assert names >= {"Gateway", "GatewayConfig", "AuthConfig", "JwtConfig", "Keys", "Authentication", "PseudUpstream"}
    with pytest.raises(ConfigError) as raised:
        load(start.folder / "gateway.toml", {**ENVIRONMENT, "CARA_GATEWAY_PASSWORD": MARK})
    seen.look("an error of the configuration", repr(raised.value))
    assert seen.found() == []


def _command(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARA_")}
    environment["CARA_CACHE_DIR"] = ""
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments], capture_output=True, text=True, cwd=ROOT, timeout=60,
        env={**environment, "PYTHONPATH": str(ROOT), **ENVIRONMENT}, check=False,
    )  # fmt: skip

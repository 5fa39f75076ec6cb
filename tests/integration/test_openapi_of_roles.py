"""/openapi.json as callers with different roles have it: what each may not call it does not find, nothing breaks."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gateway.config.key_file import KeyEntry, digest_of, key_of
from tests.integration.conftest import Start

if TYPE_CHECKING:
    from tests.integration.conftest import Web

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "ignored_auth",
)  # fmt: skip
EXAMPLES_PER_OPERATION = 3
PUBLIC = {"/healthz", "/readyz"}
ROLES = {"clerk": {"staff"}, "admin": {"staff", "admin", "metrics"}, "guest": set[str]()}
KEYS = {name: key_of(name.encode().ljust(24, b".")) for name in ROLES}
RULES = """
    roles = ["staff"]
    [[services.addressbook.rules]]
    methods = ["add", "Updater.delete"]
    roles = ["admin"]
"""
FOR_ADMINS = {
    ("post", "/api/addressbook/add"), ("post", "/people"),
    ("post", "/api/handles/{handle}/addressbook/Person.Updater/delete"),
}  # fmt: skip
"""The operations that only an admin finds."""


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """The example services behind a gateway that asks who calls."""
    folder = tmp_path_factory.mktemp("roles")
    entries = [KeyEntry(name, frozenset(roles), digest_of(KEYS[name])) for name, roles in ROLES.items()]
    (folder / "keys.txt").write_text("\n".join(entry.line() for entry in entries), "utf-8")
    (folder / "keys.txt").chmod(0o600)
    with ExitStack() as stack:
        start = Start(folder, stack)
        services = start.process("-m", "gateway.demo.services", environment={"CARA_DEMO_PASSWORD": "secret"})
        config = '[gateway.auth]\nkeys = "keys.txt"\n'
        for name, endpoint in [services.line().split(" ") for _ in range(2)]:
            interface = {"calculator": "Calculator", "addressbook": "AddressBook"}[name]
            config += f"""
                [services.{name}]
                schema = "{SCHEMAS / name}.capnp"
                interface = "{interface}"
                endpoint = "{endpoint}"
                peer = "{name}"
                security = "plain"
                user_id = "gateway"
                password = "secret"
            """ + (RULES if name == "addressbook" else "")
        yield start.gateway(config)[1]


def as_(name: str) -> dict[str, str]:
    return {"X-API-Key": KEYS[name]}


def document(web: Web, name: str) -> dict[str, Any]:
    answer = web.get("/openapi.json", **as_(name))
    assert answer.status == 200
    found: dict[str, Any] = answer.json
    return found


def operations(document: Mapping[str, Any]) -> set[tuple[str, str]]:
    return {(verb, path) for path, verbs in document["paths"].items() for verb in verbs}


def filled(path: str) -> str:
    return path.replace("{service}", "addressbook").replace("{", "").replace("}", "")


def test_each_document_has_what_its_reader_may_call(web: Web) -> None:
    admins, clerks, guests = (operations(document(web, name)) for name in ("admin", "clerk", "guest"))
    assert guests < clerks < admins
    assert admins - clerks == FOR_ADMINS
    assert not any("addressbook" in path or path.startswith("/people") for _, path in guests)
    assert "Person" not in json.dumps(document(web, "guest"))
    assert document(web, "clerk")["components"]["securitySchemes"].keys() == {"session", "key", "bearer"}


def test_nobody_is_answered_but_where_everybody_is(web: Web) -> None:
    for verb, path in operations(document(web, "admin")):
        answer = web.request(verb.upper(), filled(path), None if verb == "get" else {})
        assert (answer.status == 401) is (path not in PUBLIC), (verb, path, answer)
        if answer.status == 401:
            assert answer.code == "unauthenticated"
            assert answer.headers["www-authenticate"]


@pytest.mark.parametrize("name", ["clerk", "guest"])
def test_what_somebody_does_not_find_it_may_not_call(web: Web, name: str) -> None:
    for verb, path in operations(document(web, "admin")) - operations(document(web, name)):
        if "{handle}" in path:
            continue  # objects are found in a session alone
        answer = web.request(verb.upper(), filled(path), None if verb == "get" else {}, as_(name))
        assert (answer.status, answer.code) == (403, "permission_denied"), (verb, path, answer)
    assert web.post("/api/calculator/add", {"first": 2, "second": 5}, as_(name)).json == {"result": 7}


@pytest.mark.parametrize(("who", "reads"), [("admin", "admin"), ("clerk", "clerk"), (None, "admin")])
def test_generated_requests_find_nothing_that_is_not_documented(
    web: Web, tmp_path: Path, who: str | None, reads: str
) -> None:
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(document(web, reads)), "utf-8")
    headers = [] if who is None else ["--header", f"X-API-Key: {KEYS[who]}"]
    if who is not None:
        headers += ["--header", f"Session-Id: {web.post('/api/session', None, as_(who)).headers['session-id']}"]
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")), "run", str(file), "--url", web.url, "--no-color",
            "--checks", ",".join(CHECKS), "--phases", "examples,fuzzing",
            "--max-examples", str(EXAMPLES_PER_OPERATION), "--seed", "1", *headers,
            # The first never ends, the second ends the session that the others are made in.
            "--exclude-operation-id", "events", "--exclude-operation-id", "session.end",
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]

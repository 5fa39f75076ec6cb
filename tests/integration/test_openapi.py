"""/openapi.json against the gateway that serves it: valid, tagged, and true to thousands of generated requests."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

if TYPE_CHECKING:
    from tests.integration.conftest import Start, Web

REQUESTS = 2_000
EXAMPLES_PER_OPERATION = 50
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
GENERATED = re.compile(r"^\s*(\d+) generated", re.MULTILINE)


def test_the_document_is_valid_and_read_again_only_when_it_changed(web: Web) -> None:
    answer = web.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    validate(answer.json)
    assert web.get("/openapi.json", **{"If-None-Match": answer.headers["etag"]}).status == 304
    assert {"/api/calculator/add", "/people/{name}"} <= answer.json["paths"].keys()


def test_no_generated_request_gets_an_answer_that_is_not_documented(start: Start) -> None:
    _, web = start.demo()
    session = web.post("/api/session").headers["session-id"]
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")), "run", f"{web.url}/openapi.json", "--no-color",
            "--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing",
            "--max-examples", str(EXAMPLES_PER_OPERATION), "--seed", "1",
            "--header", f"Session-Id: {session}",
            # The first never ends, the second ends the session that the others are made in.
            "--exclude-operation-id", "events", "--exclude-operation-id", "session.end",
        ],
        cwd=start.folder, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    generated = GENERATED.search(done.stdout)
    assert generated is not None, done.stdout[-2000:]
    assert int(generated[1]) >= REQUESTS
    assert web.post("/api/calculator/add", {"first": 2, "second": 5}).json == {"result": 7}


@pytest.mark.parametrize(
    ("path", "status", "headers"),
    [("/api/events", 406, {"Accept": "image/png"}), ("/api/events", 404, {}), ("/api/session", 404, {})],
)
def test_what_is_refused_is_documented(web: Web, path: str, status: int, headers: dict[str, str]) -> None:
    document = web.get("/openapi.json").json
    answer = web.get(path, **headers)
    assert answer.status == status
    problem = document["paths"][path]["get"]["responses"][str(status)]
    assert problem == {"$ref": f"#/components/responses/Problem{status}"}


def test_a_gateway_that_is_not_ready_says_so_as_documented(start: Start) -> None:
    _, web = start.gateway(f"""
        [services.counting]
        schema = "{Path(__file__).with_name('counting.capnp')}"
        interface = "Counting"
        endpoint = "tcp://127.0.0.1:9"
        peer = "counting"
    """)
    document = web.get("/openapi.json").json
    answer = web.get("/readyz")
    assert answer.status == 503
    shape = document["paths"]["/readyz"]["get"]["responses"]["503"]["content"]["application/problem+json"]["schema"]
    Draft202012Validator({**shape, "components": document["components"]}).validate(answer.json)
    assert answer.json["services"].keys() == {"counting"}


def test_the_command_prints_the_same_document(start: Start) -> None:
    _, endpoint = start.counting()
    _, web = start.gateway(f"""
        [services.counting]
        schema = "{Path(__file__).with_name('counting.capnp')}"
        interface = "Counting"
        endpoint = "{endpoint}"
        peer = "counting"
    """)
    config = start.folder / "gateway.toml"
    printed = subprocess.run(
        [sys.executable, "-m", "gateway", "openapi", "--config", str(config)],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip
    assert json.loads(printed) == web.get("/openapi.json").json

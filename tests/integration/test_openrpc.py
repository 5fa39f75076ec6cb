"""/openrpc.json against the specification's own meta-schema, and against the gateway that serves it."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from tests.integration.conftest import ROOT

if TYPE_CHECKING:
    from tests.integration.conftest import Socket, Web

SCHEMAS_ID = "https://meta.json-schema.tools"


@pytest.fixture(scope="module")
def judge() -> Draft7Validator:
    """What the specification's makers say of documents; their own dialect of draft 7, read as that."""
    printed = subprocess.run(
        ["node", "meta-schemas.js"], cwd=ROOT / "tests" / "js", capture_output=True, text=True, timeout=60, check=True
    ).stdout
    meta: dict[str, Any] = json.loads(printed)
    for schema in meta.values():
        del schema["$schema"], schema["$id"]
    schemas = Resource.from_contents(meta["schemas"], default_specification=DRAFT7)
    registry: Registry[Any] = Registry().with_resources([(SCHEMAS_ID, schemas), (f"{SCHEMAS_ID}/", schemas)])
    return Draft7Validator(meta["openrpc"], registry=registry)


def test_the_document_is_valid(web: Web, judge: Draft7Validator) -> None:
    document = web.get("/openrpc.json").json
    assert [error.message for error in judge.iter_errors(document)] == []
    assert not judge.is_valid({**document, "methods": [{"name": 5}]}), "the judge looks"
    assert not judge.is_valid({**document, "components": {"schemas": {"X": {"type": "nothing"}}}})


def test_every_door_gives_the_same_document(web: Web, socket: Socket) -> None:
    answer = web.get("/openrpc.json")
    assert web.get("/openrpc.json", **{"If-None-Match": answer.headers["etag"]}).status == 304
    request = {"jsonrpc": "2.0", "id": 1, "method": "rpc.discover"}
    assert web.post("/rpc", request).json["result"] == answer.json
    assert socket.result("rpc.discover") == answer.json


def test_a_call_for_the_document_counts_like_any_other(socket: Socket) -> None:
    socket.result("rpc.hello", {"protocol": 1})
    socket.send({"jsonrpc": "2.0", "id": 2, "method": "rpc.discover"})
    assert socket.receive()["result"]["openrpc"]
    assert socket.receive() == {"jsonrpc": "2.0", "method": "rpc.ack", "params": {"received": 1}}


def test_what_stands_there_can_be_called(web: Web) -> None:
    document = web.get("/openrpc.json").json
    methods = {method["name"]: method for method in document["methods"]}
    given = {param["name"]: 7 for param in methods["calculator.divide"]["params"]}
    answer = web.post("/rpc", {"jsonrpc": "2.0", "id": 1, "method": "calculator.divide", "params": given}).json
    shape = methods["calculator.divide"]["result"]["schema"]
    Draft7Validator({**shape, "components": document["components"]}).validate(answer["result"])

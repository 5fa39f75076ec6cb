"""The OpenRPC document: every method with its types, and who implements it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cara_pseud.schema.nodes import Schema, Type
from gateway.catalogue import Service
from gateway.describe.openrpc import openrpc_document
from gateway.json.codec import CodecOptions
from gateway.protocols.jsonrpc.control import read_control
from gateway.protocols.jsonrpc.control_methods import control_methods
from gateway.protocols.jsonrpc.messages import NO_META, Request
from gateway.routes import ServiceRoutes


def made(*services: ServiceRoutes, own: list[Any] | None = None) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(openrpc_document(services, CodecOptions(), "1.2.3", own or [])))
    return document


def methods(document: dict[str, Any]) -> dict[str, Any]:
    found = {method["name"]: method for method in document["methods"]}
    assert len(found) == len(document["methods"]), "a name stands for one method"
    return found


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": document["components"]})


def test_a_service_s_methods_have_their_parameters_and_results(calculator: Service) -> None:
    document = made(calculator.routes)
    add = methods(document)["calculator.add"]
    assert add["summary"] == "add(first :Int32, second :Int32) -> (result :Int32)"
    assert add["description"].startswith("Adds two numbers.")
    assert (add["paramStructure"], add["tags"]) == ("either", [{"name": "calculator"}])
    assert [(param["name"], param["required"], param["schema"]["type"]) for param in add["params"]] == [
        ("first", False, "integer"), ("second", False, "integer"),
    ]  # fmt: skip
    resolved(document, add["result"]["schema"]).validate({"result": 7})
    assert not resolved(document, add["result"]["schema"]).is_valid({})


def test_objects_that_are_given_are_called_by_their_handles(calculator: Service) -> None:
    document = made(calculator.routes)
    found = methods(document)
    add = found["@{CalculatorAccumulator}.add"]
    assert "x-implemented-by" not in add
    assert [param["name"] for param in add["params"]] == ["value"]
    assert "$handle" in document["components"]["schemas"]["CalculatorAccumulator"]["properties"]
    assert found["@{CalculatorAccumulator}.value"]["x-read-only"] is True
    assert not any(name.startswith("@{CalculatorTransform") for name in found), "nobody gives one"


def test_objects_that_are_taken_are_the_client_s_to_implement(calculator: Service, addressbook: Service) -> None:
    document = made(calculator.routes, addressbook.routes)
    found = methods(document)
    apply = found["!{CalculatorTransformCallback}.apply"]
    assert apply["x-implemented-by"] == "client"
    assert (apply["paramStructure"], apply["params"][0]["required"]) == ("by-position", True)
    answers = resolved(document, apply["result"]["schema"])
    for answer in ({"result": 5}, {}, None):
        answers.validate(answer)
    assert not answers.is_valid({"result": "x"})
    # What a listener is told is what the service gives: the person has everything that it always has.
    changed = found["!{AddressbookListenerCallback}.changed"]
    assert changed["params"][0]["schema"] == {"$ref": "#/components/schemas/AddressbookPerson"}
    client = {name for name, method in found.items() if method.get("x-implemented-by") == "client"}
    assert client == {name for name in found if name.startswith("!")}


def test_what_only_objects_lead_to_is_there(
    compile_text: Callable[[str], Schema], struct_type: Callable[[Schema, str], Type]
) -> None:
    schema = compile_text("""
        interface Root { first @0 (on :Hook) -> (item :A); whole @1 Params -> Params; hid @2 (on :Deep) -> (); }
        interface A { next @0 (other :Second) -> (item :Box(Text)); }
        interface Box(T) { get @0 () -> (item :T); }
        interface Hook { told @0 (item :C) -> (back :Deep); }
        interface C { end @0 () -> (); }
        interface Second { x @0 () -> (); }
        interface Deep { y @0 () -> (); }
        struct Params { a @0 :Text; }
    """)
    found = methods(document := made(ServiceRoutes("root", schema, struct_type(schema, "Root"))))
    assert {"@{RootA}.next", "@{RootBoxText}.get", "@{RootC}.end", "!{RootHookCallback}.told"} <= found.keys()
    assert {"!{RootSecondCallback}.x", "!{RootDeepCallback}.y"} <= found.keys()
    whole = found["root.whole"]
    assert (whole["paramStructure"], [param["name"] for param in whole["params"]]) == ("by-name", ["a"])
    assert whole["result"]["schema"] == {"$ref": "#/components/schemas/RootParams"}
    assert "RootBoxText" in document["components"]["schemas"]


def test_errors_have_the_codes_of_the_protocol(calculator: Service) -> None:
    errors = made(calculator.routes)["components"]["errors"]
    assert errors["not_found"]["code"] == -32005
    assert errors["too_large"]["code"] == -32018
    assert "method_not_allowed" not in errors


def test_the_gateway_s_own_methods_are_those_that_there_are() -> None:
    names = [method["name"] for method in control_methods()]
    assert all(read_control(Request(1, False, name, {}, NO_META)) is not None for name in names)
    unknown = read_control(Request(1, False, "rpc.xxxxxxxxxxxx", {}, NO_META))
    assert unknown is not None
    assert unknown.error is not None
    known = unknown.error.detail.partition("known: ")[2].split(", ")
    assert sorted(names)[: len(known)] == known
    assert len(known) > 5


@pytest.mark.parametrize("own", [[], control_methods()])
def test_servers_and_version_are_told(calculator: Service, own: list[Any]) -> None:
    document = made(calculator.routes, own=own)
    assert document["openrpc"].startswith("1.")
    assert [server["url"] for server in document["servers"]] == ["/rpc", "/ws"]
    assert ("rpc.discover" in methods(document)) is bool(own)

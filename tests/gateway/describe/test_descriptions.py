from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cara_pseud.schema.nodes import Schema, Type
from gateway.describe.descriptions import (
    GROUP,
    JSON_VALUE,
    SHAPE_KINDS,
    describe_handle,
    describe_interface,
    describe_service,
    describe_services,
)
from gateway.routes import ServiceRoutes

KINDS = Path(__file__).resolve().parents[2] / "vectors" / "kinds.json"
SCHEMA = """
using Gateway = import "/gateway.capnp";
using Json = import "/capnp/compat/json.capnp";
interface Shop extends(Base) {
  # Sells things.

  order @0 (item :Item, count :UInt16 = 3, note :Text = "none", on :Listener) -> (receipt :Receipt)
      $Gateway.http(path = "/orders", body = "*") $Gateway.timeout(1500) $Gateway.requires(["clerk"]);
  # Orders an item.

  list @1 () -> (items :List(Item), next :Shop) $Gateway.readOnly;
  whole @2 Item -> Item $Json.name("all");
  secret @3 () -> () $Gateway.hidden;
  box @4 (box :Box(Made), raw :Json.Value, any :AnyPointer) -> ();
}
interface Base { ping @0 () -> () $Gateway.idempotent; }
interface Listener { changed @0 (item :Item) -> (); }
interface Receipt { cancel @0 () -> (done :Bool); }
enum Color { red @0; # A colour.
 blue @1 $Json.name("BLUE"); }
struct Item {
  # A thing.
  name @0 :Text;   # What it is called.
  color @1 :Color = blue;
  size @2 :Float32 = inf;
  photo @3 :Data $Json.base64;
  parts @4 :List(Item);
  where :group { city @5 :Text; }
  union { free @6 :Void; price @7 :Int64 = 5; }
  pin @8 :Text $Gateway.sensitive;
  data @9 :Data = 0x"ff";
  made @10 :Made $Json.flatten(prefix = "made_");
}
struct Made $Json.discriminator(name = "kind", valueName = "value") { union { a @0 :Int8; b @1 :Text; } }
struct Box(T) { item @0 :T; }
"""


@pytest.fixture
def routes(compile_text: Callable[[str], Schema], struct_type: Callable[[Schema, str], Type]) -> ServiceRoutes:
    schema = compile_text(SCHEMA)
    return ServiceRoutes("shop", schema, struct_type(schema, "Shop"))


@pytest.fixture
def described(routes: ServiceRoutes) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(json.dumps(describe_service(routes)))
    return told


def method(described: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in described["methods"] if each["name"] == name)
    return found


def field(described: dict[str, Any], struct: str, name: str) -> dict[str, Any]:
    entry = described["structs"][struct]
    found: dict[str, Any] = next(each for each in entry["fields"] + entry["union"] if each["name"] == name)
    return found


def test_services_are_listed(routes: ServiceRoutes) -> None:
    methods = ["order", "list", "all", "box", "ping"]
    shop = {"name": "shop", "interface": "Shop", "doc": "Sells things.", "methods": methods}
    told = describe_services([routes], {"shop": "down"})
    assert told == {"services": [{**shop, "version": routes.version, "state": "down"}]}


def test_a_service_whose_schema_was_written_anew_has_another_version(
    compile_text: Callable[[str], Schema], struct_type: Callable[[Schema, str], Type]
) -> None:
    versions = []
    for text in (SCHEMA, SCHEMA, SCHEMA.replace("Sells things.", "Buys things.")):
        schema = compile_text(text)
        versions.append(ServiceRoutes("shop", schema, struct_type(schema, "Shop")).version)
    assert versions[0] == versions[1] != versions[2]


def test_a_service_has_its_methods_and_everything_they_lead_to(described: dict[str, Any]) -> None:
    assert described["service"] == "shop"
    assert described["interface"] == "Shop"
    assert described["extends"] == ["Base"]
    assert [each["name"] for each in described["methods"]] == ["order", "list", "all", "box", "ping"]
    assert sorted(described["structs"]) == ["Box(Made)", "Item", "Made"]
    assert sorted(described["interfaces"]) == ["Listener", "Receipt", "Shop"]
    assert list(described["enums"]) == ["Color"]
    assert described["interfaces"]["Receipt"]["methods"][0]["signature"] == "cancel() -> (done :Bool)"


def test_a_method_says_how_it_is_called(described: dict[str, Any]) -> None:
    order = method(described, "order")
    assert order["doc"] == "Orders an item."
    assert order["signature"] == (
        "order(item :Item, count :UInt16, note :Text, on :Listener) -> (receipt :Receipt)"
    )
    assert order["http"] == {"verb": "POST", "path": "/orders", "body": "*"}
    assert order["timeout_s"] == 1.5
    assert order["requires"] == ["clerk"]
    assert not order["read_only"]
    assert [(param["name"], param["type"], param["shape"], param["optional"], param.get("default"))
            for param in order["params"]] == [
        ("item", "Item", {"kind": "struct", "name": "Item"}, True, None),
        ("count", "UInt16", {"kind": "uint16"}, False, 3),
        ("note", "Text", {"kind": "text"}, True, "none"),
        ("on", "Listener", {"kind": "interface", "name": "Listener"}, True, None),
    ]  # fmt: skip
    assert method(described, "list")["read_only"]
    assert method(described, "ping")["idempotent"]
    assert [each["shape"] for each in method(described, "list")["results"]] == [
        {"kind": "list", "element": {"kind": "struct", "name": "Item"}}, {"kind": "interface", "name": "Shop"},
    ]  # fmt: skip


def test_a_struct_as_the_whole_list_is_told_with_its_fields(described: dict[str, Any]) -> None:
    whole = method(described, "all")
    assert whole["signature"] == "all(Item) -> Item"
    assert whole["params_struct"] == whole["results_struct"] == {"kind": "struct", "name": "Item"}
    assert "color" in [each["name"] for each in whole["params"]]
    assert method(described, "order")["params_struct"] is None


def test_fields_say_what_a_form_needs(described: dict[str, Any]) -> None:
    assert described["structs"]["Item"]["doc"] == "A thing."
    assert field(described, "Item", "name") == {
        "name": "name", "doc": "What it is called.", "type": "Text", "shape": {"kind": "text"}, "optional": True,
    }  # fmt: skip
    assert field(described, "Item", "color")["default"] == "BLUE"
    assert field(described, "Item", "size")["default"] == "Infinity"
    assert field(described, "Item", "data")["default"] == "/w=="
    assert field(described, "Item", "price")["default"] == 5
    assert field(described, "Item", "photo")["shape"] == {"kind": "data", "encoding": "base64"}
    assert field(described, "Item", "data")["shape"] == {"kind": "data", "encoding": "bytes"}
    assert field(described, "Item", "parts")["type"] == "List(Item)"
    assert field(described, "Item", "where")["shape"]["fields"][0]["name"] == "city"
    assert field(described, "Item", "pin")["sensitive"]
    assert field(described, "Item", "made")["flatten"] == {"prefix": "made_"}
    assert [each["name"] for each in described["structs"]["Item"]["union"]] == ["free", "price"]
    assert described["structs"]["Made"]["discriminator"] == {"name": "kind", "value_name": "value"}
    assert described["enums"]["Color"]["values"] == [
        {"name": "red", "number": 0, "doc": "A colour."}, {"name": "BLUE", "number": 1, "doc": ""},
    ]  # fmt: skip


def test_generic_and_open_types(described: dict[str, Any]) -> None:
    box, raw, any = method(described, "box")["params"]
    assert box["type"] == "Box(Made)"
    assert field(described, "Box(Made)", "item")["shape"] == {"kind": "struct", "name": "Made"}
    assert raw["shape"] == {"kind": "json"}
    assert any["shape"] == {"kind": "anyPointer"}


def test_an_interface_and_a_handle_are_described_alike(
    routes: ServiceRoutes, struct_type: Callable[[Schema, str], Type]
) -> None:
    receipt = struct_type(routes.schema, "Receipt")
    interface = describe_interface(routes, receipt)
    assert interface["interface"] == "Receipt"
    assert interface["structs"] == {}
    casts = list(routes.interfaces)
    assert "Receipt" in casts
    assert describe_handle("t1", routes, receipt) == {"handle": "t1", "service": "shop", **interface, "casts": casts}


def test_a_handle_of_unknown_interface_has_no_methods(routes: ServiceRoutes) -> None:
    assert describe_handle("t1", routes, None) == {
        "handle": "t1", "service": "shop", "interface": None, "methods": [], "casts": list(routes.interfaces),
    }  # fmt: skip


def test_the_two_structs_of_one_name_are_told_apart(
    tmp_path_factory: pytest.TempPathFactory, struct_type: Callable[[Schema, str], Type]
) -> None:
    from cara_pseud.schema.loader import compile_schema

    directory = tmp_path_factory.mktemp("namesakes")
    (directory / "other.capnp").write_text("@0xb5f3c07e56b6a7d2; struct Item { other @0 :Text; }")
    (directory / "main.capnp").write_text("""@0xb5f3c07e56b6a7d3; using Other = import "other.capnp";
        interface Shop { put @0 (mine :Item, theirs :Other.Item) -> (); } struct Item { mine @0 :Text; }""")
    schema = compile_schema([directory / "main.capnp"])
    told = describe_service(ServiceRoutes("shop", schema, struct_type(schema, "Shop")))
    assert sorted(told["structs"]) == ["Item", "other.capnp:Item Item"]
    assert [param["shape"]["name"] for param in told["methods"][0]["params"]] == ["Item", "other.capnp:Item Item"]


def test_every_kind_of_type_is_described_as_the_console_knows_it(
    compile_text: Callable[[str], Schema], struct_type: Callable[[Schema, str], Type]
) -> None:
    vector = json.loads(KINDS.read_text("utf-8"))
    schema = compile_text("\n".join(vector["schema"][1:]))
    told = describe_service(ServiceRoutes("kinds", schema, struct_type(schema, "Kinds")))
    assert {param["name"]: param["shape"] for param in method(told, "every")["params"]} == {
        kind["field"]: kind["shape"] for kind in vector["kinds"]
    }
    assert {kind["shape"]["kind"] for kind in vector["kinds"]} == {*SHAPE_KINDS.values(), GROUP, JSON_VALUE}


def test_a_default_that_a_page_s_number_cannot_hold_is_a_text(
    compile_text: Callable[[str], Schema], struct_type: Callable[[Schema, str], Type]
) -> None:
    schema = compile_text("interface Big { big @0 (last :UInt64 = 18446744073709551615, few :Int64 = -7) -> (); }")
    told = describe_service(ServiceRoutes("big", schema, struct_type(schema, "Big")))
    assert [param["default"] for param in method(told, "big")["params"]] == ["18446744073709551615", -7]

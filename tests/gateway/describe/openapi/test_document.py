"""The OpenAPI document as a whole: valid, complete, and true to the values that the codec writes and reads."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from cara_pseud.schema.nodes import Schema, Type
from gateway.config.limits import Limits
from gateway.describe.openapi import openapi_document
from gateway.json.codec import CodecOptions
from gateway.json.text import JSON
from gateway.routes import ServiceRoutes
from tests.codecs import Codec

SCHEMA = """
using Gateway = import "/gateway.capnp";
using Json = import "/capnp/compat/json.capnp";
interface Shop extends(Base) {
  # Sells things.

  order @0 (item :Item, count :UInt16 = 3, note :Text = "none", on :Listener) -> (receipt :Receipt)
      $Gateway.http(path = "/orders", body = "*") $Gateway.timeout(1500) $Gateway.requires(["clerk"]);
  # Orders an item.

  list @1 (prefix :Text, colors :List(Color), limit :UInt8 = 5, near :Place) -> (items :List(Item), next :Shop)
      $Gateway.readOnly $Gateway.http(verb = "get", path = "/shops/{near.city}/items");
  whole @2 Item -> Item $Json.name("all");
  secret @3 () -> () $Gateway.hidden;
  box @4 (box :Box(Made), raw :Json.Value, any :AnyPointer, boxes :List(Box(Text))) -> ();
  replace @5 (name :Text, item :Item) -> () $Gateway.http(verb = "put", path = "/items/{name}", body = "item");
}
interface Base { ping @0 () -> () $Gateway.idempotent; }
interface Listener { changed @0 (item :Item) -> (); }
interface Receipt { cancel @0 () -> (done :Bool); }
struct Place { city @0 :Text; district @1 :Text; }
enum Color { red @0; # A colour.
 blue @1 $Json.name("BLUE"); }
struct Item {
  # A thing.
  name @0 :Text;   # What it is called.
  color @1 :Color = blue;
  size @2 :Float32 = inf;
  photo @3 :Data $Json.base64;
  parts @4 :List(Item);
  where :group { city @5 :Text; zip @14 :UInt32; }
  union { free @6 :Void; price @7 :Int64 = 5; list @15 :List(UInt64); }
  pin @8 :Text $Gateway.sensitive;
  data @9 :Data = 0x"ff";
  made @10 :Made $Json.flatten(prefix = "made_");
  hash @11 :Data $Json.hex;
  named :union { one @12 :Int32; two @13 :Text; }
}
struct Made $Json.discriminator(name = "kind", valueName = "value") { union { a @0 :Int8; b @1 :Text; c @2 :Void; } }
struct Box(T) { item @0 :T; }
"""

OPTIONS = [CodecOptions(), CodecOptions(int64="number", data="base64"), CodecOptions(int64="auto")]


@pytest.fixture
def routes(compile_text: Callable[[str], Schema], struct_type: Callable[[Schema, str], Type]) -> ServiceRoutes:
    schema = compile_text(SCHEMA)
    return ServiceRoutes("shop", schema, struct_type(schema, "Shop"))


def made(routes: ServiceRoutes, options: CodecOptions | None = None) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(openapi_document([routes], options or CodecOptions(), "1.2.3")))
    return document


@pytest.mark.parametrize("options", OPTIONS)
def test_the_document_is_valid(routes: ServiceRoutes, options: CodecOptions) -> None:
    validate(made(routes, options))


def test_every_method_has_its_paths_and_hidden_ones_have_none(routes: ServiceRoutes) -> None:
    paths = made(routes)["paths"]
    found = {(path, verb) for path, verbs in paths.items() for verb in verbs}
    assert found >= {
        ("/api/shop/order", "post"), ("/orders", "post"), ("/api/shop/list", "post"), ("/api/shop/list", "get"),
        ("/shops/{near.city}/items", "get"), ("/api/shop/all", "post"), ("/api/shop/box", "post"),
        ("/items/{name}", "put"), ("/api/shop/ping", "post"),
        ("/api/handles/{handle}/{method}", "post"), ("/api/events", "get"), ("/openapi.json", "get"),
    }  # fmt: skip
    assert ("/api/shop/ping", "get") not in found
    assert not any("secret" in path for path in paths)


def test_comments_and_rules_are_told(routes: ServiceRoutes) -> None:
    document = made(routes)
    order = document["paths"]["/api/shop/order"]["post"]
    assert order["description"] == "Orders an item.\n\nRequires `clerk`.\n\nTakes 1.5 s at most, unless told otherwise."
    assert document["tags"][0] == {"name": "shop", "description": "Sells things."}
    assert document["paths"]["/api/shop/box"]["post"]["description"].startswith("`box(box :Box(Made), raw :")
    schemas = document["components"]["schemas"]
    assert schemas["ShopColor"] == {"type": "string", "enum": ["red", "BLUE"], "description": "- `red`: A colour."}
    assert schemas["ShopReceipt"]["description"].startswith("An object with `cancel`")
    assert order["requestBody"]["content"]["application/json"]["schema"] == ref("ShopOrderParams")
    assert schemas["ShopOrderParams"]["properties"]["count"] == {
        "type": "integer", "minimum": 0, "maximum": 65535, "format": "uint16", "default": 3,
    }  # fmt: skip


def test_queries_and_paths_take_texts(routes: ServiceRoutes) -> None:
    paths = made(routes)["paths"]
    query = {parameter["name"]: parameter for parameter in paths["/api/shop/list"]["get"]["parameters"][:5]}
    assert list(query) == ["prefix", "colors", "limit", "near.city", "near.district"]
    assert query["colors"] == {
        "name": "colors", "in": "query", "style": "form", "explode": True,
        "schema": {"type": "array", "items": {"$ref": "#/components/schemas/ShopColor"}},
    }  # fmt: skip
    routed = paths["/shops/{near.city}/items"]["get"]["parameters"]
    assert routed[0] == {
        "name": "near.city", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1},
    }  # fmt: skip
    assert [parameter.get("name") for parameter in routed[1:5]] == ["prefix", "colors", "limit", "near.district"]
    put = paths["/items/{name}"]["put"]
    assert put["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/ShopItemInput"
    }
    assert [parameter["name"] for parameter in put["parameters"] if "name" in parameter] == ["name"]


def test_every_operation_names_its_problems(routes: ServiceRoutes) -> None:
    document = made(routes)
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            assert {"403", "421", "500"} <= operation["responses"].keys(), (path, verb)
    ids = [operation["operationId"] for verbs in document["paths"].values() for operation in verbs.values()]
    assert len(ids) == len(set(ids))
    call = document["paths"]["/api/shop/order"]["post"]["responses"]
    assert {"400", "404", "413", "415", "429", "502", "503", "504"} <= call.keys()


def test_who_calls_too_often_is_told_by_headers_when_to_come_back(routes: ServiceRoutes) -> None:
    components = made(routes)["components"]
    told = components["responses"]["Problem429"]["headers"]
    assert {"Retry-After", "RateLimit-Policy", "RateLimit", "X-Request-Id"} == told.keys()
    assert {"Retry-After", "RateLimit-Policy", "RateLimit"} <= components["headers"].keys()
    assert "Retry-After" not in components["responses"]["Problem404"]["headers"]


ITEMS: list[JSON] = [
    {},
    {"name": "x", "color": "red", "size": 1.5, "photo": "aGk=", "parts": [{"name": "y"}], "where": {"city": "c"}},
    {"price": "9007199254740993", "named": {"two": "t"}, "made_kind": "b", "made_value": "v", "hash": "00ff"},
    {"free": None, "named": {"one": 3}, "made_kind": "a", "made_value": -5, "data": [1, 2]},
    {"list": ["1", "18446744073709551615"], "made_kind": "c", "size": "NaN", "pin": "1234"},
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("item", ITEMS)
def test_what_the_codec_takes_and_gives_fits_the_schemas(
    routes: ServiceRoutes, struct_type: Callable[[Schema, str], Type], options: CodecOptions, item: JSON
) -> None:
    document = made(routes, options)
    codec = Codec(routes.schema, options)
    type = struct_type(routes.schema, "Item")
    taken = validator(document, "ShopItemInput")
    taken.validate(item)
    given = codec.writer(type)(codec.reader(type)(item))
    validator(document, "ShopItem").validate(json.loads(json.dumps(given)))


@pytest.mark.parametrize(
    "item",
    [
        {"nme": "x"}, {"name": 5}, {"color": "green"}, {"size": "large"}, {"photo": "?"}, {"hash": "0"},
        {"where": {"town": ""}}, {"free": None, "price": 5}, {"price": 2**63}, {"made_kind": "d"},
        {"named": {"one": 1, "two": "t"}}, {"parts": {}},
    ],
)  # fmt: skip
def test_what_the_codec_refuses_does_not_fit(routes: ServiceRoutes, item: JSON) -> None:
    assert not validator(made(routes), "ShopItemInput").is_valid(item)


def test_unknown_members_fit_where_they_are_ignored(routes: ServiceRoutes) -> None:
    item: JSON = {"name": "x", "surplus": 1, "where": {"surplus": 2}}
    assert not validator(made(routes), "ShopItemInput").is_valid(item)
    ignoring = made(routes, CodecOptions(unknown_fields="ignore"))
    assert validator(ignoring, "ShopItemInput").is_valid(item)
    assert "does not have is ignored" in ignoring["info"]["description"]
    # What the gateway itself writes never has any.
    given = ignoring["components"]["schemas"]["ShopItem"]["anyOf"]
    assert all(form["additionalProperties"] is False for form in given)


def test_examples_fit(routes: ServiceRoutes) -> None:
    document = made(routes)
    seen = 0
    for verbs in document["paths"].values():
        for operation in verbs.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                if "example" in content:
                    seen += 1
                    of_schema(document, content["schema"]).validate(content["example"])
    assert seen >= 5


def test_the_same_schemas_make_the_same_document(routes: ServiceRoutes) -> None:
    assert made(routes) == made(routes)


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def body_of(operation: dict[str, Any]) -> Any:
    return operation["requestBody"]["content"]["application/json"]["schema"]


def result_of(operation: dict[str, Any]) -> Any:
    return operation["responses"]["200"]["content"]["application/json"]["schema"]


def test_parameters_and_results_are_named_once_for_all_operations_of_a_method(routes: ServiceRoutes) -> None:
    document = made(routes)
    paths, schemas = document["paths"], document["components"]["schemas"]
    posted, read, routed = (
        paths["/api/shop/list"]["post"], paths["/api/shop/list"]["get"], paths["/shops/{near.city}/items"]["get"]
    )  # fmt: skip
    assert [result_of(each) for each in (posted, read, routed)] == [ref("ShopListResult")] * 3
    assert body_of(posted) == ref("ShopListParams")
    assert body_of(paths["/orders"]["post"]) == body_of(paths["/api/shop/order"]["post"]) == ref("ShopOrderParams")
    # A parameter list that is a struct is that struct, and so are results.
    whole = paths["/api/shop/all"]["post"]
    assert (body_of(whole), result_of(whole)) == (ref("ShopItemInput"), ref("ShopItem"))
    assert not [name for name in schemas if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name)]


def test_methods_of_objects_have_paths_with_types(routes: ServiceRoutes) -> None:
    document = made(routes)
    paths = document["paths"]
    cancel = paths["/api/handles/{handle}/shop/Receipt/cancel"]["post"]
    assert body_of(cancel) == ref("ShopReceiptCancelParams")
    assert result_of(cancel) == ref("ShopReceiptCancelResult")
    assert cancel["security"] == [{"session": []}]
    assert {"$ref": "#/components/parameters/handle"} in cancel["parameters"]
    done = document["components"]["schemas"]["ShopReceiptCancelResult"]
    assert done["properties"] == {"done": {"type": "boolean"}}
    assert done["required"] == ["done"]
    # The service's own interface may come as an object, too; what is only passed in has no handle.
    assert "/api/handles/{handle}/shop/Shop/order" in paths
    assert not any("Listener" in path for path in paths)
    # What is inherited is the same everywhere.
    inherited = paths["/api/handles/{handle}/shop/Shop/ping"]["post"]
    assert result_of(inherited) == result_of(paths["/api/shop/ping"]["post"])


def test_an_interface_that_only_an_object_leads_to_is_there(
    compile_text: Callable[[str], Schema], struct_type: Callable[[Schema, str], Type]
) -> None:
    schema = compile_text("""
        interface Root { first @0 () -> (item :A); }
        interface A { next @0 () -> (item :Box(Text)); }
        interface Box(T) { get @0 () -> (item :T); again @1 () -> (item :A); }
    """)
    document = made(ServiceRoutes("tree", schema, struct_type(schema, "Root")))
    validate(document)
    get = document["paths"]["/api/handles/{handle}/tree/Box(Text)/get"]["post"]
    assert result_of(get) == ref("TreeBoxTextGetResult")
    shape = document["components"]["schemas"]["TreeBoxTextGetResult"]["properties"]["item"]
    assert shape == {"anyOf": [{"type": "string"}, {"type": "null"}]}


LOOSE = """
interface Store {
  restore @0 () -> (cap :Capability, struct :AnyStruct, list :AnyList, nothing :Nothing);
  take @1 (cap :Capability, struct :AnyStruct, list :AnyList, nothing :Nothing) -> ();
}
interface Typed { base @0 () -> (base :Readable); listen @1 (to :Listener) -> (); }
interface Readable { read @0 () -> (value :Int32); }
interface Counter extends(Readable) { increment @0 () -> (value :Int32); }
interface Listener { told @0 () -> (); }
struct Nothing {}
"""


def test_pointers_of_a_known_kind_have_schemas_of_their_own(
    compile_text: Callable[[str], Schema], struct_type: Callable[[Schema, str], Type]
) -> None:
    schema = compile_text(LOOSE)
    document = openapi_document([ServiceRoutes("store", schema, struct_type(schema, "Store"))], CodecOptions(), "1.0")
    validate(document)
    schemas = document["components"]["schemas"]
    array = {"type": "array", "items": {}}
    nothing = {"type": "object", "properties": {}, "additionalProperties": False}
    taken = schemas["StoreTakeParams"]["properties"]
    assert taken == {
        "cap": {"$ref": "#/components/schemas/ObjectInput"}, "struct": {"type": "object"}, "list": array,
        "nothing": {"$ref": "#/components/schemas/StoreNothingInput"},
    }  # fmt: skip
    given = schemas["StoreRestoreResult"]["properties"]
    assert given["cap"]["anyOf"][0] == {"$ref": "#/components/schemas/Handle"}
    assert (schemas["StoreNothingInput"], schemas["StoreNothing"]) == (nothing, nothing)
    assert schemas["Handle"]["required"] == ["$handle", "interface"]


def test_what_objects_may_be_cast_to_has_paths_too(
    compile_text: Callable[[str], Schema], struct_type: Callable[[Schema, str], Type]
) -> None:
    schema = compile_text(LOOSE)

    def objects(name: str) -> set[str]:
        routes = ServiceRoutes("store", schema, struct_type(schema, name))
        paths = openapi_document([routes], CodecOptions(), "1.0")["paths"]
        return {path.split("/")[5] for path in paths if path.startswith("/api/handles/{handle}/store/")}

    assert objects("Store") == {"Counter", "Listener", "Readable", "Store", "Typed"}  # it may be anything
    assert objects("Typed") == {"Counter", "Readable"}  # or what is more than it says


def test_casting_is_an_operation(routes: ServiceRoutes) -> None:
    document: Any = openapi_document([routes], CodecOptions(), "1.0")
    operation = document["paths"]["/api/handles/{handle}"]["post"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert (body, answer) == (
        {"$ref": "#/components/schemas/CastInput"}, {"$ref": "#/components/schemas/Handle"},
    )  # fmt: skip
    Draft202012Validator(document["components"]["schemas"]["CastInput"]).validate({"interface": "Receipt"})


def test_two_services_of_one_schema_have_types_of_their_own(routes: ServiceRoutes) -> None:
    other = ServiceRoutes("Shop2".lower(), routes.schema, routes.interface)
    document = json.loads(json.dumps(openapi_document([routes, other], CodecOptions(), "1")))
    validate(document)
    ids = [operation["operationId"] for verbs in document["paths"].values() for operation in verbs.values()]
    plain = [re.sub("[^a-z0-9]", "", id.lower()) for id in ids]
    assert len(plain) == len(set(plain))
    names = [name.lower() for name in document["components"]["schemas"]]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("path", "security"),
    [
        ("/api/shop/order", [{}, {"session": []}]),  # takes and gives objects
        ("/api/shop/list", [{}, {"session": []}]),
        ("/api/shop/box", [{}, {"session": []}]),  # AnyPointer
        ("/api/shop/all", []),  # plain data, which leads to itself
        ("/api/shop/ping", []),
        ("/api/handles/{handle}/shop/Shop/ping", [{"session": []}]),
    ],
)
def test_only_what_has_objects_needs_a_session(routes: ServiceRoutes, path: str, security: Any) -> None:
    assert made(routes)["paths"][path]["post"]["security"] == security


def test_a_call_may_take_what_the_gateway_permits(routes: ServiceRoutes) -> None:
    limits = Limits(max_call_timeout_s=7.5)
    document = openapi_document([routes], CodecOptions(), "1", limits=limits)
    components: Any = document["components"]
    timeout = components["parameters"]["Request-Timeout"]["schema"]
    assert timeout == {"type": "number", "minimum": 0.5, "maximum": 7.5}


def test_every_operation_says_who_may_call_it_and_every_array_what_is_in_it(routes: ServiceRoutes) -> None:
    document = made(routes)
    for verbs in document["paths"].values():
        for operation in verbs.values():
            assert operation["security"] in ([], [{"session": []}], [{}, {"session": []}])
            assert operation["description"]
            contents = operation.get("requestBody", {}).get("content", {}).values()
            bodies = [json.dumps(content["schema"]) for content in contents]
            assert len(bodies) == len(set(bodies))

    def arrays(value: Any) -> list[Any]:
        if isinstance(value, list):
            return [found for each in value for found in arrays(each)]
        if not isinstance(value, dict):
            return []
        own = [value] if value.get("type") == "array" else []
        return own + [found for each in value.values() for found in arrays(each)]

    assert arrays(document)
    assert all("items" in array for array in arrays(document))


def validator(document: dict[str, Any], name: str) -> Draft202012Validator:
    return of_schema(document, {"$ref": f"#/components/schemas/{name}"})


def of_schema(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": document["components"]})

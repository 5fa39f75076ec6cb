from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cara_pseud.schema.nodes import BoundMethod, Schema, Type
from gateway.errors import GatewayError
from gateway.protocols.rest.text_parameters import http_params, query_params
from gateway.routes import HttpRoutes, ServiceRoutes
from tests.codecs import Codec

SCHEMA = """
using Gateway = import "/gateway.capnp";
using Json = import "/capnp/compat/json.capnp";
enum Color { red @0; green @1 $Json.name("GREEN"); }
struct Person { name @0 :Text; age @1 :UInt8; address :group { city @2 :Text; } tags @3 :List(Text); boss @4 :Person; }
struct Flat { person @0 :Person $Json.flatten(prefix = "p_"); hex @1 :Data $Json.hex; }
struct Tagged $Json.discriminator(name = "kind") { union { a @0 :Int32; b @1 :Text; } }
interface Service {
  all @0 (b :Bool, i :Int32, big :Int64, f :Float64, t :Text, d :Data, c :Color, v :Void, person :Person,
          is :List(Int32), ts :List(Text), cs :List(Color), any :AnyPointer, people :List(Person), ll :List(List(Int8)),
          on :Service, flat :Flat, tagged :Tagged, raw :Json.Value) -> ();
  struct @1 Person -> ();
  body @2 (id :Text, person :Person, dry :Bool) -> () $Gateway.http(verb = "put", path = "/a/{id}", body = "person");
  whole @3 (id :Text, person :Person, dry :Bool) -> () $Gateway.http(path = "/b/{person.name}", body = "*");
  none @4 (id :Int32, dry :Bool) -> () $Gateway.http(verb = "get", path = "/c/{id}");
}
"""


@pytest.fixture
def routes(compile_text: Callable[[str], Schema], struct_type: Callable[[Schema, str], Type]) -> ServiceRoutes:
    schema = compile_text(SCHEMA)
    return ServiceRoutes("svc", schema, struct_type(schema, "Service"))


@pytest.fixture
def every(routes: ServiceRoutes) -> BoundMethod:
    return routes.method("all")


READ: list[tuple[list[tuple[str, str]], dict[str, Any]]] = [
    ([], {}),
    ([("b", "true"), ("i", "-5"), ("big", "9223372036854775807"), ("f", "1.5e3"), ("t", "a b"), ("c", "GREEN")],
     {"b": True, "i": -5, "big": 2**63 - 1, "f": 1500.0, "t": "a b", "c": 1}),
    ([("b", "false"), ("i", "1e2"), ("f", "NaN"), ("t", ""), ("c", "1"), ("v", "")],
     {"b": False, "i": 100, "f": ..., "t": "", "c": 1}),
    ([("d", "-_8"), ], {"d": b"\xfb\xff"}),
    ([("d", "-_8="), ], {"d": b"\xfb\xff"}),
    ([("d", ""), ], {"d": b""}),
    ([("is", "1"), ("is", "2"), ("ts", "x"), ("cs", "red"), ("cs", "1"), ("is", "3")],
     {"is": [1, 2, 3], "ts": ["x"], "cs": [0, 1]}),
    ([("person.name", "Ann"), ("person.address.city", "Rome"), ("person.tags", "a"), ("person.tags", "b"),
      ("person.boss.boss.age", "7")],
     {"person": {0: "Ann", 2: {0: "Rome"}, 3: ["a", "b"], 4: {4: {1: 7}}}}),
    ([("flat.p_name", "Ann"), ("flat.hex", "_w")], {"flat": {0: {0: "Ann"}, 1: b"\xff"}}),
    ([("tagged.kind", "b"), ("tagged.b", "x")], {"tagged": {1: "x"}}),
    ([("tagged.a", "5")], {"tagged": {0: 5}}),
]  # fmt: skip


@pytest.mark.parametrize(("pairs", "args"), READ)
def test_texts_are_read_by_the_type_of_their_parameter(
    routes: ServiceRoutes, every: BoundMethod, pairs: list[tuple[str, str]], args: dict[str, Any]
) -> None:
    params = Codec(routes.schema).params(every)
    wire = dict(zip(params.names, params.by_name(query_params(routes, every, pairs)), strict=True))
    for name, value in args.items():
        assert value is ... or wire[name] == value, name


def test_a_struct_that_is_all_the_parameters_is_given_by_its_members(routes: ServiceRoutes) -> None:
    method = routes.method("struct")
    params = query_params(routes, method, [("name", "Ann"), ("address.city", "Rome")])
    assert Codec(routes.schema).params(method).by_name(params) == [{0: "Ann", 2: {0: "Rome"}}]


REFUSED: list[tuple[list[tuple[str, str]], str]] = [
    ([("nope", "1")], "$.nope: unknown parameter"),
    ([("persn.name", "1")], '$.persn: unknown parameter; did you mean "person"?'),
    ([("person.nam", "1")], '$.person.nam: unknown parameter; did you mean "name"?'),
    ([("", "1")], "$: a name is empty"),
    ([("person.", "1")], "$.person: a name is empty"),
    ([("i.x", "1")], '$.i: has no member "x"'),
    ([("person", "Ann")], "$.person: is an object; give its members: person.…"),
    ([("i", "1"), ("i", "1")], "$.i: is given more than once"),
    ([("person.name", "a"), ("person.name", "b")], "$.person.name: is given more than once"),
    ([("b", "True")], '$.b: expected Bool, got "True"'),
    ([("b", "")], '$.b: expected Bool, got ""'),
    ([("i", "")], '$.i: expected Int32, got ""'),
    ([("i", "abc")], '$.i: expected Int32, got "abc"'),
    ([("i", "+5")], '$.i: expected Int32, got "+5"'),
    ([("i", "0x10")], '$.i: expected Int32, got "0x10"'),
    ([("i", "05")], '$.i: expected Int32, got "05"'),
    ([("f", "inf")], '$.f: expected Float64, got "inf"'),
    ([("f", " 1")], '$.f: expected Float64, got " 1"'),
    ([("f", "1e400")], '$.f: "1e400" is out of range for Float64'),
    ([("f", "-1e400")], '$.f: "-1e400" is out of range for Float64'),
    ([("d", "a")], '$.d: expected base64url, got "a"'),
    ([("d", "+/+/")], '$.d: expected base64url, got "+/+/"'),
    ([("d", "+w")], '$.d: expected base64url, got "+w"'),
    ([("d", "/w")], '$.d: expected base64url, got "/w"'),
    ([("v", "x")], '$.v: expected Void, got "x"'),
    ([("any", "1")], "$.any: AnyPointer cannot be given as text; use a JSON body"),
    ([("on", "1")], "$.on: Service cannot be given as text; use a JSON body"),
    ([("people", "1")], "$.people[0]: Person cannot be given as text; use a JSON body"),
    ([("ll", "1")], "$.ll[0]: List(Int8) cannot be given as text; use a JSON body"),
    ([("raw", "1")], "$.raw: Value cannot be given as text; use a JSON body"),
]


@pytest.mark.parametrize(("pairs", "detail"), REFUSED)
def test_a_query_that_does_not_fit_is_refused_with_its_path(
    routes: ServiceRoutes, every: BoundMethod, pairs: list[tuple[str, str]], detail: str
) -> None:
    with pytest.raises(GatewayError) as raised:
        query_params(routes, every, pairs)
    assert raised.value.detail.startswith(detail)
    assert raised.value.problem()["status"] == 400


def test_a_name_leads_as_deep_as_a_body_may(routes: ServiceRoutes, every: BoundMethod) -> None:
    params = query_params(routes, every, [("person." + "boss." * 62 + "name", "Ann")], 64)
    assert Codec(routes.schema).params(every).by_name(params)


@pytest.mark.parametrize("levels", [65, 20_000])
def test_a_name_leads_no_deeper_than_a_body_may(routes: ServiceRoutes, every: BoundMethod, levels: int) -> None:
    name = "person." + "boss." * (levels - 2) + "name"
    with pytest.raises(GatewayError) as raised:
        query_params(routes, every, [(name, "Ann")], 64)
    assert raised.value.detail == '$: "person.boss.boss.boss.boss.boss.boss.bo…" leads more than 64 levels deep'


def test_ranges_are_checked_by_the_codec(routes: ServiceRoutes, every: BoundMethod) -> None:
    params = query_params(routes, every, [("person.age", "256")])
    with pytest.raises(GatewayError, match=r"^\$\.person\.age: 256 is out of range for UInt8"):
        Codec(routes.schema).params(every).by_name(params)


HTTP: list[tuple[str, str, list[tuple[str, str]], Any, dict[str, Any]]] = [
    ("PUT", "/a/7", [("dry", "true")], {"name": "Ann"}, {"id": "7", "dry": True, "person": {"name": "Ann"}}),
    ("PUT", "/a/7", [], ..., {"id": "7"}),
    ("POST", "/b/Ann", [], {"person": {"age": 5}, "dry": True}, {"person": {"age": 5, "name": "Ann"}, "dry": True}),
    ("POST", "/b/Ann", [("dry", "true")], ..., {"person": {"name": "Ann"}, "dry": True}),
    ("GET", "/c/7", [("dry", "false")], ..., {"id": "7", "dry": False}),
]


@pytest.mark.parametrize(("verb", "path", "query", "body", "params"), HTTP)
def test_path_query_and_body_make_one_object(
    routes: ServiceRoutes, verb: str, path: str, query: list[tuple[str, str]], body: Any, params: dict[str, Any]
) -> None:
    match = HttpRoutes([routes]).match(verb, path)
    assert match is not None
    has_body = body is not ...
    assert http_params(match, query, body if has_body else None, has_body) == params


HTTP_REFUSED: list[tuple[str, str, list[tuple[str, str]], Any, str]] = [
    ("GET", "/c/7", [], {}, "$: this route takes no body"),
    ("GET", "/c/x", [], ..., '$.id: expected Int32, got "x"'),
    ("GET", "/c/7", [("id", "8")], ..., "$.id: is given by the path already"),
    ("POST", "/b/Ann", [], [1], "$: expected an object of parameters, got an array"),
    ("POST", "/b/Ann", [], {"person": {"name": "Bob"}}, "$.person.name: is given by the path already"),
    ("POST", "/b/Ann", [], {"person": 5}, "$.person: is given by the path already"),
    ("POST", "/b/Ann", [("dry", "true")], {"dry": True}, "$.dry: is given in the query and in the body"),
    ("PUT", "/a/7", [("person.name", "x")], {"name": "Ann"}, "$.person: is given in the query and in the body"),
]


@pytest.mark.parametrize(("verb", "path", "query", "body", "detail"), HTTP_REFUSED)
def test_what_is_given_twice_or_in_the_wrong_place_is_refused(
    routes: ServiceRoutes, verb: str, path: str, query: list[tuple[str, str]], body: Any, detail: str
) -> None:
    match = HttpRoutes([routes]).match(verb, path)
    assert match is not None
    has_body = body is not ...
    with pytest.raises(GatewayError) as raised:
        http_params(match, query, body if has_body else None, has_body)
    assert raised.value.detail == detail


def test_the_body_that_was_given_is_not_changed(routes: ServiceRoutes) -> None:
    match = HttpRoutes([routes]).match("POST", "/b/Ann")
    assert match is not None
    body = {"person": {"age": 5}}
    http_params(match, [], body, True)
    assert body == {"person": {"age": 5}}

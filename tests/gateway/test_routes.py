from __future__ import annotations

from collections.abc import Callable

import pytest

from cara_pseud.schema.nodes import Schema, Type
from gateway.errors import GatewayError, Status
from gateway.routes import HttpRoutes, RouteError, ServiceRoutes, check_service_name

HEAD = """
using Gateway = import "/gateway.capnp";
using Json = import "/capnp/compat/json.capnp";
struct Person { name @0 :Text; address :group { city @1 :Text; } tags @2 :List(Text); }
"""

SCHEMA = HEAD + """
interface People extends(Base) {
  find @0 (name :Text) -> (person :Person) $Gateway.http(verb = "get", path = "/people/{name}");
  me @1 () -> (person :Person) $Gateway.http(verb = "get", path = "/people/me");
  add @2 (person :Person) -> () $Gateway.http(path = "/people", body = "person");
  move @3 (person :Person) -> () $Gateway.http(verb = "put", path = "/cities/{person.address.city}/{person.name}");
  drop @4 (name :Text) -> () $Gateway.http(verb = "delete", path = "/people/{name}");
  secret @5 () -> () $Gateway.hidden $Gateway.http(path = "/secret");
  renamed @6 () -> (other :Other) $Json.name("re-named");
}
interface Base { inherited @0 () -> (); secretly @1 () -> () $Gateway.hidden; }
interface Other { act @0 () -> (); }
"""


@pytest.fixture
def service(
    compile_text: Callable[[str], Schema], struct_type: Callable[[Schema, str], Type]
) -> Callable[[str], ServiceRoutes]:
    def service(text: str, interface: str = "People") -> ServiceRoutes:
        schema = compile_text(text)
        return ServiceRoutes("people", schema, struct_type(schema, interface))

    return service


@pytest.mark.parametrize("name", ["a", "calculator", "aB_9", "a" * 64])
def test_names_that_a_service_may_have(name: str) -> None:
    check_service_name(name)


@pytest.mark.parametrize("name", ["", "A", "9a", "_a", "a-b", "a.b", "a" * 65, "ä", "a\n"])
def test_names_under_which_a_service_could_not_be_reached(name: str) -> None:
    with pytest.raises(RouteError, match="is no service name: a small letter, then up to 63 letters, digits and _"):
        check_service_name(name)


@pytest.mark.parametrize("name", ["handles", "session", "events", "callbacks", "admin", "rpc", "api"])
def test_names_that_are_reserved(name: str) -> None:
    with pytest.raises(RouteError, match=f"the service name '{name}' is reserved"):
        check_service_name(name)


def test_methods_are_known_by_their_json_names(service: Callable[[str], ServiceRoutes]) -> None:
    routes = service(SCHEMA)
    assert list(routes.methods) == ["find", "me", "add", "move", "drop", "re-named", "inherited"]
    assert routes.method("re-named").method.name == "renamed"
    assert routes.method("inherited").method.name == "inherited"


@pytest.mark.parametrize("name", ["renamed", "secret", "secretly", "nope", ""])
def test_unknown_and_hidden_methods_are_not_found(service: Callable[[str], ServiceRoutes], name: str) -> None:
    with pytest.raises(GatewayError) as raised:
        service(SCHEMA).method(name)
    assert raised.value.jsonrpc_error()["code"] == -32601
    assert raised.value.detail.startswith(f'the service people has no method "{name}"')
    assert raised.value.service == "people"


def test_methods_of_objects(
    service: Callable[[str], ServiceRoutes], struct_type: Callable[[Schema, str], Type]
) -> None:
    routes = service(SCHEMA)
    other = struct_type(routes.schema, "Other")
    assert routes.handle_method(other, "act").method.name == "act"
    with pytest.raises(GatewayError, match=r'Other has no method "acted"; did you mean "act"\?'):
        routes.handle_method(other, "acted")
    with pytest.raises(GatewayError, match='the object has no method "act"'):
        routes.handle_method(None, "act")


def test_two_methods_may_not_share_a_json_name(service: Callable[[str], ServiceRoutes]) -> None:
    with pytest.raises(RouteError, match="two methods have the JSON name 'b'"):
        service(HEAD + 'interface People { a @0 () -> () $Json.name("b"); b @1 () -> (); }')


MATCHES: list[tuple[str, str, str, dict[str, str]]] = [
    ("GET", "/people/Ann", "find", {"name": "Ann"}),
    ("HEAD", "/people/Ann", "find", {"name": "Ann"}),
    ("DELETE", "/people/Ann", "drop", {"name": "Ann"}),
    ("GET", "/people/me", "me", {}),
    ("GET", "/people/%6de", "me", {}),
    ("POST", "/people", "add", {}),
    ("PUT", "/cities/New%20York/A%2FB", "move", {"person.address.city": "New York", "person.name": "A/B"}),
    ("GET", "/people/%2525", "find", {"name": "%25"}),
    ("GET", "/people/%C3%A9+", "find", {"name": "é+"}),
    ("GET", "/people/..", "find", {"name": ".."}),
]


@pytest.mark.parametrize(("verb", "path", "name", "values"), MATCHES)
def test_a_path_finds_its_method(
    service: Callable[[str], ServiceRoutes], verb: str, path: str, name: str, values: dict[str, str]
) -> None:
    match = HttpRoutes([service(SCHEMA)]).match(verb, path)
    assert match is not None
    assert (match.name, match.path_values) == (name, values)
    assert match.service.name == "people"


@pytest.mark.parametrize("path", [
    "/", "", "people", "/people/", "/people//", "/people/a/b", "/secret", "/cities/x", "/People", "/people/%2F/x",
    "//people",
])  # fmt: skip
def test_other_paths_find_nothing(service: Callable[[str], ServiceRoutes], path: str) -> None:
    assert HttpRoutes([service(SCHEMA)]).match("GET", path) is None


NOT_ALLOWED = [
    ("POST", "/people/Ann", ["DELETE", "GET", "HEAD"]),
    ("GET", "/people", ["POST"]),
    ("POST", "/people/me", ["DELETE", "GET", "HEAD"]),
    ("OPTIONS", "/people", ["POST"]),
]


@pytest.mark.parametrize(("verb", "path", "allow"), NOT_ALLOWED)
def test_a_wrong_verb_is_told_the_right_ones(
    service: Callable[[str], ServiceRoutes], verb: str, path: str, allow: list[str]
) -> None:
    with pytest.raises(GatewayError) as raised:
        HttpRoutes([service(SCHEMA)]).match(verb, path)
    assert raised.value.status is Status.METHOD_NOT_ALLOWED
    assert raised.value.details == {"allow": allow}


@pytest.mark.parametrize("path", ["/people/%zz", "/people/%", "/people/%ff", "/people/%c3"])
def test_a_path_that_is_no_text_is_an_invalid_argument(
    service: Callable[[str], ServiceRoutes], path: str
) -> None:
    with pytest.raises(GatewayError, match="is no percent-encoded UTF-8") as raised:
        HttpRoutes([service(SCHEMA)]).match("GET", path)
    assert raised.value.status is Status.INVALID_ARGUMENT


def test_routes_can_be_listed(service: Callable[[str], ServiceRoutes]) -> None:
    assert HttpRoutes([service(SCHEMA)]).rows() == [
        ("PUT", "/cities/{person.address.city}/{person.name}", "people", "move"),
        ("POST", "/people", "people", "add"),
        ("GET", "/people/me", "people", "me"),
        ("DELETE", "/people/{name}", "people", "drop"),
        ("GET", "/people/{name}", "people", "find"),
    ]


BAD_RULES: list[tuple[str, str]] = [
    ('verb = "fetch", path = "/x"', "the verb 'fetch' is none of get, post, put, patch, delete"),
    ('path = "x"', "the path 'x' must begin with a slash"),
    ('path = ""', "the path '' must begin with a slash"),
    ('path = "/"', "the path '/' begins with a route of the gateway"),
    ('path = "/api/x"', "the path '/api/x' begins with a route of the gateway"),
    ('path = "/openapi.json"', "the path '/openapi.json' begins with a route of the gateway"),
    ('path = "/x/"', "the path '/x/' has an empty or dotted segment"),
    ('path = "/x/../y"', "the path '/x/../y' has an empty or dotted segment"),
    ('path = "/x?y=1"', "the path '/x?y=1' must have no query, fragment, space or escape"),
    ('path = "/x/a{name}"', "in the path '/x/a{name}', a parameter in braces must be a whole segment"),
    ('path = "/x/{name"', "in the path '/x/{name', a parameter in braces must be a whole segment"),
    ('path = "/x/{}"', "the method has no parameter ''"),
    ('path = "/x/{nope}"', "the method has no parameter 'nope'"),
    ('path = "/x/{name.y}"', "the method has no parameter 'name.y'"),
    ('path = "/x/{person}"', "the parameter 'person' is no single value and cannot stand in the path"),
    ('path = "/x/{person.tags}"', "the parameter 'person.tags' is no single value and cannot stand in the path"),
    ('path = "/x/{person.address}"', "the parameter 'person.address' is no single value and cannot stand in the path"),
    ('path = "/x/{name}/{name}"', "a parameter stands in the path twice"),
    ('path = "/x", body = "nope"', "the method has no parameter 'nope' for the body"),
    ('path = "/x/{person.name}", body = "person"', "the parameter 'person' is in the path and in the body"),
    ('verb = "get", path = "/x", body = "*"', "a route with the verb get has no body"),
]


@pytest.mark.parametrize(("rule", "reason"), BAD_RULES)
def test_a_rule_that_cannot_work_is_refused(
    service: Callable[[str], ServiceRoutes], rule: str, reason: str
) -> None:
    text = HEAD + f"interface People {{ m @0 (name :Text, person :Person) -> () $Gateway.http({rule}); }}"
    with pytest.raises(RouteError) as raised:
        HttpRoutes([service(text)])
    assert str(raised.value) == f"$http of people.m: {reason}"


def test_two_rules_for_the_same_requests_are_refused(service: Callable[[str], ServiceRoutes]) -> None:
    text = HEAD + """interface People {
      a @0 (x :Text) -> () $Gateway.http(path = "/x/{x}");
      b @1 (y :Text) -> () $Gateway.http(path = "/x/{y}");
    }"""
    with pytest.raises(RouteError) as raised:
        HttpRoutes([service(text)])
    assert str(raised.value) == "$http of people.b: people.a takes POST /x/{x} already"


def test_the_interfaces_of_the_schema_are_known_by_name_but_for_those_that_nobody_can_call(
    compile_text: Callable[[str], Schema], struct_type: Callable[[Schema, str], Type]
) -> None:
    schema = compile_text("""
        using Json = import "/capnp/compat/json.capnp"; using Gateway = import "/gateway.capnp";
        interface Shop { get @0 () -> (); }
        interface Twice { a @0 () -> () $Json.name("b"); b @1 () -> (); }
        interface Hidden $Gateway.hidden { a @0 () -> (); }
        interface Empty {}
    """)
    routes = ServiceRoutes("shop", schema, struct_type(schema, "Shop"))
    assert list(routes.interfaces) == ["Empty", "Shop"]
    assert routes.interface_named("Empty") == struct_type(schema, "Empty")
    assert routes.interface_named("Twice") is routes.interface_named("Hidden") is routes.interface_named("Gone") is None

from __future__ import annotations

from collections.abc import Callable

import pytest

from cara_pseud.schema.nodes import Schema, StructNode, Type
from gateway.annotations import HttpRule, MethodFacts, is_sensitive, json_name, method_facts

SCHEMA = """
using Gateway = import "/gateway.capnp";
using Json = import "/capnp/compat/json.capnp";
interface All $Gateway.readOnly $Gateway.timeout(500) $Gateway.requires(["user"]) {
  plain @0 () -> ();
  own @1 () -> () $Gateway.timeout(2500) $Gateway.requires(["admin", "user"]) $Gateway.hidden;
}
interface Some {
  plain @0 () -> () $Json.name("simple");
  read @1 () -> () $Gateway.readOnly $Gateway.http(verb = "get", path = "/x");
  again @2 () -> () $Gateway.idempotent;
  post @3 (x :Text $Gateway.sensitive) -> () $Gateway.http(path = "/y", body = "*");
}
interface Secret $Gateway.hidden { a @0 () -> (); }
interface Child extends(All) { mine @0 () -> (); }
struct Login { user @0 :Text; password @1 :Text $Gateway.sensitive; }
"""


@pytest.fixture
def schema(compile_text: Callable[[str], Schema]) -> Schema:
    return compile_text(SCHEMA)


FACTS: list[tuple[str, str, MethodFacts]] = [
    ("All", "plain", MethodFacts(read_only=True, idempotent=True, timeout_s=0.5)),
    ("All", "own", MethodFacts(read_only=True, idempotent=True, hidden=True, timeout_s=2.5)),
    ("Some", "plain", MethodFacts()),
    ("Some", "read", MethodFacts(read_only=True, idempotent=True, http=HttpRule("GET", "/x", ""))),
    ("Some", "again", MethodFacts(idempotent=True)),
    ("Some", "post", MethodFacts(http=HttpRule("POST", "/y", "*"))),
    ("Secret", "a", MethodFacts(hidden=True)),
    ("Child", "mine", MethodFacts()),
    ("Child", "plain", MethodFacts(read_only=True, idempotent=True, timeout_s=0.5)),
]


@pytest.mark.parametrize(("interface", "name", "facts"), FACTS)
def test_what_the_annotations_say_about_a_method(
    schema: Schema, struct_type: Callable[[Schema, str], Type], interface: str, name: str, facts: MethodFacts
) -> None:
    methods = {bound.method.name: bound for bound in schema.methods(struct_type(schema, interface))}
    assert method_facts(schema, methods[name]) == facts


def test_names_and_secrets(schema: Schema, struct_type: Callable[[Schema, str], Type]) -> None:
    (plain, *_) = schema.methods(struct_type(schema, "Some"))
    assert json_name(plain.method.annotations, plain.method.name) == "simple"
    assert json_name((), "other") == "other"
    login = schema.find("Login")
    assert isinstance(login, StructNode)
    assert [is_sensitive(field.annotations) for field in login.fields] == [False, True]

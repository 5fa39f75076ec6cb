"""What the methods of a service require, by its schema and by its operator, however an object is taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from cara_pseud.schema.nodes import BoundMethod, Schema, Type
from gateway.access.rules import RoleRule, RuleError, ServiceRules

SCHEMA = """
using Gateway = import "/gateway.capnp";
using Json = import "/capnp/compat/json.capnp";
interface Vault extends(Room) {
  open @0 () -> (session :Session);
  wipe @1 () -> ();
  seal @2 () -> () $Gateway.requires(["keeper", "owner"]);
  renamed @3 () -> () $Json.name("burn-it");
  inner @4 () -> () $Gateway.hidden;
  interface Session extends(Reader) { close @0 () -> (); write @1 (text :Text) -> (); }
}
interface Room { light @0 () -> (); enter @1 () -> (); }
interface Reader { read @0 () -> (text :Text); }
interface Guarded extends(Reader) $Gateway.requires(["guard"]) {
  own @0 () -> ();
  both @1 () -> () $Gateway.requires(["admin"]);
}
interface Below extends(Guarded) { more @0 () -> (); }
interface Again extends(Reader) { read @0 () -> (text :Text) $Gateway.requires(["admin"]); }
interface Thrice extends(Again) { read @0 () -> (text :Text); }
interface Cell { interface Session { peek @0 () -> (); } }
"""

Compile = Callable[[str], Schema]
Find = Callable[[Schema, str], Type]


@pytest.fixture(scope="module")
def schema(compile_text: Compile) -> Schema:
    return compile_text(SCHEMA)


@pytest.fixture(scope="module")
def needed(schema: Schema, struct_type: Find) -> Callable[..., dict[str, set[str]]]:
    """What each method of the interfaces requires, those left out that require nothing, as ``Declaring.method``."""

    def needed(*rules: RoleRule, roles: Sequence[str] = ()) -> dict[str, set[str]]:
        made = ServiceRules(schema, struct_type(schema, "Vault"), roles, rules)
        found = {}
        names = ("Vault", "Vault.Session", "Room", "Reader", "Guarded", "Below", "Again", "Thrice", "Cell.Session")
        for name in names:
            interface = struct_type(schema, name)
            for method in schema.interface(interface.node_id).methods:
                if required := made.required(BoundMethod(interface, method)):
                    found[f"{name}.{method.name}"] = set(required)
        return found

    return needed


BY_SCHEMA = {
    "Vault.seal": {"keeper", "owner"},
    "Guarded.own": {"guard"},
    "Guarded.both": {"guard", "admin"},
    # Declared anew under its name, it is the same to the object behind it.
    "Again.read": {"admin"}, "Reader.read": {"admin"}, "Thrice.read": {"admin"},
}  # fmt: skip


def test_an_annotation_of_an_interface_is_for_the_methods_that_it_declares(
    needed: Callable[..., dict[str, set[str]]],
) -> None:
    assert needed() == BY_SCHEMA


RULES = [
    ("wipe", ["Vault.wipe"]),
    ("light", ["Room.light"]),
    ("burn-it", ["Vault.renamed"]),
    ("*", ["Vault.open", "Vault.wipe", "Vault.renamed", "Vault.inner", "Vault.seal", "Room.light", "Room.enter"]),
    ("Vault.Session.close", ["Vault.Session.close"]),
    ("Session.close", ["Vault.Session.close"]),
    ("Session.read", ["Reader.read", "Again.read", "Thrice.read"]),
    ("Vault.Session.*", ["Vault.Session.close", "Vault.Session.write", "Reader.read", "Again.read", "Thrice.read"]),
    ("Session.peek", ["Cell.Session.peek"]),
    ("Below.own", ["Guarded.own"]),
    ("Room.light", ["Room.light"]),
]


@pytest.mark.parametrize(("pattern", "meant"), RULES, ids=[pattern for pattern, _ in RULES])
def test_a_rule_is_for_the_interface_that_declares_a_method(
    pattern: str, meant: list[str], needed: Callable[..., dict[str, set[str]]]
) -> None:
    expected = {name: set(roles) for name, roles in BY_SCHEMA.items()}
    for name in meant:
        expected.setdefault(name, set()).add("extra")
    assert needed(RoleRule((pattern,), ("extra",))) == expected


def test_a_name_that_several_interfaces_end_in_is_for_all_of_them(needed: Callable[..., dict[str, set[str]]]) -> None:
    required = needed(RoleRule(("Session.*",), ("extra",)))
    assert required["Cell.Session.peek"] == required["Vault.Session.close"] == {"extra"}


def test_all_roles_of_all_lists_that_match_are_needed(needed: Callable[..., dict[str, set[str]]]) -> None:
    rules = (RoleRule(("wipe", "seal"), ("a", "b")), RoleRule(("*",), ("c",)))
    required = needed(*rules, roles=["staff"])
    assert required["Vault.wipe"] == {"a", "b", "c", "staff"}
    assert required["Vault.seal"] == {"keeper", "owner", "a", "b", "c", "staff"}
    assert required["Vault.open"] == {"c", "staff"}
    assert required["Cell.Session.peek"] == {"staff"}


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("wip", 'no method is called "wip"; did you mean "wipe"?'),
        ("Sesion.close", 'no method is called "Sesion.close"; did you mean "Session.close"?'),
        ("renamed", 'no method is called "renamed"'),
        ("inne", 'no method is called "inne"'),
        ("Item.*", 'no method is called "Item.*"'),
        ("Vault.Sesion.*", 'no method is called "Vault.Sesion.*"; did you mean "Vault.Session.*"?'),
        ("wipe()", 'no method is called "wipe()"; did you mean "wipe"?'),
    ],
)
def test_a_rule_that_matches_nothing_is_refused(
    pattern: str, told: str, schema: Schema, struct_type: Find
) -> None:
    rules = [RoleRule(("open",), ("a",)), RoleRule(("wipe", pattern), ("b",))]
    with pytest.raises(RuleError) as raised:
        ServiceRules(schema, struct_type(schema, "Vault"), (), rules)
    ((place, text),) = raised.value.complaints
    assert place == 1
    assert text.startswith(told)
    assert '"inner"' not in text


def test_what_is_not_in_the_schema_requires_what_everything_does(
    schema: Schema, struct_type: Find, compile_text: Compile
) -> None:
    other = compile_text("interface Stranger { call @0 () -> (); }")
    stranger = struct_type(other, "Stranger")
    rules = ServiceRules(schema, struct_type(schema, "Vault"), ["staff"])
    assert not rules.knows(stranger.node_id)
    assert rules.required(BoundMethod(stranger, other.interface(stranger.node_id).methods[0])) == {"staff"}
    assert rules.roles == {"staff", "keeper", "owner", "guard", "admin"}


def test_objects_of_a_service_as_it_was_follow_the_rules_of_now(
    compile_text: Compile, struct_type: Find
) -> None:
    head = 'using Gateway = import "/gateway.capnp";\n'
    shop = "interface Shop @0xf1a2b3c4d5e6f702 { order @0 () -> (); }"
    old = 'interface Old @0xf1a2b3c4d5e6f703 { erase @0 () -> () $Gateway.requires(["admin"]); }'
    earlier, later = compile_text(head + shop + old), compile_text(head + shop)
    before = ServiceRules(earlier, struct_type(earlier, "Shop"), ["everybody"])
    now = ServiceRules(later, struct_type(later, "Shop"), ["staff"], [RoleRule(("order",), ("clerk",))])
    assert now.over(now) is now
    both = now.over(before)

    def required(name: str) -> frozenset[str]:
        interface = struct_type(earlier, name)
        return both.required(BoundMethod(interface, earlier.interface(interface.node_id).methods[0]))

    assert required("Shop") == {"staff", "clerk"}
    assert required("Old") == {"staff", "everybody", "admin"}

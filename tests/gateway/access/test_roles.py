"""Which schemas are refused because they require roles, and where the error says it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cara_pseud.schema.nodes import Schema, Type
from gateway.access.roles import unenforced_roles

# The first line is the file's id.
HEAD = 'using Gateway = import "/gateway.capnp";\ninterface Shop {'
GUARDED = 'interface Guarded { erase @0 () -> () $Gateway.requires(["admin"]); }'

REFUSED = [
    ("a method", ["a @0 () -> ();", 'b @1 () -> () $Gateway.requires(["admin"]);', "}"], [(5, "method b")]),
    ("a method of two lines", ["a @0 (x :Text)", '-> () $Gateway.requires(["x", "y"]);', "}"], [(4, "method a")]),
    ("an object in a result", ["a @0 () -> (it :Guarded);", "}", GUARDED], [(6, "method erase")]),
    ("an object in a list", ["a @0 () -> (all :List(Guarded));", "}", GUARDED], [(6, "method erase")]),
    ("a client's object", ["a @0 (it :Guarded) -> ();", "}", GUARDED], [(6, "method erase")]),
    ("an object in a struct that is all results", ["a @0 () -> Made;", "}", "struct Made { it @0 :Guarded; }", GUARDED],
     [(7, "method erase")]),
    ("an object in a group in a union", ["a @0 () -> (made :Made);", "}",
     "struct Made { union { none @0 :Void; some :group { next @1 :Made; it @2 :Guarded; } } }", GUARDED],
     [(7, "method erase")]),
    ("an object in a generic", ["a @0 () -> (box :Box(List(Guarded)));", "}", "struct Box(T) { it @0 :T; }", GUARDED],
     [(7, "method erase")]),
    ("a generic that grows", ["a @0 () -> (box :Box(Text));", "}",
     "struct Box(T) { it @0 :Guarded; next @1 :Box(Box(T)); }", GUARDED], [(7, "method erase")]),
    ("an object of an object",
     ["a @0 () -> (it :Inner);", "interface Inner { b @0 () -> (it :Guarded); }", "}", GUARDED], [(7, "method erase")]),
]  # fmt: skip
WHOLE = [
    ("an interface", 'interface Shop $Gateway.requires(["admin"]) {\n a @0 () -> (); }', [(3, "interface Shop")]),
    ("a superclass", 'interface Shop extends(Base) {}\ninterface Base $Gateway.requires(["admin"]) { a @0 () -> (); }',
     [(4, "interface Base")]),
    ("an interface without methods of its own",
     'interface Base { a @0 () -> (); }\ninterface Shop extends(Base) $Gateway.requires(["admin"]) {}',
     [(4, "interface Shop")]),
]  # fmt: skip
ACCEPTED = [
    ("a hidden method", 'interface Shop { a @0 () -> () $Gateway.requires(["admin"]) $Gateway.hidden; }'),
    ("a hidden interface", 'interface Shop $Gateway.hidden { a @0 () -> () $Gateway.requires(["admin"]); }'),
    ("an object of a hidden method", f"interface Shop {{ a @0 () -> (it :Guarded) $Gateway.hidden; }} {GUARDED}"),
    ("what nothing leads to", f"interface Shop {{ a @0 () -> (); }} {GUARDED}"),
    ("no role", "interface Shop { a @0 () -> () $Gateway.requires([]); }"),
]

Compile = Callable[[str], Schema]
Find = Callable[[Schema, str], Type]


def found(text: str, compile_text: Compile, struct_type: Find) -> list[tuple[int | None, str]]:
    schema = compile_text(text)
    errors = list(unenforced_roles(schema, struct_type(schema, "Shop")))
    return [(error.line, error.reason.removeprefix("the ").partition(" has ")[0]) for error in errors]


@pytest.mark.parametrize(
    ("text", "expected"),
    [pytest.param("\n".join([HEAD, *lines]), expected, id=name) for name, lines, expected in REFUSED]
    + [pytest.param('using Gateway = import "/gateway.capnp";\n' + text, expected, id=name)
       for name, text, expected in WHOLE],
)  # fmt: skip
def test_roles_that_clients_can_reach_are_refused(
    text: str, expected: list[tuple[int, str]], compile_text: Compile, struct_type: Find
) -> None:
    assert found(text, compile_text, struct_type) == expected


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in ACCEPTED])
def test_roles_that_no_client_can_reach_are_none_of_the_gateway_s_business(
    text: str, compile_text: Compile, struct_type: Find
) -> None:
    assert found('using Gateway = import "/gateway.capnp";\n' + text, compile_text, struct_type) == []


def test_the_error_says_what_is_wrong_and_what_to_do(compile_text: Compile, struct_type: Find) -> None:
    schema = compile_text(f'{HEAD} a @0 () -> () $Gateway.requires(["admin", "clerk"]); }}')
    (error,) = unenforced_roles(schema, struct_type(schema, "Shop"))
    assert str(error).endswith(
        'main.capnp:3: the method a has $Gateway.requires(["admin", "clerk"]), but without [gateway.auth] nobody has '
        "roles, so it would be open to everybody: say in [gateway.auth] who may ask, take the annotation away, or make "
        "it $Gateway.hidden"
    )

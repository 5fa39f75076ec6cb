"""What ``using`` calls by another name at the top of a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import cara_pseud
from cara_pseud.schema.aliases import Aliases, alias_texts
from cara_pseud.schema.nodes import FileNode, StructNode

Write = Callable[..., Path]

COMMON = """@0xb5f3c07e56b6a7d2;
struct Person { name @0 :Text; struct Inner { x @0 :Int32; } const limit :Int32 = 5; }
enum Color { red @0; }
interface Service { ping @0 () -> (); }
struct Box(T) { v @0 :T; struct In { w @0 :T; } }
const answer :Int32 = 42;
using Alias = Person;
annotation note (field) :Text;
"""
MAIN = """@0xb5f3c07e56b6a7d3;
using Common = import "/lib/common.capnp";   # `using Commented = Common;`
using Common.Person;
using Kid = Common . Person.Inner ;
using import "lib/common.capnp".Color;
using Common.Alias;
using Texts = List(Text);
using TextBox = Common.Box(Text);
using Bound = Common.Box(Common.Person).In;
using Common.answer;
using note = Common.note;
using limit = Common.Person.limit;
using Chain = Alias;
using Me = .Mine;
using Nested = List(List(Common.Box(List(Color))));
using Wide = UInt64;
using
  Common.Service;
const text :Text = "using Quoted = Common;";
struct Mine { p @0 :Person; using Deep = Common.Color; d @1 :Deep; boxes @2 :List(TextBox); }
"""


@pytest.fixture
def module(write: Write) -> cara_pseud.Module:
    directory = write({"main.capnp": MAIN, "lib/common.capnp": COMMON})
    return cara_pseud.load(directory / "main.capnp")


def test_declarations_files_and_types_are_visible_on_the_module(module: cara_pseud.Module) -> None:
    common = module.Common
    assert isinstance(common, ModuleType)
    assert (common.__id__, common.answer) == (0xB5F3C07E56B6A7D2, 42)
    assert module.Person is common.Person is module.Alias is module.Chain is common.Alias
    assert (module.Kid, module.Color, module.Me) == (common.Person.Inner, common.Color, module.Mine)
    assert module.Service is common.Service
    assert module.TextBox is common.Box[cara_pseud.Text]
    assert module.Bound is common.Box[common.Person].In
    assert module.Texts is cara_pseud.List[cara_pseud.Text]
    assert module.Nested is cara_pseud.List[cara_pseud.List[common.Box[cara_pseud.List[common.Color]]]]
    assert (module.answer, module.limit, module.note.name, module.Wide) == (42, 5, "note", cara_pseud.UInt64)


def test_they_are_listed_and_what_is_none_is_not_there(module: cara_pseud.Module) -> None:
    assert module.__all__ == [
        "text", "Mine", "Common", "Person", "Kid", "Color", "Alias", "Texts", "TextBox", "Bound", "answer", "note",
        "limit", "Chain", "Me", "Nested", "Wide", "Service",
    ]  # fmt: skip
    assert set(module.__all__) <= set(dir(module))
    for name in ("Commented", "Quoted", "Deep", "NotThere"):
        assert not hasattr(module, name)


def test_names_within_a_declaration_know_what_is_around_it(module: cara_pseud.Module, write: Write) -> None:
    assert module.Mine.Deep is module.Mine().Deep is module.Common.Color
    directory = write({"inner.capnp": INNER})
    inner = cara_pseud.load(directory / "inner.capnp")
    box = inner.Box[cara_pseud.Text]
    assert (box.Tag, box.Self, box.Whole) == (box.Label, box, inner.Box[cara_pseud.Data])
    assert box.Tag(of="x").of == "x"
    assert (box.Label.Up, inner.Thing.Box, inner.Thing.Box.Tag) == (box, inner.Box, inner.Box.Label)
    assert inner.Thing({"go": lambda parts: parts[0]}).Parts is inner.Thing.Parts is cara_pseud.List[inner.Thing.Part]
    for name in ("Free", "File", "InGroup", "Part"):
        assert not hasattr(inner.Box, name)
    assert not hasattr(inner, "Tag")


INNER = """@0xb5f3c07e56b6a7d5;
struct Box(T) {
  using Tag = Label; using Self = Box; using Whole = Box(Data); using Free = T;
  using File = import "/capnp/c++.capnp";
  value @0 :T;
  group :group { x @1 :Tag; }
  struct Label { of @0 :T; using Up = Box; }
}
interface Thing {
  using Box = .Box; using Parts = List(Part);
  struct Part { number @0 :Int32; }
  go @0 (parts :Parts) -> (part :Part);
}
"""


def test_structs_of_either_name_are_the_same(module: cara_pseud.Module) -> None:
    assert isinstance(module.Mine(p=module.Person(name="Ann")).p, module.Common.Person)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("using A = B; using C.D; using E;", ["A", "D"]),
        ('using import "x".Y; struct S { using Z = Y; } using Last = S', ["Y"]),
        ('using A = import "b;c.capnp".D; # using N = M;\n', ["A"]),
        ("user A = B; @0x1; using A = B(", []),
    ],
)
def test_only_whole_statements_at_the_top_declare_names(text: str, names: list[str]) -> None:
    assert [name for name in alias_texts(text).get((), ()) if name.isidentifier()] == names


def test_each_declaration_has_names_of_its_own() -> None:
    text = "using A = B; struct S { g :group { using C = D; } interface I { using A = E; using F.G; } using H = A; }"
    found = alias_texts(text)
    assert {scope: list(names) for scope, names in found.items() if "" not in scope} == {
        (): ["A"], ("S", "I"): ["A", "G"], ("S",): ["H"],
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "using A = B; using B = A;", "using A = A.A;", "using A = List(A);", "using A = Gone;", "using A = Text.x;",
        'using A = import "/gone.capnp";', "using A = S(S;", "using A = S(S))", "using A = .;", "using A = List(Text;",
        "using A = Text(Text);", "using A = List;", "using A = 5;", "using A = 'x';", "using A = " + "S(" * 100 + ";",
    ],
)
def test_what_leads_in_a_circle_or_nowhere_is_left_out(text: str) -> None:
    node = StructNode(id=1, name="S", display_name="a.capnp:S", scope_id=9, fields=())
    file = FileNode(id=9, name="a.capnp", display_name="a.capnp", scope_id=0, nested=(("S", 1),))
    known = {**alias_texts(text).get((), {}), **alias_texts("using Good = S;")[()]}
    assert Aliases({1: node, 9: file}, {9: known}, {"a.capnp": 9}).of(9) == (("Good", 1),)

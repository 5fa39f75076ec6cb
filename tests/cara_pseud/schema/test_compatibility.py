"""What may be changed in a schema, and what may not, and where the one that may not stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from cara_pseud.schema.compatibility import incompatibilities
from cara_pseud.schema.loader import compile_schema
from cara_pseud.schema.nodes import Kind, Type

EVOLUTION = Path(__file__).parents[2] / "integration" / "evolution"

OLD = """\
@0xe1f0a9c4d2b38571;
enum State { idle @0; busy @1; }
struct Part @0xc3d1e8f0a7b24569 { x @0 :Int32; }
struct Job @0x9be0d4c3a2f18765 {
  id @0 :Int32 = 5;
  name @1 :Text;
  part @2 :Part;
  any @3 :AnyPointer;
  ids @4 :List(Int32);
  union { none @5 :Void; one @6 :Int32; }
  group :group { size @7 :Int32; }
}
interface Base @0xf4c1d2e3b5a69788 { base @0 () -> (); }
interface Calls @0xa9b8c7d6e5f40312 extends(Base) {
  list @0 (first :Int32, second :Text) -> (one :Int32);
  whole @1 Job -> Job;
  several @2 () -> (one :Int32, two :Text);
  any @3 () -> (value :AnyPointer);
  sends @4 (job :Job) -> stream;
}
"""


def complaints(tmp_path: Path, *changes: tuple[str, str], served: bool = False) -> list[str]:
    new = OLD
    for before, after in changes:
        assert before in new
        new = new.replace(before, after, 1)
    for name, text in (("old.capnp", OLD), ("new.capnp", new)):
        (tmp_path / name).write_text(text, "utf-8")
    old_schema, new_schema = compile_schema(tmp_path / "old.capnp"), compile_schema(tmp_path / "new.capnp")
    interface = new_schema.find("Calls")
    assert interface is not None
    found = incompatibilities(old_schema, new_schema, Type(Kind.INTERFACE, interface.id) if served else None)
    return [str(one).replace(f"{tmp_path}/", "") for one in found]


COMPATIBLE = [
    [],
    [("name @1 :Text;", "name @1 :Text; note @8 :Text;")],
    [("name @1 :Text;", "title @1 :Text;")],
    [("id @0 :Int32 = 5;", "of :union { id @0 :Int32 = 5; key @8 :Text; }")],
    [("ids @4 :List(Int32);", "ids @4 :List(Part);")],
    [("one @6 :Int32;", "one @6 :Int32; two @8 :Text;")],
    [("busy @1;", "working @1; done @2;")],
    [("size @7 :Int32;", "size @7 :Int32; color @8 :Int32;")],
    [("second :Text)", "second :Text, third :Bool)")],
    [("(one :Int32);", "(one :Int32, two :Text);")],
    [("(one :Int32);", "(renamed :Int32);")],
    [("-> stream;", "-> stream; more @5 () -> ();")],
    [("list @0", "enlist @0")],
]


@pytest.mark.parametrize("changes", COMPATIBLE)
def test_what_the_schema_language_permits_is_no_complaint(tmp_path: Path, changes: list[tuple[str, str]]) -> None:
    assert complaints(tmp_path, *changes) == []


INCOMPATIBLE = [
    ("name @1 :Text;", "name @1 :Data;", "new.capnp:6: the field Job.name was Text and is Data"),
    (
        "= 5;", "= 6;",
        "new.capnp:5: the field Job.id has the default 6, which was 5: a field that is not set has two values",
    ),
    (
        "part @2 :Part;", "in :group { part @2 :Part; }",
        "new.capnp:7: the field Job.in is a struct, which cannot move into a group or union: both are maps on the wire",
    ),
    (
        "any @3 :AnyPointer;", "in :group { any @3 :AnyPointer; }",
        "new.capnp:8: the field Job.in is an AnyPointer, which cannot move into a group or union: both are maps on the "
        "wire",
    ),
    ("List(Int32)", "List(Text)", "new.capnp:9: the field Job.ids was List(Int32) and is List(Text)"),
    ("idle @0; busy @1;", "busy @0; idle @1;", "new.capnp:2: the enumerant State.idle was number 0 and is number 1"),
    ("idle @0; busy @1;", "idle @0;", "old.capnp:2: the enumerant State.busy is gone"),
    (
        "list @0 (first :Int32, second :Text)", "list @0 Part",
        "new.capnp:15: the method Calls.list takes a list of parameters in one version and a struct in the other: they "
        "are not told apart",
    ),
    (
        "whole @1 Job -> Job;", "whole @1 Job -> (job :Job);",
        "new.capnp:16: the method Calls.whole gives a list of results in one version and a struct in the other: they "
        "are not told apart",
    ),
    (
        "(one :Int32, two :Text)", "(one :Int32, second :Text)",
        "new.capnp:17: the method Calls.several has the result second, which was called two: several results travel by "
        "name",
    ),
    (
        "(first :Int32, second :Text)", "(first :Int32, other :Text)",
        "new.capnp:15: the method Calls.list has the parameter other, which was called second: callers may give it by "
        "name",
    ),
    (
        "(first :Int32, second :Text)", "(first :Int64, second :Text)",
        "new.capnp:15: the method Calls.list has the parameter first, which was Int32 and is Int64",
    ),
    ("second :Text)", "second :Data)", None),
    (
        "(value :AnyPointer)", "(value :AnyPointer, more :Text)",
        "new.capnp:18: the method Calls.any has more results beside the AnyPointer value, which cannot be told from a "
        "map of them",
    ),
    (
        "-> stream;", "-> ();",
        "new.capnp:19: the method Calls.sends is a stream, or was one: the other side waits for another answer",
    ),
    (" extends(Base)", "", "new.capnp:14: Calls extends Base no more"),
    ("\n  sends @4 (job :Job) -> stream;", "", "old.capnp:19: the method Calls.sends is gone"),
    (
        "union { none @5 :Void; one @6 :Int32; }", "none @5 :Void; one @6 :Int32;",
        "new.capnp:10: the field Job.none was a member of the union, and is none any more",
    ),
]


@pytest.mark.parametrize(("before", "after", "complaint"), INCOMPATIBLE)
def test_what_breaks_one_side_is_named_with_its_place(
    tmp_path: Path, before: str, after: str, complaint: str | None
) -> None:
    found = complaints(tmp_path, (before, after))
    assert found
    assert complaint is None or complaint in found


def test_methods_of_a_served_interface_must_keep_their_names(tmp_path: Path) -> None:
    assert complaints(tmp_path, ("list @0", "enlist @0"), served=True) == [
        "new.capnp:15: the method Calls.enlist was called list, and methods of a served interface are called by name"
    ]


def test_the_versions_that_are_tested_against_each_other_are_compatible() -> None:
    old, new = compile_schema(EVOLUTION / "old.capnp"), compile_schema(EVOLUTION / "new.capnp")
    found = [str(one) for one in incompatibilities(old, new)]
    assert [one.partition(": ")[2] for one in found] == [
        "the method Evolving.renamed has the parameter new, which was called old: callers may give it by name",
    ]

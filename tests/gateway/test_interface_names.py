from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cara_pseud.schema.loader import compile_schema
from cara_pseud.schema.nodes import Kind, Schema, describe_type
from gateway.interface_names import interfaces_by_name


def test_interfaces_have_the_names_that_handles_show(compile_text: Callable[[str], Schema]) -> None:
    schema = compile_text("""
        interface Shop { get @0 (boxes :List(Box(Text))) -> (pair :Pair(Data, Box(Item))); interface Listener {} }
        interface Box(T) { put @0 (item :T, all :List(Box(T))) -> (); }
        interface Pair(A, B) extends(Box(A)) {}
        struct Item { group :group { deep @0 :Pair(Text, Text); } }
        interface Own extends(Box(Data)) {}
    """)
    found = interfaces_by_name(schema)
    assert [name for name in found if ":" not in name] == [
        "Box", "Own", "Pair", "Shop", "Shop.Listener", "Box(Data)", "Box(Item)", "Box(Text)", "Pair(Data, Box(Item))",
        "Pair(Text, Text)",
    ]  # fmt: skip
    for name, type in found.items():
        assert type.kind is Kind.INTERFACE
        assert describe_type(schema, type) == name.rpartition(":")[2]


def test_of_namesakes_the_root_file_s_has_the_name(tmp_path: Path) -> None:
    (tmp_path / "a.capnp").write_text("@0xb5f3c07e56b6a7d2; interface Item { other @0 () -> (); } interface Only {}")
    (tmp_path / "main.capnp").write_text(
        '@0xb5f3c07e56b6a7d3; using A = import "a.capnp"; interface Shop { put @0 (a :A.Item, o :A.Only) -> (); }'
        " interface Item { mine @0 () -> (); }"
    )
    schema = compile_schema([tmp_path / "main.capnp"])
    found = interfaces_by_name(schema)
    names = {name: schema.nodes[type.node_id].display_name for name, type in found.items()}
    assert names == {
        "Item": "main.capnp:Item", "main.capnp:Item": "main.capnp:Item", "Shop": "main.capnp:Shop",
        "main.capnp:Shop": "main.capnp:Shop", "a.capnp:Item": "a.capnp:Item", "Only": "a.capnp:Only",
        "a.capnp:Only": "a.capnp:Only",
    }  # fmt: skip

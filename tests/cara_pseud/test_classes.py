"""Modules made of schemas: declarations, constants, annotations, imports, the global registry."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest

import cara_pseud
from cara_pseud import GlobalTypeRegistry
from cara_pseud.classes import SchemaClasses, module_from_schema
from cara_pseud.schema.nodes import Kind

SCHEMAS = Path(__file__).parent / "schemas"
values: Any = cara_pseud.load(SCHEMAS / "values.capnp")
calls: Any = cara_pseud.load(SCHEMAS / "calls.capnp")


def test_declarations_are_attributes_of_the_module() -> None:
    assert values.__all__[:3] == ["note", "origin", "flag"]
    assert set(values.__all__) <= set(dir(values))
    assert values.Item.__name__ == "Item"
    assert values.Item is values.Item
    assert (values.__name__, values.Item.__module__) == ("values_capnp", "values_capnp")
    assert Path(values.__file__).name == "values.capnp"
    assert values.__id__ == 0xD4C9B2A1F0E3D602
    with pytest.raises(AttributeError, match=r"values\.capnp has no declaration 'Nope'"):
        _ = values.Nope


def test_nested_declarations_are_attributes_of_their_class() -> None:
    Outer = values.Outer
    assert Outer.Inner is Outer.__fields__["inner"].type
    assert list(Outer.Inner.Kind) == [0, 1]
    assert Outer.Inner.limit == 9
    assert Outer().Inner is Outer.Inner
    with pytest.raises(AttributeError, match="Outer has no declaration 'Nope'"):
        _ = Outer.Nope


def test_classes_know_their_declaration() -> None:
    assert values.Item.__struct_type__.kind is Kind.STRUCT
    assert calls.Counter.__interface_type__.kind is Kind.INTERFACE
    assert values.Color.__enum_type__.kind is Kind.ENUM
    for declared in (values.Item, calls.Counter, values.Color):
        assert declared.__schema__.nodes[declared.__id__].name == declared.__name__
    assert values.Item.__schema__ is values.__schema__


def test_constants_are_their_values() -> None:
    assert (values.answer, values.greeting, values.pi, values.raw) == (42, "hi", 3.5, b"\x01\x02")
    assert values.favourite is values.Color.green
    assert values.spot == {"x": 5}
    assert type(values.spots).__name__ == "List[Point]"
    declared = values.__constants__["answer"]
    assert (declared.type, declared.value, declared.name) == (cara_pseud.Int32, 42, "answer")
    assert declared.annotations() == {"note": "about the answer"}


def test_a_constant_cannot_be_changed_through_what_was_read_of_it() -> None:
    values.spots.append({})
    values.spot.x = 6
    assert len(values.spots) == 2
    assert values.spot.x == 5


def test_annotations_on_every_target() -> None:
    struct = values.Defaults
    assert struct.__annotations__["note"] == "about defaults"
    assert struct.__annotations__["origin"] == {"x": 1, "y": 2}
    assert struct.__annotations__["flag"] is None
    assert "flag" in struct.__annotations__
    assert values.Item.__annotations__ == {}
    assert struct.text.annotations() == {"note": "about text"}
    assert values.Choice.__fields__["inner"].annotations() == {"note": "about the union"}
    assert values.__annotations__ == {"note": "about the file"}
    assert calls.Methods.__annotations__ == {"note": "about methods"}
    assert calls.Methods.add.annotations() == {"note": "adds"}
    assert calls.Methods.add.parameters["first"].annotations() == {"note": "the first"}
    assert calls.Methods.nothing.annotations() == {}


def test_annotations_are_found_by_id_too() -> None:
    annotations = values.Defaults.__annotations__
    assert annotations[0xA2B1C3D4E5F60799] == "about defaults"
    assert 0xA2B1C3D4E5F60799 in annotations
    assert 5 not in annotations
    with pytest.raises(KeyError):
        _ = annotations[5]


def test_a_declared_annotation_describes_itself() -> None:
    assert values.origin.targets == ("struct", "field")
    assert values.origin.type.__name__ == "Point"
    assert values.origin.id == 0xA2B1C3D4E5F6079A


def test_imported_types_are_those_of_their_file() -> None:
    classes = SchemaClasses(values.__schema__)
    main: Any = module_from_schema(values.__schema__, classes=classes)
    shared_id = next(node.id for node in values.__schema__.nodes.values() if node.display_name.endswith("shared.capnp"))
    shared: Any = module_from_schema(values.__schema__, shared_id, classes)
    assert main.Defaults.__fields__["point"].type is shared.Point
    assert shared.Point.__module__ == "shared_capnp"


def test_values_of_another_load_are_converted() -> None:
    other: Any = cara_pseud.load(SCHEMAS / "values.capnp")
    order = values.Order(items=[other.Item(qty=1)], main=other.Item(name="x"))
    assert type(order.main) is type(order["items"][0]) is values.Item
    assert order == {0: [{0: 1}], 2: {1: "x"}}


def test_registered_classes_are_found_by_id() -> None:
    id = values.Defaults.__id__
    newest: Any = cara_pseud.load(SCHEMAS / "values.capnp")
    assert GlobalTypeRegistry[id] is newest.Defaults
    assert id in GlobalTypeRegistry
    assert values.Item.__id__ not in GlobalTypeRegistry
    assert GlobalTypeRegistry[id].__name__ == "Defaults"
    assert id in list(GlobalTypeRegistry)
    assert len(GlobalTypeRegistry) >= 1


SHORT = """@0xd4c9b2a1f0e3d6f1; using Cara = import "/capnp/cara.capnp";
struct Short @0xd4c9b2a1f0e3d6f2 $Cara.registerGlobally {} interface Live @0xd4c9b2a1f0e3d6f3 $Cara.registerGlobally {}
"""


def test_the_registry_keeps_nothing_alive_and_finds_what_is(tmp_path: Path) -> None:
    path = tmp_path / "short.capnp"
    path.write_text(SHORT)
    older: Any = cara_pseud.load(path)
    newer: Any = cara_pseud.load(path)
    assert GlobalTypeRegistry[0xD4C9B2A1F0E3D6F2] is newer.Short
    assert GlobalTypeRegistry[0xD4C9B2A1F0E3D6F3] is newer.Live
    del newer
    gc.collect()
    assert GlobalTypeRegistry[0xD4C9B2A1F0E3D6F2] is older.Short
    del older
    gc.collect()
    assert 0xD4C9B2A1F0E3D6F2 not in GlobalTypeRegistry


def test_documentation_comes_from_the_schema() -> None:
    assert calls.Methods.add.signature().text == "add(first :Int32, second :Int32) -> (result :Int32)"
    assert calls.Methods.page.signature().text == (
        'page(prefix :Text, limit :UInt16 = 50, order :Color = green, near :Point = {"0": 1}) -> (text :Text)'
    )
    assert calls.Methods.byStruct.signature().text == "byStruct Item -> Item"
    assert calls.Methods.stream.signature().text == "stream(chunk :Data) -> stream"

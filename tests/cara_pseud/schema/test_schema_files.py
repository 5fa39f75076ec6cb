"""The schemas that we ship, and those of the shared vectors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cara_pseud.schema.loader import compile_schema
from cara_pseud.schema.nodes import (
    AnnotationNode,
    FileNode,
    InterfaceNode,
    Kind,
    Node,
    Schema,
    StructNode,
    Type,
    describe_type,
)

Write = Callable[..., Path]
VOID = Type(Kind.VOID)
ROOT = Path(__file__).parents[3]
VECTORS = ROOT / "tests" / "vectors"
SHIPPED = ("gateway", "calculator", "addressbook", "capnp/cara", "capnp/compat/json")


@pytest.fixture(scope="module")
def shipped() -> Schema:
    return compile_schema([ROOT / "schemas" / f"{name}.capnp" for name in SHIPPED])


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    return {name: json.loads((VECTORS / f"{name}.json").read_text()) for name in ("json_cases", "wire_cases")}


def find(schema: Schema, name: str, kind: type[Any]) -> Any:
    for root in schema.roots:
        node = schema.find(name, root)
        if node is not None:
            assert isinstance(node, kind)
            return node
    raise AssertionError(name)


def signature(schema: Schema, interface: str, method: str) -> str:
    (found,) = [known for known in find(schema, interface, InterfaceNode).methods if known.name == method]

    def described(type: Type) -> str:
        fields = schema.struct(type.node_id).fields
        return ", ".join(
            f"{field.name} :{describe_type(schema, field.type or VOID)}"
            + (f" = {field.default}" if field.has_explicit_default else "")
            for field in fields
        )

    return f"{found.name} @{found.id} ({described(found.params)}) -> ({described(found.results)})"


def web_annotations(schema: Schema, interface: str, method: str) -> dict[str, Any]:
    (found,) = [known for known in find(schema, interface, InterfaceNode).methods if known.name == method]
    return {applied.name: applied.value for applied in found.annotations}


def declared_shape(schema: Schema, file: FileNode) -> dict[str, Any]:
    """All of a file that matters to others: ids, names, types, targets, defaults."""

    def shape(node: Node) -> Any:
        if isinstance(node, AnnotationNode):
            return node.id, describe_type(schema, node.type), sorted(node.targets)
        assert isinstance(node, StructNode)
        return node.id, [
            (field.id, field.name, field.type and describe_type(schema, field.type), field.default, field.discriminant)
            for field in node.fields
        ]

    found, waiting = {}, list(file.nested)
    while waiting:
        _, id = waiting.pop()
        node = schema.nodes[id]
        found[node.qualified_name] = shape(node)
        waiting += node.nested
    return found


def test_every_declaration_we_ship_is_documented(shipped: Schema) -> None:
    missing = []
    for node in shipped.nodes.values():
        if node.display_name.partition(":")[0].removesuffix(".capnp") not in SHIPPED or "$" in node.name:
            continue
        if not node.doc:
            missing.append(node.display_name)
        missing += [f"{node.display_name}.{method.name}" for method in getattr(node, "methods", ()) if not method.doc]
    assert missing == []


def test_the_json_annotations_are_the_published_ones(shipped: Schema, vectors: dict[str, Any], write: Write) -> None:
    text = vectors["json_cases"]["imports"]["/capnp/compat/json.capnp"]
    published = compile_schema([write({"json.capnp": text}) / "json.capnp"])
    theirs, ours = published.nodes[0x8EF99297A43A5E34], shipped.nodes[0x8EF99297A43A5E34]
    assert isinstance(theirs, FileNode)
    assert isinstance(ours, FileNode)
    assert declared_shape(shipped, ours) == declared_shape(published, theirs)


def test_caras_annotation_has_its_id(shipped: Schema) -> None:
    node = shipped.nodes[0xEBD6C4912189BE2C]
    assert isinstance(node, AnnotationNode)
    assert (node.name, node.scope_id) == ("registerGlobally", 0xD30E8D7461442F16)
    assert node.targets == ("enum", "struct", "interface")


def test_the_gateways_annotations_have_their_targets_and_types(shipped: Schema) -> None:
    declared = {
        name: (describe_type(shipped, node.type), set(node.targets))
        for name, id in shipped.nodes[shipped.roots[0]].nested
        if isinstance(node := shipped.nodes[id], AnnotationNode)
    }
    both = {"method", "interface"}
    assert declared == {
        "http": ("Http", {"method"}), "readOnly": ("Void", both), "idempotent": ("Void", both),
        "hidden": ("Void", both), "timeout": ("UInt32", both),
        "requires": ("List(Text)", both), "body": ("Text", {"method"}), "sensitive": ("Void", {"field", "param"}),
    }  # fmt: skip
    http = find(shipped, "Http", StructNode)
    assert [(field.name, field.default) for field in http.fields] == [("verb", "post"), ("path", None), ("body", None)]


@pytest.mark.parametrize(
    ("interface", "expected"),
    [
        ("Calculator", "add @0 (first :Int32, second :Int32) -> (result :Int32)"),
        ("Calculator", "divide @1 (dividend :Int32, divisor :Int32) -> (quotient :Int32, remainder :Int32)"),
        ("Calculator", "accumulator @2 (start :Int64 = 0) -> (accumulator :Calculator.Accumulator)"),
        ("Calculator", "map @3 (values :List(Int32), transform :Calculator.Transform) -> (results :List(Int32))"),
        ("AddressBook", "find @0 (name :Text) -> (person :Person)"),
        ("AddressBook", "add @1 (person :Person) -> (person :Person)"),
        ("AddressBook", "list @2 (prefix :Text, limit :UInt16 = 50) -> (people :List(Person))"),
        ("AddressBook", "watch @3 (listener :AddressBook.Listener) -> (subscription :AddressBook.Subscription)"),
        ("AddressBook.Listener", "changed @0 (person :Person, change :Change) -> ()"),
        ("AddressBook.Subscription", "cancel @0 () -> ()"),
        ("Person.Updater", "update @0 (person :Person) -> (person :Person)"),
        ("Person.Updater", "delete @1 () -> ()"),
    ],
)
def test_the_example_services_have_their_methods(shipped: Schema, interface: str, expected: str) -> None:
    assert signature(shipped, interface, expected.partition(" ")[0]) == expected


def test_the_address_book_has_its_fields_and_changes(shipped: Schema) -> None:
    person = find(shipped, "Person", StructNode)
    assert [(field.name, describe_type(shipped, field.type)) for field in person.fields] == [
        ("name", "Text"), ("phoneNumber", "Text"), ("email", "Text"), ("tags", "List(Text)"),
        ("updater", "Person.Updater"),
    ]  # fmt: skip
    change = next(node for node in shipped.nodes.values() if node.qualified_name == "Change")
    assert [enumerant.name for enumerant in change.enumerants] == ["added", "updated", "deleted"]  # type: ignore[attr-defined]


def test_the_address_book_says_how_the_web_may_call_it(shipped: Schema) -> None:
    get_person = {0: "get", 1: "/people/{name}"}
    assert web_annotations(shipped, "AddressBook", "find") == {"readOnly": None, "http": get_person}
    assert web_annotations(shipped, "AddressBook", "add") == {"http": {0: "post", 1: "/people", 2: "person"}}
    assert web_annotations(shipped, "AddressBook", "list") == {"readOnly": None, "http": {0: "get", 1: "/people"}}
    assert web_annotations(shipped, "Calculator", "add") == {}
    assert web_annotations(shipped, "Calculator", "divide") == {"readOnly": None}


def test_the_schema_of_the_wire_vectors_compiles(vectors: dict[str, Any], write: Write) -> None:
    schema = compile_schema([write({"v.capnp": vectors["wire_cases"]["schema"]}) / "v.capnp"])
    shape = find(schema, "Shape", StructNode)
    assert [(field.id, field.name, field.ordinal) for field in shape.fields] == [
        (0, "label", 0), (1, "circle", 1), (2, "square", 2), (3, "nothing", 3), (4, "kind", None), (5, "after", 6),
    ]  # fmt: skip
    assert find(schema, "people", Node).value == [{0: "A", 1: "1"}, {0: "B"}]
    assert [describe_type(schema, parent) for parent in find(schema, "Derived", InterfaceNode).superclasses] == ["Base"]


def test_the_schemas_of_the_json_vectors_compile(vectors: dict[str, Any], write: Write) -> None:
    files = vectors["json_cases"]["schemas"]
    root = write(files)
    schema = compile_schema([root / name for name in files])
    defaults = {field.name: field.default for field in find(schema, "Defaults", StructNode).fields}
    assert (defaults["u64"], defaults["e"], defaults["p"]) == (2**64 - 1, 2, {0: 3, 1: 4})
    annotated = {field.name: field.annotations for field in find(schema, "Flat", StructNode).fields}
    assert [(applied.name, applied.value) for applied in annotated["pre"]] == [("flatten", {0: "p_"})]
    assert [(applied.name, applied.value) for applied in annotated["g2"]] == [("flatten", {})]
    assert [applied.value for applied in find(schema, "DiscValue", StructNode).annotations] == [{0: "type", 1: "value"}]

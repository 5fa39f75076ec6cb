from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from cara_pseud.errors import SchemaError
from cara_pseud.schema.literals import MAX_DEPTH
from cara_pseud.schema.nodes import (
    Annotation,
    AnnotationNode,
    ConstNode,
    EnumNode,
    FileNode,
    InterfaceNode,
    Kind,
    Method,
    Node,
    Schema,
    StructNode,
    Type,
    describe_type,
    substitute,
)

Compile = Callable[..., Schema]

DECLARATIONS = """
@0xd4c9b2a1f0e3d587;
# The file.
$note("file");

annotation note @0xd4c9b2a1f0e3d501 (*) :Text;
# On everything.
annotation level @0xd4c9b2a1f0e3d502 (field, enumerant) :Grade;
enum Grade { poor @0; good @1; }
annotation flag @0xd4c9b2a1f0e3d503 (struct) :Void;
annotation many @0xd4c9b2a1f0e3d504 (struct) :List(Point) $note("annotation");
annotation boxed @0xd4c9b2a1f0e3d505 (struct) :Box(Text);
annotation point @0xd4c9b2a1f0e3d506 (struct) :Point;
annotation number @0xd4c9b2a1f0e3d507 (struct) :UInt64;
annotation real @0xd4c9b2a1f0e3d508 (struct) :Float32;
annotation yes @0xd4c9b2a1f0e3d509 (struct) :Bool;
annotation bytes @0xd4c9b2a1f0e3d50a (struct) :Data;

enum Level $note("enum") { low @0 $note("enumerant"); high @1 $level(good); }
struct Point { x @0 :Int32; y @1 :Int32; }
struct Box(T) { value @0 :T; }
const answer :Int32 = 42 $note("const");
using Alias = Point;

struct Subject $note("struct") $flag $many([(x = 1), (y = 2)]) $boxed((value = "in")) $point(x = 3) $number(7)
    $real(0.5) $yes(true) $bytes("d") {
  plain @0 :Int32 $note("field") $level(good);
  union { member @1 :Text $note("member"); other @2 :Void; }
  named :union $note("union") { a @3 :Int32; b @4 :Int32; }
  group :group $note("group") { c @5 :Int32; }
  default @6 :Int32 = 5;
}
interface Service $note("interface") {
  call @0 (a :Int32 $note("param"), b :Text = "x") -> (c :Int32 $note("result")) $note("method");
}

struct Types {
  void @0 :Void; bool @1 :Bool; int8 @2 :Int8; int16 @3 :Int16; int32 @4 :Int32; int64 @5 :Int64;
  uint8 @6 :UInt8; uint16 @7 :UInt16; uint32 @8 :UInt32; uint64 @9 :UInt64; float32 @10 :Float32; float64 @11 :Float64;
  text @12 :Text; data @13 :Data; level @14 :Level; point @15 :Point; service @16 :Service; any @17 :AnyPointer;
  anyStruct @18 :AnyStruct; anyList @19 :AnyList; capability @20 :Capability;
  list @21 :List(Int32); nested @22 :List(List(Text)); points @23 :List(Point); levels @24 :List(Level);
  services @25 :List(Service); boxes @26 :List(Box(Text));
}
struct Places {
  last @5 :Int32;
  group :group { first @0 :Int32; second @3 :Text; }
  middle @2 :Int32;
  choice :union { one @4 :Int32; two :group { deep @1 :Int32; } }
  union { left @6 :Int32; right @7 :Text; both :group { l @8 :Int32; r @9 :Int32; } }
}
struct Outer { struct Middle { enum Inner { a @0; } const c :Int8 = 1; } interface I {} annotation n (*) :Void; }
"""

GENERICS = """
@0xd4c9b2a1f0e3d588;
struct Box(T) { value @0 :T; }
struct Pair(A, B) { first @0 :A; second @1 :B; boxes @2 :List(Box(A)); swapped @3 :Pair(B, A); }
struct Uses {
  text @0 :Box(Text); nested @1 :Box(Box(Data)); list @2 :Box(List(Int64)); raw @3 :Box; pair @4 :Pair(Text, Box(Text));
  half @5 :Outer(Text).Inner; plain @6 :Outer.Inner; face @7 :Face(Text, Data); any @8 :Box(AnyPointer);
}
struct Outer(A) {
  interface Service(T) {
    mixed @0 [X, Y] (x :X, t :T, a :A, inner :Inner, other :Outer(Text).Inner, boxed :Box(Y))
        -> (y :Y, t :T, box :Box(X));
    structs @1 Box(T) -> Box(A);
    implicit @2 [X] Box(X) -> (x :X);
    both @3 [X] (x :X) -> Box(X);
  }
  struct Inner { a @0 :A; group :group { g @1 :A; } }
  self @0 :Outer(A);
  inherited @1 :Inner;
  group :group { grouped @2 :Box(A); }
  interface Special extends(Service(A), Face(A, Text)) {}
}
interface Face(S, R) { exchange @0 (send :S) -> (receive :R); }
interface Third extends(Outer(Data).Special) { own @0 () -> (); }
interface Bare extends(Face) {}
"""

METHODS = """
@0xd4c9b2a1f0e3d589;
struct Person { name @0 :Text; }
interface Base { inherited @0 () -> (); overlapped @1 () -> (); }
interface Second extends(Base) { other @0 () -> (); }
interface Service extends(Base, Second) {
  late @2 ();
  overlapped @0 (z :Int32 = 3, a :Text, m :List(Int8) = [1]) -> (q :Int32, r :Int32);
  structs @1 Person -> Person;
  stream @3 (chunk :Data) -> stream;
  half @4 Person -> (name :Text);
}
interface Loop extends(Pool) {}
interface Pool extends(Loop) {}
"""


@pytest.fixture(scope="module")
def declarations(compile_text: Compile) -> Schema:
    return compile_text(DECLARATIONS)


@pytest.fixture(scope="module")
def generics(compile_text: Compile) -> Schema:
    return compile_text(GENERICS)


@pytest.fixture(scope="module")
def methods(compile_text: Compile) -> Schema:
    return compile_text(METHODS)


def find(schema: Schema, name: str, kind: type[Any]) -> Any:
    node = schema.find(name)
    assert isinstance(node, kind)
    return node


def type_names(schema: Schema, node: StructNode, brand: Any = ()) -> dict[str, str]:
    return {field.name: describe_type(schema, substitute(field.type, brand)) for field in node.fields if field.type}


def method(schema: Schema, interface: str, name: str) -> Method:
    methods: tuple[Method, ...] = find(schema, interface, InterfaceNode).methods
    return next(method for method in methods if method.name == name)


def notes(annotations: tuple[Annotation, ...]) -> list[Any]:
    return [annotation.value for annotation in annotations if annotation.name == "note"]


def test_the_file_is_the_root_and_names_its_declarations_in_source_order(declarations: Schema) -> None:
    (root,) = declarations.roots
    file = declarations.nodes[root]
    assert isinstance(file, FileNode)
    assert (file.id, file.scope_id, file.name, file.display_name) == (0xD4C9B2A1F0E3D587, 0, "main.capnp", "main.capnp")
    assert [name for name, _ in file.nested] == [
        "note", "level", "Grade", "flag", "many", "boxed", "point", "number", "real", "yes", "bytes",
        "Level", "Point", "Box", "answer", "Subject", "Service", "Types", "Places", "Outer",
    ]  # fmt: skip
    assert file.text == DECLARATIONS
    assert file.path.endswith("/main.capnp")
    assert all(declarations.nodes[id].scope_id == root for _, id in file.nested)


def test_nested_declarations_know_their_scope(declarations: Schema) -> None:
    inner = find(declarations, "Outer.Middle.Inner", EnumNode)
    assert (inner.name, inner.qualified_name) == ("Inner", "Outer.Middle.Inner")
    assert declarations.nodes[inner.scope_id] is declarations.find("Outer.Middle")
    assert [name for name, _ in find(declarations, "Outer", StructNode).nested] == ["Middle", "I", "n"]
    assert find(declarations, "Outer.Middle.c", ConstNode).value == 1


def test_every_kind_of_type(declarations: Schema) -> None:
    assert type_names(declarations, find(declarations, "Types", StructNode)) == {
        "void": "Void", "bool": "Bool", "int8": "Int8", "int16": "Int16", "int32": "Int32", "int64": "Int64",
        "uint8": "UInt8", "uint16": "UInt16", "uint32": "UInt32", "uint64": "UInt64", "float32": "Float32",
        "float64": "Float64", "text": "Text", "data": "Data", "level": "Level", "point": "Point", "service": "Service",
        "any": "AnyPointer", "anyStruct": "AnyStruct", "anyList": "AnyList", "capability": "Capability",
        "list": "List(Int32)", "nested": "List(List(Text))", "points": "List(Point)", "levels": "List(Level)",
        "services": "List(Service)", "boxes": "List(Box(Text))",
    }  # fmt: skip
    kinds = {field.name: field.type.kind for field in find(declarations, "Types", StructNode).fields}
    assert (kinds["level"], kinds["point"], kinds["service"]) == (Kind.ENUM, Kind.STRUCT, Kind.INTERFACE)


def test_field_ids_are_places_in_the_compiled_list(declarations: Schema) -> None:
    fields = find(declarations, "Places", StructNode).fields
    # A group stands at its lowest member's place, and its members count from 0.
    assert [(field.id, field.name, field.ordinal, field.code_order) for field in fields] == [
        (0, "group", None, 1), (1, "choice", None, 3), (2, "middle", 2, 2), (3, "last", 5, 0),
        (4, "left", 6, 4), (5, "right", 7, 5), (6, "both", None, 6),
    ]  # fmt: skip
    group = declarations.struct(fields[0].group_id or 0)
    assert group.is_group
    assert (group.name, group.qualified_name) == ("group", "Places.group")
    assert group.scope_id == find(declarations, "Places", StructNode).id
    assert [(field.id, field.name, field.ordinal) for field in group.fields] == [(0, "first", 0), (1, "second", 3)]


def test_unions_give_their_members_discriminants(declarations: Schema) -> None:
    places = find(declarations, "Places", StructNode)
    assert [(field.name, field.discriminant) for field in places.union] == [("left", 0), ("right", 1), ("both", 2)]
    assert {field.name: field.discriminant for field in places.fields}["middle"] is None
    choice = declarations.struct(next(field.group_id for field in places.fields if field.name == "choice") or 0)
    assert choice.is_group
    assert {field.name for field in choice.union} == {"one", "two"}
    two = next(field for field in choice.fields if field.name == "two")
    assert two.type is None
    assert [field.name for field in declarations.struct(two.group_id or 0).fields] == ["deep"]


def test_enumerants_are_in_order_of_their_numbers(compile_text: Compile) -> None:
    schema = compile_text("@0xd4c9b2a1f0e3d58a; enum E { c @2; a @0; b @1; }")
    enumerants = find(schema, "E", EnumNode).enumerants
    assert [(member.id, member.name, member.code_order) for member in enumerants] == [
        (0, "a", 1), (1, "b", 2), (2, "c", 0),
    ]  # fmt: skip


def test_annotations_on_every_target(declarations: Schema) -> None:
    subject = find(declarations, "Subject", StructNode)
    service = find(declarations, "Service", InterfaceNode)
    call = service.methods[0]
    on: Mapping[str, tuple[Annotation, ...]] = {
        "file": declarations.nodes[declarations.roots[0]].annotations,
        "annotation": find(declarations, "many", AnnotationNode).annotations,
        "enum": find(declarations, "Level", EnumNode).annotations,
        "enumerant": find(declarations, "Level", EnumNode).enumerants[0].annotations,
        "const": find(declarations, "answer", ConstNode).annotations,
        "struct": subject.annotations,
        "interface": service.annotations,
        "method": call.annotations,
        "param": declarations.struct(call.params.node_id).fields[0].annotations,
        "result": declarations.struct(call.results.node_id).fields[0].annotations,
        **{target: next(field for field in subject.fields if field.name == name).annotations
           for target, name in (("field", "plain"), ("member", "member"), ("union", "named"), ("group", "group"))},
    }  # fmt: skip
    assert {target: notes(annotations) for target, annotations in on.items()} == {target: [target] for target in on}


def test_annotation_values_of_every_type(declarations: Schema) -> None:
    subject = find(declarations, "Subject", StructNode)
    assert [(annotation.name, annotation.value) for annotation in subject.annotations] == [
        ("note", "struct"), ("flag", None), ("many", [{0: 1}, {1: 2}]), ("boxed", {0: "in"}), ("point", {0: 3}),
        ("number", 7), ("real", 0.5), ("yes", True), ("bytes", b"d"),
    ]  # fmt: skip
    assert [(applied.id, applied.value) for applied in subject.fields[0].annotations] == [
        (0xD4C9B2A1F0E3D501, "field"),
        (0xD4C9B2A1F0E3D502, 1),
    ]
    assert [describe_type(declarations, applied.type) for applied in subject.annotations] == [
        "Text", "Void", "List(Point)", "Box(Text)", "Point", "UInt64", "Float32", "Bool", "Data",
    ]  # fmt: skip


def test_declared_annotations_know_their_targets(declarations: Schema) -> None:
    assert find(declarations, "level", AnnotationNode).targets == ("enumerant", "field")
    assert set(find(declarations, "note", AnnotationNode).targets) == {
        "file", "const", "enum", "enumerant", "struct", "field", "union", "group", "interface", "method", "param",
        "annotation",
    }  # fmt: skip
    assert find(declarations, "level", AnnotationNode).type.kind is Kind.ENUM


def test_doc_comments_reach_their_declarations(declarations: Schema) -> None:
    assert declarations.nodes[declarations.roots[0]].doc == "The file."
    assert find(declarations, "note", AnnotationNode).doc == "On everything."
    assert find(declarations, "level", AnnotationNode).doc == ""


def test_bound_types_carry_their_brand(generics: Schema) -> None:
    assert type_names(generics, find(generics, "Uses", StructNode)) == {
        "text": "Box(Text)", "nested": "Box(Box(Data))", "list": "Box(List(Int64))", "raw": "Box",
        "pair": "Pair(Text, Box(Text))", "half": "Outer.Inner", "plain": "Outer.Inner", "face": "Face(Text, Data)",
        "any": "Box(AnyPointer)",
    }  # fmt: skip
    fields = {field.name: field.type for field in find(generics, "Uses", StructNode).fields}
    outer, box = find(generics, "Outer", StructNode).id, find(generics, "Box", StructNode).id
    assert fields["half"].brand == ((outer, (Type(Kind.TEXT),)),)
    assert fields["plain"].brand == fields["raw"].brand == ()
    assert fields["any"].brand == ((box, (Type(Kind.ANY_POINTER),)),)


def test_type_parameters_are_scope_and_index(generics: Schema) -> None:
    pair = find(generics, "Pair", StructNode)
    assert (pair.parameters, pair.is_generic) == (("A", "B"), True)
    types = {field.name: field.type for field in pair.fields}
    assert types["first"] == Type(Kind.ANY_POINTER, parameter=(pair.id, 0))
    assert types["second"] == Type(Kind.ANY_POINTER, parameter=(pair.id, 1))
    assert type_names(generics, pair) == {"first": "A", "second": "B", "boxes": "List(Box(A))", "swapped": "Pair(B, A)"}
    brand = ((pair.id, (Type(Kind.TEXT), Type(Kind.DATA))),)
    assert type_names(generics, pair, brand) == {
        "first": "Text", "second": "Data", "boxes": "List(Box(Text))", "swapped": "Pair(Data, Text)",
    }  # fmt: skip


def test_inherited_scopes_bind_each_parameter_to_itself(generics: Schema) -> None:
    outer = find(generics, "Outer", StructNode)
    itself = (outer.id, (Type(Kind.ANY_POINTER, parameter=(outer.id, 0)),))
    types = {field.name: field.type for field in outer.fields}
    assert types["self"].brand == types["inherited"].brand == (itself,)
    bound = substitute(types["inherited"], ((outer.id, (Type(Kind.TEXT),)),))
    inner = find(generics, "Outer.Inner", StructNode)
    assert type_names(generics, inner, bound.brand) == {"a": "Text"}
    assert type_names(generics, generics.struct(inner.fields[1].group_id), bound.brand) == {"g": "Text"}
    assert inner.is_generic
    assert inner.parameters == ()


def test_methods_resolve_through_the_interface_they_are_called_on(generics: Schema) -> None:
    third = find(generics, "Third", InterfaceNode)
    known = {bound.method.name: bound for bound in generics.methods(Type(Kind.INTERFACE, third.id))}
    assert list(known) == ["own", "mixed", "structs", "implicit", "both", "exchange"]
    bound = known["mixed"]
    params = substitute(bound.method.params, bound.interface.brand)
    results = substitute(bound.method.results, bound.interface.brand)
    # X and Y are the method's own and stay open; A and T are what Third binds them to.
    assert type_names(generics, generics.struct(params.node_id), params.brand) == {
        "x": "X", "t": "Data", "a": "Data", "inner": "Outer.Inner", "other": "Outer.Inner", "boxed": "Box(Y)",
    }  # fmt: skip
    assert type_names(generics, generics.struct(results.node_id), results.brand) == {
        "y": "Y", "t": "Data", "box": "Box(X)",
    }  # fmt: skip
    exchange = known["exchange"]
    params = substitute(exchange.method.params, exchange.interface.brand)
    results = substitute(exchange.method.results, exchange.interface.brand)
    assert type_names(generics, generics.struct(params.node_id), params.brand) == {"send": "Data"}
    assert type_names(generics, generics.struct(results.node_id), results.brand) == {"receive": "Text"}
    structs = known["structs"]
    assert describe_type(generics, substitute(structs.method.params, structs.interface.brand)) == "Box(Data)"


@pytest.mark.parametrize(("name", "results"), [("implicit", {"x": "Text"}), ("both", {"value": "Text"})])
def test_a_methods_own_type_parameters_are_bound_through_its_params(
    generics: Schema, name: str, results: dict[str, str]
) -> None:
    generic = method(generics, "Outer.Service", name)
    assert generic.type_parameters == ("X",)
    bindings = ((generic.params.node_id, (Type(Kind.TEXT),)),)
    for type, expected in ((generic.params, {"implicit": {"value": "Text"}, "both": {"x": "Text"}}[name]),
                           (generic.results, results)):  # fmt: skip
        bound = substitute(type, bindings)
        assert type_names(generics, generics.struct(bound.node_id), bound.brand) == expected


def test_results_share_the_type_parameters_of_their_params(generics: Schema) -> None:
    mixed = method(generics, "Outer.Service", "mixed")
    results = generics.struct(mixed.results.node_id)
    assert results.fields[0].type == Type(Kind.ANY_POINTER, parameter=(mixed.params.node_id, 1))
    assert type_names(generics, results, ((mixed.params.node_id, (Type(Kind.TEXT), Type(Kind.DATA))),)) == {
        "y": "Data", "t": "T", "box": "Box(Text)",
    }  # fmt: skip


def test_superclasses_are_in_terms_of_the_interfaces_own_parameters(generics: Schema) -> None:
    special = find(generics, "Outer.Special", InterfaceNode)
    assert [describe_type(generics, parent) for parent in special.superclasses] == ["Outer.Service(A)", "Face(A, Text)"]
    assert [parent.brand for parent in find(generics, "Bare", InterfaceNode).superclasses] == [()]


def test_methods_are_in_order_of_their_numbers_and_parameters_as_written(methods: Schema) -> None:
    service = find(methods, "Service", InterfaceNode)
    assert [(method.id, method.name, method.code_order) for method in service.methods] == [
        (0, "overlapped", 1), (1, "structs", 2), (2, "late", 0), (3, "stream", 3), (4, "half", 4),
    ]  # fmt: skip
    params = methods.struct(service.methods[0].params.node_id)
    assert [(field.id, field.name, field.default, field.has_explicit_default) for field in params.fields] == [
        (0, "z", 3, True), (1, "a", None, False), (2, "m", [1], True),
    ]  # fmt: skip
    assert params.name == "overlapped$Params"
    assert params.scope_id == 0


def test_inline_lists_are_told_from_structs(methods: Schema) -> None:
    person = find(methods, "Person", StructNode).id
    structs = method(methods, "Service", "structs")
    assert (structs.params_inline, structs.results_inline) == (False, False)
    assert (structs.params.node_id, structs.results.node_id) == (person, person)
    half = method(methods, "Service", "half")
    assert (half.params_inline, half.results_inline) == (False, True)
    late = method(methods, "Service", "late")
    assert (late.params_inline, late.results_inline) == (True, True)
    assert methods.struct(late.results.node_id).fields == ()


def test_stream_results_are_known_without_an_import(methods: Schema) -> None:
    stream = method(methods, "Service", "stream")
    assert stream.streaming
    assert stream.results.node_id == 0x995F9A3377C0B16E
    assert not method(methods, "Service", "late").streaming


def test_inherited_methods_are_called_on_the_interface_that_declares_them(methods: Schema) -> None:
    service = find(methods, "Service", InterfaceNode)
    declaring = {
        bound.method.name: methods.nodes[bound.interface.node_id].name
        for bound in methods.methods(Type(Kind.INTERFACE, service.id))
    }
    assert declaring == {
        "overlapped": "Service", "structs": "Service", "late": "Service", "stream": "Service", "half": "Service",
        "inherited": "Base", "other": "Second",
    }  # fmt: skip


def test_interfaces_that_extend_each_other_do_not_loop(methods: Schema) -> None:
    loop = find(methods, "Loop", InterfaceNode)
    assert methods.methods(Type(Kind.INTERFACE, loop.id)) == ()
    assert len(list(methods.ancestry(Type(Kind.INTERFACE, loop.id)))) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"struct A {{\n  a @0 :{'List(' * 100}Text{')' * 100};\n}}",
         f"main.capnp:3: A: a type is nested deeper than {MAX_DEPTH}"),
        ("\n" + "struct A {" * 100 + "}" * 100, f": a declaration is nested deeper than {MAX_DEPTH} levels"),
    ],
)  # fmt: skip
def test_types_and_scopes_have_a_greatest_depth(compile_text: Compile, text: str, message: str) -> None:
    with pytest.raises(SchemaError) as caught:
        compile_text("@0xd4c9b2a1f0e3d58b;\n" + text)
    assert message in str(caught.value)
    assert caught.value.line is not None


def test_every_id_in_a_schema_leads_to_a_node(declarations: Schema, generics: Schema, methods: Schema) -> None:
    def ids(type: Type | None) -> set[int]:
        if type is None:
            return set()
        found = {type.node_id} if type.node_id else set()
        found |= {type.parameter[0]} if type.parameter else set()
        for scope, bound in type.brand:
            found |= {scope}.union(*map(ids, bound))
        return found | ids(type.element)

    def used(node: Node) -> set[int]:
        found = {id for _, id in node.nested} | {annotation.id for annotation in node.annotations}
        for field in getattr(node, "fields", ()):
            found |= ids(field.type) | ({field.group_id} if field.group_id else set())
        for method in getattr(node, "methods", ()):
            found |= ids(method.params) | ids(method.results)
        return found.union(*map(ids, getattr(node, "superclasses", ())))

    for schema in (declarations, generics, methods):
        for node in schema.nodes.values():
            assert used(node) <= schema.nodes.keys()

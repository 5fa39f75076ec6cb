from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from cara_pseud.errors import SchemaError
from cara_pseud.schema import compiler, loader
from cara_pseud.schema.diagnosis import LastWords
from cara_pseud.schema.loader import compile_schema, schema_files
from cara_pseud.schema.nodes import FileNode, StructNode
from cara_pseud.schema.trees import pycapnp_tree

Write = Callable[..., Path]
ID = "@0xd4c9b2a1f0e3d587;\n"
OTHER = "@0xd4c9b2a1f0e3d588;\n"


def test_several_files_are_one_schema_with_their_roots_in_order(write: Write) -> None:
    text = f'{ID}using B = import "b.capnp"; struct A {{ b @0 :B.B; }}'
    root = write({"a.capnp": text, "b.capnp": f"{OTHER}struct B {{}}"})
    schema = compile_schema([root / "b.capnp", str(root / "a.capnp"), root / "b.capnp"])
    assert schema.roots == (0xD4C9B2A1F0E3D588, 0xD4C9B2A1F0E3D587, 0xD4C9B2A1F0E3D588)
    assert schema.find("A") is not None
    assert schema.find("B") is not None
    assert schema.find("A", root=schema.roots[0]) is None
    field = schema.struct(schema.find("A").id).fields[0]  # type: ignore[union-attr]
    assert schema.nodes[field.type.node_id] is schema.find("B")  # type: ignore[union-attr]


def test_everything_in_imported_files_is_there(write: Write) -> None:
    other = f"{OTHER}# The other file.\nstruct Unused {{}}"
    root = write({"a.capnp": f'{ID}using B = import "b.capnp";', "b.capnp": other})
    schema = compile_schema([root / "a.capnp"])
    node = schema.nodes[0xD4C9B2A1F0E3D588]
    assert isinstance(node, FileNode)
    assert (node.display_name, node.doc) == ("b.capnp", "The other file.")
    assert schema.find("Unused", root=node.id) is not None
    assert schema.find("Unused") is None


def test_the_standard_files_are_always_on_the_import_path(write: Write) -> None:
    names = ["gateway"] + [f"capnp/{name}" for name in ("cara", "compat/json", "stream", "c++", "schema", "rpc")]
    imports = "".join(f'using I{number} = import "/{name}.capnp";\n' for number, name in enumerate(names))
    root = write({"a.capnp": f"{ID}{imports}struct A {{ node @0 :I5.Node; }} struct B $I1.registerGlobally {{}}"})
    schema = compile_schema([root / "a.capnp"])
    files = {node.display_name for node in schema.nodes.values() if isinstance(node, FileNode)}
    assert files == {"a.capnp", *(f"{name}.capnp" for name in names)}
    found = schema.find("B")
    assert found is not None
    assert [(applied.id, applied.name) for applied in found.annotations] == [(0xEBD6C4912189BE2C, "registerGlobally")]


def test_the_import_path_comes_first_and_the_files_own_directory_next(write: Write) -> None:
    root = write({
        "sub/a.capnp": f'{ID}using B = import "/b.capnp"; using G = import "/gateway.capnp";',
        "path/b.capnp": f"{OTHER}# From the path.", "sub/b.capnp": OTHER, "sub/gateway.capnp": "@0xd4c9b2a1f0e3d589;",
    })  # fmt: skip
    schema = compile_schema([root / "sub" / "a.capnp"], [root / "path"])
    assert schema.nodes[0xD4C9B2A1F0E3D588].doc == "From the path."
    assert 0xD4C9B2A1F0E3D589 in schema.nodes


def test_one_path_is_taken_for_a_list_of_one(write: Write) -> None:
    root = write({"a.capnp": f'{ID}using B = import "/b.capnp";', "sub/b.capnp": OTHER})
    assert compile_schema(str(root / "a.capnp"), str(root / "sub")).roots == (0xD4C9B2A1F0E3D587,)
    assert compile_schema(root / "a.capnp", root / "sub").roots == (0xD4C9B2A1F0E3D587,)  # type: ignore[arg-type]


def test_line_ends_and_byte_order_marks_do_not_matter(write: Write) -> None:
    text = "\ufeff@0xd4c9b2a1f0e3d587;\nstruct A {\n  # Doc.\n  a @0 :Text;\n  # Field.\n}\n".replace("\n", "\r\n")
    root = write({"a.capnp": text})
    found = compile_schema([root / "a.capnp"]).find("A")
    assert isinstance(found, StructNode)
    assert (found.doc, found.fields[0].doc) == ("Doc.", "Field.")


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("struct A {\n  x @0 :Itn32;\n}", 3, 'Not defined: Itn32 (in "x")'),
        ("struct A {\n  x @0 :Text\n}", 4, 'Parse error at `}`; perhaps a ";" is missing before it.'),
        ("struct A {\n  x @0 :Text;\n", 4, "Parse error: the file ends too early."),
        ('const a :Text = "abc;', 2, 'Parse error at `const a :Text = "abc;`.'),
        ("struct A {} struct A {}", 2, None),
        ("struct A @0xd4c9b2a1f0e3d500 {}\n\nstruct B @0xd4c9b2a1f0e3d500 {}", 4, None),
        ("struct A {\n a @0 :Int8;\n b @2 :Int8; }", 4,
         'Skipped ordinal @1. Ordinals must be sequential with no holes. (in "b")'),
        ("struct A {\n\n  x @0 :Int8 = 300;\n}", 4, 'Integer value out of range. (in "x")'),
        ("annotation n (field) :Text;\nstruct A $n(\"x\") {}", 3, "'n' cannot be applied to this kind of declaration."),
        ("const a :Int32 = \"x\";\nconst b :Text = 5;", 2, "Type mismatch; expected Int32."),
        ("struct a {}", 2, "Type names must begin with a capital letter."),
        ("struct A { x @0 :List(AnyPointer); }", 2, "'List(AnyPointer)' is not supported. (in \"x\")"),
        ("struct B(T) {}\nstruct A { x @0 :B(Int32); }", 3,
         'Sorry, only pointer types can be used as generic parameters. (in "x")'),
        ("enum E {\n  a @0 $n(b);\n  b @1;\n}\nannotation n (*) :E;", None, None),
        ("interface A {\n  a @0 () -> ();\n  a @1 () -> ();\n}", 4, "'a' is already defined in this scope."),
        (f"struct A {{\n  x @0 :{'List(' * 5000}Text{')' * 5000};\n}}", 3,
         "A: a type is nested deeper than 64 levels"),
    ],
)  # fmt: skip
def test_schemas_that_do_not_compile_are_errors_with_file_and_line(
    write: Write, monkeypatch: pytest.MonkeyPatch, text: str, line: int | None, reason: str | None
) -> None:
    monkeypatch.chdir(write({"bad.capnp": ID + text}))
    with pytest.raises(SchemaError) as caught:
        compile_schema(["bad.capnp"])
    error = caught.value
    assert error.file == "bad.capnp"
    assert error.line == line or line is None
    assert str(error).startswith(f"bad.capnp:{error.line}: ")
    assert error.reason == reason or reason is None
    assert "\n" not in str(error)
    assert "cara-schema" not in str(error)


def test_a_file_without_an_id_is_told_one(write: Write) -> None:
    with pytest.raises(SchemaError, match=r"a\.capnp:1: File does not declare an ID\. .* @0x[0-9a-f]{16};"):
        compile_schema([write({"a.capnp": "struct A {}"}) / "a.capnp"])


def test_an_error_in_an_imported_file_names_that_file(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    using = 'using B = import "sub/b.capnp"; struct A { b @0 :B.B; }'
    monkeypatch.chdir(write({"a.capnp": ID + using, "sub/b.capnp": f"{OTHER}\nstruct B {{ b @0 :Missing; }}"}))
    with pytest.raises(SchemaError, match=r"^sub/b\.capnp:3: Not defined: Missing"):
        compile_schema(["a.capnp"])


GROUPS = """
struct S {
  group :group { a @0 :Int32; inner :group { b @1 :Text; } }
  choice :union { x @2 :Int32; y @3 :Void; }
}
struct Generic(T) { group :group { t @0 :T; } }
annotation mark (*) :S;
const known :S = (group = (a = 7));
"""


@pytest.mark.parametrize(
    "text",
    [
        'const c :B.S = (group = (a = 1, inner = (b = "x")), choice = (x = 3));',
        "struct A { s @0 :B.S = (choice = (y = void)); }",
        "struct A { s @0 :List(B.S) = [(group = (a = 1)), (choice = (x = 2))]; }",
        'struct A $B.mark(group = (inner = (b = "x"))) {}',
        "interface A { m @0 (s :B.S = (group = (a = 1)) $B.mark(choice = (x = 1))) -> (); }",
        "const c :B.Generic(B.S) = (group = (t = (group = (a = 1))));",
        "const c :List(B.S) = [.B.known];",
    ],
)
def test_values_may_set_members_of_groups_of_imported_structs(write: Write, text: str) -> None:
    root = write({
        "a.capnp": f'{ID}using B = import "b.capnp";\n{text}', "b.capnp": OTHER + GROUPS,
        "importing.capnp":
            '@0xd4c9b2a1f0e3d589; using A = import "a.capnp"; using B = import "b.capnp"; struct R { s @0 :B.S; }',
    })  # fmt: skip
    alone = compile_schema([root / "a.capnp"])
    # Whatever the compiler has seen of the struct before.
    for names in (["importing"], ["b", "a"], ["importing", "a", "b"]):
        schema = compile_schema([root / f"{name}.capnp" for name in names])
        assert {id: schema.nodes[id] for id in alone.nodes} == alone.nodes


def test_wrong_members_of_groups_of_imported_structs_are_errors(write: Write) -> None:
    text = f'{ID}using B = import "b.capnp";\nconst c :B.S = (group = (nope = 1));'
    root = write({"a.capnp": text, "b.capnp": OTHER + GROUPS})
    for names in (["a"], ["b", "a"]):
        with pytest.raises(SchemaError, match=r"a\.capnp:3: Struct has no field named 'nope'"):
            compile_schema([root / f"{name}.capnp" for name in names])


def test_what_the_compiler_says_while_it_is_tried_is_nobodys_error(write: Write) -> None:
    text = f'{ID}using B = import "b.capnp";\nconst c :B.S = (group = (a = 1));\nstruct A {{ x @0 :Missing; }}'
    root = write({"a.capnp": text, "b.capnp": OTHER + GROUPS})
    with pytest.raises(SchemaError) as caught:
        compile_schema([root / "b.capnp", root / "a.capnp"])
    assert (caught.value.line, caught.value.reason) == (4, 'Not defined: Missing (in "x")')


def test_where_something_left_out_is_needed_after_all_the_first_error_is_told(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def last_words(compiling: str, line: int, reason: str) -> LastWords:
        return LastWords(f"{compiling}:{line}: failed: {reason}", "", -6, compiling)

    root = write({"a.capnp": f'{ID}using B = import "b.capnp";', "b.capnp": f"{OTHER}struct Bad {{}}"})
    b, a = "file1.capnp", "file0.capnp"  # in the order in which they are read
    words = [(b, 1, "The reason."), (b, 2, "The reason."), (a, 1, "Not defined: Bad"), (a, 0, "Not defined: Bad")]
    said = iter([last_words(*each) for each in words])
    monkeypatch.setattr(loader, "_run_compiler", lambda *arguments: next(said))
    with pytest.raises(SchemaError, match=r"b\.capnp:2: The reason\.$"):
        compile_schema([root / "a.capnp"])


@pytest.mark.parametrize("text", ["struct A { streamId @0 :Text; }", "# -> stream", 'const a :Text = "-> stream";'])
def test_a_schema_may_have_its_own_copy_of_a_standard_file(write: Write, text: str) -> None:
    tree = pycapnp_tree()
    assert tree is not None
    own = (tree / "capnp" / "c++.capnp").read_bytes()
    using = f'{ID}using Cxx = import "own/c++.capnp"; $Cxx.namespace("a");\n'
    schema = compile_schema([write({"a.capnp": using + text, "own/c++.capnp": own}) / "a.capnp"])
    assert {node.display_name for node in schema.nodes.values() if isinstance(node, FileNode)} == {
        "a.capnp", "own/c++.capnp"
    }  # fmt: skip


def test_the_compilers_own_schemas_are_roots_like_others(write: Write) -> None:
    tree = pycapnp_tree()
    assert tree is not None
    files = sorted(tree.glob("capnp/*.capnp"))
    assert len(files) >= 6
    for file in files:
        assert compile_schema([file]).nodes
    streaming = write({"a.capnp": f"{ID}interface A {{ m @0 () -> stream; }}"}) / "a.capnp"
    for roots in ([tree / "capnp/stream.capnp", streaming], [streaming, tree / "capnp/stream.capnp"], files):
        assert len(compile_schema(roots).roots) == len(roots)
    copy = write({"stream.capnp": (tree / "capnp/stream.capnp").read_bytes()}) / "stream.capnp"
    assert compile_schema([copy]).find("StreamResult") is not None


def test_comments_may_be_of_any_bytes(write: Write) -> None:
    text = ID.encode() + b"struct A { # caf\xe9 \0\n # na\xefve\n a @0 :Text; # \xff\n}"
    schema = compile_schema([write({"a.capnp": text}) / "a.capnp"])
    found = schema.find("A")
    assert isinstance(found, StructNode)
    assert (found.doc, found.fields[0].doc) == ("caf\ufffd \0\nna\ufffdve", "\ufffd")
    file = schema.nodes[schema.roots[0]]
    assert isinstance(file, FileNode)
    file.text.encode()


BROKEN = [
    "struct Bad { x @0 :Missing; }",
    "struct Bad { x @0 :Missing; } struct AlsoBad { bad @0 :Bad; } const bad :AlsoBad = (bad = (y = 1));",
    "const bad :Int8 = 1000;",
    "interface Bad extends(Missing) {}",
    "struct Bad $missing {}",
    'const bad :Text = embed "missing";',
    'struct Bad { x @0 :import "missing.capnp".X; }',
    "struct Bad { a @0 :Int8; a @1 :Int8; } enum AlsoBad { a @0; a @1; }",
]


@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_wrong_in_an_imported_file_does_not_matter_where_nobody_needs_it(
    write: Write, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    using = 'using B = import "b.capnp"; struct A $B.note { b @0 :B.Good = (a = 3); }'
    other = f"{OTHER}struct Good {{ a @0 :Int8; struct Inner {{ a @0 :Int8; }} }} {broken} annotation note (*) :Void;"
    monkeypatch.chdir(write({"a.capnp": ID + using, "b.capnp": other}))
    schema = compile_schema(["a.capnp"])
    file = 0xD4C9B2A1F0E3D588
    names = {name for name, _ in schema.nodes[file].nested}
    assert {"Good", "note"} <= names
    assert "Bad" not in names
    assert schema.find("Good.Inner", root=file) is not None
    assert caplog.messages[0].startswith("b.capnp:2: ")
    assert caplog.messages[0].endswith("; left out, as nothing that was asked for needs it")


@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_wrong_in_an_imported_file_is_an_error_where_it_is_needed(
    write: Write, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    uses = "const c :Int8 = .B.bad;" if broken.startswith("const") else 'struct A { b @0 :import "b.capnp".Bad; }'
    uses = "interface A extends(B.Bad) {}" if broken.startswith("interface") else uses
    files = {"a.capnp": f'{ID}using B = import "b.capnp"; {uses}', "b.capnp": OTHER + broken}
    monkeypatch.chdir(write(files))
    with pytest.raises(SchemaError, match=r"^b\.capnp:2: "):
        compile_schema(["a.capnp"])
    with pytest.raises(SchemaError, match=r"^b\.capnp:2: "):
        compile_schema(["b.capnp"])


UNREADABLE = ["struct Bad { x @0 Text; }", "struct Bad;", "@0xd4c9b2a1f0e3d5aa;", "using x = ;"]


def test_a_name_for_what_was_left_out_does_not_matter_where_nobody_uses_it(write: Write) -> None:
    root = write({
        "a.capnp": f'{ID}using B=import "b.capnp";using Bad = B.Bad; using Gone = B.Gone; struct A {{ b @0 :B.Good; }}',
        "b.capnp": f"{OTHER}struct Good {{}} struct Bad {{ x @0 :Missing; }} using Gone = Bad;",
    })  # fmt: skip
    schema = compile_schema([root / "a.capnp"])
    assert {node.display_name for node in schema.nodes.values()} == {"a.capnp", "a.capnp:A", "b.capnp", "b.capnp:Good"}


@pytest.mark.parametrize("broken", UNREADABLE)
def test_an_imported_file_that_cannot_be_read_does_not_matter_where_nobody_needs_it(
    write: Write, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    root = write({
        "a.capnp": f'{ID}using C = import "c.capnp"; struct A {{ c @0 :C.Good; }}',
        "b.capnp": f"{OTHER}struct B {{}}\n{broken}",
        "c.capnp": '@0xd4c9b2a1f0e3d589; struct Good {} struct Bad { b @0 :import "b.capnp".B; }',
    })  # fmt: skip
    schema = compile_schema([root / "a.capnp"])
    names = {node.display_name for node in schema.nodes.values()}
    assert names == {"a.capnp", "a.capnp:A", "c.capnp", "c.capnp:Good"}
    assert [message.partition(": ")[0].rpartition("/")[2] for message in caplog.messages] == ["b.capnp:3", "b.capnp:3"]


@pytest.mark.parametrize("broken", UNREADABLE)
def test_where_it_is_needed_it_must_be_readable(write: Write, broken: str) -> None:
    root = write({
        "a.capnp": f'{ID}using B = import "b.capnp"; struct A {{ b @0 :B.B; }}',
        "b.capnp": f"{OTHER}struct B {{}}\n{broken}",
    })  # fmt: skip
    with pytest.raises(SchemaError, match=r"b\.capnp:3: "):
        compile_schema([root / "a.capnp"])


def test_two_files_with_one_id_are_both_named(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write({"a.capnp": f'{ID}using B = import "b.capnp";', "b.capnp": ID.upper().replace("X", "x")}))
    with pytest.raises(SchemaError) as caught:
        compile_schema(["a.capnp"])
    assert "Duplicate ID @0xd4c9b2a1f0e3d587" in str(caught.value)
    assert "a.capnp:1" in str(caught.value)
    assert "b.capnp:1" in str(caught.value)


def test_files_that_are_not_there_are_errors(write: Write) -> None:
    root = write({"a.capnp": ID})
    for path, message in (("b.capnp", "no such file"), (".", "is a directory, not a schema file")):
        with pytest.raises(SchemaError, match=message):
            compile_schema([root / "a.capnp", root / path])
    with pytest.raises(SchemaError, match="no schema file given"):
        compile_schema([])
    with pytest.raises(SchemaError, match="NUL"):
        compile_schema(["a\0b"])


def test_a_compiler_that_takes_too_long_is_stopped(write: Write) -> None:
    long = ID + "".join(f"struct S{number} {{ a @0 :Text; }}\n" for number in range(20_000))
    with pytest.raises(SchemaError, match=r"compiling took longer than 0\.01 s"):
        compile_schema([write({"a.capnp": long}) / "a.capnp"], timeout_s=0.01)


def test_a_compiler_that_cannot_be_started_is_an_error(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write({"a.capnp": ID})
    for executable, message in (
        ("", "sys.executable is empty"),
        (str(root / "missing"), "cannot be started"),
        ("/bin/false", r"the schema compiler failed \(exit status 1\): it said nothing"),
    ):
        monkeypatch.setattr(compiler, "sys", SimpleNamespace(executable=executable, path=[]))
        with pytest.raises(SchemaError, match=message):
            compile_schema([root / "a.capnp"])


def test_compiling_works_within_a_running_event_loop_and_in_threads(write: Write) -> None:
    root = write({"a.capnp": ID, "b.capnp": OTHER})

    async def main() -> int:
        return compile_schema([root / "a.capnp"]).roots[0]

    assert asyncio.run(main()) == 0xD4C9B2A1F0E3D587
    with ThreadPoolExecutor(2) as threads:
        schemas = list(threads.map(lambda name: compile_schema([root / name]), ("a.capnp", "b.capnp", "a.capnp")))
    assert [schema.roots[0] for schema in schemas] == [0xD4C9B2A1F0E3D587, 0xD4C9B2A1F0E3D588, 0xD4C9B2A1F0E3D587]


def test_compiling_works_without_standard_streams_and_without_sigchld(write: Write) -> None:
    using = 'using B = import "b.capnp"; const c :B.S = (group = (a = 1));'
    root = write({"a.capnp": ID + using, "b.capnp": OTHER + GROUPS, "bad.capnp": "struct"})
    script = f"""
import os, signal
for descriptor in (0, 1, 2):
    os.close(descriptor)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
from cara_pseud.errors import SchemaError
from cara_pseud.schema.loader import compile_schema, schema_files
roots = compile_schema([{str(root / "b.capnp")!r}, {str(root / "a.capnp")!r}]).roots
try:
    compile_schema([{str(root / "bad.capnp")!r}])
except SchemaError as error:
    open({str(root / "result")!r}, "w").write(f"{{roots}} {{error.line}}")
"""
    subprocess.run([sys.executable, "-c", script], timeout=60, check=False)
    assert (root / "result").read_text() == f"({0xD4C9B2A1F0E3D588}, {0xD4C9B2A1F0E3D587}) 1"


def test_a_current_directory_that_is_gone_matters_only_to_relative_paths(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write({"a.capnp": ID, "gone/x": ""})
    monkeypatch.chdir(root / "gone")
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    (root / "gone" / "x").unlink()
    (root / "gone").rmdir()
    assert compile_schema([root / "a.capnp"]).roots == (0xD4C9B2A1F0E3D587,)
    with pytest.raises(SchemaError, match=r"a\.capnp: cannot be read: "):
        compile_schema(["a.capnp"])


def test_pycapnp_stays_out_of_this_process_and_nothing_is_left_behind(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write({"a.capnp": ID, "bad.capnp": f"{ID}struct a {{}}", "tmp/x": ""})
    monkeypatch.setattr("tempfile.tempdir", str(root / "tmp"))
    loaded = "capnp" in sys.modules
    compile_schema([root / "a.capnp"])
    with pytest.raises(SchemaError):
        compile_schema([root / "bad.capnp"])
    assert os.listdir(root / "tmp") == ["x"]
    assert ("capnp" in sys.modules) is loaded


def test_two_hundred_interfaces_compile_in_seconds(write: Write) -> None:
    methods = "".join(f"  m{id} @{id} (first :Int32, second :Text) -> (result :Int32);\n" for id in range(10))
    text = ID + "".join(f"interface Service{number} {{\n{methods}}}\n" for number in range(200))
    root = write({"big.capnp": text})
    begun = time.process_time() + sum(os.times()[2:4])
    schema = compile_schema([root / "big.capnp"])
    assert len(schema.nodes) == 1 + 200 * 21
    # Processor time of this process and the child, so that a busy machine does not matter; about 0.8 s was measured.
    assert time.process_time() + sum(os.times()[2:4]) - begun < 4


def test_the_files_of_a_schema_are_known_although_it_does_not_compile(write: Write) -> None:
    text = 'using B = import "b.capnp"; using Gone = import "gone.capnp"; this is no schema'
    root = write({"a.capnp": text, "b.capnp": 'const text :Text = embed "text.txt";', "text.txt": "text"})
    assert set(schema_files(root / "a.capnp")) == {root / "a.capnp", root / "b.capnp", root / "text.txt"}
    assert schema_files(root / "none.capnp") == [root / "none.capnp"]

from __future__ import annotations

import signal

import pytest

from cara_pseud.schema.decoder import CompiledFile
from cara_pseud.schema.diagnosis import LastWords, diagnose

ID = "@0xd4c9b2a1f0e3d587;\n"
FILES = {
    "file0.capnp": CompiledFile("a.capnp", "dir/a.capnp", "/dir/a.capnp", f"{ID}struct A {{\n  a @0 :Text\n}}\n"),
    "file1.capnp": CompiledFile("b.capnp", "b.capnp", "/dir/b.capnp", f"{ID}\n  # 0xD4C9B2A1F0E3D500\n((\n"),
}


def diagnosed(
    stderr: str = "", complaint: str = "", exit_status: int = -6, compiling: str = ""
) -> tuple[str, str | None, int | None]:
    error = diagnose(LastWords(stderr, complaint, exit_status, compiling), FILES)
    return error.reason, error.file, error.line


@pytest.mark.parametrize(
    ("stderr", "expected"),
    [
        (
            "terminate called after throwing an instance of 'kj::ExceptionImpl'\n"
            "  what():  file0.capnp:2: failed: Not  defined:\tFoo\nstack: 1234\n",
            ("Not defined: Foo", "dir/a.capnp", 3),
        ),
        (
            "  what():  capnp/compiler/node-translator.c++:1380: context: member.name = x\n"
            "file0.capnp:0: failed: Bad.\n",
            ('Bad. (in "x")', "dir/a.capnp", 1),
        ),
        # A file that is needed twice; the members are those that need it, not its own.
        (
            "capnp/compiler/node-translator.c++:1380: context: member.name = box\n"
            "file0.capnp:1: failed: Parse error.\nfile0.capnp:1: failed: Parse error.\n",
            ("Parse error at `struct A {`.", "dir/a.capnp", 2),
        ),
        (
            "file0.capnp:0: failed: One.\nfile1.capnp:1: failed: Two.\n",
            ("One.; Two.", "dir/a.capnp", 1),
        ),
        (
            "file0.capnp:2: failed: Internal compiler bug: Bootstrap schema failed to load:\n"
            "file1.capnp:1: failed: It loops.",
            ("It loops.", "b.capnp", 2),
        ),
        ("file0.capnp:2: failed: Internal compiler bug: x", ("Internal compiler bug: x", "dir/a.capnp", 3)),
        ("file0.capnp:3: failed: Parse error.",
         ('Parse error at `}`; perhaps a ";" is missing before it.', "dir/a.capnp", 4)),
        ("file0.capnp:1: failed: Parse error.", ("Parse error at `struct A {`.", "dir/a.capnp", 2)),
        ("file0.capnp:4: failed: Parse error.", ("Parse error: the file ends too early.", "dir/a.capnp", 5)),
        ("file0.capnp:99: failed: Parse error.", ("Parse error: the file ends too early.", "dir/a.capnp", 100)),
        (
            "file0.capnp:1: failed: Duplicate ID @0xd4c9b2a1f0e3d500.",
            ("Duplicate ID @0xd4c9b2a1f0e3d500. It is also in b.capnp:3.", "dir/a.capnp", 2),
        ),
        (
            "file0.capnp:1: failed: Duplicate ID @0xd4c9b2a1f0e3d5ff.",
            ("Duplicate ID @0xd4c9b2a1f0e3d5ff. Two declarations of one scope may have the same name.",
             "dir/a.capnp", 2),
        ),
        ("file0.capnp:1: failed: No 'import \"/file1.capnp\".X'.", ("No 'import \"b.capnp\".X'.", "dir/a.capnp", 2)),
    ],
)  # fmt: skip
def test_the_compilers_message_becomes_a_sentence_with_its_place(stderr: str, expected: tuple[str, str, int]) -> None:
    assert diagnosed(stderr) == expected


def test_long_lines_are_cut() -> None:
    text = f"{ID}{'x' * 500}"
    files = {"f.capnp": CompiledFile("f.capnp", "f.capnp", "/f.capnp", text)}
    error = diagnose(LastWords("f.capnp:1: failed: Parse error.", "", -6, ""), files)
    assert error.reason == f"Parse error at `{'x' * 60}…`."


@pytest.mark.parametrize(("member", "line"), [("a", 3), ("nobody", None)])
def test_an_error_without_a_place_has_that_of_the_member_it_is_about(member: str, line: int | None) -> None:
    stderr = (
        f"  what():  capnp/compiler/node-translator.c++:1380: context: member.name = {member}\n"
        "capnp/compiler/node-translator.c++:436: failed: Bad  news.\nstack: 7f 7f\n"
    )
    shown_name = "b.capnp" if line is None else "dir/a.capnp"
    assert diagnosed(stderr, compiling="file1.capnp") == (f'Bad news. (in "{member}")', shown_name, line)


def test_a_stack_overflow_names_the_deepest_line() -> None:
    reason, file, line = diagnosed(exit_status=-signal.SIGSEGV, compiling="file1.capnp")
    assert ("nested so deeply" in reason, file, line) == (True, "b.capnp", 4)


@pytest.mark.parametrize(
    ("exit_status", "stderr", "expected"),
    [
        (-9, "", "the schema compiler failed (signal 9): it said nothing"),
        (1, "Traceback\nValueError: x\n\n", "the schema compiler failed (exit status 1): ValueError: x"),
        (-11, "", "the schema compiler failed (signal 11): it said nothing"),
    ],
)
def test_any_other_death_tells_how_and_the_last_words(exit_status: int, stderr: str, expected: str) -> None:
    assert diagnosed(stderr, exit_status=exit_status) == (expected, None, None)


def test_an_exception_of_the_compiler_process_is_the_reason() -> None:
    assert diagnosed("noise", complaint="pycapnp cannot be imported: x", exit_status=0, compiling="file0.capnp") == (
        "pycapnp cannot be imported: x", "dir/a.capnp", None,
    )  # fmt: skip

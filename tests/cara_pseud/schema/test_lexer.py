from __future__ import annotations

import pytest

from cara_pseud.schema.comments import doc_comments
from cara_pseud.schema.lexer import deepest_line, imports, is_within_statement, line_of, statements


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('using A = import "/a.capnp";', [("import", "/a.capnp")]),
        ('using import "a.capnp".B;', [("import", "a.capnp")]),
        ('const d :Data = embed "x.bin";', [("embed", "x.bin")]),
        ('import # about it\n  "a.capnp"', [("import", "a.capnp")]),
        ('# import "no.capnp"', []),
        ('const t :Text = "import \\"no.capnp\\"";', []),
        ('const t :Text = "# import"; using import "a".B;', [("import", "a")]),
        ('const t :Text = `import "no.capnp"\n; using A = import "b";', [("import", "b")]),
        ('const d :Data = 0x"00 23"; # "\nusing A = import "c";', [("import", "c")]),
        ('reimport "no"; important "no"', []),
        ("import @0 :Text;", []),
        ('import "a\\x2fb\\057c\\"d"', [("import", 'a/b/c"d')]),
        ('const t :Text = "unterminated;\nusing A = import "d";', [("import", "d")]),
    ],
)
def test_imports_are_found_where_the_compiler_sees_them(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(found.keyword, found.target) for found in imports(text)] == expected


def test_an_import_spans_its_string_with_quotes() -> None:
    text = 'using A = import "/ä.capnp";'
    (found,) = imports(text)
    assert text[found.start : found.end] == '"/ä.capnp"'


def test_statements_end_at_semicolons_and_braces_outside_of_strings_and_comments() -> None:
    text = '@0x1; struct A { # ; {\n a @0 :Text = ";}{"; union { b @1 :Void; } }'
    assert [(statement.first, statement.second, statement.end) for statement in statements(text)] == [
        ("@", "", ";"),
        ("struct", "A", "{"),
        ("a", "", ";"),
        ("union", "", "{"),
        ("b", "", ";"),
        ("", "", "}"),
        ("", "", "}"),
    ]


def test_only_a_lone_word_is_one_word() -> None:
    text = "union { union @0 :Text; union U;"
    assert [statement.is_one_word for statement in statements(text)] == [True, False, False]


def test_text_behind_the_last_statement_is_left_out() -> None:
    assert [statement.first for statement in statements('a; b "unfinished')] == ["a"]
    assert list(statements("")) == []


def test_the_deepest_line_is_where_most_brackets_are_open() -> None:
    assert deepest_line("a (b)\n((c[{}]))\n(((") == 2
    assert deepest_line('"(((("\n# ((((\n(a)') == 3
    assert deepest_line("") == 1


def test_lines_count_from_one() -> None:
    assert [line_of("a\nb\n", position) for position in (0, 1, 2, 4)] == [1, 1, 2, 3]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", False), ("a;", False), ("a; # b\n\n", False), ("a {", False), ("a; b", True), ("a", True)],
)
def test_a_statement_that_began_is_told_from_one_that_ended(text: str, expected: bool) -> None:
    assert is_within_statement(text + "; c;", len(text)) is expected


@pytest.mark.parametrize(
    "piece",
    ["#", '"', '"\\', "(", " ", "struct ", "import ", 'import "', 'import "\\', "import #", "import\n#\n", ";#\n"],
)
def test_long_texts_are_scanned_in_linear_time(piece: str) -> None:
    text = piece * 30_000  # hours, if a scan began anew at each piece
    assert len(list(statements(text))) in (0, 30_000)
    assert len(list(imports(text))) <= 30_000
    assert deepest_line(text) >= 1
    assert len(doc_comments(text)) == 0

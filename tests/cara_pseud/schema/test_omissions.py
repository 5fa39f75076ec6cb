from __future__ import annotations

import pytest

from cara_pseud.schema.omissions import concerns_one_declaration, one_statement_per_line, without_declaration

TEXT = """\
@0xd4c9b2a1f0e3d587;
$note("x");
# A comment { of nobody.
struct A {
  a @0 :Text;
  struct Inner {
    b @0 :Text = "};";
    u :union { c @1 :Void; d @2 :Void; }
  }
  z @1 :Int8;
}
using B = import "b.capnp";
const c :A = (a =
  "x");
"""


@pytest.mark.parametrize(
    ("line", "blank"),
    [
        (1, []),
        (2, [2]),
        (3, []),
        (4, [4, 5, 6, 7, 8, 9, 10, 11]),
        (6, [6, 7, 8, 9]),
        (8, [6, 7, 8, 9]),
        (10, [4, 5, 6, 7, 8, 9, 10, 11]),
        (12, [12]),
        (13, [13, 14]),
        (14, [13, 14]),
        (99, []),
    ],
)
def test_the_smallest_declaration_around_a_line_is_blanked_out(line: int, blank: list[int]) -> None:
    expected = TEXT.splitlines(keepends=True)
    for number in blank:
        expected[number - 1] = " " * len(expected[number - 1].rstrip("\n")) + "\n"
    result = without_declaration(TEXT, line)
    assert [text.rstrip() for text in result.splitlines()] == [text.rstrip() for text in expected]
    assert len(result) == len(TEXT)


def test_every_statement_gets_a_line_of_its_own() -> None:
    text, lines = one_statement_per_line("@0x1;\nstruct A { a @0 :Text; } # }\nconst c :A = (a =\n 'x'); x")
    assert text.split("\n") == [
        "@0x1;",
        "",
        "struct A {",
        " a @0 :Text;",
        " }",
        " # }",
        "const c :A = (a =",
        " 'x');",
        " x",
    ]
    assert lines == [1, 1, 2, 2, 2, 2, 3, 4, 4]


def test_text_that_is_no_schema_does_no_harm() -> None:
    for text in ("", "}", "} } ;", "struct", "struct A { {", '"', "$", "struct A {}}"):
        assert len(without_declaration(text, 1)) == len(text)
        assert one_statement_per_line(text)[0].replace("\n", "") == text


def test_errors_of_a_whole_file_are_told_from_those_of_a_declaration() -> None:
    assert not concerns_one_declaration("Parse error at `x`.")
    assert not concerns_one_declaration("File can only have one ID.")
    assert concerns_one_declaration("Not defined: X")
    assert concerns_one_declaration('import "x": there is no such file')

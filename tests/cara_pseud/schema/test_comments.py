from __future__ import annotations

import pytest

from cara_pseud.schema.comments import doc_comments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("struct A {} # behind", {"A": "behind"}),
        ("struct A { # behind the brace\n}", {"A": "behind the brace"}),
        ("struct A {\n  # below the brace\n}", {"A": "below the brace"}),
        ("struct A {\n  # one\n  # two\n}", {"A": "one\ntwo"}),
        ("struct A { # one\n  # two\n}", {"A": "one\ntwo"}),
        ("struct A {\n\n  # after a blank line\n}", {}),
        ("struct A {\n  # one\n\n  # not two\n}", {"A": "one"}),
        ("# above\nstruct A {}", {}),
        ("struct A\n# before the brace\n{}", {}),
        ("struct A { # early\n} # late", {"A": "early"}),
        ("struct A {\n\n} # late", {"A": "late"}),
        ("struct A {\n}\n# late, below", {"A": "late, below"}),
        ("struct A {}\n\n# on its own", {}),
        ("struct A {}\n# no newline at the end", {"A": "no newline at the end"}),
        ("struct A {\n  #no space\n  #  two spaces\n  #\n}", {"A": "no space\n two spaces\n"}),
        ("struct A {\r\n  # one\r\n  # two\r\n}\r\n", {"A": "one\ntwo"}),
        ("struct A { # ends with brace { and } and ;\n}", {"A": "ends with brace { and } and ;"}),
        ("\ufeff@0xd4c9b2a1f0e3d587;\n# the file", {"": "the file"}),
        ("@0xd4c9b2a1f0e3d587; # the file", {"": "the file"}),
        ("# above\n@0xd4c9b2a1f0e3d587;\n\nstruct A {}", {}),
        ("enum E { # the enum\n  a @0; # first\n  b @1;\n  # second\n}",
         {"E": "the enum", "E.a": "first", "E.b": "second"}),
        ("const c :Text = \"# no; comment\"; # a const", {"c": "a const"}),
        ("const c :Text =\n  `# no; comment\n; # a const", {"c": "a const"}),
        ('const c :Data = 0x"00 # 11"; # a const', {"c": "a const"}),
        ("annotation a @0xd4c9b2a1f0e3d588 (*) :Text; # an annotation", {"a": "an annotation"}),
        ("using A = import \"/a.capnp\"; # nobody's", {}),
        ("using import \"/a.capnp\".B; # nobody's", {}),
        ("$Cxx.namespace(\"x\"); # nobody's", {}),
        ("interface I (T) extends(B(T)) { # the interface\n}", {"I": "the interface"}),
        (
            "interface I {\n  m @0 [X] (a :X, # a's, nobody's\n    b :Text = \";\")\n      -> (c :X)\n    $note;\n"
            "  # the method\n}",
            {"I.m": "the method"},
        ),
        ("struct A {\n  a @0 :Text = \"{\"; # a field\n}", {"A.a": "a field"}),
        ("struct A {\n  g :group { # a group\n    m @0 :Text; # its member\n  }\n}",
         {"A.g": "a group", "A.g.m": "its member"}),
        ("struct A {\n  u :union { # named\n    m @0 :Text; # its member\n  }\n}",
         {"A.u": "named", "A.u.m": "its member"}),
        ("struct A {\n  union { # nobody's\n    m @0 :Text; # a member\n  } # nobody's\n}", {"A.m": "a member"}),
        ("struct A {\n  union {\n    g :group {\n      # a group\n      m @0 :Text; # in it\n    }\n  }\n}",
         {"A.g": "a group", "A.g.m": "in it"}),
        ("struct A {\n  struct B {\n    # inner\n    b @0 :Text; # its field\n  }\n  a @0 :B; # outer's\n}",
         {"A.B": "inner", "A.B.b": "its field", "A.a": "outer's"}),
        ("struct A {\n  struct @0 :Text; # named like a keyword\n  union @1 :Text; # too\n  using @2 :Text; # three\n}",
         {"A.struct": "named like a keyword", "A.union": "too", "A.using": "three"}),
        ("struct A {\n  const c :Int8 = 1; # a nested const\n}", {"A.c": "a nested const"}),
        ("struct A $note(\"{ # ;\") { # annotated\n}", {"A": "annotated"}),
    ],
)  # fmt: skip
def test_a_comment_belongs_to_the_declaration_before_it(text: str, expected: dict[str, str]) -> None:
    assert doc_comments(text) == expected


@pytest.mark.parametrize(
    "text", ["", "}", "}}; struct A {", "struct {", "{{{ # x\n}", 'struct A { "', "@ # x", "struct A"]
)
def test_text_that_is_no_schema_does_no_harm(text: str) -> None:
    assert isinstance(doc_comments(text), dict)

from __future__ import annotations

from pathlib import Path

import pytest

from cara_pseud.schema.loader import compile_schema
from cara_pseud.schema.nodes import Schema, StructNode
from cara_pseud.schema.places import Place, place_of

SCHEMA = """\
# A comment; with a { that opens nothing.
@0xb5f3c07e56b6a7d5;
using Other = import "other.capnp";

interface Shop {  # "};"
  # The comment.

  order @0 (
      count :UInt8) -> ();  buy @1 () -> ();
  interface Receipt { cancel @0 () -> (); }
}

struct
# between
Item {
  union {
    free @0 :Void;
    price @1 :UInt8 = 5;
  }
  size :group {
    width @2 :Text = "struct Item {";
  }
}
"""


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Schema:
    folder = tmp_path_factory.mktemp("places")
    (folder / "main.capnp").write_text(SCHEMA)
    (folder / "other.capnp").write_text("@0xb5f3c07e56b6a7d6;\nstruct Far { x @0 :UInt8; }")
    return compile_schema([folder / "main.capnp"])


@pytest.mark.parametrize(
    ("name", "member", "line"),
    [
        ("Shop", "", 5),
        ("Shop", "order", 8),
        ("Shop", "buy", 9),
        ("Shop.Receipt", "", 10),
        ("Shop.Receipt", "cancel", 10),
        ("Item", "", 13),
        ("Item", "free", 17),
        ("Item", "price", 18),
        ("Item", "size", 20),
        ("Item", "size.width", 21),
        ("Item", "missing", None),
    ],
)
def test_a_declaration_is_found_in_its_file(schema: Schema, name: str, member: str, line: int | None) -> None:
    node = schema.find(name)
    assert node is not None
    file, found = place_of(schema, node, member)
    assert (Path(file).name, found) == ("main.capnp", line)


def test_a_file_is_named_as_the_user_named_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "main.capnp").write_text("@0xb5f3c07e56b6a7d7;\nstruct Near {}")
    monkeypatch.chdir(tmp_path)
    schema = compile_schema(["sub/main.capnp"])
    near = schema.find("Near")
    assert near is not None
    assert place_of(schema, near) == Place("sub/main.capnp", 2)


def test_what_stands_in_no_file_has_its_own_name() -> None:
    node = StructNode(id=1, name="$Params", display_name="a.capnp:I.m$Params", scope_id=0, fields=())
    assert place_of(Schema({1: node}, ()), node) == Place("a.capnp:I.m$Params", None)

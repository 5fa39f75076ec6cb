"""docs/annotations.md names every annotation that schemas may have, with what it may stand on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cara_pseud.schema.loader import compile_schema
from cara_pseud.schema.nodes import AnnotationNode

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "annotations.md").read_text("utf-8")
WORDS = {
    "methods": {"method"}, "interfaces": {"interface"}, "fields": {"field"}, "parameters": {"param"},
    "enumerants": {"enumerant"}, "groups": {"group"}, "unions": {"union"}, "structs": {"struct"},
    "fields of `Data`": {"field"},
}  # fmt: skip


@pytest.mark.parametrize(("file", "name"), [("gateway.capnp", "Gateway"), ("capnp/compat/json.capnp", "Json")])
def test_each_annotation_is_there_with_what_it_stands_on(file: str, name: str) -> None:
    schema = compile_schema([ROOT / "schemas" / file])
    declared = {
        node.name: set(node.targets) for node in schema.nodes.values()
        if isinstance(node, AnnotationNode) and node.scope_id == schema.roots[0]
    }  # fmt: skip
    rows = re.findall(rf"^\| `\${name}\.(\w+)[^|]*` \| ([^|]+) \|", PAGE, re.MULTILINE)
    told = {word: set().union(*(WORDS[place] for place in places.split(", "))) for word, places in rows}
    declared.pop("notification", None)  # of Cap'n Proto's own JSON-RPC, which ours is not
    assert told == declared

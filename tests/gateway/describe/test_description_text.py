"""Descriptions as text: everything that a caller has to know stands there, in the schema language's form."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from cara_pseud.schema.nodes import Schema, Type
from gateway.describe.description_text import interface_text, symbol_text
from gateway.describe.descriptions import describe_service
from gateway.errors import GatewayError
from gateway.routes import ServiceRoutes

SCHEMA = """
using Gateway = import "/gateway.capnp";
interface Shop extends(Base) {
  # Sells things.
  # And more.
  order @0 (item :Item, count :UInt16) -> (receipt :Receipt);
  # Orders an item.
  list @1 () -> (items :List(Item)) $Gateway.readOnly;
}
interface Base { ping @0 () -> () $Gateway.idempotent; }
interface Receipt { cancel @0 () -> (); }
enum Color { red @0;
 # A colour.
 blue @1; }
struct Item {
  name @0 :Text;
  # What it is called.
  where :group { city @1 :Text; }
  union { free @2 :Void; price @3 :Int64; }
  color @4 :Color;
}
"""

SHOP = """\
interface Shop extends(Base) {
  # Sells things.
  # And more.

  order(item :Item, count :UInt16) -> (receipt :Receipt);
  # Orders an item.

  list() -> (items :List(Item)) $readOnly;

  ping() -> () $idempotent;
}"""
ITEM = """\
struct Item {
  name :Text;
  # What it is called.
  where :group {
    city :Text;
  }
  color :Color;
  union {
    free :Void;
    price :Int64;
  }
}"""
COLOR = """\
enum Color {
  red @0;
  # A colour.
  blue @1;
}"""


@pytest.fixture
def described(compile_text: Callable[[str], Schema], struct_type: Callable[[Schema, str], Type]) -> Any:
    schema = compile_text(SCHEMA)
    return json.loads(json.dumps(describe_service(ServiceRoutes("shop", schema, struct_type(schema, "Shop")))))


def test_an_interface(described: Any) -> None:
    assert interface_text(described) == SHOP


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Shop", SHOP), ("Item", ITEM), ("Color", COLOR), ("Receipt", "interface Receipt {\n  cancel() -> ();\n}"),
        ("order", "order(item :Item, count :UInt16) -> (receipt :Receipt);\n# Orders an item."),
    ],
)  # fmt: skip
def test_one_thing_of_it(described: Any, name: str, text: str) -> None:
    assert symbol_text(described, name) == text


def test_what_there_is_not_is_told_with_what_was_meant(described: Any) -> None:
    with pytest.raises(GatewayError, match=r'shop has no method and no type "ordr"; did you mean "order"\?'):
        symbol_text(described, "ordr")


def test_an_object_without_an_interface() -> None:
    assert interface_text({"handle": "h", "interface": None, "methods": []}) == "interface (unknown) {\n}"

"""Names of a schema that are keywords of Python, or that Python has taken, wherever they can stand."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import cara_pseud

SCHEMA = """@0xc4a1b2d3e4f50617;
struct Shape { union { class @0 :Text; none @1 :Void; } mro @2 :Text; }
enum Word { mro @0; class @1; }
interface Odd {
  open @0 (self :Text, def :Int32) -> (await :Odd, class :Text);
  only @1 () -> (class :Odd);
  shape @2 () -> (shape :Nested);
  struct Nested { import @0 :Odd; }
}
"""


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("names") / "odd.capnp"
    path.write_text(SCHEMA)
    return cara_pseud.load(path)


def odd(schema: Any) -> Any:
    class Odd(schema.Odd):  # type: ignore[misc]
        def open(self, self_: str, def_: int) -> Any:
            return {"await": Odd(), "class": self_ * def_}

        def only(self) -> Any:
            return Odd()

        def shape(self) -> Any:
            return {"import": Odd()}

    return Odd()


def test_a_pattern_with_a_keyword_matches_the_active_member_only(schema: Any) -> None:
    def kind(shape: Any) -> str:
        match shape:
            case schema.Shape(class_=text):
                return f"class {text}"
        return "other"

    assert kind(schema.Shape(class_="a")) == "class a"
    assert kind(schema.Shape(none=None)) == "other"
    assert schema.Shape.class_ is schema.Shape.__fields__["class"]


def test_a_field_and_an_enumerant_have_a_name_that_types_have(schema: Any) -> None:
    shape = schema.Shape(mro="m")
    shape.mro += "n"
    assert (shape.mro, schema.Shape.mro.name, shape) == ("mn", "mro", {"mro": "mn"})
    assert schema.Word["mro"] is schema.Word("mro") is schema.Word(0)
    assert schema.Word.class_ is schema.Word["class"]


def test_results_are_attributes_before_and_after_they_have_come(schema: Any) -> None:
    async def main() -> None:
        async with cara_pseud.Server("s") as server, cara_pseud.Client("s") as client, asyncio.timeout(10):
            server.bind("tcp://127.0.0.1:*")
            cara_pseud.register_interface(server, odd(schema))
            client.connect(server.endpoint)
            remote = schema.Odd(client)
            opened = await remote.open("a", def_=2)
            assert (opened.class_, opened["class"]) == ("aa", "aa")
            assert (await opened.await_.open(self="b", def_=1)).class_ == "b"
            assert (await remote.open("a", 2).await_.open("c", 1)).class_ == "c"
            assert (await remote.only().class_.open("d", 1)).class_ == "d"
            assert (await remote.shape().shape.import_.open("e", 1)).class_ == "e"

    asyncio.run(main())


def test_a_method_without_self_is_told_from_one_with_such_a_parameter(schema: Any) -> None:
    class Wrong(schema.Odd):  # type: ignore[misc]
        def open(def_: int) -> Any:
            raise AssertionError(def_)

    with pytest.raises(cara_pseud.RegistrationError, match="it is a method without self"):
        cara_pseud.register_interface(cara_pseud.Server("s"), Wrong())

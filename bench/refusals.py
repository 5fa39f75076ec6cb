"""What it costs to refuse a large body, against taking one of the same size; and objects in one, against none.

JSON bytes to wire values, in this process. Each body is about a megabyte and differs from the good one in one value.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import orjson

from cara_pseud.capabilities import Capability
from cara_pseud.schema.loader import compile_schema
from cara_pseud.schema.nodes import Kind, Type
from gateway.errors import GatewayError
from gateway.json.codec import Codec
from gateway.json.codec.objects import Where
from gateway.json.codec.params import Params
from gateway.json.text import parse
from gateway.reference_form import REFERENCE_FORM, handle

SCHEMA: Final = Path(__file__).resolve().with_name("bodies.capnp")
BYTES: Final = 1_000_000

_ELEMENTS: Final[dict[str, Any]] = {
    "numbers": 1234,
    "floats": 0.25,
    "texts": "a text of some words",
    "colors": "green",
    "things": {"name": "a thing for the house", "count": 3, "price": 995, "weight": 0.25, "inner": {"note": "a note"}},
}
"""One element of each list that a method of the schema takes."""

Comparison = tuple[str, Callable[[], object], Callable[[], object]]
"""A title, the body to compare with, and the body that may cost so much more."""


class Thing(Capability):
    """An object that is there."""

    __slots__ = ()
    key = "thing"


class Everything:
    """A door that has every object: a `gateway.json.codec.objects.LiveObjects`."""

    def __init__(self) -> None:
        self._thing = Thing()

    def handle_in(self, token: str, interface: Type | None, where: Where) -> Capability:
        return self._thing

    callback_in = handle_in

    def result_in(self, obj: object, interface: Type | None, where: Where) -> Capability:
        return self._thing

    def handle_out(self, capability: Capability, interface: Type | None) -> object:
        raise TypeError("nothing is written")


class Refusals:
    """The bodies of one schema."""

    def __init__(self) -> None:
        schema = compile_schema([SCHEMA])
        node = schema.find("Bodies")
        assert node is not None
        codec = Codec(schema, form=REFERENCE_FORM)
        methods = schema.methods(Type(Kind.INTERFACE, node.id))
        self._params: dict[str, Params] = {bound.method.name: codec.params(bound) for bound in methods}

    def refused(self) -> Iterator[Comparison]:
        """A wrong value at the beginning, in the middle and at the end of each list, and within an element's struct."""
        for name, element in _ELEMENTS.items():
            elements = self._many(element)
            good = self._taken(name, {"list": elements})
            for place, index in (("first", 0), ("middle", len(elements) // 2), ("last", -1)):
                yield f"refused: {name}, the {place} wrong", good, self._refused(name, elements, index, [])
            if type(element) is dict:
                inner = {**element, "inner": {"note": 5}}
                yield f"refused: {name}, a struct in the last wrong", good, self._refused(name, elements, -1, inner)
                more = {**element, "nope": 5}
                yield f"refused: {name}, one member too many", good, self._refused(name, elements, -1, more)

    def with_objects(self) -> Iterator[Comparison]:
        """One object beside a list, and one in each of its elements where the other body has a struct of that size."""
        token = "a-token-of-some-length"
        things = self._many(_ELEMENTS["things"])
        both = self._taken("both", {"list": things, "on": handle(token, None)})
        yield "objects: one beside a list of structs", self._taken("both", {"list": things}), both
        thing = {"name": "a thing for the house", "count": 3, "price": 995, "weight": 0.25}
        labelled = self._many({**thing, "label": {"token": token, "interface": "Owner"}})
        owned = [{**thing, "owner": handle(token, "Owner")} for _ in labelled]
        none = self._taken("labelled", {"list": labelled})
        yield "objects: one, not a struct, in each struct", none, self._taken("owned", {"list": owned})

    def _many(self, element: object) -> list[Any]:
        """So many of an element that they make a body, each its own object as in a text that was parsed."""
        return [copy.deepcopy(element) for _ in range(BYTES // (len(orjson.dumps(element)) + 1))]

    def _taken(self, method: str, body: object) -> Callable[[], object]:
        text, params, door = orjson.dumps(body), self._params[method], Everything()
        refs = door if params.has_references else None
        return lambda: params.read(parse(text), refs)

    def _refused(self, method: str, elements: list[Any], index: int, wrong: object) -> Callable[[], object]:
        spoiled = list(elements)
        spoiled[index] = wrong
        read = self._taken(method, {"list": spoiled})

        def refused() -> GatewayError:
            try:
                read()
            except GatewayError as error:
                return error
            raise AssertionError("the body was taken")

        return refused

"""An example of a value, made from its JSON Schema: the first thing that fits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.json.text import JSON

_DEEPEST: Final = 4
_BY_TYPE: Final[dict[str, JSON]] = {"boolean": True, "integer": 1, "number": 1.5, "null": None}
_TEXTS: Final = {"base64": "aGVsbG8="}


def example_of(shape: Mapping[str, Any], components: Mapping[str, Mapping[str, Any]], depth: int = 0) -> JSON:
    """A value that fits the schema; None where there is nothing to show.

    Objects that a caller would have to hold or be are left out, and so is what is nested deeper than a reader follows.
    """
    reference = shape.get("$ref")
    if reference is not None:
        name = str(reference).rpartition("/")[2]
        return None if name == "ObjectInput" else example_of(components[name], components, depth)
    if "default" in shape and shape["default"] not in (0, "", False):
        return shape["default"]
    for word in ("const", "enum"):
        if word in shape:
            return shape["const"] if word == "const" else shape["enum"][0]
    if "anyOf" in shape:
        return example_of(shape["anyOf"][0], components, depth)
    kind = shape.get("type")
    if kind == "object":
        members = shape.get("properties", {}) if depth < _DEEPEST else {}
        found = {name: example_of(member, components, depth + 1) for name, member in members.items()}
        return {name: value for name, value in found.items() if value is not None}
    if kind == "array":
        element = example_of(shape.get("items", {}), components, depth + 1) if depth < _DEEPEST else None
        return [] if element is None else [element]
    if kind == "string":
        if "pattern" in shape:
            return _TEXTS.get(str(shape.get("contentEncoding")), "42")
        return "text"
    return _BY_TYPE.get(str(kind))

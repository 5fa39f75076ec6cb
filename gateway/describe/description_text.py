"""A description (see `gateway.describe.descriptions`) as text for people, in the schema language's form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from gateway.errors import GatewayError, Status, nearest, quote

_INDENT: Final = "  "

Description = Mapping[str, Any]
"""What ``GET /api/{service}`` and ``GET /api/handles/{handle}`` answer."""


def interface_text(described: Description) -> str:
    """An interface with its methods, as the whole description is of one."""
    return "\n".join(_interface(str(described.get("interface") or "(unknown)"), described))


def symbol_text(described: Description, name: str) -> str:
    """One method, or one type that the methods lead to.

    Raises:
        GatewayError: NOT_FOUND, the description has no such thing.
    """
    for method in described["methods"]:
        if method["name"] == name:
            return "\n".join(_method(method))
    for table, write in (("interfaces", _interface), ("structs", _struct), ("enums", _enum)):
        found = described.get(table, {}).get(name)
        if found is not None:
            return "\n".join(write(name, found))
    if name == described.get("interface"):
        return interface_text(described)
    known = [method["name"] for method in described["methods"]]
    known += [each for table in ("interfaces", "structs", "enums") for each in described.get(table, {})]
    owner = described.get("service") or described.get("interface")
    raise GatewayError(Status.NOT_FOUND, f"{owner} has no method and no type {quote(name)}{nearest(name, known)}")


def _interface(name: str, described: Description) -> Iterator[str]:
    parents: Sequence[str] = described.get("extends", ())
    extends = f" extends({', '.join(parents)})" if parents else ""
    yield f"interface {name}{extends} {{"
    yield from _comment(described.get("doc", ""), _INDENT)
    for index, method in enumerate(described["methods"]):
        if index or described.get("doc"):
            yield ""
        yield from (f"{_INDENT}{line}" for line in _method(method))
    yield "}"


def _method(method: Description) -> Iterator[str]:
    marks = [mark for word, mark in (("read_only", "$readOnly"), ("idempotent", "$idempotent")) if method.get(word)]
    # What is read-only is idempotent anyway.
    shown = f" {marks[0]}" if marks else ""
    if (raw := method.get("raw_body")) is not None:
        shown += f' $body("{raw["type"]}")'
    yield f"{method['signature']}{shown};"
    yield from _comment(method.get("doc", ""), "")


def _struct(name: str, described: Description) -> Iterator[str]:
    yield f"struct {name} {{"
    yield from _comment(described.get("doc", ""), _INDENT)
    yield from _fields(described, _INDENT)
    yield "}"


def _fields(described: Description, indent: str) -> Iterator[str]:
    for member in described.get("fields", ()):
        yield from _field(member, indent)
    if described.get("union"):
        yield f"{indent}union {{"
        for member in described["union"]:
            yield from _field(member, indent + _INDENT)
        yield f"{indent}}}"


def _field(member: Description, indent: str) -> Iterator[str]:
    shape = member["shape"]
    if member["type"] in ("group", "union") and "fields" in shape:
        yield f"{indent}{member['name']} :{member['type']} {{"
        yield from _fields(shape, indent + _INDENT)
        yield f"{indent}}}"
    else:
        yield f"{indent}{member['name']} :{member['type']};"
    yield from _comment(member.get("doc", ""), indent)


def _enum(name: str, described: Description) -> Iterator[str]:
    yield f"enum {name} {{"
    yield from _comment(described.get("doc", ""), _INDENT)
    for value in described["values"]:
        yield f"{_INDENT}{value['name']} @{value['number']};"
        yield from _comment(value.get("doc", ""), _INDENT)
    yield "}"


def _comment(doc: str, indent: str) -> Iterator[str]:
    for line in doc.splitlines():
        yield f"{indent}# {line}".rstrip()

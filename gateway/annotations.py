"""What the annotations in a schema say: those of json.capnp and those of gateway.capnp, read by id.

Ids are read, not names: a schema may import the files under any name, or bring its own copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from cara_pseud.schema.nodes import Annotation, BoundMethod, Schema

NAME: Final = 0xFA5B1FD61C2E7C3D
FLATTEN: Final = 0x82D3E852AF0336BF
DISCRIMINATOR: Final = 0xCFA794E8D19A0162
BASE64: Final = 0xD7D879450A253E4B
HEX: Final = 0xF061E22F0AE5C7B5
"""Of ``/capnp/compat/json.capnp``, as published by the Cap'n Proto project."""


@dataclass(frozen=True, slots=True)
class Discriminator:
    """``$Json.discriminator``; None where a name is not given."""

    name: str | None
    value_name: str | None


def find(annotations: Sequence[Annotation], id: int) -> Annotation | None:
    """The last annotation of that id, or None."""
    return next((annotation for annotation in reversed(annotations) if annotation.id == id), None)


def _value(annotations: Sequence[Annotation], id: int) -> Any:
    annotation = find(annotations, id)
    return None if annotation is None else annotation.value


def json_name(annotations: Sequence[Annotation], name: str) -> str:
    """The name in JSON of what is called ``name`` in the schema."""
    renamed = _value(annotations, NAME)
    return name if renamed is None else str(renamed)


def flatten_prefix(annotations: Sequence[Annotation]) -> str | None:
    """The prefix of a flattened field's members; None if the field is not flattened."""
    annotation = find(annotations, FLATTEN)
    return None if annotation is None else str((annotation.value or {}).get(0) or "")


def discriminator(annotations: Sequence[Annotation]) -> Discriminator | None:
    """The discriminator options, or None without the annotation."""
    annotation = find(annotations, DISCRIMINATOR)
    if annotation is None:
        return None
    value = annotation.value or {}
    return Discriminator(value.get(0), value.get(1))


HTTP: Final = 0x982A9DED59CD7000
READ_ONLY: Final = 0xE4A2B8786E8AA383
IDEMPOTENT: Final = 0xD93E4A51BCDB1068
HIDDEN: Final = 0xACD70D8CF61BAC6D
TIMEOUT: Final = 0x8527A29D3B00193E
REQUIRES: Final = 0xFD66CF567D4FB088
SENSITIVE: Final = 0xCBE99C9F582543DE
BODY: Final = 0xEABCB9905A761F9A
"""Of ``/gateway.capnp``."""


@dataclass(frozen=True, slots=True)
class HttpRule:
    """``$Gateway.http``: the verb in capitals, the path template, and what the body is (a parameter, ``*`` or "")."""

    verb: str
    path: str
    body: str


@dataclass(frozen=True, slots=True)
class MethodFacts:
    """What the annotations say about a method, its interface's included.

    ``timeout_s`` is None without a wish. What is read-only is idempotent.
    """

    read_only: bool = False
    idempotent: bool = False
    hidden: bool = False
    timeout_s: float | None = None
    http: HttpRule | None = None


def is_hidden(annotations: Sequence[Annotation]) -> bool:
    """Whether a declaration is for other services only."""
    return find(annotations, HIDDEN) is not None


def is_sensitive(annotations: Sequence[Annotation]) -> bool:
    """Whether a field or parameter is a secret that logs must not show."""
    return find(annotations, SENSITIVE) is not None


def required_roles(annotations: Sequence[Annotation]) -> tuple[str, ...]:
    """The roles of a declaration's own ``$Gateway.requires``."""
    return tuple(_value(annotations, REQUIRES) or ())


def body_type(annotations: Sequence[Annotation]) -> str | None:
    """The content type of a method's ``$Gateway.body``; None if it has none."""
    value = _value(annotations, BODY)
    return None if value is None else str(value)


def method_facts(schema: Schema, bound: BoundMethod) -> MethodFacts:
    """What holds for a method: its own annotations, else those of the interface that declares it."""
    own = bound.method.annotations
    whole = schema.interface(bound.interface.node_id).annotations
    read_only = find(own, READ_ONLY) is not None or find(whole, READ_ONLY) is not None
    timeout_ms = _value(own, TIMEOUT) or _value(whole, TIMEOUT)
    return MethodFacts(
        read_only=read_only,
        idempotent=read_only or find(own, IDEMPOTENT) is not None or find(whole, IDEMPOTENT) is not None,
        hidden=is_hidden(own) or is_hidden(whole),
        timeout_s=timeout_ms / 1000 if timeout_ms else None,
        http=http_rule(own),
    )


def http_rule(annotations: Sequence[Annotation]) -> HttpRule | None:
    """A method's ``$Gateway.http``; None if it has none."""
    annotation = find(annotations, HTTP)
    if annotation is None:
        return None
    value = annotation.value or {}
    return HttpRule(str(value.get(0) or "post").upper(), str(value.get(1) or ""), str(value.get(2) or ""))

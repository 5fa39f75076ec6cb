"""Which types can refer to a live object, so that their values belong to a session."""

from __future__ import annotations

from typing import Final

from cara_pseud.schema.nodes import UNTYPED, Kind, Type
from gateway.json.codec.layout import Layouts

_LIVE: Final = UNTYPED | {Kind.INTERFACE}


def is_live(layouts: Layouts, *types: Type) -> bool:
    """Whether a value of one of the types can refer to an object."""
    members = layouts.members_within(*types)
    return any(map(_refers, types)) or any(member.type is not None and _refers(member.type) for member in members)


def _refers(type: Type) -> bool:
    while type.kind is Kind.LIST and type.element is not None:
        type = type.element
    return type.kind in _LIVE or type.parameter is not None

"""Values of a peer whose schema is newer or older, where the type of a place has another shape there.

The schema language lets a field move into a new group or union, and a list of numbers or texts become a list of
structs, whose first field they are. On the wire a group and a struct are maps, and other values are not.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

from cara_pseud.capabilities import WireValue
from cara_pseud.scalars import ZEROS
from cara_pseud.schema.nodes import MAPS, StructNode, Type
from gateway.json.codec.reading import empty


def into_struct(node: StructNode, value: WireValue) -> WireValue:
    """What stood in the place of a group or of a list's struct before there was one: its first field.

    Args:
        value: what is there; given back as it is if it is a map.
    """
    if isinstance(value, Mapping):
        return value
    return {min((field.id for field in node.fields), default=0): value}


def out_of_struct(type: Type, value: WireValue, default: WireValue = None) -> WireValue:
    """What a type is read from where a newer schema has a group or a list's struct: the first field in it.

    Args:
        value: what is there; given back as it is if it is no map, or if the type's values are maps.
        default: what the schema says for a field that is not set, if anything.
    """
    if type.kind in MAPS or not isinstance(value, Mapping) or not all(isinstance(key, int) for key in value):
        return value
    first = value.get(0)
    if first is not None:
        return first
    if default is not None:
        return copy.deepcopy(default)
    return empty(type) if type.kind.is_pointer else ZEROS.get(type.kind, 0)  # an enum's is its first enumerant

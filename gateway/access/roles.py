"""Roles that a schema requires (`$Gateway.requires`) where nobody can have any, as nobody says who they are.

Such a schema is refused: to serve it all the same would leave open to everybody what its author meant to be closed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cara_pseud.errors import SchemaError
from cara_pseud.schema.nodes import InterfaceNode, Schema, StructNode, Type
from cara_pseud.schema.places import place_of
from gateway.annotations import is_hidden, required_roles

NEEDS_AUTH: Final = "without [gateway.auth] nobody has roles, so it would be open to everybody"

def unenforced_roles(schema: Schema, interface: Type) -> Iterator[SchemaError]:
    """Yield an error for each interface and method with roles that clients of ``interface`` can reach."""
    for node in _reachable(schema, interface):
        members = [("", "interface", node.name, node.annotations)]
        members += [
            (method.name, "method", method.name, method.annotations)
            for method in node.methods
            if not is_hidden(method.annotations)
        ]
        for member, word, name, own in members:
            roles = required_roles(own)
            if roles:
                shown = ", ".join(f'"{role}"' for role in roles)
                yield SchemaError(
                    f"the {word} {name} has $Gateway.requires([{shown}]), but {NEEDS_AUTH}: say in [gateway.auth] "
                    "who may ask, take the annotation away, or make it $Gateway.hidden",
                    *place_of(schema, node, member),
                )


def _reachable(schema: Schema, interface: Type) -> Iterator[InterfaceNode]:
    """The interface, its superclasses, and all that its methods take and give; what is hidden leads nowhere.

    By nodes, not by branded types: a generic type may lead to ever larger ones of itself. What a type is bound to
    counts as reached.
    """
    waiting, seen = [interface], set()
    while waiting:
        type = waiting.pop()
        waiting += [bound for _, types in type.brand for bound in types]
        if type.element is not None:
            waiting.append(type.element)
        node = schema.nodes.get(type.node_id)
        if node is None or node.id in seen:
            continue
        seen.add(node.id)
        if isinstance(node, StructNode):
            waiting += _member_types(schema, node)
        elif isinstance(node, InterfaceNode) and not is_hidden(node.annotations):
            yield node
            waiting += node.superclasses
            for method in node.methods:
                if not is_hidden(method.annotations):
                    waiting += (method.params, method.results)


def _member_types(schema: Schema, struct: StructNode) -> Iterator[Type]:
    groups = [struct]
    for group in groups:
        for field in group.fields:
            if field.type is not None:
                yield field.type
            elif field.group_id is not None:
                groups.append(schema.struct(field.group_id))

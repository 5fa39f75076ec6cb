"""The interfaces of a schema by the names that clients know them by: what an object may be taken for.

There are as many as the schema has, those included that are bound to types somewhere in it, such as ``Box(Text)``: a
client cannot have ever larger types made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cara_pseud.schema.nodes import InterfaceNode, Kind, Node, Schema, StructNode, Type, describe_type


def interfaces_by_name(schema: Schema) -> Mapping[str, Type]:
    """Each interface under its name within its file: ``Shop.Listener``.

    Of namesakes the root files' has the name; others, and those that are bound to types, come after them. Each has a
    name with its file as well, ``shop.capnp:Shop.Listener``.
    """
    found: dict[str, Type] = {}
    nodes = [node for node in schema.nodes.values() if isinstance(node, InterfaceNode)]
    roots = {schema.nodes[root].display_name for root in schema.roots}
    nodes.sort(key=lambda node: (node.display_name.partition(":")[0] not in roots, node.display_name))
    for node in nodes:
        type = Type(Kind.INTERFACE, node.id)
        found.setdefault(describe_type(schema, type), type)
        found.setdefault(node.display_name, type)
    bound = {describe_type(schema, type): type for type in _bound_interfaces(schema)}
    for name in sorted(bound):
        found.setdefault(name, bound[name])
    return found


def _bound_interfaces(schema: Schema) -> Iterator[Type]:
    waiting = [type for node in schema.nodes.values() for type in _types_of(node)]
    seen: set[Type] = set()
    while waiting:
        type = waiting.pop()
        if type in seen:
            continue
        seen.add(type)
        if type.element is not None:
            waiting.append(type.element)
        waiting += [bound for _, types in type.brand for bound in types]
        if type.kind is Kind.INTERFACE and type.brand and not _is_open(type):
            yield type


def _types_of(node: Node) -> Iterator[Type]:
    if isinstance(node, StructNode):
        yield from (field.type for field in node.fields if field.type is not None)
    elif isinstance(node, InterfaceNode):
        yield from node.superclasses


def _is_open(type: Type) -> bool:
    """Whether there is a type parameter in it that is bound to nothing."""
    if type.parameter is not None or (type.element is not None and _is_open(type.element)):
        return True
    return any(_is_open(bound) for _, types in type.brand for bound in types)

"""The schema of a service as it was written: the text of its file, and of every file that this leads to, with ids."""

from __future__ import annotations

from cara_pseud.schema.nodes import EnumNode, FileNode, InterfaceNode, Node, Schema, StructNode
from gateway.json.text import JSON
from gateway.routes import ServiceRoutes


def schema_text(routes: ServiceRoutes) -> str:
    """The text of the file that declares the service's interface."""
    return _file_of(routes.schema, routes.schema.nodes[routes.interface.node_id]).text


def schema_files(routes: ServiceRoutes) -> dict[str, JSON]:
    """Every file with its id and text, and the ids of what they declare, as the schema language writes them."""
    schema = routes.schema
    files = [node for node in schema.nodes.values() if isinstance(node, FileNode)]
    own = _file_of(schema, schema.nodes[routes.interface.node_id])
    files.sort(key=lambda file: (file is not own, file.display_name))
    return {
        "service": routes.name,
        "interface": {"name": _name(schema.nodes[routes.interface.node_id]), "id": _id(routes.interface.node_id)},
        "files": [
            {
                "name": file.display_name,
                "id": _id(file.id),
                "text": file.text,
                "declarations": _declarations(schema, file),
            }
            for file in files
        ],
    }


def _declarations(schema: Schema, node: Node) -> dict[str, str]:
    found: dict[str, str] = {}
    for _, id in node.nested:
        inner = schema.nodes.get(id)
        if inner is not None:
            if isinstance(inner, StructNode | EnumNode | InterfaceNode):
                found[_name(inner)] = _id(id)
            found |= _declarations(schema, inner)
    return found


def _file_of(schema: Schema, node: Node) -> FileNode:
    while not isinstance(node, FileNode):
        node = schema.nodes[node.scope_id]
    return node


def _name(node: Node) -> str:
    return node.qualified_name or node.name


def _id(id: int) -> str:
    return f"@0x{id:016x}"

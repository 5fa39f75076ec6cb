"""What types and declarations are called in one stub, and which other stubs it needs for that."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from cara_pseud.python_names import python_name
from cara_pseud.schema.nodes import (
    INT_RANGES,
    UNTYPED,
    Brand,
    FileNode,
    InterfaceNode,
    Kind,
    Node,
    Schema,
    StructNode,
    Type,
    substitute,
)
from cara_pseud.stub_modules import module_name
from cara_pseud.stub_variants import Variants

BUILTIN: Final = "\0"
"""Marks names of builtin types until it is known whether a member of the schema hides one."""
_SIMPLE: Final = {
    Kind.VOID: "None", Kind.BOOL: "\0bool", Kind.FLOAT32: "\0float", Kind.FLOAT64: "\0float", Kind.TEXT: "\0str",
    Kind.DATA: "\0bytes", **dict.fromkeys(UNTYPED, "_Any"),
    **dict.fromkeys(INT_RANGES, "\0int"),
}  # fmt: skip
_TAKEN: Final = {**_SIMPLE, Kind.DATA: "\0bytes | \0bytearray | \0memoryview"}


class StubTypes:
    """See above.

    Attributes:
        imported: the files whose stubs this one imports, by the names of their modules.
    """

    def __init__(self, schema: Schema, file: FileNode) -> None:
        """Begin with what one file declares."""
        self._schema = schema
        self._file = file
        self.imported: dict[str, FileNode] = {}
        self._variants = Variants(schema)
        # What the type parameters of the declaration that is written are bound to.
        self._brand: Brand = ()
        # The names of those that stay open.
        self._open: dict[tuple[int, int], str] = {}
        # Names of top-level declarations that something nested has, too: it hides them within its class.
        nested = set(self._nested_names(file))
        self._hidden = {name for _, id in file.nested for name in self._names_of(schema.nodes[id]) if name in nested}

    def _names_of(self, node: Node) -> Iterator[str]:
        yield python_name(node.name)
        if isinstance(node, InterfaceNode):
            yield self._client_name(node)

    def _nested_names(self, node: Node) -> Iterator[str]:
        if not isinstance(node, FileNode):
            yield from (python_name(name) for name, _ in node.aliases)
        for _, id in node.nested:
            inner = self._schema.nodes[id]
            if not isinstance(node, FileNode):
                yield from self._names_of(inner)
            yield from self._nested_names(inner)

    def _given(self, type: Type) -> str:
        """What reading a value gives."""
        type = substitute(type, self._brand)
        variant = self._variants.name(type)
        if variant is not None:
            return variant
        if type.parameter is not None:
            return self._open.get(type.parameter, "_Any")
        own = dict(type.brand).get(type.node_id) if self._open else None
        if own:
            node = self._schema.nodes[type.node_id]
            kind = "_of" if type.kind is Kind.STRUCT else "_client_of"
            return f"{self._beside(node, kind)}[{', '.join(self._given(each) for each in own)}]"
        if type.kind is Kind.LIST and type.element is not None:
            return f"{BUILTIN}list[{self._given(type.element)}]"
        if type.kind is Kind.INTERFACE:
            return self._client(self._schema.interface(type.node_id))
        if type.kind in (Kind.STRUCT, Kind.ENUM):
            return self._reference(self._schema.nodes[type.node_id])
        return _SIMPLE[type.kind]

    def _taken(self, type: Type) -> str:
        """What may be given where a value is."""
        type = substitute(type, self._brand)
        if type.parameter is not None:
            name = self._open.get(type.parameter)
            # A struct may be given as a dict, and what is bound may be one.
            return "_Any" if name is None else f"{name} | _Mapping[{BUILTIN}str, _Any]"
        if type.kind is Kind.LIST and type.element is not None:
            return f"_Iterable[{self._taken(type.element)}]"
        if type.kind is Kind.STRUCT:
            node = self._schema.struct(type.node_id)
            if self._is_foreign(node):
                return f"{self._reference(node)} | _Mapping[\0str, _Any] | _Mapping[\0int, _Any]"
            return f"{self._reference(node)} | {self._dict_name(node)} | _Mapping[\0int, _Any]"
        if type.kind is Kind.ENUM:
            enum = self._schema.enum(type.node_id)
            names = ", ".join(f'"{enumerant.name}"' for enumerant in enum.enumerants)
            return f"{self._reference(enum)} | _Literal[{names}]" if names else self._reference(enum)
        if type.kind is Kind.INTERFACE:
            interface = self._schema.interface(type.node_id)
            forms = [self._reference(interface), "_cara.Reference", "_Mapping[\0str, _Callable[..., _Any]]"]
            if len(self._schema.methods(Type(Kind.INTERFACE, interface.id))) == 1:
                forms.append("_Callable[..., _Any]")
            return " | ".join(forms)
        return _TAKEN[type.kind]

    def _is_foreign(self, node: Node) -> bool:
        return self._file_of(node).id != self._file.id

    def _file_of(self, node: Node) -> Node:
        while not isinstance(node, FileNode) and node.scope_id in self._schema.nodes:
            node = self._schema.nodes[node.scope_id]
        return node

    def _reference(self, node: Node) -> str:
        if isinstance(node, StructNode) and node.is_group:
            scope = self._schema.struct(node.scope_id)
            return f"{self._reference(scope)}._{node.name}"
        name = ".".join(map(python_name, node.qualified_name.split(".")))
        file = self._file_of(node)
        if file.id == self._file.id or not isinstance(file, FileNode):
            return f"_top_{name}" if name.partition(".")[0] in self._hidden else name
        return f"{self._module(file)}.{name}"

    def _module(self, file: FileNode) -> str:
        """What another file's stub is called in this one: nothing in a class can hide it."""
        module = module_name(self._schema, file)
        self.imported[module] = file
        return local_name(module)

    def _beside(self, node: Node, what: str) -> str:
        """A class that is made for a declaration, at the top of its file's stub."""
        file = self._file_of(node)
        module = f"{self._module(file)}." if file.id != self._file.id and isinstance(file, FileNode) else ""
        return f"{module}_{self._plain_name(node)}{what}"

    @staticmethod
    def _plain_name(node: Node) -> str:
        return re.sub(r"[^0-9A-Za-z]", "_", node.qualified_name)

    def _dict_name(self, node: StructNode) -> str:
        return f"_{self._plain_name(node)}Dict"

    def _client_name(self, node: InterfaceNode) -> str:
        scope = self._schema.nodes.get(node.scope_id)
        taken = {name for name, _ in scope.nested} if scope is not None else set()
        name = f"{node.name}Client"
        return f"_{name}" if name in taken else name

    def _client(self, node: InterfaceNode) -> str:
        *scope, _ = self._reference(node).split(".")
        name = self._client_name(node)
        return ".".join([*scope, f"_top_{name}" if not scope and name in self._hidden else name])


def local_name(module: str) -> str:
    """What another stub is called in the one that imports it."""
    return f"_{module.replace('.', '_')}"

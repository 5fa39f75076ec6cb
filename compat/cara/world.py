"""What all generated modules have declared: they share one schema, as they name each other's declarations."""

from __future__ import annotations

import hashlib
from typing import Any, Final, Protocol

from cara_pseud.classes import SchemaClasses
from cara_pseud.schema import nodes


class Begun(Protocol):
    """A declaration whose class is there and empty."""

    id: int
    scope: int
    nested: dict[str, int]
    said: Any

    def path(self, world: World) -> str:
        """The name within its file, with the names around it."""

    def common(self, world: World) -> dict[str, Any]:
        """What nodes of all kinds have."""

    def make_node(self, world: World) -> None:
        """Make the node."""

    def fill(self, world: World) -> None:
        """Give the class what its declaration says."""


class World:
    """All that generated modules have declared.

    Attributes:
        nodes: by id.
        classes: of these nodes.
        begun: what was begun and not finished, with what its end will say.
        waiting: of these what has not said its end.
        finished: what its nodes were made of.
    """

    def __init__(self) -> None:
        self.nodes: dict[int, nodes.Node] = {}
        self.classes = SchemaClasses(nodes.Schema(self.nodes, ()))
        self.begun: dict[int, Begun] = {}
        self.waiting: dict[int, Begun] = {}
        self.finished: dict[int, Begun] = {}

    def begin(self, begun: Begun) -> None:
        """Note what is to be finished."""
        self.begun[begun.id] = begun
        self.waiting[begun.id] = begun

    def finish(self, id: int) -> None:
        """Note that something is finished; with the last of them make all of what is declared."""
        del self.waiting[id]
        if self.waiting:
            return
        self.finished |= self.begun
        begun, self.begun = list(self.begun.values()), {}
        for each in begun:
            each.make_node(self)
        for each in begun:
            each.fill(self)

    def file_of(self, module: str) -> int:
        """The id of the file that a generated module stands for."""
        id = synthetic(module)
        name = f"{module.rpartition('.')[2].removesuffix('_capnp')}.capnp"
        self.nodes.setdefault(id, nodes.FileNode(id=id, name=name, display_name=name, scope_id=0))
        return id

    def take(self, declared: Any) -> None:
        """Let a class of a loaded schema be named here."""
        for id, node in declared.__schema__.nodes.items():
            self.nodes.setdefault(id, node)
        self.classes._made.setdefault((declared.__id__, (), ()), declared)


def synthetic(*parts: object) -> int:
    """An id for what has none, the same each time."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") | 1 << 63


WORLD: Final = World()
"""The only thing in this package that changes."""

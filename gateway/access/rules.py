"""Which roles a caller needs for which method: what the schema says (`$Gateway.requires`) and what the operator says.

Everything is worked out once, when a service is loaded, for pairs of a declaring interface and a method. That is what
stands on the wire, so a rule holds whatever an object is taken for: what it was returned as, a superclass of that, an
interface that inherits the method. Knows neither callers nor connections.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Final

from cara_pseud.schema.nodes import BoundMethod, InterfaceNode, Kind, Method, Schema, Type
from gateway.annotations import is_hidden, json_name, required_roles
from gateway.errors import nearest, quote

NO_ROLES: Final[frozenset[str]] = frozenset()
EVERY: Final = "*"
"""What stands for all methods of an interface."""

_Key = tuple[int, int]
"""The id of the interface that declares a method, and the method's own there."""


@dataclass(frozen=True, slots=True)
class RoleRule:
    """One entry of ``[[services.NAME.rules]]``.

    Attributes:
        methods: each as ``wipe`` or ``*``, of the service's own interface, or ``Session.read``, ``Session.*``; by the
            names that clients use.
        roles: all of them are needed.
    """

    methods: tuple[str, ...]
    roles: tuple[str, ...]


class RuleError(ValueError):
    """Rules name methods that there are not.

    Attributes:
        complaints: for each, the rule's place in its list, and what is wrong.
    """

    def __init__(self, complaints: Sequence[tuple[int, str]]) -> None:
        super().__init__("; ".join(text for _, text in complaints))
        self.complaints = tuple(complaints)


class ServiceRules:
    """The roles that the methods of one service require.

    A method that an interface declares anew under the name of an inherited one is, to the object behind both, the same:
    what one of them requires, the other does, too. Otherwise it would be enough to take the object for its superclass.

    Args:
        interface: the service's own; None if there are no rules that could mean it.
        roles: what every method requires, and whoever is to see the service at all.

    Attributes:
        roles_of_all: those.
        roles: all that anything here requires.

    Raises:
        RuleError: rules name methods that there are not.
    """

    def __init__(
        self,
        schema: Schema,
        interface: Type | None = None,
        roles: Iterable[str] = (),
        rules: Sequence[RoleRule] = (),
    ) -> None:
        self._schema = schema
        self._interfaces = {node.id: node for node in schema.nodes.values() if isinstance(node, InterfaceNode)}
        self.roles_of_all = frozenset(roles)
        self._by_method: dict[_Key, frozenset[str]] = {}
        for node in self._interfaces.values():
            whole = required_roles(node.annotations)
            for method in node.methods:
                self._require((node.id, method.id), (*whole, *required_roles(method.annotations)))
        complaints: list[tuple[int, str]] = []
        for place, rule in enumerate(rules):
            for pattern in rule.methods:
                meant = list(self._meant(pattern, interface))
                for key in meant:
                    self._require(key, rule.roles)
                if not meant:
                    complaints.append((place, self._unknown(pattern, interface)))
        if complaints:
            raise RuleError(complaints)
        if self._by_method:
            self._join_redeclared()
        self._by_method = {key: roles | self.roles_of_all for key, roles in self._by_method.items()}
        self.roles = self.roles_of_all.union(*self._by_method.values())

    def required(self, bound: BoundMethod) -> frozenset[str]:
        """What a caller of the method needs; of an interface that the schema has not, what every method requires."""
        return self._by_method.get((bound.interface.node_id, bound.method.id), self.roles_of_all)

    def required_by_ids(self, interface_id: int, method_id: int) -> frozenset[str]:
        """The same for a method as it stands on the wire."""
        return self._by_method.get((interface_id, method_id), self.roles_of_all)

    def knows(self, interface_id: int) -> bool:
        """Whether the schema has that interface, so that its methods may have rules."""
        return interface_id in self._interfaces

    def over(self, older: ServiceRules) -> ServiceRules:
        """These rules for objects of a service as it was once: interfaces that are no more keep what they required."""
        if older is self:
            return self
        gone = older._interfaces.keys() - self._interfaces.keys()
        if not gone:
            return self
        both = copy(self)
        both._interfaces = older._interfaces | self._interfaces
        both._by_method = self._by_method | {
            key: roles | self.roles_of_all for key, roles in older._by_method.items() if key[0] in gone
        }
        both.roles = both.roles_of_all.union(*both._by_method.values())
        return both

    def _require(self, key: _Key, roles: Collection[str]) -> None:
        if roles:
            self._by_method[key] = self._by_method.get(key, NO_ROLES).union(roles)

    # What a pattern means.

    def _meant(self, pattern: str, interface: Type | None) -> Iterator[_Key]:
        owner, _, name = pattern.rpartition(".")
        for ancestor, method in self._methods_of(self._owners(owner, interface)):
            if name in (EVERY, json_name(method.annotations, method.name)):
                yield ancestor.id, method.id

    def _owners(self, owner: str, interface: Type | None) -> Iterator[InterfaceNode]:
        """The service's own interface, or all that are called so: by the whole name, or by the end of it."""
        if not owner:
            own = None if interface is None else self._interfaces.get(interface.node_id)
            yield from () if own is None else (own,)
            return
        for node in self._interfaces.values():
            name = node.qualified_name or node.name
            if name == owner or name.endswith("." + owner):
                yield node

    def _methods_of(self, owners: Iterable[InterfaceNode]) -> Iterator[tuple[InterfaceNode, Method]]:
        """Their methods and all that they inherit."""
        for owner in owners:
            for ancestor in self._schema.ancestry(Type(Kind.INTERFACE, owner.id)):
                node = self._schema.interface(ancestor.node_id)
                for method in node.methods:
                    yield node, method

    def _unknown(self, pattern: str, interface: Type | None) -> str:
        known = list(dict.fromkeys(self._namable(pattern, interface)))
        return f"no method is called {quote(pattern)}{nearest(pattern, known)}"

    def _namable(self, pattern: str, interface: Type | None) -> Iterator[str]:
        """What such a pattern may have been meant to be; what is hidden is proposed to nobody."""
        owner, _, name = pattern.rpartition(".")
        own = list(self._owners("", interface))
        others = self._interfaces.values() if owner else ()
        for prefix, node in [*(("", node) for node in own), *((self._prefix(node, owner), node) for node in others)]:
            if name == EVERY:
                yield prefix + EVERY
                continue
            for declaring, method in self._methods_of([node]):
                if not is_hidden(method.annotations) and not is_hidden(declaring.annotations):
                    yield prefix + json_name(method.annotations, method.name)

    def _prefix(self, node: InterfaceNode, owner: str) -> str:
        """The name of an interface, with as many of the names around it as are given."""
        names = (node.qualified_name or node.name).split(".")
        return ".".join(names[-1 - owner.count(".") :]) + "."

    # Methods that are declared again.

    def _join_redeclared(self) -> None:
        groups = list(self._redeclared())
        changed = True
        while changed:  # what is declared a third time stands in several groups
            changed = False
            for group in groups:
                roles = NO_ROLES.union(*[self._by_method.get(key, NO_ROLES) for key in group])
                for key in group:
                    if self._by_method.get(key, NO_ROLES) != roles:
                        self._by_method[key] = roles
                        changed = True

    def _redeclared(self) -> Iterator[list[_Key]]:
        for node in self._interfaces.values():
            by_name: dict[str, list[_Key]] = {}
            for ancestor, method in self._methods_of([node]):
                by_name.setdefault(method.name, []).append((ancestor.id, method.id))
            yield from (keys for keys in by_name.values() if len(keys) > 1)

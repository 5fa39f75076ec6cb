"""Where classes are found by id alone: `GlobalTypeRegistry`, and how pickles name declared types.

Both are process-wide by their nature: who has an id, or a pickle, has no schema at hand to ask. Nothing is kept alive:
when a schema's classes are gone, so are its entries.
"""

from __future__ import annotations

import copyreg
from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol
from weakref import WeakValueDictionary

from cara_pseud.enums import EnumType
from cara_pseud.generics import Bindings, Declaration, Replacements
from cara_pseud.interfaces import InterfaceType
from cara_pseud.lists import ListType, TypedList, list_class
from cara_pseud.struct_types import StructType
from cara_pseud.values import ValueType

REGISTER_GLOBALLY: Final = 0xEBD6C4912189BE2C
"""The annotation ``registerGlobally`` of the original's ``/capnp/cara.capnp``."""


class LoadedClasses(Protocol):
    """The classes of a loaded schema."""

    fingerprint: int
    registered: frozenset[int]

    def declared(self, id: int, bindings: Bindings, replacements: Replacements) -> Any:
        """The class of a declaration."""

    def has(self, id: int) -> bool:
        """Whether the schema has a declaration of that id."""


class TypeRegistry(Mapping[int, Any]):
    """Classes by their declarations' 64-bit ids: those annotated ``registerGlobally``; of equal ids the newest one."""

    def __init__(self) -> None:
        self._loaded: WeakValueDictionary[int, LoadedClasses] = WeakValueDictionary()

    def __getitem__(self, id: int) -> Any:
        for classes in self._newest_first():
            if id in classes.registered:
                return classes.declared(id, (), ())
        raise KeyError(id)

    def __iter__(self) -> Iterator[int]:
        return iter({id for classes in self._newest_first() for id in classes.registered})

    def __len__(self) -> int:
        return len(list(iter(self)))

    def add_loaded(self, classes: LoadedClasses) -> None:
        """Make the classes of a schema known."""
        self._loaded[classes.fingerprint] = classes

    def _newest_first(self) -> list[LoadedClasses]:
        return list(self._loaded.values())[::-1]

    def find_loaded(self, fingerprint: int, id: int) -> LoadedClasses:
        """The very classes that a pickle came from, else, as in another process, the newest ones that declare the id.

        Raises:
            LookupError: no loaded schema declares it.
        """
        exact = self._loaded.get(fingerprint)
        if exact is not None and exact.has(id):
            return exact
        for classes in self._newest_first():
            if classes.has(id):
                return classes
        raise LookupError(f"the schema that declares {id:#x} is not loaded in this process")


GlobalTypeRegistry: Final = TypeRegistry()


def _reduce(cls: Any) -> Any:
    """How pickle writes a class: ours by what they were made from, a user's subclass by its name as usual."""
    if isinstance(cls, ListType):
        return (list_class, (cls.__element__,)) if cls is not TypedList else cls.__qualname__
    declaration = vars(cls).get("__declaration__")
    if not isinstance(declaration, Declaration):
        return cls.__qualname__
    if declaration.replacements:
        raise TypeError(f"{cls.__name__} was made by ReplaceTypes and cannot be pickled")
    fingerprint: int = getattr(declaration.classes, "fingerprint")  # noqa: B009 (more than the protocol promises)
    return _restore, (fingerprint, declaration.node.id, declaration.bindings)


def _restore(fingerprint: int, id: int, bindings: tuple[tuple[int, tuple[ValueType, ...]], ...]) -> Any:
    return GlobalTypeRegistry.find_loaded(fingerprint, id).declared(id, bindings, ())


for _metaclass in (StructType, InterfaceType, EnumType, ListType):
    copyreg.pickle(_metaclass, _reduce)

"""What all types have in common: conversions between Python values, stored values and wire values. Knows no type.

A *stored* value is what a struct or list holds and what user code gets: checked once, when it enters. A *wire* value is
what msgpack carries. Every type object (`Int32`, a struct class, `List[Text]`, an interface class …) has its
`Conversion` as ``__conversion__``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from cara_pseud.capabilities import WireValue
from cara_pseud.errors import InvalidValue, UnknownField, WrongType
from cara_pseud.schema.nodes import Annotation

Stored: TypeAlias = Any
"""A checked Python value."""

ValueType: TypeAlias = Any
"""A type object: it has ``__conversion__`` and ``__type__``, or came from a caller of ReplaceTypes."""

MISSING: Final[Any] = type("_Missing", (), {"__repr__": lambda self: "<missing>", "__slots__": ()})()
"""Stands where a caller gave no value; None is a value."""


@dataclass(frozen=True, slots=True, eq=False)
class Conversion:
    """How values of one type come in and go out.

    Attributes:
        name: the type in the schema language's words.
        enter: any Python or wire value to a stored one; raises InvalidValue or UnknownField.
        receive: the same for what came over the wire: what a newer schema may have added there is no error. None: what
            `enter` does.
        dump: a stored value to a wire value, or None if they are the same.
        absent: makes what a value that is not there reads as.
        nullable: whether None stands for a value that is not there.
        test: a Python expression with ``{0}`` for the value, true only if ``enter`` and ``dump`` would not change it.
        whole_test: the same for all items of a list or tuple.
    """

    name: str
    enter: Callable[[Any], Stored]
    dump: Callable[[Stored], WireValue] | None
    absent: Callable[[], Stored]
    nullable: bool
    test: str | None = None
    whole_test: Callable[[Sequence[Any]], bool] | None = None
    receive: Callable[[WireValue], Stored] | None = None

    @property
    def received(self) -> Callable[[WireValue], Stored]:
        """`receive`, or `enter` where that is the same."""
        return self.receive or self.enter

    def send(self, value: Any) -> WireValue:
        """Convert any Python value to a wire value."""
        stored = self.enter(value)
        return stored if self.dump is None else self.dump(stored)


class AnnotationValues(Protocol):
    """Where the values of annotations come from."""

    def value_of(self, annotation: Annotation) -> Stored:
        """The stored value of an annotation."""


def conversion_of(type: ValueType) -> Conversion:
    """The conversion of a type object.

    Raises:
        WrongType: it is no type of ours.
    """
    conversion = getattr(type, "__conversion__", None)
    if isinstance(conversion, Conversion):
        return conversion
    raise WrongType(f"{type!r} is no Cap'n Proto type", path="")


def enter_items(enter: Callable[[Any], Stored], items: Iterable[Any]) -> list[Stored]:
    """Let each item enter; an error names the index.

    No index is counted until there is an error, then the items are walked again.
    """
    if not isinstance(items, list | tuple):
        items = list(items)
    try:
        return list(map(enter, items))
    except (InvalidValue, UnknownField):
        for index, item in enumerate(items):
            try:
                enter(item)
            except (InvalidValue, UnknownField) as error:
                raise error.within(f"[{index}]") from None
        raise


class Annotations(dict[str, Any]):
    """Applied annotations, values by name; an annotation's 64-bit id works as a key too. Void ones have the value None.
    """

    def __init__(self, applied: Iterable[Annotation], values: AnnotationValues) -> None:
        super().__init__()
        self._ids: dict[int, str] = {}
        for annotation in applied:
            self[annotation.name] = values.value_of(annotation)
            self._ids[annotation.id] = annotation.name

    def __missing__(self, key: object) -> Any:
        if isinstance(key, int) and key in self._ids:
            return self[self._ids[key]]
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or (isinstance(key, int) and key in self._ids)

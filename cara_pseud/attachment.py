"""Values read from unset fields: they take their place in the struct with their first change, not before.

``p.boss`` on a struct without a boss gives an empty struct that knows where it was read. Reading it changes nothing;
``p.boss.name = "x"`` and ``p.addresses.append(…)`` put it into ``p``. So does a change of a part of a default:
``p.addresses[0].city = "x"`` where the schema gives the list an element.
"""

from __future__ import annotations

from typing import Protocol


class Parent(Protocol):
    """A struct that gave a value for an unset field, or a struct or list that is such a value and has parts."""

    def _adopt(self, id: int, child: Attachable) -> None:
        """Store the value in the field it was read from, unless the field was set otherwise since.

        Where it is a part of a value that is not stored itself, that one takes its place.
        """


class Attachable:
    """What structs and lists have in common.

    Names with one underscore cannot collide with fields: Cap'n Proto names have none.
    """

    _owner: tuple[Parent, int] | None = None

    def _changed(self) -> None:
        """Take the place in the struct this was read from, if any; called after every change."""
        owner = self._owner
        if owner is not None:
            object.__setattr__(self, "_owner", None)
            parent, id = owner
            parent._adopt(id, self)

    def _hold_parts(self) -> None:
        """Have changes of what is in this value, however deep, count as changes of this value."""

    def _attach_to(self, parent: Parent, id: int) -> None:
        object.__setattr__(self, "_owner", (parent, id))

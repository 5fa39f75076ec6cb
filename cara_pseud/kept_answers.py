"""Objects in answers that have left, for calls that name them before the caller knows them. No I/O, no clock.

A caller may call into an answer as long as it has not read it, so answers are kept a little longer than they are
needed here. What is kept is small, and keeps no object alive: ids of exports, or the body of an error.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias
from weakref import ref

from cara_pseud.capabilities import Capability, WireValue
from cara_pseud.exports import HolderExports
from cara_pseud.local import LocalCapability
from cara_pseud.promised import not_kept

MOST_ANSWERS: Final = 256
"""Kept for one peer. A caller that had more calls under way is told that one is gone, and calls again."""
MOST_OBJECTS: Final = 64
"""In one answer, and outside of lists; who wants more waits for the answer."""
MOST_ERROR_BYTES: Final = 4096
"""Of an error that is kept whole."""
_MOST_DEPTH: Final = 16
_ONLY: Final = (0,)
"""The place of an only result."""

KeptObject: TypeAlias = "int | ref[Capability]"
"""The id of an export of ours; or an object that is somebody else's, as long as somebody has it."""


class KeptAnswers:
    """The last answers to one peer, by the uuids of its calls."""

    __slots__ = ("_kept", "_order")

    def __init__(self) -> None:
        self._kept: dict[bytes, KeptObject | Mapping[tuple[int, ...], KeptObject] | bytes] = {}
        self._order: deque[bytes] = deque()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, uid: bytes, what: Mapping[tuple[int, ...], KeptObject] | bytes) -> None:
        """Keep the objects in an answer by their paths, or the body of an error."""
        order = self._order
        if uid not in self._kept:
            order.append(uid)
            if len(order) > MOST_ANSWERS:
                del self._kept[order.popleft()]
        # Most answers with an object have nothing else.
        only = what.get(_ONLY) if isinstance(what, Mapping) and len(what) == 1 else None
        self._kept[uid] = what if only is None else only

    def clear(self) -> None:
        """Forget all: the connection is another one."""
        self._kept.clear()
        self._order.clear()

    def error(self, uid: bytes) -> bytes | None:
        """The body of the error that a call ended with; None if it did not, or is not known any more."""
        what = self._kept.get(uid)
        return what if type(what) is bytes else None

    def find(self, uid: bytes, path: tuple[int, ...], exports: HolderExports) -> Capability:
        """The object at a path of an answer.

        Raises:
            RpcError: ``failed_precondition`` with the reason `NOT_KEPT`.
        """
        what = self._kept.get(uid)
        place = what.get(path) if isinstance(what, Mapping) else what if path == _ONLY else None
        if isinstance(place, int):
            export = exports.get(place)
            if export is not None:
                return export.capability
        elif isinstance(place, ref) and (capability := place()) is not None:
            return capability
        raise not_kept()


def objects_in(
    value: WireValue, results: Sequence[str] | None, exports: HolderExports
) -> Mapping[tuple[int, ...], KeptObject]:
    """The objects in an answer, outside of lists, by the ids of the fields that lead to them.

    Args:
        value: as it is sent.
        results: the names of the method's results by their ids; None if its results are one struct.
    """
    found: dict[tuple[int, ...], KeptObject] = {}
    if results is None:
        _look(value, (), exports, found)
    elif len(results) == 1:
        _look(value, (0,), exports, found)
    elif type(value) is dict:
        for id, name in enumerate(results):
            _look(value.get(name), (id,), exports, found)
    return found


def _look(value: Any, path: tuple[int, ...], exports: HolderExports, found: dict[tuple[int, ...], KeptObject]) -> None:
    if type(value) is dict:
        if len(path) < _MOST_DEPTH:
            for id, item in value.items():
                if type(id) is int and (type(item) is dict or isinstance(item, Capability)):
                    _look(item, (*path, id), exports, found)
    elif isinstance(value, Capability) and len(found) < MOST_OBJECTS:
        # What passes through has a stand-in among the exports, which its own peer would not get.
        id = exports.id_of(value.key) if isinstance(value, LocalCapability) else None
        found[path] = ref(value) if id is None else id

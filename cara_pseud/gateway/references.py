"""What one outgoing message refers to, collected while its values are written.

Objects of the gateway, objects of this process, and calls whose results will stand in it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

from cara_pseud.errors import RpcError
from cara_pseud.gateway.callback_table import CallbackTable
from cara_pseud.gateway.messages import JSON
from cara_pseud.gateway.targets import AnswerPlace, ObjectCallee, handle_in


class Hole(NamedTuple):
    """Where a result will stand: ``holder[key]``."""

    holder: Any
    key: str | int
    path: str
    place: AnswerPlace


class MessageReferences:
    """Those of one message.

    Attributes:
        generation: the oldest session that an object of it belongs to, None if there is none.
        holes: those that are to be filled when it is written.
        values: elements and members of the message, as the gateway counts them.
    """

    def __init__(self, owner: object, callbacks: CallbackTable) -> None:
        """Begin with none.

        Args:
            owner: whose objects these must be.
        """
        self.generation: int | None = None
        self.holes: list[Hole] = []
        self.values = 0
        self._owner = owner
        self._callbacks = callbacks
        self._names: dict[str, None] = {}

    @property
    def callbacks(self) -> Sequence[str]:
        """The names of the callbacks, each once."""
        return tuple(self._names)

    def handle(self, target: ObjectCallee, path: str) -> JSON:
        """The JSON of an object of the gateway.

        Raises:
            RpcError: it is none of this connection, or was released.
        """
        if target.owner is not self._owner:
            raise RpcError("invalid_argument", f"{path}: the object belongs to another connection", {"path": path})
        if target.released:
            raise RpcError("failed_precondition", f"{path}: the object was released", {"path": path})
        self.generation = target.generation if self.generation is None else min(self.generation, target.generation)
        return {"$handle": target.token}

    def later(self, place: AnswerPlace, holder: Any, key: str | int, path: str) -> None:
        """Have a place filled by a result that may not have come."""
        self.holes.append(Hole(holder, key, path, place))

    def callback(self, key: Hashable, make: Callable[[], Any]) -> JSON:
        """The JSON of an object of this process."""
        name = self._callbacks.name(key, make)
        if name not in self._names:
            self._names[name] = None
            self._callbacks.carry([name])
        return {"$callback": name}

    def hold(self) -> None:
        """Keep the callbacks, whatever comes of the message, until `discard`."""
        self._callbacks.carry(self._names)

    def discard(self) -> None:
        """Note that the message will not be sent, or is held no longer."""
        self._callbacks.settle(self._names, accepted=False)

    def fill(self, hole: Hole) -> bool:
        """Write a result into its place, or where it will be found; gives whether it was there.

        Raises:
            RpcError: the call failed, or what is there cannot be passed.
        """
        holder, key, path, place = hole
        if not place.answer.settled:
            id = place.answer.id
            holder[key] = {"$result": id, "path": list(place.path)}
            return False
        holder[key] = self._resent(place.value(), place, path)
        return True

    def _resent(self, json: JSON, place: AnswerPlace, path: str) -> JSON:
        """A part of an answer as a parameter."""
        token = handle_in(json)
        if token is not None:
            return self.handle(next(target for target in place.answer.objects if target.token == token), path)
        if isinstance(json, list):
            self.values += len(json)
            return [self._resent(item, place, f"{path}[{index}]") for index, item in enumerate(json)]
        if isinstance(json, dict):
            if len(json) == 1 and "$float" in json:
                return json["$float"]
            self.values += len(json)
            return {name: self._resent(item, place, f"{path}.{name}") for name, item in json.items()}
        return json

"""What calls are made on: services, objects that came, and places in answers that have not come. Sends nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from cara_pseud.errors import RpcError
from cara_pseud.gateway.failures import dependent
from cara_pseud.gateway.messages import JSON


@dataclass(frozen=True, slots=True)
class ServiceCallee:
    """A service of the gateway."""

    name: str

    @property
    def label(self) -> str:
        """What to call it, for people."""
        return self.name


class ObjectCallee:
    """An object of the gateway; one count of its handle belongs to this.

    Attributes:
        owner: the client that it came to.
        interface: the name of its interface, None if the gateway does not know it.
        generation: the session that it came in.
        released: whether that count was given back.
        kept: called when it is given back: nobody has to do so any more who notices that it is unreachable.
        casts: the object as others of its interfaces, by their ids.
    """

    __slots__ = ("__weakref__", "casts", "generation", "interface", "kept", "owner", "released", "token")

    def __init__(self, owner: object, token: str, interface: str | None, generation: int) -> None:
        self.owner = owner
        self.token = token
        self.interface = interface
        self.generation = generation
        self.released = False
        self.kept: Callable[[], object] | None = None
        self.casts: dict[int, AnswerPlace] = {}

    @property
    def label(self) -> str:
        """What to call it, for people."""
        return self.interface or "object"


class PendingAnswer:
    """The result of a call, which others may build on before it has come.

    Attributes:
        label: what was called, for people.
        id: of the request; empty as long as there is none.
        json: the result, once it is settled, as it came.
        error: why there is none.
        objects: what came in the result.
        given_up: whether nobody wants it any more.
        built_on: whether other calls build on it, so that whoever waits for these hears of its failure.
    """

    __slots__ = ("_listeners", "built_on", "error", "given_up", "id", "json", "label", "objects", "settled")

    def __init__(self, label: str) -> None:
        self.label = label
        self.id = ""
        self.settled = self.given_up = self.built_on = False
        self.json: JSON = None
        self.error: BaseException | None = None
        self.objects: Sequence[ObjectCallee] = ()
        self._listeners: list[Callable[[], object]] = []

    def settle(self, json: JSON, objects: Sequence[ObjectCallee], error: BaseException | None = None) -> None:
        """Note how the call ended."""
        self.settled = True
        self.json, self.objects, self.error = json, objects, error
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener()

    def when_settled(self, listener: Callable[[], object]) -> None:
        """Call something when it has ended, at once if it has."""
        if self.settled:
            listener()
        else:
            self._listeners.append(listener)


@dataclass(frozen=True, slots=True)
class AnswerPlace:
    """A place in the result of a call that may not have been answered.

    Attributes:
        path: names of members, and indexes of lists as digits.
    """

    answer: PendingAnswer
    path: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What to call it, for people."""
        return ".".join([f"{self.answer.label}(…)", *self.path])

    def value(self) -> JSON:
        """What stands there, once the answer has come.

        Raises:
            RpcError: the call failed, or there is no such place.
        """
        answer = self.answer
        if answer.error is not None:
            raise dependent(answer.error)
        value = answer.json
        for depth, name in enumerate(self.path):
            if handle_in(value) is not None or not isinstance(value, dict | list):
                where = ".".join(["the result", *self.path[:depth]])
                what = "null" if value is None else "a remote object" if handle_in(value) else type(value).__name__
                raise RpcError("invalid_argument", f"{where} is {what}, so it has no member {name}")
            if isinstance(value, dict):
                value = value.get(name)
            else:
                value = value[int(name)] if name.isdecimal() and len(name) < 10 and int(name) < len(value) else None
        return value

    def object(self) -> ObjectCallee:
        """The remote object there, once the answer has come.

        Raises:
            RpcError: the call failed, or no object is there.
        """
        token = handle_in(self.value())
        if token is None:
            raise RpcError("invalid_argument", f"{'.'.join(['the result', *self.path])} is not a remote object")
        return next(target for target in self.answer.objects if target.token == token)


Callee: TypeAlias = ServiceCallee | ObjectCallee | AnswerPlace


def handle_in(json: Any) -> str | None:
    """The token of a reference to an object; None if it is something else. Looking alike is not enough."""
    if isinstance(json, dict) and len(json) == 2 and "$handle" in json and "interface" in json:
        token, interface = json["$handle"], json["interface"]
        if isinstance(token, str) and (interface is None or isinstance(interface, str)):
            return token
    return None

"""A session as plain data: what another process would need to go on with it, and nothing else.

Times are wall-clock times, and objects have names: the service, the incarnation of its process, the number it has
there. What is under way (calls, requests to clients), results that may still be called into, and sockets are not here.
An object whose service knows no incarnations, or does not verify who asks, cannot be named: it is bound to the process
that got it, and says so (`HandleRecord.is_bound`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from cara_pseud.schema.nodes import Kind, Type
from gateway.client import StreamRecord
from gateway.json.text import JSON
from gateway.upstream.base import ObjectName


@dataclass(slots=True)
class HandleRecord:
    """One object that a session holds.

    Attributes:
        service: the service's name.
        interface: None for an object from an AnyPointer, which has no methods here.
        object: its name at the service; None if it is bound to this process.
        references: how often the service sent it and was not given it back, as far as this handle has to see to it.
        counts: how often each holder was sent it and has not given it back.
        is_cast: whether a client asked for this interface of an object that came with another one, or with none.
    """

    service: str
    interface: Type | None
    object: ObjectName | None
    references: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    is_cast: bool = False

    @property
    def is_bound(self) -> bool:
        """Whether only this process can reach it."""
        return self.object is None


@dataclass(slots=True)
class SessionRecord:
    """One session.

    Attributes:
        id: its secret name.
        principal: whose it is; nobody else finds it.
        expires_at: when it ends if nobody uses it, in seconds since 1970.
        rest: whether REST uses it too, so that it does not end with its last stream.
        listener: which of its streams is that of ``/api/events``.
        handles: by their tokens.
        streams: those that are with no process at the moment, by their ids.
        events: the number behind which the next listener's events begin, so that none has a number of an earlier one's.
        address: who opened it, as far as that is known: "" if not.
        by_rest: whether REST opened it.
        provisional: whether nobody came back to it yet.
        cookie: the secret half of the cookie that names it; None if the gateway set none.
    """

    id: str
    principal: str | None = None
    expires_at: float = 0.0
    rest: bool = False
    listener: str | None = None
    handles: dict[str, HandleRecord] = field(default_factory=dict)
    streams: dict[str, StreamRecord] = field(default_factory=dict)
    events: int = 0
    address: str = ""
    by_rest: bool = False
    provisional: bool = False
    cookie: str | None = None

    def to_json(self) -> dict[str, JSON]:
        """The record as a JSON object."""
        return {
            **_members(self, "handles", "streams"),
            "handles": {token: _handle_to_json(handle) for token, handle in self.handles.items()},
            "streams": {id: _members(stream) for id, stream in self.streams.items()},
        }

    @classmethod
    def from_json(cls, obj: dict[str, Any]) -> SessionRecord:
        """What `to_json` has written.

        Raises:
            KeyError, TypeError, ValueError: it was written by something else.
        """
        handles = {token: _handle_from_json(handle) for token, handle in obj["handles"].items()}
        streams = {id: StreamRecord(**stream) for id, stream in obj["streams"].items()}
        return cls(**{**obj, "handles": handles, "streams": streams})


def _members(record: Any, *but: str) -> dict[str, JSON]:
    return {one.name: getattr(record, one.name) for one in fields(record) if one.name not in but}


def _handle_to_json(handle: HandleRecord) -> JSON:
    name = handle.object
    return {
        "service": handle.service,
        "interface": None if handle.interface is None else _type_to_json(handle.interface),
        # 64 bits do not go into every reader's numbers.
        "object": None if name is None else [name.incarnation, str(name.id)],
        "references": handle.references,
        "counts": handle.counts,
        "cast": handle.is_cast,
    }


def _handle_from_json(obj: dict[str, Any]) -> HandleRecord:
    interface, name = obj["interface"], obj["object"]
    return HandleRecord(
        obj["service"],
        None if interface is None else _type_from_json(interface),
        None if name is None else ObjectName(name[0], int(name[1])),
        obj["references"],
        obj["counts"],
        obj["cast"],
    )


def _type_to_json(type: Type) -> JSON:
    return [
        type.kind.name,
        str(type.node_id),
        None if type.element is None else _type_to_json(type.element),
        [[str(scope), [_type_to_json(bound) for bound in bounds]] for scope, bounds in type.brand],
        None if type.parameter is None else [str(type.parameter[0]), type.parameter[1]],
    ]


def _type_from_json(obj: Any) -> Type:
    kind, node_id, element, brand, parameter = obj
    return Type(
        Kind[kind],
        int(node_id),
        None if element is None else _type_from_json(element),
        tuple((int(scope), tuple(_type_from_json(bound) for bound in bounds)) for scope, bounds in brand),
        None if parameter is None else (int(parameter[0]), parameter[1]),
    )

"""Capabilities that live at a peer: objects that it sent us, and what it registered under bare names. No I/O."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Protocol

from cara_pseud import wire
from cara_pseud.capabilities import NO_ARGUMENTS, NO_OPTIONS, CallOptions, Capability, Pending, TwoForms
from cara_pseud.errors import RpcError
from cara_pseud.schema.nodes import BoundMethod


class Origin(Protocol):
    """Where a capability comes from: what it needs of the connection to its peer.

    Attributes:
        owner: what objects of the peer are told apart by.
        epoch: counts the events that ended all references.
        lost: whether nothing is sent to it any more.
        extended: whether it is one of ours; None as long as nobody knows.
    """

    owner: Hashable
    lost: bool
    extended: bool | None

    @property
    def epoch(self) -> int: ...

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...

    def heir(self) -> Origin | None:
        """The newest live connection to the same process, if this one is lost."""

    def request(
        self,
        name: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Callable[[Any], Any] | None = None,
    ) -> Pending: ...

    def dropped(self, id: int, count: int) -> None:
        """Give references back; may be called from the collector, on any thread."""


class RemoteCapability(Capability):
    """An object at a peer. ``count`` is how often it was sent to us and not given back."""

    __slots__ = ("_epoch", "_lent", "_owed", "connection", "count", "id", "released_")

    def __init__(self, connection: Origin, id: int) -> None:
        self.connection = connection
        self.id = id
        self.count = 0
        self.released_ = False
        self._lent = self._owed = 0
        self._epoch = connection.epoch
        self.key = ("remote", connection.owner, connection.epoch, id)

    @property
    def alive(self) -> bool:
        connection = self.connection
        if self.released_ or self._epoch != connection.epoch:
            return False
        return not connection.lost or connection.heir() is not None

    def call(
        self,
        interface_id: int,
        method: int | str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Callable[[Any], Any] | None = None,
    ) -> Pending:
        connection = self.connection
        if connection.lost:
            connection = connection.heir() or connection
        if connection is self.connection and self._epoch != connection.epoch:
            gone = Pending(loop=connection.loop)
            gone.watcher = None
            gone.set_exception(RpcError("not_found", "the object ended with the connection to its peer"))
            return gone
        if type(kwargs) is TwoForms and connection.extended:
            args, packed_kwargs = kwargs.ours
        else:
            packed_kwargs = kwargs if type(kwargs) is dict else dict(kwargs)
        return connection.request(
            wire.CALL, (self.id, interface_id, method, args, packed_kwargs), NO_ARGUMENTS, options, convert
        )

    def lend(self) -> None:
        """Take note that another peer has it through us: what is let go of meanwhile is given back after `returned`."""
        self._lent += 1

    def returned(self) -> None:
        """Take note that one of those peers let go."""
        if not self._lent:
            return
        self._lent -= 1
        owed = self._owed
        if owed and not self._lent:
            self._owed = 0
            self.give_back(owed)

    def release(self) -> None:
        if self._lent:
            self._owed = self.count
        elif not self.released_:
            self.released_ = True
            if self._epoch == self.connection.epoch:
                self.connection.dropped(self.id, self.count)

    def give_back(self, count: int) -> None:
        if self._lent:
            self._owed += count
        elif count >= self.count:
            self.release()
        elif not self.released_:
            self.count -= count
            if self._epoch == self.connection.epoch:
                self.connection.dropped(self.id, count)

    def disown(self, count: int) -> None:
        self.count -= count
        if self.count <= 0:
            self.released_ = True

    def __del__(self) -> None:
        # The safety net; a partly built object (resolve failed) has no count yet.
        if not getattr(self, "released_", True):
            self._lent = 0
            self.release()


class RootCapability(Capability):
    """The methods that a peer registered under their bare names, as one object."""

    __slots__ = ("connection",)

    def __init__(self, connection: Origin) -> None:
        self.connection = connection
        self.key = ("root", connection)

    @property
    def alive(self) -> bool:
        return not self.connection.lost

    def invoke(
        self,
        bound: BoundMethod,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Callable[[Any], Any] | None = None,
    ) -> Pending:
        return self.connection.request(bound.method.name, args, kwargs, options, convert)

    def call(
        self,
        interface_id: int,
        method: int | str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Callable[[Any], Any] | None = None,
    ) -> Pending:
        if not isinstance(method, str):
            raise TypeError("a peer's registered methods are called by name")
        return self.connection.request(method, args, kwargs, options, convert)

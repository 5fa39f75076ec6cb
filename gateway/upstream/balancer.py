"""A service with several endpoints: each call of its root goes to the one with the least under way.

Objects stay where they are: their calls go straight to the connection that they came over, and nothing is in their way.
A call that reached no service goes to another endpoint; one that may have reached it does not, that is for whoever
knows whether it may run twice. Which endpoint is given calls is decided by `gateway.upstream.health`. If none of those
that are connected may be given any, they are given them all the same: an ejection leaves nobody worse off.

Knows nothing of any service's protocol: an endpoint is a `gateway.upstream.base.EndpointConnection`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from cara_pseud.capabilities import NO_ARGUMENTS, NO_OPTIONS, CallOptions, Capability, Pending
from cara_pseud.errors import DeadlineExceeded, OutcomeUnknown, RpcError, Unauthenticated, Unavailable
from cara_pseud.schema.nodes import BoundMethod
from gateway.upstream.base import Endpoint, EndpointConnection, EndpointState, ObjectName, State, Upstream
from gateway.upstream.health import Health, nobody

SIGN_OF_LIFE_S: Final = 2.0
"""How long an endpoint may take to give one."""

_Begin = Callable[[Capability, CallOptions], "asyncio.Future[Any]"]
"""Makes a call of a connection's root."""


class Balancer:
    """Several connections that serve the same; implements `gateway.upstream.base.Upstream`.

    They are not its own: they are started by whoever made them, and may be another balancer's as well.

    Args:
        changed: called when one is ejected, on trial or well again; what else becomes of them they tell themselves.
    """

    def __init__(self, connections: Sequence[EndpointConnection], changed: Callable[[], None] = nobody) -> None:
        self.connections: Sequence[EndpointConnection] = tuple(connections)
        self._places = tuple(_Place(connection, changed) for connection in self.connections)
        places = self._places
        self._orders = tuple((*places[first:], *places[:first]) for first in range(len(places)))
        self._turn = 0
        self.root: Capability = _Root(self)

    # What it is, seen as one.

    @property
    def state(self) -> State:
        """The best that there is."""
        states = {connection.state for connection in self.connections}
        return "up" if "up" in states else "connecting" if "connecting" in states else "down"

    @property
    def stopped(self) -> bool:
        return all(connection.stopped for connection in self.connections)

    @property
    def trouble(self) -> str:
        """What is wrong at all of them; empty if one is well, which is enough."""
        troubles = [connection.trouble for connection in self.connections]
        return troubles[0] if all(troubles) else ""

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        return tuple(place.seen for place in self._places)

    @property
    def is_used(self) -> bool:
        return any(connection.is_used for connection in self.connections)

    @property
    def has_calls(self) -> bool:
        return any(connection.has_calls for connection in self.connections)

    def on_state(self, callback: Callable[[State], None]) -> Callable[[], None]:
        """See `gateway.upstream.base.Upstream`; what becomes of a single endpoint its connection tells."""
        return self._on_change(lambda: self.state, callback, [part.on_state for part in self.connections])

    def on_trouble(self, callback: Callable[[str], None]) -> Callable[[], None]:
        return self._on_change(lambda: self.trouble, callback, [part.on_trouble for part in self.connections])

    def _on_change(
        self,
        value: Callable[[], Any],
        callback: Callable[[Any], None],
        tellers: Iterable[Callable[[Callable[[Any], None]], Callable[[], None]]],
    ) -> Callable[[], None]:
        told = value()

        def look(_: Any) -> None:
            nonlocal told
            now = value()
            if now != told:
                told = now
                callback(now)

        forgets = [tell(look) for tell in tellers]

        def forget() -> None:
            for each in forgets:
                each()

        return forget

    async def start(self) -> None:
        for connection in self.connections:
            await connection.start()

    def close(self) -> None:
        """Look after the connections no more; they go on."""
        for place in self._places:
            place.stop()

    async def stop(self) -> None:
        self.close()
        await asyncio.gather(*[connection.stop() for connection in self.connections])

    # Objects.

    def home_of(self, target: Capability) -> Upstream:
        for connection in self.connections:
            if connection.owns(target):
                return connection
        return self

    def beside(self, target: Capability, object: Capability) -> Capability:
        if target is self.root:
            for place in self._places:
                if place.connection.owns(object):
                    return _Root(self, place)
        return target

    def name_of(self, capability: Capability) -> ObjectName | None:
        for connection in self.connections:
            if connection.owns(capability):
                return connection.name_of(capability)
        return None

    def adopt(self, name: ObjectName, references: int) -> Capability:
        unavailable: Unavailable | None = None
        for connection in self.connections:
            try:
                return connection.adopt(name, references)
            except Unavailable as error:
                unavailable = error
            except RpcError as error:
                if error.code != "not_found":
                    raise
        # It may live at one that cannot be asked now.
        raise unavailable or RpcError("not_found", "the object ended with the process that had it")

    # Calls.

    def place_for(self, tried: Sequence[_Place], wish: _Place | None, now: float) -> _Place | None:
        """The endpoint that a call goes to; None if each was tried.

        Those that are up and may be given calls come first, then the others that are up, then those that may come up.
        """
        if wish is not None and wish not in tried and wish.rank(now) <= _UP:
            return wish
        orders = self._orders
        # Where nothing is under way they take turns.
        self._turn = turn = (self._turn + 1) % len(orders)
        best, best_rank, least = None, _DOWN + 1, 0
        for place in orders[turn]:
            if place in tried:
                continue
            rank, in_flight = place.rank(now), place.connection.in_flight
            if rank < best_rank or (rank == best_rank and in_flight < least):
                best, best_rank, least = place, rank, in_flight
        return best


_WELL, _UP, _CONNECTING, _DOWN = range(4)
"""What an endpoint is worth to a call, the best first."""
_RANKS: Final = {"up": _UP, "connecting": _CONNECTING, "down": _DOWN}


class _Place:
    """One endpoint: its connection, how it fares, and how it comes back."""

    def __init__(self, connection: EndpointConnection, changed: Callable[[], None]) -> None:
        self.connection = connection
        self.health = Health(changed)
        self._timer: asyncio.TimerHandle | None = None
        self._asked: asyncio.Task[bool] | None = None
        self._forget: Callable[[], None] | None = None

    @property
    def seen(self) -> Endpoint:
        connection, fitness = self.connection, self.health.fitness
        state: EndpointState = connection.state
        if state == "up" and fitness != "well":
            state = fitness
        return Endpoint(connection.endpoint, state, connection.in_flight, connection.trouble)

    def rank(self, now: float) -> int:
        rank = _RANKS[self.connection.state]
        return _WELL if rank == _UP and (not self.health.is_troubled or self.health.takes(now)) else rank

    def ended(self, error: BaseException | None, now: float) -> None:
        """Take note of how a call ended, if that says something of the endpoint."""
        health = self.health
        is_ejected = False
        if isinstance(error, OutcomeUnknown):
            is_ejected = health.lost(now)
        elif isinstance(error, DeadlineExceeded):
            # Anybody may set a deadline that nobody can keep, so it is asked before it is judged.
            if self._asked is None and health.fitness != "ejected":
                self._ask()
            return
        elif isinstance(error, Unavailable | Unauthenticated):
            return  # it never got there, which the connection's state tells
        elif isinstance(error, RpcError) and error.code == "unavailable":
            is_ejected = health.unavailable(now)
        elif health.is_troubled:
            health.good(now)
        if is_ejected:
            self._pause()

    def _pause(self) -> None:
        self.stop()
        self._timer = asyncio.get_running_loop().call_later(self.health.pause_s, self._try)

    def _try(self) -> None:
        self._timer = None
        if self.connection.state == "up":
            self._ask()
        elif not self.connection.stopped:
            self._forget = self.connection.on_state(self._on_state)

    def _on_state(self, state: State) -> None:
        if self._forget is not None and (state == "up" or self.connection.stopped):
            self._forget()
            self._forget = None
            if state == "up":
                self._ask()

    def _ask(self) -> None:
        self._asked = asyncio.get_running_loop().create_task(self.connection.answers(SIGN_OF_LIFE_S))
        self._asked.add_done_callback(self._told)

    def _told(self, asked: asyncio.Task[bool]) -> None:
        if self._asked is asked:
            self._asked = None
        if asked.cancelled():
            return
        health, now = self.health, asyncio.get_running_loop().time()
        if asked.result():
            health.came_back()
        elif health.fitness == "ejected":
            health.still_silent(now)
            self._pause()
        elif self.connection.state == "up" and health.silent(now):
            self._pause()

    def stop(self) -> None:
        """Wait for nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._asked is not None:
            self._asked.cancel()
        if self._forget is not None:
            self._forget()
        self._timer = self._asked = self._forget = None


class _Root(Capability):
    """The service's own interface, wherever it is served; ``wish`` is the endpoint that is preferred."""

    __slots__ = ("_balancer", "_wish")

    def __init__(self, balancer: Balancer, wish: _Place | None = None) -> None:
        self._balancer = balancer
        self._wish = wish
        self.key = ("root", balancer)

    @property
    def alive(self) -> bool:
        return any(connection.root.alive for connection in self._balancer.connections)

    def invoke(
        self,
        bound: BoundMethod,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Callable[[Any], Any] | None = None,
    ) -> Pending:
        def begin(root: Capability, options: CallOptions) -> asyncio.Future[Any]:
            return root.invoke(bound, args, kwargs, options, convert)

        return _balanced(self._balancer, self._wish, begin, options)

    def call(
        self,
        interface_id: int,
        method: int | str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Callable[[Any], Any] | None = None,
    ) -> Pending:
        def begin(root: Capability, options: CallOptions) -> asyncio.Future[Any]:
            return root.call(interface_id, method, args, kwargs, options, convert)

        return _balanced(self._balancer, self._wish, begin, options)


class _Call(Pending):
    """A call of the service's own interface, at one endpoint after the other until one takes it."""

    __slots__ = ("balancer", "begin", "inner", "options", "place", "tried", "until", "wish")

    balancer: Balancer
    begin: _Begin
    inner: asyncio.Future[Any] | None
    options: CallOptions
    place: _Place
    tried: tuple[_Place, ...]
    until: float | None
    wish: _Place | None

    def go(self, now: float) -> BaseException | None:
        """Begin at the endpoint that is best now; why not, if none takes it."""
        error: BaseException | None = None
        while True:
            place = self.balancer.place_for(self.tried, self.wish, now)
            if place is None:
                return error
            options = self.options
            if self.tried and self.until is not None:
                options = CallOptions(max(self.until - now, 0.001), *options[1:])
            self.place = place
            if place.health.is_troubled:
                place.health.given(now)
            inner = self.begin(place.connection.root, options)
            if not inner.done():
                self.inner = inner
                if isinstance(inner, Pending):
                    inner.watcher = self.ended
                else:
                    inner.add_done_callback(self.ended)
                return None
            error = inner.exception()
            place.ended(error, now)
            if error is None:
                self.set_result(inner.result())
                return None
            if not isinstance(error, Unavailable | Unauthenticated):
                return error
            self.tried = (*self.tried, place)

    def ended(self, inner: asyncio.Future[Any]) -> None:
        """Pass on what came of it, or go to another endpoint if it never got to this one."""
        self.inner = None
        if self.done():
            if not inner.cancelled():
                inner.exception()  # nobody else looks at it, and asyncio would log what it says
            return
        if inner.cancelled():
            self.cancel()
            return
        error = inner.exception()
        place = self.place
        if error is None:
            if place.health.is_troubled:
                place.ended(None, self.get_loop().time())
            self.set_result(inner.result())
        else:
            now = self.get_loop().time()
            place.ended(error, now)
            if isinstance(error, Unavailable | Unauthenticated) and (self.until is None or now < self.until):
                self.tried = (*self.tried, place)
                other = self.go(now)
                if self.inner is not None:
                    return
                error = other or error
            if not self.done():
                self.set_exception(error)
        if self.watcher is not None:
            self.watcher(self)

    def cancel(self, msg: Any | None = None) -> bool:
        if self.done():
            return False
        inner, self.inner = self.inner, None
        super().cancel(msg)
        if inner is not None:
            inner.cancel()
        self.tell()
        return True


def _balanced(balancer: Balancer, wish: _Place | None, begin: _Begin, options: CallOptions) -> _Call:
    loop = asyncio.get_running_loop()
    now = loop.time()
    call = _Call(loop=loop)
    call.watcher, call.balancer, call.begin, call.wish, call.options = None, balancer, begin, wish, options
    call.inner, call.tried = None, ()
    call.until = None if options.timeout is None else now + options.timeout
    error = call.go(now)
    if error is not None:
        call.set_exception(error)
    return call

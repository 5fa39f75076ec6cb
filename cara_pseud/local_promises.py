"""Objects of ours whose calls are used like those of a peer: what they give can be called before it is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cara_pseud.capabilities import NO_ARGUMENTS, NO_OPTIONS, CallOptions, WireValue
from cara_pseud.local import LocalCall, LocalCapability
from cara_pseud.promises import Piping, Promising


class PromisingCall(Promising, LocalCall):
    """The result of a call of an object of ours, with the objects in it as attributes and items."""

    __slots__ = ("convert",)

    def pipe(self) -> tuple[Piping, bytes] | None:
        """See `cara_pseud.promises.First`: nothing is sent, so there is nothing to be named."""
        return None


class PromisingCapability(LocalCapability):
    """An object of ours; so are those that its methods give."""

    __slots__ = ()
    call_class = PromisingCall

    def call(
        self,
        interface_id: int,
        method: int | str,
        args: Sequence[WireValue] = (),
        kwargs: Mapping[str, WireValue] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Callable[[WireValue], Any] | None = None,
    ) -> asyncio.Future[Any]:
        def converted(wire: WireValue) -> Any:
            return promising(wire) if convert is None else convert(promising(wire))

        call = super().call(interface_id, method, args, kwargs, options, converted)
        assert isinstance(call, PromisingCall)
        call.convert = convert
        return call


def promising(value: WireValue) -> WireValue:
    """A wire value in which objects of ours are such objects."""
    if type(value) is LocalCapability:
        return PromisingCapability(value.target, value.key)
    if isinstance(value, Mapping):
        return {key: promising(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [promising(item) for item in value]
    return value

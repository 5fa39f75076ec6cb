"""Services in unit tests: called in the test's own process, without sockets, ports and waiting."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from cara_pseud import wire
from cara_pseud.capabilities import IncomingCall, WireValue
from cara_pseud.errors import RegistrationError
from cara_pseud.implementations import Implementation
from cara_pseud.interfaces import implement
from cara_pseud.local_promises import PromisingCapability
from cara_pseud.proxies import make_proxy, release, with_options


def local_proxy(
    implementation: Any,
    interface: Any = None,
    *,
    principal: str | None = None,
    roles: tuple[str, ...] = (),
    timeout: float | None = 10.0,
) -> Any:
    """A proxy of an object that is served nowhere: ``await local_proxy(MyCalculator()).add(2, 5)``.

    Arguments and results take the way of a call over the wire: they are checked and converted at both ends, objects
    become proxies, errors are what callers would get. Only the bytes between are left out.

    Args:
        implementation: what `register_interface` takes.
        interface: the interface, unless the object's class is derived from one.
        principal, roles: what `current_call` says of the caller.
        timeout: in seconds, for each call.

    Raises:
        RegistrationError: the object cannot be served; see `register_interface`.
    """
    target = implement(implementation, interface)
    missing = target.missing()
    if len(missing) == len(target.handlers()) and missing:
        raise RegistrationError(f"{target.interface_name} has no method that is implemented: {', '.join(missing)}")
    declared: Any = interface
    if declared is None:
        declared = next(base for base in type(target.value).__mro__ if "__declaration__" in vars(base))
    proxy = make_proxy(declared.__proxy_class__, PromisingCapability(_Served(target)))
    return with_options(proxy, principal=principal, roles=roles, timeout=timeout)


def serving(interface: Any, implementation: Any, **options: Any) -> Serving:
    """An object that is served for as long as a ``with`` or an ``async with`` statement, which gets its proxy.

        async with serving(schema.Calculator, MyCalculator()) as calculator:
            await calculator.add(2, 5)

    Args:
        interface, implementation: what `register_interface` takes; the first may be None where the second tells it.
        options: those of `local_proxy`.

    Raises:
        RegistrationError: see `local_proxy`.
    """
    return Serving(local_proxy(implementation, interface, **options))


class Serving:
    """See `serving`."""

    def __init__(self, proxy: Any) -> None:
        """Hold a proxy until the end of the statement."""
        self._proxy = proxy

    def __enter__(self) -> Any:
        return self._proxy

    def __exit__(self, *_: object) -> None:
        release(self._proxy)

    async def __aenter__(self) -> Any:
        return self._proxy

    async def __aexit__(self, *_: object) -> None:
        release(self._proxy)


class _Served:
    """An object whose exceptions reach its callers as they do over the wire."""

    def __init__(self, own: Implementation) -> None:
        self.own = own

    async def invoke(
        self,
        interface_id: int,
        method: int | str,
        args: Sequence[WireValue],
        kwargs: Mapping[str, WireValue],
        call: IncomingCall,
    ) -> WireValue:
        try:
            result = self.own.invoke(interface_id, method, args, kwargs, call)
            return await result if isinstance(result, Awaitable) else result
        except Exception as error:
            raise wire.parse_error(list(wire.error_triple(error))) from error

    def released(self) -> None:
        self.own.released()

"""One way for every call: authorise, read the parameters by schema, invoke with a deadline, write the results.

Doors (REST, WebSocket) bring the parsed parameters and what they know about references; they get a future of JSON.
Knows neither how a door writes references nor which protocol a service speaks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from cara_pseud.capabilities import NO_ARGUMENTS, CallOptions, Capability
from cara_pseud.errors import OutcomeUnknown, RemoteError, RpcError, Unauthenticated
from gateway.catalogue import Method
from gateway.config.limits import Limits
from gateway.errors import GatewayError, Status, from_rpc_error
from gateway.json.codec.objects import LiveObjects
from gateway.json.text import JSON
from gateway.upstream.base import Upstream

_LOG: Final = logging.getLogger(__name__)
_LOGGED: Final = frozenset({Status.UNKNOWN, Status.INTERNAL, Status.OUTCOME_UNKNOWN})


Wishes = CallOptions
"""What a caller may say about one call, and who it is. What of it the service is told is `Calls`' decision."""
NO_WISHES: Final = Wishes()

Authorise = Callable[[str | None, Method], None]
"""Whether a principal may call a method; raises a `GatewayError` if not."""


def allow_everybody(principal: str | None, method: Method) -> None:
    """The rule as long as nobody has to say who they are."""


class Calls:
    """Begins calls for all doors."""

    def __init__(
        self, limits: Limits, *, expose_errors: bool = False, authorise: Authorise = allow_everybody
    ) -> None:
        self._max_timeout_s = limits.max_call_timeout_s
        self._expose_errors = expose_errors
        self._authorise = authorise

    def begin(
        self,
        method: Method,
        target: Capability,
        params: JSON,
        refs: LiveObjects | None = None,
        wishes: Wishes = NO_WISHES,
        unbox: bool = False,
    ) -> asyncio.Future[Any]:
        """Start a call; when this returns it is on its way, so calls keep the order in which they are begun.

        Args:
            target: the service's root or an object of it.
            params: an object by name, an array by position, or None for no parameters at all.
            unbox: whether a single result stands for itself.

        Returns:
            A future of the results as JSON. Cancelling it cancels the call. Its exception is for `failure`.

        Raises:
            GatewayError: the call is not permitted or its parameters do not fit; nothing was sent.
        """
        method.calls += 1
        self._authorise(wishes.principal, method)
        reader = method.params
        args = reader.by_name(params, refs) if type(params) is dict else reader.read(params, refs)
        timeout_s = method.timeout_s if wishes.timeout is None else wishes.timeout
        if timeout_s > self._max_timeout_s:
            timeout_s = self._max_timeout_s
        options = wishes if wishes.timeout == timeout_s else CallOptions(timeout_s, *wishes[1:])
        boxes = method.results.unboxed if unbox else method.results.boxed
        write: Callable[[Any], JSON] = boxes if refs is None else partial(boxes, refs=refs)
        future = target.invoke(method.bound, args, NO_ARGUMENTS, options, write)
        if not method.facts.idempotent:
            return future

        def again(left_s: float) -> asyncio.Future[Any]:
            repeated = CallOptions(left_s, *wishes[1:])
            return target.invoke(method.bound, args, NO_ARGUMENTS, repeated, write)

        until = asyncio.get_running_loop().time() + timeout_s
        return asyncio.ensure_future(_at_most_twice(future, again, method.service.upstream, until))

    def failure(self, error: BaseException, method: Method, request_id: str | None) -> GatewayError:
        """What the caller is told about the exception of a call; the log is told what the caller is not."""
        if isinstance(error, GatewayError):
            told = error
        elif isinstance(error, asyncio.CancelledError):
            told = GatewayError(Status.CANCELLED, "the call was cancelled")
        elif isinstance(error, Unauthenticated):
            # The service refuses the gateway, which is nothing that the caller could mend by logging in.
            told = GatewayError(Status.UNAVAILABLE, f"the service does not let the gateway in: {error.message}")
        elif isinstance(error, RemoteError) and error.code == Status.UNIMPLEMENTED.code:
            told = GatewayError(Status.UNIMPLEMENTED, "the schema has this method, but the service does not")
        elif isinstance(error, RpcError):
            told = from_rpc_error(error, expose_errors=self._expose_errors)
        else:
            told = GatewayError(Status.INTERNAL, "the gateway failed to make this call")
        told.at(method.service_name, method.name, request_id)
        method.failures[told.status.code] = method.failures.get(told.status.code, 0) + 1
        if told.status in _LOGGED or isinstance(error, Unauthenticated):
            unexpected = not isinstance(error, GatewayError | RpcError)
            place = f"{method.service_name}.{method.name}"
            if method.has_secrets and isinstance(error, GatewayError) and error.path is not None:
                error = GatewayError(error.status, f"{error.path}: what stands there does not fit, and may be a secret")
            _LOG.warning(
                "%s: %s: %s [%s]", place, told.status.code, error, request_id, exc_info=error if unexpected else None
            )
        return told


async def _at_most_twice(
    first: asyncio.Future[Any], again: Callable[[float], asyncio.Future[Any]], upstream: Upstream, until: float
) -> Any:
    """Await a call of an idempotent method; if its connection is lost, repeat it once, before the same deadline."""
    loop = asyncio.get_running_loop()
    try:
        return await first
    except OutcomeUnknown as lost:
        if upstream.stopped:
            raise
        is_up = loop.create_future()
        forget = upstream.on_state(lambda state: is_up.set_result(None) if state == "up" and not is_up.done() else None)
        try:
            if upstream.state != "up":
                await asyncio.wait_for(is_up, until - loop.time())
        except TimeoutError:
            raise lost from None
        finally:
            forget()
        return await again(max(until - loop.time(), 0.001))

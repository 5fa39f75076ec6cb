"""What a caller is told about a call that failed, and what the log is told in its place."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Sequence
from typing import Any, Final

from cara_pseud.errors import OutcomeUnknown, RemoteError, RpcError, Unauthenticated
from gateway.catalogue import ServiceMethod
from gateway.errors import GatewayError, Status, from_rpc_error
from gateway.redaction import WHOLE, redacted
from gateway.sensitive import secrets_in

_LOG: Final = logging.getLogger(__name__)
_LOGGED: Final = frozenset({Status.UNKNOWN, Status.INTERNAL, Status.OUTCOME_UNKNOWN})


def failure_told(
    error: BaseException,
    method: ServiceMethod,
    request_id: str | None,
    args: Sequence[Any] = (),
    *,
    expose_errors: bool = False,
) -> GatewayError:
    """What the caller is told about the exception of a call; the log is told what the caller is not.

    Args:
        args: what the service was sent, as far as there are secrets in it.
        expose_errors: whether callers are told the texts of services' exceptions.
    """
    if isinstance(error, GatewayError):
        told = error
    elif isinstance(error, asyncio.CancelledError):
        told = GatewayError(Status.CANCELLED, "the call was cancelled")
    elif isinstance(error, Unauthenticated):
        # The service refuses the gateway, which is nothing that the caller could mend by logging in.
        told = GatewayError(Status.UNAVAILABLE, f"the service does not let the gateway in: {error.message}")
    elif isinstance(error, RemoteError) and error.code == Status.UNIMPLEMENTED.code:
        told = GatewayError(Status.UNIMPLEMENTED, "the schema has this method, but the service does not")
    elif isinstance(error, OutcomeUnknown) and method.service.upstream.stopped:
        # The library's words are of its own client, which is nothing to ours.
        told = GatewayError(Status.OUTCOME_UNKNOWN, "the gateway shut down before the answer came")
    elif isinstance(error, RpcError):
        told = from_rpc_error(error, expose_errors=expose_errors)
    else:
        told = GatewayError(Status.INTERNAL, "the gateway failed to make this call")
    told.at(method.service_name, method.label, request_id)
    method.counts.fail(told.status.code)
    if told.status in _LOGGED or isinstance(error, Unauthenticated):
        unexpected = not isinstance(error, GatewayError | RpcError)
        place = f"{method.service_name}.{method.label}"
        if method.has_secrets:
            text = _without_secrets(error, method, args)
            _LOG.warning("%s: %s: %s [%s]", place, told.status.code, text, request_id)
        else:
            _LOG.warning(
                "%s: %s: %s [%s]", place, told.status.code, error, request_id,
                exc_info=error if unexpected else None,
            )
    return told


def _without_secrets(error: BaseException, method: ServiceMethod, args: Sequence[Any]) -> str:
    """An exception as the log may show it, of a call whose parameters or results have secrets."""
    if isinstance(error, GatewayError) and error.path is not None:
        return f"{error.path}: what stands there does not fit, and may be a secret"
    if isinstance(error, GatewayError | RpcError):
        name = error.exception_class if isinstance(error, RemoteError) else ""
        if method.has_secret_results:
            text = WHOLE  # nobody here knows the results that the service had
        else:
            secrets = list(secrets_in(method.service.routes, method.bound, args))
            text, name = redacted(str(error), secrets), redacted(name, secrets)
        return f"{name}: {text}" if name else text
    # A fault of the gateway's own: where it was, without the values in its text.
    frames = traceback.extract_tb(error.__traceback__)
    places = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(error).__name__} in {places}; {WHOLE}"

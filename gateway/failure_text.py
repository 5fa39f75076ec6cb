"""Why a call failed, as the log may show it: without the values that its schema calls secrets."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import Any

from cara_pseud.errors import RemoteError, RpcError
from gateway.catalogue import ServiceMethod
from gateway.errors import GatewayError
from gateway.redaction import WHOLE, redacted
from gateway.sensitive import secrets_in


def without_secrets(error: BaseException, method: ServiceMethod, args: Sequence[Any]) -> str:
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

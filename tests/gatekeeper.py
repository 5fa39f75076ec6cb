"""A gatekeeper whose principals and patience a test chooses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from gateway.access.credentials import Credentials
from gateway.access.gatekeeper import NOT_SHOWN
from gateway.access.principals import ANONYMOUS, Principal
from gateway.catalogue import ServiceMethod
from gateway.errors import GatewayError, Status


class FakeGatekeeper:
    """Knows ``X-Api-Key``, ``Authorization: Bearer`` and hello's token by the names of principals.

    Attributes:
        principals: by the key or token that each shows.
        slow: keys that are only known when the test says so, by setting the future's result.
        asked: what it was shown.
        needs: the role that a method needs, by the method's label.
    """

    def __init__(self, principals: Mapping[str, Principal], *, is_required: bool = True) -> None:
        self.principals = dict(principals)
        self.is_required = is_required
        self.is_on = True
        self.slow: dict[str, asyncio.Future[None]] = {}
        self.asked: list[Credentials] = []
        self.needs: dict[str, str] = {}
        self._on_removed: list[Callable[[Principal], None]] = []

    def known(self, credentials: Credentials) -> Principal | None:
        self.asked.append(credentials)
        key = _shown(credentials)
        return None if key in self.slow else self._found(key)

    async def authenticate(self, credentials: Credentials) -> Principal:
        key = _shown(credentials)
        assert key is not None
        await asyncio.shield(self.slow[key])
        return self._found(key)

    def _found(self, key: str | None) -> Principal:
        if key is None:
            if self.is_required:
                raise GatewayError(Status.UNAUTHENTICATED, "show who you are", reason=NOT_SHOWN)
            return ANONYMOUS
        if key not in self.principals:
            raise GatewayError(Status.UNAUTHENTICATED, "nobody has this key")
        return self.principals[key]

    def challenge(self, headers: Mapping[str, str]) -> str:
        return "Basic" if headers.get("Sec-Fetch-Mode", "navigate") == "navigate" else "Bearer"

    def may_call(self, principal: Principal, method: ServiceMethod) -> bool:
        needed = self.needs.get(method.label)
        return needed is None or needed in principal.roles

    def on_removed(self, callback: Callable[[Principal], None]) -> None:
        self._on_removed.append(callback)

    def remove(self, key: str) -> None:
        """Do what a reload does whose configuration leaves somebody out."""
        principal = self.principals.pop(key)
        principal.is_removed = True
        for callback in self._on_removed:
            callback(principal)


def _shown(credentials: Credentials) -> str | None:
    if credentials.token is not None:
        return credentials.token
    headers = credentials.headers
    if "Authorization" in headers:
        return headers["Authorization"].removeprefix("Bearer ")
    return headers.get("X-Api-Key")

"""A service that speaks cara over pseud. The only module of the gateway, beside the demo, that knows this protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from cara_pseud.capabilities import Capability
from cara_pseud.client import Client
from cara_pseud.cork import Cork
from cara_pseud.errors import OutcomeUnknown, RpcError, Unavailable
from cara_pseud.limits import DEFAULT_MAX_CAPABILITIES, DEFAULT_MAX_MESSAGE_BYTES
from cara_pseud.remote import RemoteCapability
from gateway.config.connection import ConnectionConfig
from gateway.config.limits import Limits
from gateway.upstream.base import Endpoint, ObjectName, State

_PLUGINS: Final = {"noop": "noop_auth_backend", "plain": "plain", "curve": "curve"}
FIRST_CONNECTION_S: Final = 0.25
"""How long the first calls wait for a service that has never been there, the same as after a loss."""

_BACKLOG_BYTES: Final = 256 * 2**20
"""Of answers that were asked for and not looked at yet, before a service is taken for a flood: the first calls of a
method may be many, and nobody knows how long its answers are."""

_LEAST_VALUES: Final = 1_000
"""What peers say to each other takes some values, too."""


class PseudUpstream:
    """One client of one endpoint; implements `gateway.upstream.base.EndpointConnection`."""

    def __init__(
        self,
        config: ConnectionConfig,
        limits: Limits,
        cork: Cork | None = None,
        first_connection_s: float = FIRST_CONNECTION_S,
        why_nobody: Callable[[], str] = str,
    ) -> None:
        """Begin without a connection.

        Args:
            first_connection_s: how long the first calls wait for it.
            why_nobody: why nobody listens at the endpoint, where somebody knows more than ZeroMQ does.
        """
        self.endpoint = config.endpoint
        keys = (
            {
                "public_key": (config.public_key or "").encode(),
                "secret_key": (config.secret_key or "").encode(),
                "peer_public_key": (config.server_public_key or "").encode(),
            }
            if config.security == "curve"
            else {}
        )
        # Not our own bound on messages: an answer that is too large shall fail its call, and not, as ZeroMQ would have
        # it for a frame over its bound, the connection with everything under way.
        arguments: dict[str, Any] = {
            "user_id": config.user_id,
            "password": config.password,
            "security_plugin": _PLUGINS[config.security],
            "timeout": limits.default_call_timeout_s,
            "connect_grace": first_connection_s,
            "why_nobody": why_nobody,
            "callback_timeout": limits.callback_timeout_s,
            "max_backlog_bytes": _BACKLOG_BYTES,
            "max_message_bytes": max(DEFAULT_MAX_MESSAGE_BYTES, limits.max_message_bytes),
            # What a caller could not be given is refused by its size, before anything is made of it.
            "max_values": max(limits.max_values, _LEAST_VALUES),
            "max_capabilities": min(limits.max_handles_per_session, DEFAULT_MAX_CAPABILITIES),
            "cork": cork,
            **keys,
        }
        self._client = Client(config.peer, **arguments)
        (self._connection,) = self._client.connections
        # The calls under way; looked at for each call where there are several endpoints.
        self._pending = self._connection.pending
        self.root: Capability = self._client.root
        self._is_verified = config.security != "noop"
        self._stopped = False

    @property
    def state(self) -> State:
        return cast(State, self._client.state)

    @property
    def stopped(self) -> bool:
        return self._stopped

    @property
    def trouble(self) -> str:
        return self._client.trouble

    def on_trouble(self, callback: Callable[[str], None]) -> Callable[[], None]:
        return self._client.on_trouble(callback)

    def on_state(self, callback: Callable[[State], None]) -> Callable[[], None]:
        return self._client.on_state(cast("Callable[[str], None]", callback))

    @property
    def connections(self) -> Sequence[PseudUpstream]:
        return (self,)

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        return (Endpoint(self.endpoint, self.state, self.in_flight, self.trouble),)

    @property
    def in_flight(self) -> int:
        return len(self._pending)

    def owns(self, capability: Capability) -> bool:
        return isinstance(capability, RemoteCapability) and capability.connection is self._connection

    def home_of(self, target: Capability) -> PseudUpstream:
        return self

    def beside(self, target: Capability, object: Capability) -> Capability:
        return target

    async def answers(self, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                await self._connection.sign_of_life()
        except (Unavailable, OutcomeUnknown, TimeoutError):
            return False
        except RpcError:
            pass  # an answer all the same: an original peer that nobody has recognised yet has no word for this
        return True

    @property
    def is_used(self) -> bool:
        return self._client.is_used

    @property
    def has_calls(self) -> bool:
        return any(connection.pending for connection in self._client.connections)

    def name_of(self, capability: Capability) -> ObjectName | None:
        # Where nobody's name is verified, the service gives its objects to a connection and not to a user.
        name = self._client.name_of(capability) if self._is_verified else None
        return None if name is None else ObjectName(name[0].hex(), name[1])

    def adopt(self, name: ObjectName, references: int) -> Capability:
        return self._client.adopt(bytes.fromhex(name.incarnation), name.id, references)

    async def start(self) -> None:
        self._client.connect(self.endpoint)
        await self._client.start()

    async def stop(self) -> None:
        self._stopped = True
        await self._client.stop()

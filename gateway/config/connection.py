"""What a connection to one endpoint of a service is made of: where it is, and as whom the gateway comes."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionConfig:
    """Two that are equal describe one connection, whatever else changed of the service. Its repr shows no secret.

    Attributes:
        service: its name.
        peer: its pseud identity.
    """

    service: str
    endpoint: str
    peer: str = "server"
    security: str = "noop"
    user_id: str | None = None
    password: str | None = field(default=None, repr=False)
    server_public_key: str | None = None
    public_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)

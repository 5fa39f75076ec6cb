"""Security plugins for pseud's registry: ``plain``, ``trusted_peer`` and ``curve`` (``noop_auth_backend`` is its own).

A plugin configures the socket before it is bound or connected. The server's plugins decide, over ZAP, who a client
is; the result travels as ZMTP metadata ``User-Id`` with every message.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import zmq
import zmq.utils.z85
import zope.component
import zope.interface

from cara_pseud.stock import IAuthenticationBackend, IClient, IServer, register_auth_backend
from cara_pseud.zap import Credentials, ZapHandler

Passwords = Mapping[Any, Any] | Callable[[bytes, bytes], bool]
"""Passwords by user (str or bytes), or a function (user, password) → bool, which runs on a thread of its own."""


class _Rpc(Protocol):
    socket: zmq.Socket[bytes]
    context: zmq.Context[Any]
    user_id: bytes | None
    password: bytes | None
    passwords: Passwords | None
    allowed_keys: Mapping[Any, Any] | None
    public_key: bytes | None
    secret_key: bytes | None
    peer_public_key: bytes | None


def as_bytes(value: Any) -> bytes:
    """A user, password or identity as bytes; text is encoded as UTF-8.

    Raises:
        TypeError: it is neither text nor bytes.
    """
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    raise TypeError(f"expected text or bytes, not {type(value).__name__}")


class _Plugin:
    """What pseud asks of every plugin; answers that hold for all of ours."""

    def __init__(self, rpc: _Rpc) -> None:
        self.rpc = rpc

    async def stop(self) -> None:
        """Let go of everything `configure` took."""
        self.close()

    def close(self) -> None:
        """The same, without a loop."""

    def configure(self) -> None:
        """Set the socket's security options."""

    def is_authenticated(self, user_id: bytes) -> bool:
        """Whether messages of this user may be handled; ZeroMQ lets nobody else in."""
        return True

    def get_predicate_arguments(self, user_id: bytes) -> dict[str, Any]:
        """Arguments for pseud's predicates: none."""
        return {}

    def get_routing_id(self, user_id: bytes) -> bytes:
        """pseud's own table, which our peers do not use: they know their connections."""
        return user_id

    def register_routing_id(self, user_id: bytes, routing_id: bytes) -> None:
        """See `get_routing_id`."""

    def save_last_work(self, message: Any) -> None:
        """Nothing is sent twice."""

    async def handle_hello(self, *args: Any) -> None:
        """No handshake of messages: ZeroMQ does it."""

    async def handle_authenticated(self, message: Any) -> None:
        """See `handle_hello`."""

    async def handle_authentication(self, *args: Any) -> None:
        """See `handle_hello`."""


class _ZapPlugin(_Plugin):
    domain: bytes | None = None

    def configure(self) -> None:
        if self.domain is None:
            self.domain = b"cara-" + secrets.token_hex(16).encode()
            ZapHandler.of(self.rpc.context).add(self.domain, self.authenticate)
        self.rpc.socket.setsockopt(zmq.ZAP_DOMAIN, self.domain)

    def close(self) -> None:
        if self.domain is not None:
            ZapHandler.of(self.rpc.context).remove(self.rpc.context, self.domain)
            self.domain = None

    def authenticate(self, credentials: Credentials) -> bytes | None:
        """Decide on a client; see `cara_pseud.zap.Authenticator`."""
        raise NotImplementedError


@register_auth_backend
@zope.interface.implementer(IAuthenticationBackend)
@zope.component.adapter(IClient)
class PlainClient(_Plugin):
    """ZeroMQ PLAIN with ``user_id`` and ``password``."""

    name: Final = "plain"

    def configure(self) -> None:
        user, password = as_bytes(self.rpc.user_id or b""), as_bytes(self.rpc.password or b"")
        if not (0 < len(user) < 256 and 0 < len(password) < 256):
            # ZeroMQ refuses others with no more than "Invalid argument".
            raise ValueError("security_plugin='plain' needs user_id and password of 1 to 255 bytes")
        self.rpc.socket.plain_username = user
        self.rpc.socket.plain_password = password


@register_auth_backend
@zope.interface.implementer(IAuthenticationBackend)
@zope.component.adapter(IServer)
class TrustedPeer(_ZapPlugin):
    """Believe any login and password: for networks where every peer is trusted, and for nothing else."""

    name: Final = "trusted_peer"

    def configure(self) -> None:
        super().configure()
        self.rpc.socket.plain_server = True

    def authenticate(self, credentials: Credentials) -> bytes | None:
        return credentials.parts[0] if credentials.mechanism == b"PLAIN" and len(credentials.parts) == 2 else None


@register_auth_backend
@zope.interface.implementer(IAuthenticationBackend)
@zope.component.adapter(IServer)
class PlainServer(_ZapPlugin):
    """ZeroMQ PLAIN, checked against the server's ``passwords``."""

    name: Final = "plain"

    def configure(self) -> None:
        if self.rpc.passwords is None:
            raise ValueError(
                "security_plugin='plain' needs passwords={user: password} or passwords=function(user, password)"
            )
        super().configure()
        self.rpc.socket.plain_server = True

    def authenticate(self, credentials: Credentials) -> bytes | None:
        if credentials.mechanism != b"PLAIN" or len(credentials.parts) != 2:
            return None
        user, password = credentials.parts
        passwords = self.rpc.passwords
        if callable(passwords):
            return user if passwords(user, password) is True else None
        known = {as_bytes(name): as_bytes(secret) for name, secret in (passwords or {}).items()}
        expected = known.get(user)
        # An unknown user costs the same comparison as a known one.
        permitted = hmac.compare_digest(password, password if expected is None else expected)
        return user if permitted and expected is not None else None


class _CurveKeys(_Plugin):
    def configure(self) -> None:
        if not (self.rpc.public_key and self.rpc.secret_key):
            raise ValueError("security_plugin='curve' needs public_key and secret_key (Z85)")
        self.rpc.socket.curve_publickey = self.rpc.public_key
        self.rpc.socket.curve_secretkey = self.rpc.secret_key


@register_auth_backend
@zope.interface.implementer(IAuthenticationBackend)
@zope.component.adapter(IClient)
class CurveClient(_CurveKeys):
    """ZeroMQ CURVE with our key pair and the server's public key (``peer_public_key``)."""

    name: Final = "curve"

    def configure(self) -> None:
        super().configure()
        if not self.rpc.peer_public_key:
            raise ValueError("security_plugin='curve' needs peer_public_key, the server's public key (Z85)")
        self.rpc.socket.curve_serverkey = self.rpc.peer_public_key


@register_auth_backend
@zope.interface.implementer(IAuthenticationBackend)
@zope.component.adapter(IServer)
class CurveServer(_CurveKeys, _ZapPlugin):
    """ZeroMQ CURVE with an allow list: ``allowed_keys`` maps clients' public keys (Z85) to user ids."""

    name: Final = "curve"

    def configure(self) -> None:
        if not self.rpc.allowed_keys:
            raise ValueError("security_plugin='curve' needs allowed_keys={public key (Z85): user id}")
        super().configure()
        _ZapPlugin.configure(self)
        self.rpc.socket.curve_server = True

    def authenticate(self, credentials: Credentials) -> bytes | None:
        if credentials.mechanism != b"CURVE" or len(credentials.parts) != 1:
            return None
        shown = zmq.utils.z85.encode(credentials.parts[0])
        for key, user in (self.rpc.allowed_keys or {}).items():
            if hmac.compare_digest(as_bytes(key), shown):
                return as_bytes(user)
        return None

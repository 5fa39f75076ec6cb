"""Security plugins for pseud's registry: ``plain``, ``trusted_peer``, ``curve`` and ``untrusted_curve``.

(``noop_auth_backend``, which lets everybody in, is pseud's own.)

A plugin configures the socket before it is bound or connected. The server's plugins decide, over ZAP, who a client
is; the result travels as ZMTP metadata ``User-Id`` with every message.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final, Protocol

import zmq
import zmq.utils.z85
import zope.component
import zope.interface

from cara_pseud.login_desk import LoginDesk, OnVerdict
from cara_pseud.logins import Verdict
from cara_pseud.passwords import Passwords, as_bytes, entry_of
from cara_pseud.stock import IAuthenticationBackend, IClient, IServer, register_auth_backend
from cara_pseud.zap import OnDecision, Permitted, ZapCredentials, ZapHandler


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


class Plugin:
    """What pseud asks of every plugin; answers that hold for all of ours.

    Attributes:
        logs_in: whether users prove who they are by a message, after ZeroMQ let their connection in.
    """

    logs_in = False

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
        """Arguments for pseud's predicates: the user, as bytes, if there is one."""
        return {"user": user_id} if user_id else {}

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


class _ZapPlugin(Plugin):
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

    def authenticate(self, credentials: ZapCredentials, answer: OnDecision) -> None:
        """Decide on a client; see `cara_pseud.zap.Authenticator`."""
        user = self.identify(credentials)
        answer(Verdict.REFUSED if user is None else Permitted(user))

    def identify(self, credentials: ZapCredentials) -> bytes | None:
        """The user id of a client, where that can be told at once; None for one that is refused."""
        raise NotImplementedError


@register_auth_backend
@zope.interface.implementer(IAuthenticationBackend)
@zope.component.adapter(IClient)
class PlainClient(Plugin):
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

    def identify(self, credentials: ZapCredentials) -> bytes | None:
        return credentials.parts[0] if credentials.mechanism == b"PLAIN" and len(credentials.parts) == 2 else None


@register_auth_backend
@zope.interface.implementer(IAuthenticationBackend)
@zope.component.adapter(IServer)
class PlainServer(_ZapPlugin):
    """ZeroMQ PLAIN, checked against the server's ``passwords``."""

    name: Final = "plain"
    _desk: LoginDesk | None = None

    def configure(self) -> None:
        self._desk = self._desk or _required_desk(self.rpc.passwords, self.name)
        super().configure()
        self.rpc.socket.plain_server = True

    def close(self) -> None:
        super().close()
        if self._desk is not None:
            self._desk.close()

    def authenticate(self, credentials: ZapCredentials, answer: OnDecision) -> None:
        if credentials.mechanism != b"PLAIN" or len(credentials.parts) != 2 or self._desk is None:
            answer(Verdict.REFUSED)
            return
        user, password = credentials.parts
        self._desk.ask(
            credentials.address,
            user,
            password,
            lambda verdict: answer(Permitted(user) if verdict is Verdict.PERMITTED else verdict),
        )


class _CurveKeys(Plugin):
    def configure(self) -> None:
        if not (self.rpc.public_key and self.rpc.secret_key):
            raise ValueError("security_plugin='curve' needs public_key and secret_key (Z85)")
        self.rpc.socket.curve_publickey = as_bytes(self.rpc.public_key)
        self.rpc.socket.curve_secretkey = as_bytes(self.rpc.secret_key)


@register_auth_backend
@zope.interface.implementer(IAuthenticationBackend)
@zope.component.adapter(IClient)
class CurveClient(_CurveKeys):
    """ZeroMQ CURVE with our key pair and the server's public key (``peer_public_key``)."""

    name = "curve"

    def configure(self) -> None:
        super().configure()
        if not self.rpc.peer_public_key:
            raise ValueError("security_plugin='curve' needs peer_public_key, the server's public key (Z85)")
        self.rpc.socket.curve_serverkey = as_bytes(self.rpc.peer_public_key)


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

    def identify(self, credentials: ZapCredentials) -> bytes | None:
        if credentials.mechanism != b"CURVE" or len(credentials.parts) != 1:
            return None
        # A public key is no secret: it may be looked up.
        user = entry_of(self.rpc.allowed_keys or {}, zmq.utils.z85.encode(credentials.parts[0]))
        return None if user is None else as_bytes(user)


@register_auth_backend
@zope.interface.implementer(IAuthenticationBackend)
@zope.component.adapter(IClient)
class UntrustedCurveClient(CurveClient):
    """CURVE with any key pair of ours, and then a login with ``user_id`` and ``password`` under its protection."""

    name = "untrusted_curve"
    logs_in = True

    def configure(self) -> None:
        if not (self.rpc.public_key and self.rpc.secret_key):
            # The key proves nothing, so that of a moment will do.
            self.rpc.public_key, self.rpc.secret_key = zmq.curve_keypair()
        super().configure()


@register_auth_backend
@zope.interface.implementer(IAuthenticationBackend)
@zope.component.adapter(IServer)
class UntrustedCurveServer(_CurveKeys, _ZapPlugin):
    """CURVE for clients with any key; who does not log in with one of the ``passwords`` is answered UNAUTHORIZED."""

    name: Final = "untrusted_curve"
    logs_in = True
    _desk: LoginDesk | None = None

    def configure(self) -> None:
        self._desk = self._desk or _required_desk(self.rpc.passwords, self.name)
        super().configure()
        _ZapPlugin.configure(self)
        self.rpc.socket.curve_server = True

    def close(self) -> None:
        super().close()
        if self._desk is not None:
            self._desk.close()

    def identify(self, credentials: ZapCredentials) -> bytes | None:
        if credentials.mechanism != b"CURVE" or len(credentials.parts) != 1:
            return None
        # No user yet, but what tells a connection that took over a routing id from the one that had it; and where it
        # is from, which nothing else tells.
        return bytes(zmq.utils.z85.encode(credentials.parts[0])) + credentials.address

    def check(self, transport_user: bytes, login: bytes, password: bytes, answer: OnVerdict) -> None:
        """Have a login by message checked, of the one that `identify` gave ``transport_user``."""
        if self._desk is None:
            answer(Verdict.REFUSED)
        else:
            self._desk.ask(transport_user[_Z85_KEY_CHARS:], login, password, answer)


_Z85_KEY_CHARS: Final = 40


def _required_desk(passwords: Passwords | None, plugin: str) -> LoginDesk:
    if passwords is None:
        raise ValueError(
            f"security_plugin={plugin!r} needs passwords: "
            "{user: password}, a function (user, password), or the path of a password file"
        )
    return LoginDesk(passwords)

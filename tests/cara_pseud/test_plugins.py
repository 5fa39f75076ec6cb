"""Plugins of other people's: asked as pseud documents them, and whatever goes wrong in them lets nobody in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgpack
import pytest
import zope.component
import zope.interface

from cara_pseud import errors
from cara_pseud.auth import PlainServer
from cara_pseud.client import Client
from cara_pseud.server import Server
from cara_pseud.stock import (
    IAuthenticationBackend,
    IClient,
    IHeartbeatBackend,
    IServer,
    NoOpAuthentication,
    NoOpHeartbeats,
)
from tests.cara_pseud.waiting import until_readable

UID = bytes(range(16))
WORK, HELLO, OK, AUTHENTICATED, UNAUTHORIZED = b"\x03", b"\x02", b"\x01", b"\x04", b"\x11"
PING = msgpack.packb(("ping", (), {}))


def run(main: Any) -> None:
    asyncio.run(asyncio.wait_for(main, 20))


@contextmanager
def registered(cls: Any, adapted: Any, provided: Any = IAuthenticationBackend) -> Iterator[None]:
    """What pseud's decorators do, for the time of a test."""
    registry = zope.component.getGlobalSiteManager()
    registry.registerAdapter(cls, (adapted,), provided, "mine")
    try:
        yield
    finally:
        registry.unregisterAdapter(cls, (adapted,), provided, "mine")


async def received(socket: Any) -> list[bytes]:
    await until_readable(socket)
    return list(socket.recv_multipart())


async def gone_into(counter: Any, reason: str) -> None:
    while not counter[reason]:
        await asyncio.sleep(0.002)


@zope.interface.implementer(IAuthenticationBackend)
class Guard:
    """pseud's own snippet, for a server that wants a login by message; no method but the documented ones."""

    name = "mine"

    def __init__(self, rpc: Any) -> None:
        self.rpc = rpc
        self.known: set[bytes] = set()
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True

    def configure(self) -> None:
        pass

    def is_authenticated(self, peer_id: bytes) -> bool:
        return peer_id in self.known

    async def handle_hello(self, user_id: bytes, routing_id: bytes, message_uuid: bytes, message: Any) -> None:
        await asyncio.sleep(0)
        _, password = self.rpc.packer.unpackb(bytes(message))
        kind = AUTHENTICATED if password == "secret" else UNAUTHORIZED
        if kind == AUTHENTICATED:
            self.known.add(user_id)
        await self.rpc.send_message([routing_id, "", b"v1", message_uuid, kind, f"Welcome {user_id!r}"])

    def handle_authenticated(self, message: Any) -> None:
        pass

    def save_last_work(self, message: Any) -> None:
        pass

    def get_predicate_arguments(self, peer_id: bytes) -> dict[str, Any]:
        return {}


class Caller(Guard):
    """The other side of it, with the method that pseud calls and its interface forgets."""

    def is_authenticated(self, peer_id: bytes) -> bool:
        return True

    def save_last_work(self, message: Any) -> None:
        self.last = message

    def handle_authentication(self, user_id: bytes, routing_id: bytes, message_uuid: bytes) -> Any:
        login = self.rpc.packer.packb(("ann", self.rpc.password.decode()))
        self.rpc.send_message([routing_id, b"", b"v1", message_uuid, HELLO, login])

    async def handle_authenticated(self, message: Any) -> None:
        assert message.bytes.startswith(b"Welcome")
        await self.rpc.send_message(self.last)


def test_a_server_asks_whether_a_caller_is_known_and_hands_over_its_hello(serving: Any, raw_dealer: Any) -> None:
    async def main() -> None:
        with registered(Guard, IServer):
            async with serving(security_plugin="mine") as server:
                called: list[str] = []
                server.register_rpc(lambda: called.append("yes"), name="ping")
                dealer = raw_dealer(server.endpoint)
                for kind, body, answer in (
                    (WORK, PING, UNAUTHORIZED),
                    (HELLO, msgpack.packb(("ann", "wrong")), UNAUTHORIZED),
                    (WORK, PING, UNAUTHORIZED),
                    (HELLO, msgpack.packb(("ann", "secret")), AUTHENTICATED),
                ):
                    dealer.send_multipart([b"", b"v1", UID, kind, body])
                    assert (await received(dealer))[2:4] == [UID, answer]
                    assert not called
                dealer.send_multipart([b"", b"v1", UID, WORK, PING])
                assert (await received(dealer))[3] == OK
                assert called == ["yes"]
            assert server.auth_backend.stopped

    run(main())


def test_both_sides_can_be_guarded_by_plugins(serving: Any, connected: Any) -> None:
    async def main() -> None:
        with registered(Guard, IServer), registered(Caller, IClient):
            async with serving(security_plugin="mine") as server:
                server.register_rpc(lambda: "pong", name="ping")
                async with connected(server.endpoint, security_plugin="mine", password="secret") as client:
                    assert await client.ping() == "pong"

    run(main())


def test_a_client_without_such_a_plugin_is_told(serving: Any, connected: Any) -> None:
    async def main() -> None:
        with registered(Guard, IServer):
            async with serving(security_plugin="mine") as server, connected(server.endpoint) as client:
                server.register_rpc(lambda: "pong", name="ping")
                with pytest.raises(errors.Unauthenticated):
                    await client.ping()

    run(main())


class Raising(Guard):
    def is_authenticated(self, peer_id: bytes) -> bool:
        raise LookupError(peer_id)


class Awaiting(Guard):
    def is_authenticated(self, peer_id: bytes) -> Any:
        return asyncio.sleep(0, True)


class Misregistering(Guard):
    def is_authenticated(self, peer_id: bytes) -> bool:
        return True

    def register_routing_id(self, user_id: bytes, routing_id: bytes) -> None:
        raise LookupError(user_id)


@pytest.mark.parametrize("plugin", [Raising, Awaiting])
def test_a_plugin_that_fails_lets_nobody_in(serving: Any, raw_dealer: Any, plugin: Any) -> None:
    async def main() -> None:
        with registered(plugin, IServer):
            async with serving(security_plugin="mine") as server:
                called: list[str] = []
                server.register_rpc(lambda: called.append("yes"), name="ping")
                dealer = raw_dealer(server.endpoint)
                dealer.send_multipart([b"", b"v1", UID, WORK, PING])
                await gone_into(server.dropped, "a plugin failed")
                assert not called
                assert not dealer.poll(0)

    run(main())


class Directory(PlainServer):
    """Knows where users are, on top of our own passwords."""

    name = "mine"

    def __init__(self, rpc: Any) -> None:
        super().__init__(rpc)
        self.places: dict[bytes, bytes] = {}

    def register_routing_id(self, user_id: bytes, routing_id: bytes) -> None:
        self.places[user_id.upper()] = routing_id

    def get_routing_id(self, user_id: bytes) -> bytes:
        return self.places[user_id]


def test_a_plugin_says_where_users_are(serving: Any, connected: Any) -> None:
    async def main() -> None:
        with registered(Directory, IServer):
            async with serving(security_plugin="mine", passwords={"ann": "secret"}) as server:
                server.register_rpc(lambda: "pong", name="ping")
                login: dict[str, Any] = {"security_plugin": "plain", "user_id": b"ann", "password": b"secret"}
                async with connected(server.endpoint, **login) as client:
                    client.register_rpc(str.upper, name="upper")
                    assert await client.ping() == "pong"
                    assert await server.send_to(b"ANN").upper("x") == "X"
                    for unknown in (b"ann", b"bob"):
                        with pytest.raises(errors.Unavailable, match="knows no way to"):
                            server.send_to(unknown)
                async with connected(server.endpoint, **(login | {"password": b"wrong"})) as client:
                    with pytest.raises(errors.Unauthenticated):
                        await client.ping()

    run(main())


class Elsewhere(NoOpAuthentication):  # type: ignore[misc]
    def get_routing_id(self, user_id: bytes) -> bytes:
        return b"elsewhere"


class Unsaving(NoOpAuthentication):  # type: ignore[misc]
    def save_last_work(self, message: Any) -> None:
        raise OSError("full")


@pytest.mark.parametrize("plugin", [Elsewhere, Unsaving])
def test_a_call_that_a_client_s_plugin_objects_to_is_not_sent(serving: Any, connected: Any, plugin: Any) -> None:
    async def main() -> None:
        called: list[str] = []
        with registered(plugin, IClient):
            async with serving() as server, connected(server.endpoint, security_plugin="mine") as client:
                server.register_rpc(lambda: called.append("yes"), name="ping")
                with pytest.raises(errors.Unavailable, match="security plugin"):
                    await client.ping()
                assert not called

    run(main())


@zope.interface.implementer(IHeartbeatBackend)
class Pulse:
    name = "mine"

    def __init__(self, rpc: Any) -> None:
        self.rpc = rpc
        self.told: list[Any] = []

    def configure(self) -> None:
        self.told.append("configure")
        self.rpc.loop.call_soon(self.told.append, "the loop is known")

    async def handle_heartbeat(self, user_id: bytes, routing_id: bytes) -> None:
        self.told.append((user_id, routing_id))

    async def handle_timeout(self, user_id: bytes, routing_id: bytes) -> None:
        self.told.append("timeout")

    def stop(self) -> None:
        self.told.append("stop")


def test_a_heartbeat_plugin_is_told_of_every_message(serving: Any, raw_dealer: Any) -> None:
    async def main() -> None:
        with registered(Pulse, IServer, IHeartbeatBackend):
            async with serving(heartbeat_plugin="mine") as server:
                server.register_rpc(lambda: "pong", name="ping")
                dealer = raw_dealer(server.endpoint, routing_id=b"me")
                dealer.send_multipart([b"", b"v1", UID, b"\x06", b""])
                dealer.send_multipart([b"", b"v1", UID, WORK, PING])
                assert (await received(dealer))[3] == OK
                await asyncio.sleep(0)
                told = server.heartbeat_backend.told
                assert told == ["configure", "the loop is known", (b"", b"me"), (b"", b"me")]
        assert told[-1] == "stop"

    run(main())


def variant(base: Any, **changes: Any) -> Any:
    return type("Odd", (base,), changes)


async def coroutine(*_: Any) -> bool:
    return True


@pytest.mark.parametrize(
    ("plugin", "text"),
    [
        (variant(Guard, is_authenticated=None), r"security_plugin='mine': Odd has no method is_authenticated"),
        (variant(Guard, configure=None), "has no method configure"),
        (variant(Guard, is_authenticated=coroutine), r"Odd\.is_authenticated must be a plain function, no coroutine"),
        (variant(Guard, get_routing_id=coroutine), r"Odd\.get_routing_id must be a plain function"),
        (variant(Guard, get_predicate_arguments=coroutine), r"Odd\.get_predicate_arguments must be a plain function"),
    ],
)
def test_a_plugin_that_cannot_be_asked_is_refused(plugin: Any, text: str) -> None:
    with registered(plugin, IServer), pytest.raises(ValueError, match=text):
        Server(b"server", security_plugin="mine")


def test_a_heartbeat_plugin_that_cannot_be_asked_or_is_unknown_is_refused() -> None:
    plugin = variant(Pulse, handle_heartbeat=None)
    with registered(plugin, IClient, IHeartbeatBackend), pytest.raises(ValueError, match="has no method handle_heart"):
        Client(b"server", heartbeat_plugin="mine")
    with pytest.raises(ValueError, match="no heartbeat plugin 'pulse' for a Client; permitted: noop_heartbeat_backend"):
        Client(b"server", heartbeat_plugin="pulse")


def test_plugins_of_ours_and_pseud_s_own_need_not_be_asked() -> None:
    for plugin in ("noop_auth_backend", "plain", "curve", "untrusted_curve", "trusted_peer"):
        assert Server(b"server", security_plugin=plugin)._hooks is None
    with registered(variant(NoOpAuthentication, configure=lambda self: None), IServer):
        assert Server(b"server", security_plugin="mine")._hooks is None
    with registered(variant(NoOpHeartbeats[1], handle_timeout=coroutine), IServer, IHeartbeatBackend):
        assert Server(b"server", heartbeat_plugin="mine")._hooks is None
    with registered(Misregistering, IServer):
        assert Server(b"server", security_plugin="mine")._hooks is not None


@pytest.mark.parametrize(
    "message", [[], [b"a", b"b"], [b"a", b"", b"v2", UID, OK, b""], [b"a", b"x", b"v1", UID, OK, b""]]
)
def test_a_plugin_can_send_nothing_but_messages_of_the_protocol(message: Any) -> None:
    with pytest.raises(ValueError, match=r"expected \[routing id, b'', b'v1', uuid, type, body\], not"):
        Server(b"server").send_message(message)

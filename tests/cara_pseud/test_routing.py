"""pseud's job routing: functions under domains, predicates that say who may call them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import zope.component
import zope.interface
from zope.interface.registry import Components

import cara_pseud
from cara_pseud import errors
from cara_pseud.auth import PlainServer
from cara_pseud.server import Server
from cara_pseud.stock import (
    DefaultPredicate,
    IAuthenticationBackend,
    IPredicate,
    IRPCRoute,
    IServer,
    RPCCallable,
    register_rpc,
)

PASSWORDS = {"admin": "a", "guest": "g"}


def run(main: Any) -> None:
    asyncio.run(asyncio.wait_for(main, 20))


def login(user: str) -> dict[str, Any]:
    return {"security_plugin": "plain", "user_id": user, "password": user[0]}


@contextmanager
def adapter(cls: Any, adapted: Any, provided: Any, name: str) -> Iterator[None]:
    """What pseud's decorators do, for the time of a test."""
    registry = zope.component.getGlobalSiteManager()
    before = registry.adapters.registered((adapted,), provided, name)
    registry.registerAdapter(cls, (adapted,), provided, name)
    try:
        yield
    finally:
        if before is None:
            registry.unregisterAdapter(cls, (adapted,), provided, name)
        else:
            registry.registerAdapter(before, (adapted,), provided, name)


ADAPTED = next(iter(zope.interface.implementedBy(RPCCallable)))


class User:
    def __init__(self, name: bytes) -> None:
        self.name = name

    def has_permission(self, permission: str) -> bool:
        return self.name == b"admin" and permission == "DoSomethingNasty"


class WithUsers(PlainServer):
    """As pseud's page on job routing assumes: a backend that is able to return a user instance."""

    name = "with_users"

    def get_predicate_arguments(self, user_id: bytes) -> dict[str, Any]:
        return {"user": User(user_id)}


@pytest.fixture(autouse=True)
def with_users() -> Iterator[None]:
    with adapter(WithUsers, IServer, IAuthenticationBackend, "with_users"):
        yield


GUARDED: dict[str, Any] = {"security_plugin": "with_users", "passwords": PASSWORDS}


def registered_at_the_peer(server: Server) -> Any:
    return server.register_rpc


def registered_in_its_registry(server: Server) -> Any:
    def register(*arguments: Any, **named: Any) -> Any:
        return register_rpc(*arguments, registry=server.registry, **named)

    return register


FORMS = [registered_at_the_peer, registered_in_its_registry]


@pytest.mark.parametrize("restricted", FORMS)
@pytest.mark.parametrize("default", FORMS)
def test_one_name_is_small_power_or_great_power(serving: Any, connected: Any, restricted: Any, default: Any) -> None:
    async def main() -> None:
        async with serving(**GUARDED) as server:

            @default(server)(name="try_to_call_me")  # type: ignore[untyped-decorator]
            def callme(*args: Any, **kw: Any) -> str:
                return "small power"

            @restricted(server)(name="try_to_call_me", domain="restricted", with_identity=True)  # type: ignore[untyped-decorator]
            def callme_admin(user: bytes, *args: Any, **kw: Any) -> str:
                return f"great power of {user.decode()}"

            restricted(server)(lambda: "nasty", name="admins.only", domain="restricted")
            async with connected(server.endpoint, **login("guest")) as guest:
                assert await guest.try_to_call_me(1, two=2) == "small power"
                for name in ("admins.only", "admins.only:restricted", "try_to_call_me:restricted"):
                    with pytest.raises(errors.RpcError) as caught:
                        await guest.request(name)
                    assert caught.value.code == "unimplemented"
                # The form with options takes the same way.
                with pytest.raises(errors.RpcError):
                    await guest.request("admins.only", options=cara_pseud.CallOptions(request_id="1"))
            async with connected(server.endpoint, **login("admin")) as admin:
                assert await admin.try_to_call_me(1, two=2) == "great power of admin"
                assert await admin.admins.only() == "nasty"
                assert await admin.request("admins.only", options=cara_pseud.CallOptions(request_id="1")) == "nasty"

    run(main())


def test_an_anonymous_caller_gets_no_function_of_the_admin(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            server.register_rpc(lambda: "great power", name="power", domain="restricted")
            with pytest.raises(errors.RpcError) as caught:
                await client.power()
            assert caught.value.code == "unimplemented"
            server.register_rpc(lambda: "small power", name="power")
            assert await client.power() == "small power"

    run(main())


class ForAdmins:
    """A predicate that looks at the call, and one that takes what plugins of ours give."""

    def __init__(self, rpc_call: Any) -> None:
        self.rpc_call = rpc_call

    def test(self, user: bytes = b"", **more: Any) -> bool:
        assert cara_pseud.current_call().user == user
        return user == b"admin"


class Failing(ForAdmins):
    def test(self, **more: Any) -> bool:
        raise LookupError("no such user")


def test_predicates_know_the_user_with_our_own_plugins(serving: Any, connected: Any) -> None:
    async def main() -> None:
        with adapter(ForAdmins, ADAPTED, IPredicate, "admins"):
            async with serving(security_plugin="plain", passwords=PASSWORDS) as server:
                server.register_rpc(lambda: "secret", name="read", domain="admins")
                async with connected(server.endpoint, **login("admin")) as admin:
                    assert await admin.read() == "secret"
                async with connected(server.endpoint, **login("guest")) as guest:
                    with pytest.raises(errors.RpcError):
                        await guest.read()

    run(main())


def test_of_several_domains_that_permit_it_the_last_one_registered_answers(serving: Any, connected: Any) -> None:
    async def main() -> None:
        with adapter(ForAdmins, ADAPTED, IPredicate, "a"), adapter(ForAdmins, ADAPTED, IPredicate, "b"):
            async with (
                serving(security_plugin="plain", passwords=PASSWORDS) as server,
                connected(server.endpoint, **login("admin")) as admin,
            ):
                for domain in ("b", "a"):
                    server.register_rpc(lambda domain=domain: domain, name="which", domain=domain)
                    assert await admin.which() == domain

    run(main())


def test_a_predicate_that_fails_permits_nothing(
    serving: Any, connected: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        with adapter(Failing, ADAPTED, IPredicate, "failing"):
            async with serving() as server, connected(server.endpoint) as client:
                server.register_rpc(lambda: "secret", name="read", domain="failing")
                with pytest.raises(errors.RpcError) as caught:
                    await client.read()
                assert caught.value.code == "unimplemented"
        assert "the predicate of the domain 'failing' failed for 'read'" in caplog.text

    run(main())


def test_another_predicate_for_everybody_holds_for_functions_and_interfaces(serving: Any, connected: Any) -> None:
    async def main() -> None:
        with adapter(ForAdmins, ADAPTED, IPredicate, "default"):
            async with serving(security_plugin="plain", passwords=PASSWORDS) as server:
                server.register_rpc(lambda: "pong", name="ping")
                register_rpc(lambda: "pong", name="old", registry=server.registry)
                async with connected(server.endpoint, **login("admin")) as admin:
                    assert (await admin.ping(), await admin.old()) == ("pong", "pong")
                async with connected(server.endpoint, **login("guest")) as guest:
                    for name in ("ping", "old"):
                        with pytest.raises(errors.RpcError):
                            await guest.request(name)

    run(main())
    registry = zope.component.getGlobalSiteManager()
    assert registry.adapters.registered((ADAPTED,), IPredicate, "default") is DefaultPredicate


def test_a_proxy_asks_with_the_caller_s_user(serving: Any, connected: Any) -> None:
    async def main() -> None:
        behind = Server(b"behind", **GUARDED)
        behind.register_rpc(lambda: "secret", name="read", domain="restricted")
        async with serving(proxy_to=behind, **GUARDED) as server:
            async with connected(server.endpoint, **login("admin")) as admin:
                assert await admin.read() == "secret"
            async with connected(server.endpoint, **login("guest")) as guest:
                with pytest.raises(errors.RpcError):
                    await guest.read()

    run(main())


def test_a_domain_without_a_predicate_is_refused_at_registration() -> None:
    server = Server(b"server")
    text = r"'read' cannot be registered under the domain 'admins', which has no predicate; permitted: default.*restr"
    with pytest.raises(ValueError, match=text):
        server.register_rpc(lambda: None, name="read", domain="admins")
    for name in ("call", "cara:hello"):
        with pytest.raises(ValueError, match="it belongs to the protocol"):
            server.register_rpc(lambda: None, name=name, domain="restricted")


def test_what_was_registered_by_hand_is_tested_as_well(serving: Any, connected: Any) -> None:
    async def main() -> None:
        registry = Components(bases=(zope.component.getGlobalSiteManager(),))
        registry.registerUtility(RPCCallable(lambda: "pong", "ping"), IRPCRoute, "by hand")
        registry.registerUtility(RPCCallable(lambda: "x", "x", domain="restricted"), IRPCRoute, "by hand, too")
        registry.registerUtility(RPCCallable(lambda: "y", "y", domain="unknown"), IRPCRoute, "by hand as well")
        async with serving(registry=registry) as server, connected(server.endpoint) as client:
            assert await client.ping() == "pong"
            for name in ("x", "y"):
                with pytest.raises(errors.RpcError) as caught:
                    await client.request(name)
                assert caught.value.code == "unimplemented"

    run(main())

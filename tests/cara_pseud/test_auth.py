"""Who may connect: every security plugin, over real sockets."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
import zmq

import cara_pseud.dispatch
from cara_pseud import errors
from cara_pseud.client import Client
from cara_pseud.passwords import set_password
from cara_pseud.server import Server


def add(a: int, b: int) -> int:
    return a + b


def run(main: Any) -> None:
    asyncio.run(asyncio.wait_for(main, 20))


@pytest.mark.parametrize(
    "passwords", [{"ann": "secret"}, lambda user, password: (user, password) == (b"ann", b"secret")]
)
def test_plain_checks_passwords_and_says_no_at_once(serving: Any, connected: Any, passwords: Any) -> None:
    async def main() -> None:
        async with serving(security_plugin="plain", passwords=passwords) as server:
            server.register_rpc(add)
            login: dict[str, Any] = {"security_plugin": "plain", "user_id": b"ann", "password": b"secret"}
            async with connected(server.endpoint, **login) as client:
                assert await client.add(1, 2) == 3
            for wrong in ({"password": b"wrong"}, {"user_id": b"bob"}, {"security_plugin": "noop_auth_backend"}):
                started = time.perf_counter()
                async with connected(server.endpoint, **(login | wrong)) as client:
                    with pytest.raises(errors.RpcError) as caught:
                        await client.add(1, 2)
                    assert caught.value.code == "unauthenticated"
                assert time.perf_counter() - started < 2

    run(main())


def test_untrusted_curve_asks_for_a_login_by_message(serving: Any, connected: Any, tmp_path: Any) -> None:
    async def main() -> None:
        public, secret = zmq.curve_keypair()
        file = tmp_path / "passwords"
        set_password(file, "ann", "secret")
        async with serving(
            security_plugin="untrusted_curve", public_key=public, secret_key=secret, passwords=file
        ) as server:
            server.register_rpc(add)
            server.register_rpc(lambda: cara_pseud.dispatch.current_call().user, name="who")
            login: dict[str, Any] = {
                "security_plugin": "untrusted_curve",
                "peer_public_key": public,
                "user_id": b"ann",
                "password": b"secret",
            }
            async with connected(server.endpoint, **login) as client:
                assert await asyncio.gather(*[client.add(number, 1) for number in range(5)]) == [1, 2, 3, 4, 5]
                assert await client.who() == b"ann"
            async with connected(server.endpoint, **(login | {"password": b"wrong"})) as client:
                for _ in range(2):
                    with pytest.raises(errors.Unauthenticated):
                        await client.add(1, 2)

    run(main())


def test_curve_lets_in_the_listed_keys_only(serving: Any, connected: Any) -> None:
    async def main() -> None:
        public, secret = zmq.curve_keypair()
        known, other = zmq.curve_keypair(), zmq.curve_keypair()
        keys: dict[str, Any] = {"public_key": public, "secret_key": secret, "allowed_keys": {known[0]: "ann"}}
        async with serving(security_plugin="curve", **keys) as server:
            server.register_rpc(lambda: cara_pseud.dispatch.current_call().user, name="who")
            login: dict[str, Any] = {"security_plugin": "curve", "peer_public_key": public}
            async with connected(server.endpoint, public_key=known[0], secret_key=known[1], **login) as client:
                assert await client.who() == b"ann"
            async with connected(server.endpoint, public_key=other[0], secret_key=other[1], **login) as client:
                with pytest.raises(errors.Unauthenticated):
                    await client.who()

    run(main())


@pytest.mark.parametrize("on_duplicate", ["accept", "refuse"])
def test_a_second_login_under_a_live_name(serving: Any, connected: Any, on_duplicate: str) -> None:
    async def main() -> None:
        login: dict[str, Any] = {"security_plugin": "plain", "user_id": b"ann", "password": b"_"}
        async with serving(security_plugin="trusted_peer", on_duplicate=on_duplicate) as server:
            server.register_rpc(add)
            async with connected(server.endpoint, **login) as first:
                assert await first.add(1, 2) == 3
                async with connected(server.endpoint, **login) as second:
                    if on_duplicate == "accept":
                        assert await second.add(1, 2) == 3
                    else:
                        with pytest.raises(errors.Unauthenticated):
                            await second.add(1, 2)
                assert await first.add(1, 2) == 3
            while server.connections:
                await asyncio.sleep(0.005)
            async with connected(server.endpoint, **login) as third:
                assert await third.add(1, 2) == 3

    run(main())


def test_a_refused_second_login_gets_in_once_the_first_is_gone(serving: Any, connected: Any) -> None:
    async def main() -> None:
        login: dict[str, Any] = {"security_plugin": "plain", "user_id": b"ann", "password": b"_"}
        async with serving(security_plugin="trusted_peer", on_duplicate="refuse") as server:
            server.register_rpc(add)
            async with connected(server.endpoint, **login) as first:
                assert await first.add(1, 2) == 3
                second = Client(b"server", **login)
                second.connect(server.endpoint)
                await second.start()
                with pytest.raises(errors.Unauthenticated, match="refused the login: this user is connected already"):
                    await second.add(1, 2)
            while len(server.connections) > 1:
                await asyncio.sleep(0.005)
            async with second:
                assert await second.add(1, 2) == 3

    run(main())


def test_a_login_with_a_zero_byte_is_no_other_user(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving(security_plugin="trusted_peer") as server:
            server.register_rpc(add)
            login: dict[str, Any] = {"security_plugin": "plain", "user_id": b"ann\0x", "password": b"_"}
            async with connected(server.endpoint, **login) as client:
                with pytest.raises(errors.RpcError):
                    await client.add(1, 2)

    run(main())


def test_servers_with_different_plugins_live_in_one_process(connected: Any) -> None:
    async def main() -> None:
        plain = Server(b"server", security_plugin="plain", passwords={"ann": "secret"})
        trusting = Server(b"server", security_plugin="trusted_peer")
        for server in (plain, trusting):
            server.bind("tcp://127.0.0.1:*")
            await server.start()
            server.register_rpc(add)
        login: dict[str, Any] = {"security_plugin": "plain", "user_id": b"ann"}
        async with connected(trusting.endpoint, password=b"whatever", **login) as client:
            assert await client.add(1, 2) == 3
        async with connected(plain.endpoint, password=b"whatever", **login) as client:
            with pytest.raises(errors.Unauthenticated):
                await client.add(1, 2)
        await trusting.stop(grace=1)
        async with connected(plain.endpoint, password=b"secret", **login) as client:
            assert await client.add(1, 2) == 3
        await plain.stop()

    run(main())


def test_construction_needs_no_loop_and_wrong_plugins_are_named() -> None:
    client = Client("server")
    assert client.state == "connecting"
    with pytest.raises(ValueError, match=r"permitted: .*plain"):
        Client("server", security_plugin="kerberos")
    with pytest.raises(ValueError, match="needs passwords"):
        Server("server", security_plugin="plain").bind("tcp://127.0.0.1:*")


@pytest.mark.parametrize("on_duplicate", ["accept", "refuse"])
def test_a_login_whose_connection_is_closed_is_in_nobody_s_way(
    serving: Any, connected: Any, caplog: pytest.LogCaptureFixture, on_duplicate: str
) -> None:
    async def main() -> None:
        login: dict[str, Any] = {"security_plugin": "plain", "user_id": b"ann", "password": b"_"}
        async with serving(security_plugin="trusted_peer", on_duplicate=on_duplicate) as server:
            server.register_rpc(add)
            async with connected(server.endpoint, **login) as first:
                assert await first.add(1, 2) == 3
                # As between the end of a connection and the reading of what it sent last.
                server.connections[0].closed = True
                async with connected(server.endpoint, **login) as second:
                    second.register_rpc(lambda: "second", name="who")
                    assert await second.add(1, 2) == 3
                    assert await server.send_to(b"ann").who() == "second"
                    server.connections[-1].closed = True
                    with pytest.raises(errors.Unavailable):
                        server.send_to(b"ann")
        assert caplog.text == ""

    run(main())


def test_keys_may_be_text(serving: Any, connected: Any) -> None:
    async def main() -> None:
        (public, secret), (ann, ann_secret) = ([key.decode() for key in zmq.curve_keypair()] for _ in range(2))
        curve: dict[str, Any] = {"security_plugin": "curve", "public_key": public, "secret_key": secret}
        async with serving(allowed_keys={ann: "ann"}, **curve) as server:
            server.register_rpc(add)
            login = curve | {"public_key": ann, "secret_key": ann_secret, "peer_public_key": public}
            async with connected(server.endpoint, **login) as client:
                assert await client.add(1, 2) == 3

    run(main())

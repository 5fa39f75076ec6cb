"""Our peers with those of pseud 1.0.1, which runs in a process and an environment of its own."""

from __future__ import annotations

import asyncio
import builtins
import datetime
import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cara_pseud import errors
from cara_pseud.capabilities import CallOptions
from cara_pseud.dispatch import current_call

CHECKOUT = Path(__file__).parents[2]
REQUIREMENTS = CHECKOUT / "requirements" / "stock-pseud.txt"
SCRIPT = Path(__file__).parent / "stock" / "stock_peer.py"
LOGIN: dict[str, Any] = {"security_plugin": "plain", "user_id": b"ann", "password": b"secret"}
PLUGINS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "noop_auth_backend": ({}, {}),
    "plain": ({"security_plugin": "plain", "passwords": {"ann": "secret"}}, LOGIN),
}
VALUES: list[Any] = [
    None, True, 0, -1, 2**63, -(2**63), 1.5, "", "h\u00e9llo \u2603 \U0001f600", b"", b"\0\xff",
    [], [1, [2, "3"]], {}, {"a": [1, b"x"]}, {0: "by id", 1: {0: None}}, "x" * 100_000, list(range(1000)),
]  # fmt: skip


@pytest.fixture(scope="session")
def stock_python() -> Path:
    """The interpreter of the environment with pseud 1.0.1, which is made when the requirements have changed."""
    folder = CHECKOUT / ".venvs" / "stock-pseud"
    python = folder / "bin" / "python"
    stamp = folder / "made-from"
    made_from = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    # The interpreter that the environment was made with may be gone.
    if not python.exists() or not stamp.exists() or stamp.read_text() != made_from:
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, symlinks=True, with_pip=False)
        pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
        install = [*pip, "install", "-qq", "--require-hashes", "-r", str(REQUIREMENTS)]
        done = subprocess.run(install, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        assert done.returncode == 0, done.stdout
        stamp.write_text(made_from)
    return python


class StockPeer:
    """A process that runs stock_peer.py."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> str:
        assert self.process.stdout is not None
        return (await self.process.stdout.readline()).decode().strip()

    async def calls(self, *calls: tuple[str, list[Any], dict[str, Any]]) -> list[list[Any]]:
        """The outcomes of calls made at the same time: ``["ok", repr]`` or ``[class, [last line]]``."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(calls).encode() + b"\n")
        outcomes: list[list[Any]] = json.loads(await self.line())
        return outcomes

    async def call(self, name: str, *args: Any, **kwargs: Any) -> list[Any]:
        return (await self.calls((name, list(args), kwargs)))[0]


@asynccontextmanager
async def stock_peer(python: Path, *arguments: str, log: Path | None = None) -> AsyncIterator[StockPeer]:
    with Path(os.devnull if log is None else log).open("w") as stderr:  # noqa: ASYNC230
        process = await asyncio.create_subprocess_exec(
            python, SCRIPT, *arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=stderr, limit=2**20,
        )  # fmt: skip
    try:
        yield StockPeer(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        # Lets asyncio close the pipes before the loop ends.
        process._transport.close()  # type: ignore[attr-defined]
        await asyncio.sleep(0)


def run(main: Any) -> None:
    asyncio.run(asyncio.wait_for(main, 20))


def add(a: int, b: int) -> int:
    return a + b


def fail(kind: str, text: str) -> None:
    raise {"ValueError": ValueError, "SystemExit": SystemExit, "Custom": Custom}[kind](text)


def refuse() -> None:
    raise errors.RpcError("not_found", "no such person", {"name": "Ann"})


class Custom(Exception):
    pass


def as_stock_reads(value: Any) -> Any:
    """Arrays arrive as tuples."""
    if isinstance(value, list):
        return tuple(map(as_stock_reads, value))
    return {key: as_stock_reads(item) for key, item in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_stock_client_calls_our_server(stock_python: Path, serving: Any, plugin: str) -> None:
    async def main() -> None:
        async with serving(**PLUGINS[plugin][0]) as server:
            for handler in (add, fail, refuse):
                server.register_rpc(handler)
            server.register_rpc(lambda index: VALUES[index], name="value")
            server.register_rpc(lambda *args, **kwargs: [args, kwargs], name="space.name")
            server.register_rpc(lambda: object(), name="unpackable")
            server.register_rpc(lambda: current_call().user, name="who")
            async with stock_peer(stock_python, "client", plugin, server.endpoint) as client:
                assert await client.call("add", 2, 5) == ["ok", "7"]
                assert await client.call("add", 2, b=5) == ["ok", "7"]
                assert await client.call("who") == ["ok", repr(b"ann" if plugin == "plain" else b"")]
                assert await client.call("space.name", 1, x=2) == ["ok", "((1,), {'x': 2})"]
                assert await client.call("fail", "ValueError", "bad value") == ["ValueError", ["bad value"]]
                assert await client.call("fail", "Custom", "it failed") == ["Exception", ["it failed"]]
                assert await client.call("fail", "SystemExit", "the end") == ["Exception", ["the end"]]
                assert await client.call("refuse") == ["Exception", ["no such person"]]
                assert await client.call("nosuch.method") == ["ServiceNotFoundError", ["nosuch.method"]]
                assert (await client.call("unpackable"))[0] == "Exception"
                assert (await client.call("add", "a date", 1))[0] == "Exception"
                assert await client.calls(*[("add", [number, 5], {}) for number in range(20)]) == [
                    ["ok", str(number + 5)] for number in range(20)
                ]
                outcomes = await client.calls(*[("value", [index], {}) for index in range(len(VALUES))])
                assert outcomes == [["ok", repr(as_stock_reads(value))] for value in VALUES]
                assert server.dropped == {"probe": 1, "malformed or refused call": 1}

    run(main())


BUILTIN_NAMES = [*dir(builtins), "exit", "quit", "copyright", "credits", "license", "help", "_", "get_ipython"]


@pytest.mark.parametrize("from_elsewhere", [False, True])
def test_no_name_of_an_exception_harms_a_stock_client(
    stock_python: Path, serving: Any, from_elsewhere: bool
) -> None:
    def fail_as(name: str) -> None:
        if from_elsewhere:  # as a hostile service behind ours names it
            raise errors.RemoteError(name, "text")
        kind = getattr(builtins, name, None)
        if isinstance(kind, type) and issubclass(kind, BaseException) and kind is not KeyboardInterrupt:
            raise ODD_EXCEPTIONS.get(name) or kind("text")
        raise type(name, (Exception,), {})("text")

    async def main() -> None:
        async with serving(max_calls=1000) as server:
            server.register_rpc(fail_as)
            server.register_rpc(add)
            async with stock_peer(stock_python, "client", "noop_auth_backend", server.endpoint) as client:
                outcomes = await client.calls(*[("fail_as", [name], {}) for name in BUILTIN_NAMES])
                raised = {name: kind for name, (kind, _) in zip(BUILTIN_NAMES, outcomes, strict=True)}
                assert "TimeoutError" not in {kind for name, kind in raised.items() if name != "TimeoutError"}
                for name in ("SystemExit", "exit", "print", "input", "StopIteration", "ExceptionGroup"):
                    assert raised[name] == "Exception"
                for name in ("ValueError", "KeyError", "FileNotFoundError", "UserWarning"):
                    assert raised[name] == name
                assert raised["UnicodeDecodeError"] == "UnicodeError"
                assert await client.call("add", 2, 5) == ["ok", "7"]

    run(main())


ODD_EXCEPTIONS: dict[str, BaseException] = {
    "UnicodeDecodeError": UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    "UnicodeEncodeError": UnicodeEncodeError("utf-8", "\udc00", 0, 1, "surrogates not allowed"),
    "UnicodeTranslateError": UnicodeTranslateError("x", 0, 1, "odd"),
    "ExceptionGroup": ExceptionGroup("text", [ValueError()]),
    "BaseExceptionGroup": BaseExceptionGroup("text", [SystemExit()]),
}


@pytest.mark.parametrize("plugin", PLUGINS)
def test_our_client_calls_a_stock_server(stock_python: Path, connected: Any, plugin: str) -> None:
    async def main() -> None:
        async with (
            stock_peer(stock_python, "server", plugin) as server,
            connected(await server.line(), **PLUGINS[plugin][1]) as client,
        ):
            assert await client.add(2, 5) == 7
            assert await client.add(2, b=5) == 7
            assert await client.who() == (b"ann" if plugin == "plain" else b"")
            assert await client.space.name(1, x=2) == ((1,), {"x": 2})
            with pytest.raises(ValueError, match=r"^bad value$"):
                await client.fail("bad value")
            with pytest.raises(errors.RpcError, match=r"does not implement nosuch\.method") as caught:
                await client.nosuch.method()
            assert caught.value.code == "unimplemented"
            with pytest.raises(errors.ProtocolError, match="126 is not permitted"):
                await client.pickled()
            with pytest.raises(errors.InvalidValue, match="cannot be sent"):
                await client.same(datetime.date(2020, 1, 2))
            assert await asyncio.gather(*[client.add(number, 5) for number in range(20)]) == list(range(5, 25))
            for value in VALUES:
                assert await client.same(value) == as_stock_reads(value)
            # It spoke of no extension, so none is used: a call is given up without a word, its answer forgotten.
            assert client.connections[0].extended is False
            slow = client.slow(0.05)
            await asyncio.sleep(0)  # given up in the turn that made it, it would not be sent at all
            slow.cancel()
            assert await client.add(1, 2) == 3
            assert client.dropped == {"answer to no call": 1}

    run(main())


def failures(log: Path) -> int:
    """How many errors stock pseud has logged, each with a traceback."""
    return log.read_text().count("Pseud job failed")


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_stock_server_logs_one_error_for_each_connection_of_ours(
    stock_python: Path, connected: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, plugin: str
) -> None:
    async def main() -> None:
        log = tmp_path / "stderr.txt"
        async with stock_peer(stock_python, "server", plugin, log=log) as server:
            endpoint = await server.line()
            for connections in (1, 2):
                async with connected(endpoint, **PLUGINS[plugin][1]) as client:
                    assert await asyncio.gather(*[client.add(number, 5) for number in range(20)]) == list(range(5, 25))
                    options = CallOptions(timeout=5, request_id="r", principal="ann", idempotency_key="k")
                    assert await client.request("add", (1, 2), options=options) == 3
                    slow = client.slow(0.05)
                    await asyncio.sleep(0)
                    slow.cancel()
                    assert await client.add(1, 2) == 3
                    assert failures(log) == connections, log.read_text()
            # Lost and made again, it is a connection more.
            async with connected(endpoint, **PLUGINS[plugin][1]) as client:
                assert await client.add(1, 2) == 3
                client.disconnect(endpoint)
                client.connect(endpoint)
                assert await client.add(1, 2) == 3
                assert failures(log) == 4, log.read_text()

    with caplog.at_level(logging.WARNING):
        run(main())
    assert caplog.text == ""


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_stock_client_logs_one_error_if_our_server_calls_it_and_none_otherwise(
    stock_python: Path, serving: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, plugin: str
) -> None:
    async def main() -> None:
        log = tmp_path / "stderr.txt"
        async with serving(**PLUGINS[plugin][0]) as server:
            server.register_rpc(add)

            async def ask(text: str) -> str:
                (connection,) = server.connections
                return f"you said {await connection.request('shout', (text,))}"

            server.register_rpc(ask)
            async with stock_peer(stock_python, "client", plugin, server.endpoint, log=log) as client:
                for _ in range(3):
                    assert await client.call("add", 2, 5) == ["ok", "7"]
                assert failures(log) == 0, log.read_text()
                for _ in range(3):
                    assert await client.call("ask", "hello") == ["ok", "'you said HELLO'"]
                assert failures(log) == 1, log.read_text()

    with caplog.at_level(logging.WARNING):
        run(main())
    assert caplog.text == ""


def test_our_server_calls_a_stock_client_by_its_user(stock_python: Path, serving: Any) -> None:
    async def main() -> None:
        async with serving(**PLUGINS["plain"][0]) as server:
            server.register_rpc(add)

            async def ask(text: str) -> str:
                return f"you said {await server.send_to(current_call().user).shout(text)}"

            server.register_rpc(ask)
            async with stock_peer(stock_python, "client", "plain", server.endpoint) as client:
                for _ in range(3):
                    assert await client.call("ask", "hello") == ["ok", "'you said HELLO'"]
                assert await client.call("add", 2, 5) == ["ok", "7"]

    run(main())


def test_a_stock_server_calls_our_client_by_its_user(stock_python: Path, connected: Any) -> None:
    async def main() -> None:
        async with (
            stock_peer(stock_python, "server", "plain") as server,
            connected(await server.line(), **LOGIN) as client,
        ):
            called = asyncio.Event()

            def shout(text: str) -> str:
                called.set()
                return text.upper()

            client.register_rpc(shout)
            await client.call_me_back("hello")
            await called.wait()
            while not (answers := await client.called_back()):
                pass
            assert answers == ("HELLO",)

    run(main())


def test_a_stock_client_with_a_wrong_password_stays_outside(stock_python: Path, serving: Any, connected: Any) -> None:
    async def main() -> None:
        loop, refused = asyncio.get_running_loop(), asyncio.Event()

        def permits(user: bytes, password: bytes) -> bool:
            if password == b"secret":
                loop.call_soon_threadsafe(refused.set)
            return (user, password) == (b"ann", b"right")

        async with serving(security_plugin="plain", passwords=permits) as server:
            server.register_rpc(add)
            async with (
                stock_peer(stock_python, "client", "plain", server.endpoint),
                connected(server.endpoint, **(LOGIN | {"password": b"right"})) as client,
            ):
                await refused.wait()
                assert await client.add(2, 5) == 7
                assert len(server.connections) == 1
                assert not server.dropped

    run(main())


def test_the_synchronous_stock_client_calls_our_server(stock_python: Path, serving: Any) -> None:
    async def main() -> None:
        async with serving() as server:
            server.register_rpc(add)
            async with stock_peer(stock_python, "sync_client", server.endpoint) as client:
                assert await client.calls(("add", [2, 5], {}), ("add", [1], {"b": 2})) == [["ok", "7"], ["ok", "3"]]

    run(main())

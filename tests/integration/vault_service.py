"""A service that has secrets and fails in every way there is, with the secret in its words.

Usage: vault_service.py PASSWORD SECRET; prints its endpoint.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import cara_pseud


async def main(password: str, secret: str) -> None:
    schema = cara_pseud.load(Path(__file__).with_name("vault.capnp"))

    async def fail(pin: str, how: str) -> Any:
        if how == "code":
            raise cara_pseud.RpcError("aborted", f"{pin} is wrong", {"pin": pin})
        if how == "type":
            return {"ok": pin}
        if how == "slowly":
            await asyncio.sleep(60)
        if how == "dead":
            sys.stdout.flush()
            signal.raise_signal(signal.SIGKILL)
        raise ValueError(f"the pin {pin!r} is wrong")

    class Box(schema.Vault.Box):  # type: ignore[misc, name-defined]
        async def put(self, pin: str, how: str) -> None:
            await fail(pin, how)

    class Vault(schema.Vault):  # type: ignore[misc, name-defined]
        def open(self, user: str, pin: str) -> bool:
            return True

        async def fail(self, pin: str, how: str) -> Any:
            return await fail(pin, how)

        def reveal(self, how: str) -> Any:
            if how == "type":
                return [secret]
            if how == "exception":
                raise ValueError(f"the secret {secret!r} is broken")
            return secret

        def box(self) -> Any:
            return Box()

        async def watch(self, listener: Any, pin: str) -> str:
            return str(await listener.told(pin))

        def forbidden(self, pin: str) -> None:
            """Nobody gets so far."""

    server = cara_pseud.Server(b"server", security_plugin="plain", passwords={"gateway": password})
    server.bind("tcp://127.0.0.1:*")
    cara_pseud.setup_server(server)
    cara_pseud.register_interface(server, schema.Vault, Vault())
    async with server:
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        print(server.endpoint, flush=True)
        await stopped.wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

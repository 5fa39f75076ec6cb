"""Calls that a handler makes belong to the trace of the call that it answers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import cara_pseud

SCHEMA = """@0xf0b2c1d3e4a59687;
interface Shop {
  order @0 (listener :Listener, later :Bool, own :Text) -> (heard :Text);
  interface Listener { told @0 () -> (traceparent :Text); }
}
"""
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OTHER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("said", "later", "own", "heard"),
    [
        (TRACEPARENT, False, "", TRACEPARENT),
        (TRACEPARENT, True, "", TRACEPARENT),  # also in a task that the handler starts
        (TRACEPARENT, False, OTHER, OTHER),
        (None, False, "", ""),
    ],
)
def test_a_call_of_a_handler_has_the_trace_of_the_call_that_it_answers(
    tmp_path: Any, said: str | None, later: bool, own: str, heard: str
) -> None:
    (tmp_path / "shop.capnp").write_text(SCHEMA)
    shop = cara_pseud.load(tmp_path / "shop.capnp")

    class Shop(shop.Shop):  # type: ignore[misc, name-defined]
        async def order(self, listener: Any, later: bool, own: str) -> str:
            if own:
                listener = cara_pseud.with_options(listener, traceparent=own)
            async def tell() -> str:
                return str(await listener.told())

            if later:
                return await asyncio.create_task(tell())
            return await tell()

    class Listener(shop.Shop.Listener):  # type: ignore[misc, name-defined]
        def told(self) -> str:
            return cara_pseud.current_call().traceparent or ""

    async def main() -> None:
        server = cara_pseud.Server(b"shop")
        server.bind("tcp://127.0.0.1:*")
        cara_pseud.setup_server(server)
        cara_pseud.register_interface(server, shop.Shop, Shop())
        client = cara_pseud.Client(b"shop")
        async with server, client:
            client.connect(server.endpoint)
            cara_pseud.setup_client(client)
            proxy = cara_pseud.with_options(shop.Shop(client), traceparent=said)
            assert await proxy.order(Listener(), later, own) == heard
            with pytest.raises(LookupError):
                cara_pseud.current_call()

    asyncio.run(main())

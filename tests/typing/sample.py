"""A service and its client as a user would write them, which `mypy --strict` accepts without an exception.

Declarations of a schema are Any to a type checker. What a remote object looks like is written down as a Protocol, and
plain classes are registered with the interface, since strict mode refuses to derive a class from Any.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, Protocol

import tornado.gen

import cara_pseud

SCHEMA = """@0xd4c9b2a1f0e3d720;
struct Order { item @0 :Text; count @1 :UInt16 = 1; tags @2 :List(Text); union { card @3 :Text; cash @4 :Void; } }
interface Shop {
  price @0 (order :Order) -> (cents :UInt32);
  place @1 (order :Order, listener :Listener) -> (receipt :Receipt);
  stock @2 () -> (items :List(Text), total :UInt32);
  interface Listener { shipped @0 (item :Text) -> (); }
  interface Receipt { cancel @0 () -> (refund :UInt32); }
}
interface Clock { now @0 () -> (seconds :Float64); }
"""


class RemoteReceipt(Protocol):
    """What the client sees of a receipt."""

    def cancel(self) -> Awaitable[int]: ...


class RemoteListener(Protocol):
    """What the service sees of a listener."""

    def shipped(self, item: str) -> Awaitable[None]: ...


class RemoteShop(Protocol):
    """What the client sees of the shop; arguments of structs and interfaces may be given in many forms."""

    def price(self, order: object) -> Awaitable[int]: ...
    def place(self, order: object, listener: object) -> Awaitable[RemoteReceipt]: ...
    def stock(self) -> Awaitable[cara_pseud.MethodResult]: ...


class Receipt:
    """An object that the service returns."""

    def __init__(self, cents: int, released: asyncio.Event) -> None:
        self._cents = cents
        self._released = released

    def cancel(self) -> int:
        return self._cents

    def __released__(self) -> None:
        self._released.set()


class Shop:
    """The service; structs arrive as instances of the schema's classes, which are Any."""

    def __init__(self, released: asyncio.Event) -> None:
        self._released = released

    def price(self, order: Any) -> int:
        if order.item != "tea":
            raise cara_pseud.RpcError("not_found", f"there is no {order.item}", {"item": order.item})
        return int(order.count) * 250

    async def place(self, order: Any, listener: RemoteListener) -> Receipt:
        call: cara_pseud.IncomingCall = cara_pseud.current_call()
        assert not call.cancelled
        await listener.shipped(order.item)
        return Receipt(self.price(order), self._released)

    def stock(self) -> tuple[list[str], int]:
        return ["tea"], 7


def now() -> float:
    """An interface of one method may be a function."""
    return asyncio.get_running_loop().time()


async def serve(schema: cara_pseud.Module, released: asyncio.Event) -> cara_pseud.Server:
    """Start the service on a free port."""
    server = cara_pseud.Server("server", security_plugin="plain", passwords={"ann": "secret"}, timeout=2)
    server.bind("tcp://127.0.0.1:*")
    cara_pseud.register_interface(server, schema.Shop, Shop(released))
    cara_pseud.register_interface(server, schema.Clock, now)
    await server.start()
    return server


@tornado.gen.coroutine
def price_in_tornado_s_style(shop: RemoteShop, order: object) -> Any:
    """The style of the original's documentation."""
    cents = yield shop.price(order)
    return cents


async def main(folder: Path) -> list[object]:
    """Run the service and its client; gives what the client saw."""
    path = folder / "shop.capnp"
    path.write_text(SCHEMA, "utf-8")
    schema: cara_pseud.Module = cara_pseud.load(path)
    Order = schema.Order
    released, shipped = asyncio.Event(), list[str]()
    server = await serve(schema, released)
    client = cara_pseud.Client("server", security_plugin="plain", user_id="ann", password="secret")
    client.connect(server.endpoint)
    states: list[str] = []
    client.on_state(states.append)
    async with server, client:
        shop: RemoteShop = schema.Shop(client)
        order = Order(item="tea", count=2, cash=None)
        receipt = await shop.place(order, {"shipped": shipped.append})
        seen: list[object] = [await receipt.cancel(), shipped, order.which(), order.ToDict(with_field_names=True)]
        cara_pseud.release(receipt)
        await released.wait()
        hasty: RemoteShop = cara_pseud.with_options(shop, timeout=1.0, request_id="r-1")
        result = await hasty.stock()
        seen += [list(result["items"]), result.total]
        try:
            await shop.price({"item": "coffee"})
        except cara_pseud.RpcError as error:
            seen.append((error.code, error.details))
        try:
            Order(count=-1)
        except cara_pseud.InvalidValue as error:
            seen.append(error.path)
        seen.append(await price_in_tornado_s_style(shop, order))
        texts = cara_pseud.List(cara_pseud.Text)(["a"])
        return [*seen, texts, states]

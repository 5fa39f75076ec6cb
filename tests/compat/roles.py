"""A server and a client that were written for cara 0.10, both with the generated module or one with a loaded schema."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import depot_capnp

import cara_pseud as library
from cara import cara, cara_pseud

LOADED: Any = library.load(Path(__file__).with_name("depot.capnp"))


def registered(server: Any, depot: Any) -> None:
    @cara_pseud.register_interface(server)
    class MyDepot(depot.Depot):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.parcels: list[Any] = []

        def name(self) -> str:
            return "depot"

        def send(self, parcel: Any, copies: int) -> list[Any]:
            assert isinstance(parcel, depot.Parcel)
            parcel.state = "sent"
            self.parcels += [parcel] * copies
            return self.parcels

        def weigh(self, parcel: Any) -> dict[str, Any]:
            return {"name": "all", "weight": sum(part.weight for part in parcel.parts)}

        def count(self) -> tuple[int, int]:
            return 0, len(self.parcels)

        async def watch(self, listener: Any) -> Any:
            await listener.arrived(self.parcels[0])
            return lambda: self.parcels[-1]

        def wrap(self, content: Any) -> dict[str, Any]:
            return {"content": content, "more": [{"content": content}]}


async def used(client: Any, module: Any) -> None:
    depot = module.Depot(client)
    assert await depot.name() == "depot"
    parcel = module.Parcel(id=2**63, parts=[{"name": "a", "weight": 2}], locker=7, size={"width": 3})
    parcel.price = {"cents": 5}
    parcel.label = {"outer": {"name": "o"}, "inner": "i"}
    (sent,) = await depot.send(parcel)
    assert type(sent) is module.Parcel
    assert (sent.comment, sent.state.name, sent.which(), sent.size.width, sent.price.which()) == (
        "fragile", "sent", "locker", 3, "cents",
    )  # fmt: skip
    assert (sent.label.outer.name, sent.label.inner) == ("o", "i")
    assert (await depot.weigh(sent)).weight == 2
    assert len(await depot.send(parcel, copies=2)) == 3
    assert dict(await depot.count()) == {"waiting": 0, "sent": 3}
    arrived: list[Any] = []
    shelf = await depot.watch(arrived.append)
    assert arrived[0].id == 2**63
    assert (await shelf.top()).locker == 7
    box = await depot.wrap[library.Text]("text")
    assert (box.content, box.more[0].content) == ("text", "text")


async def main(serving: str, calling: str) -> None:
    modules = {"generated": depot_capnp, "loaded": LOADED}
    server = cara_pseud.pseud.Server(b"server")
    server.bind("tcp://127.0.0.1:*")
    server = cara_pseud.setup_server(server)
    registered(server, modules[serving])
    await server.start()
    client = cara_pseud.pseud.Client(b"server")
    client.connect(server.endpoint)
    client = cara_pseud.setup_client(client)
    await client.start()
    await used(client, modules[calling])
    await client.stop()
    await server.stop()


def names() -> None:
    """The names that programs for the original use."""
    generated = depot_capnp
    assert (generated.limit.value, generated.limit.type, dict(generated.limit.annotations())) == (
        40, cara.Int32, {"note": "kilograms"},
    )  # fmt: skip
    assert generated.Parcel.__annotations__["note"] == "what is sent"
    assert cara.GlobalTypeRegistry[generated.Parcel.__id__] is generated.Parcel
    assert generated.State.waiting.annotations()["note"] == "first"
    assert generated.Depot.id == 0xE1A2B3C4D5E6F70F
    assert generated.Depot.__superclasses__ == (generated.Named,)
    assert generated.Parcel.comment.default_value == "fragile"
    assert [*generated.Depot.send.params] == ["parcel", "copies"]
    assert generated.Parcel.Part.__qualname__ == "Parcel.Part"
    assert isinstance(generated.Parcel(), cara.Struct)
    assert isinstance(generated.Parcel, cara.StructMeta)
    assert issubclass(generated.Depot, cara.BaseInterface)
    assert isinstance(generated.Box, cara.BaseTemplated)
    assert isinstance(generated.Parcel().parts, cara.List)
    assert generated.Box[cara.Text] is generated.Box[cara.Text]
    assert generated.Box[cara.Text](content="x").content == "x"
    cara.type_conversion_registry.Register(asyncio.Future, lambda type, future: future)
    from cara.capnp import rpc_capnp, schema_capnp

    Holder = cara.Struct(name="Holder", id=0xE1A2B3C4D5E6F7AA)
    Holder.FinishDeclaration(fields=[cara.Field(id=0, name="node", type=schema_capnp.Node)])
    assert Holder(node={"displayName": "x"}).node.displayName == "x"
    assert rpc_capnp.Message


if __name__ == "__main__":
    names()
    for serving, calling in (("generated", "generated"), ("generated", "loaded"), ("loaded", "generated")):
        asyncio.run(main(serving, calling))
    print("ok")

"""A service for tests of the clients: it gives back every kind of value, objects too, and calls what it is given.

`python thing_service.py ENDPOINT` prints its endpoint and serves until it is killed.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import cara_pseud

SCHEMA = Path(__file__).parents[1] / "typing" / "stubs" / "every.capnp"


async def main(endpoint: str) -> None:
    schema: Any = cara_pseud.load(SCHEMA)
    living: list[str] = []
    given_up: list[str] = []

    class Thing(schema.Thing):
        def __init__(self, name: str) -> None:
            self.name = name

        def __released__(self) -> None:
            living.remove(self.name)

        def base(self) -> str:
            return f"{self.name}, and {' '.join(sorted(living))}; given up {' '.join(given_up)}"

        def list(self, prefix: str, limit: int) -> list[Any]:
            if prefix.startswith("new "):
                name = prefix.removeprefix("new ")
                living.append(name)
                return [{"text": name, "thing": Thing(name)}]
            return [{"text": f"{prefix}{number}"} for number in range(min(limit, 3))]

        async def whole(self, every: Any) -> Any:
            if every.text == "slow":
                try:
                    await asyncio.sleep(60)  # until it is given up
                except asyncio.CancelledError:
                    given_up.append("whole")
                    raise
            if every.text == "wrong":
                raise cara_pseud.RpcError("out_of_range", "too wrong", {"path": "$.text"})
            if every.text == "call":
                every.place.x = len(await every.thing.base())
            if every.text == "call any":
                every.place.x = len(await every.any.cast(schema.Thing).base())
            return every

        def several(self, color: Any) -> dict[str, Any]:
            living.append(color.name)
            return {"first": int(color), "items": color.name, "thing": Thing(color.name)}

        async def watch(self, listener: Any) -> None:
            await listener.told({"text": "first", "color": "green", "many": [{"big": 2**60}], "thing": Thing("told")})

        def generic(self, value: Any) -> Any:
            return value

        def send(self, every: Any) -> None:
            given_up.append(every.text)

        def import_(self, from_: str) -> int:
            return len(from_)

    server = cara_pseud.Server(b"server")
    server.bind(endpoint)
    cara_pseud.register_interface(server, Thing("root"))
    await server.start()
    print(server.endpoint, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

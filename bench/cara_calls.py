"""The calculator as a cara service, and a client that calls it without a gateway.

`python -m bench.cara_calls server` prints its endpoint; `python -m bench.cara_calls client ENDPOINT` takes orders
(see bench.orders).
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import cara_pseud
from bench import orders

SCHEMA = Path(__file__).with_name("calculator.capnp")
Calculator = cara_pseud.load(SCHEMA).Calculator


class Adder:
    def add(self, first: int, second: int) -> int:
        return first + second

    def another(self) -> Adder:
        return Adder()


async def serve() -> None:
    server = cara_pseud.Server(b"server", security_plugin="noop_auth_backend")
    server.bind("tcp://127.0.0.1:*")
    cara_pseud.setup_server(server)
    await server.start()
    cara_pseud.register_interface(server, Calculator, Adder())
    print(server.endpoint, flush=True)
    await asyncio.Event().wait()


async def call(endpoint: str) -> None:
    client = cara_pseud.Client(b"server", security_plugin="noop_auth_backend")
    client.connect(endpoint)
    cara_pseud.setup_client(client)
    await client.start()
    remote = Calculator(client)

    async def run(seconds: float, in_flight: int) -> int:
        until = time.perf_counter() + seconds

        async def caller() -> int:
            calls = 0
            while True:
                result = await remote.add(2, 5)
                if result != 7:
                    raise RuntimeError(f"not the answer: {result!r}")
                calls += 1
                if time.perf_counter() >= until:
                    return calls

        return sum(await asyncio.gather(*(caller() for _ in range(in_flight))))

    await orders.take(run)


if __name__ == "__main__":
    asyncio.run(serve() if sys.argv[1] == "server" else call(sys.argv[2]))

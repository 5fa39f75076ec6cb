"""The calculator as a cara service, and a client that calls it without a gateway.

`python -m bench.cara_calls server` prints its endpoint; `python -m bench.cara_calls client ENDPOINT` takes orders
(see bench.orders).
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from pathlib import Path

import cara_pseud
from bench import orders

calculator = cara_pseud.load(Path(__file__).parent.parent / "schemas" / "calculator.capnp")


def free_endpoint() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


async def serve() -> None:
    endpoint = free_endpoint()
    server = cara_pseud.Server(b"server", security_plugin="noop_auth_backend")
    server.bind(endpoint)
    cara_pseud.setup_server(server)
    await server.start()

    @cara_pseud.register_interface(server)
    class Calculator(calculator.Calculator):
        def add(self, first: int, second: int) -> int:
            return first + second

    print(endpoint, flush=True)
    await asyncio.Event().wait()


async def call(endpoint: str) -> None:
    client = cara_pseud.Client(b"server", security_plugin="noop_auth_backend")
    client.connect(endpoint)
    cara_pseud.setup_client(client)
    await client.start()
    remote = calculator.Calculator(client)

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

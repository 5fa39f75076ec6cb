"""A service for tests: counts its calls in a file, is slow, fails, and gives large answers, as it is told.

`python counting_service.py ENDPOINT COUNT_FILE` prints its endpoint and serves until it is killed, or until SIGTERM, at
which it ends in good order. With COUNTING_KEYS, its own public and secret key and its client's public one, it speaks
CURVE; with COUNTING_PASSWORD it lets in a user "gateway" who has it. COUNTING_TIMEOUT is how long its calls may take.
With COUNTING_WAITS it says nothing to those who connect until a line comes in. An adder has COUNTING_DEADLINE seconds,
as it is told, or COUNTING_PATIENCE seconds, as it is not. With COUNTING_SLOWER slow takes so many times as long.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import cara_pseud


async def main(endpoint: str, count_file: Path) -> None:
    schema = cara_pseud.load(Path(__file__).with_name("counting.capnp"))
    released = cancelled = added = total = heard = 0
    adders: list[Any] = []
    telling: set[asyncio.Task[None]] = set()

    def begun() -> None:
        with count_file.open("a") as file:
            file.write(".")

    def calls() -> int:
        return count_file.stat().st_size if count_file.exists() else 0

    class Object(schema.Counting.Object):
        def name(self) -> str:
            return "object"

        def processId(self) -> int:
            return os.getpid()

        def __released__(self) -> None:
            nonlocal released
            released += 1

    class Counting(schema.Counting):
        def count(self) -> dict[str, int]:
            return {"calls": calls(), "processId": os.getpid()}

        async def slow(self, milliseconds: int) -> bool:
            nonlocal cancelled
            begun()
            try:
                await asyncio.sleep(milliseconds / 1000 * float(os.environ.get("COUNTING_SLOWER", "1")))
            except asyncio.CancelledError:
                cancelled += 1
                raise
            return True

        async def again(self, milliseconds: int) -> int:
            begun()
            await asyncio.sleep(milliseconds / 1000)
            return calls()

        def crash(self) -> None:
            raise RuntimeError(f"the password is in {__file__}")

        def big(self, size: int) -> str:
            return "x" * size

        def object(self) -> Object:
            return Object()

        async def short(self, milliseconds: int) -> None:
            await asyncio.sleep(milliseconds / 1000)

        def anything(self, value: Any) -> Any:
            return value

        def secret(self) -> None:
            begun()

        def released(self) -> int:
            return released

        def cancelled(self) -> int:
            return cancelled

        async def flood(self, listener: Any, calls: int, size: int) -> int:
            told = [asyncio.ensure_future(listener.told("x" * size)) for _ in range(calls)]
            outcomes = await asyncio.gather(*told, return_exceptions=True)
            return sum(isinstance(outcome, BaseException) for outcome in outcomes)

        def listen(self, adder: Any) -> None:
            adders.append(adder)

        def add(self, number: int) -> int:
            nonlocal added, total
            added += 1
            total += number
            for adder in adders:
                task = asyncio.ensure_future(tell(adder, number))
                telling.add(task)
                task.add_done_callback(telling.discard)
            return added

        def sum(self) -> dict[str, int]:
            return {"calls": added, "sum": total, "heard": heard, "objects": len(adders)}

        async def floats(self, numbers: Any, text: str, halver: Any) -> dict[str, Any]:
            return {"numbers": list(numbers), "text": text, "half": await halver.half(numbers[0])}

    async def tell(adder: Any, number: int) -> None:
        nonlocal heard
        try:
            if "COUNTING_DEADLINE" in os.environ:
                adder = cara_pseud.with_options(adder, timeout=float(os.environ["COUNTING_DEADLINE"]))
            async with asyncio.timeout(float(os.environ.get("COUNTING_PATIENCE", "60"))):
                await adder.added(number)
        except (cara_pseud.Error, TimeoutError):
            # Nobody can answer any more.
            if adder in adders:
                adders.remove(adder)
        else:
            heard += 1

    options: dict[str, Any] = {"timeout": float(os.environ.get("COUNTING_TIMEOUT", "5"))}
    if "COUNTING_KEYS" in os.environ:
        public_key, secret_key, client_key = os.environ["COUNTING_KEYS"].encode().split()
        keys = {"public_key": public_key, "secret_key": secret_key, "allowed_keys": {client_key: "gateway"}}
        options |= {"security_plugin": "curve", **keys}
    elif "COUNTING_PASSWORD" in os.environ:
        options |= {"security_plugin": "plain", "passwords": {"gateway": os.environ["COUNTING_PASSWORD"]}}
    server = cara_pseud.Server(b"counting", **options)
    server.bind(endpoint)
    cara_pseud.setup_server(server)
    cara_pseud.register_interface(server, schema.Counting, Counting())
    if "COUNTING_WAITS" in os.environ:
        print(server.endpoint, flush=True)
        sys.stdin.readline()
    await server.start()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    print(server.endpoint, flush=True)
    await stopped.wait()
    await server.stop(0.2)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))

"""The abacus in Python: what of it serves to try a service of another author's library.

    python examples/native/abacus.py unix:/tmp/abacus.sock
    python examples/native/abacus.py 127.0.0.1:0

Prints `listening on ADDRESS` when it can be called. Steps that read values, statements, tapes and the census are left
to the service in C++.
"""

from __future__ import annotations

import asyncio
import operator
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import capnp

OPERATIONS: dict[str, Callable[..., float]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "negate": operator.neg,
}


def service(trials: Any, abacus: Any) -> Any:
    """Return the bootstrap object.

    Args:
        trials: the module of trials.capnp.
        abacus: the module of abacus.capnp.
    """

    class Value(abacus.Value.Server):  # type: ignore[misc]
        def __init__(self, number: float) -> None:
            self.number = number

        async def read(self, _context: Any) -> float:
            return self.number

        async def describe(self, _context: Any) -> str:
            return f"the number {self.number:g}"

        async def plus(self, number: float, _context: Any) -> Any:
            return Value(self.number + number)

        async def add(self, other: Any, _context: Any) -> Any:
            return Value(self.number + (await other.read()).number)

    class BuiltIn(abacus.Function.Server):  # type: ignore[misc]
        def __init__(self, operation: str) -> None:
            self.operation = operation

        async def call(self, numbers: Any, _context: Any) -> float:
            return OPERATIONS[self.operation](*numbers)

        async def describe(self, _context: Any) -> str:
            return self.operation

    class Subscription(abacus.Subscription.Server):  # type: ignore[misc]
        def __init__(self, listener: Any) -> None:
            listeners[self] = listener

        async def cancel(self, _context: Any) -> None:
            listeners.pop(self, None)

    listeners: dict[Any, Any] = {}
    announcements: set[asyncio.Task[None]] = set()

    async def announced(text: str, after_s: float) -> None:
        await asyncio.sleep(after_s)
        told = [listener.announced(text=text, number=1) for listener in listeners.values()]
        await asyncio.gather(*told, return_exceptions=True)

    class Trials(trials.Trials.Server):  # type: ignore[misc]
        async def number(self, number: float, _context: Any) -> Any:
            return Value(number)

        async def evaluate(self, steps: Any, _context: Any) -> Any:
            stack: list[float] = []
            for step in steps:
                if step.which() == "push":
                    stack.append(step.push)
                elif step.which() == "apply":
                    count = step.apply.arguments
                    numbers = [stack.pop() for _ in range(count)][::-1]
                    stack.append((await step.apply.function.call(numbers=numbers)).number)
                else:
                    raise ValueError(f"no step of this service's: {step.which()}")
            (number,) = stack
            return Value(number)

        async def operation(self, operation: Any, _context: Any) -> Any:
            return BuiltIn(str(operation))

        async def tabulate(self, function: Any, to: int, rows: Any, _context: Any, **params: Any) -> int:
            first = params["from"]
            for x in range(first, to + 1):
                y = (await function.call(numbers=[x])).number
                if not (await rows.row(x=x, y=y)).more:
                    return x - first + 1
            return to - first + 1

        async def watch(self, listener: Any, _context: Any) -> Any:
            return Subscription(listener)

        async def announce(self, text: str, afterMs: int, _context: Any) -> int:
            task = asyncio.create_task(announced(text, afterMs / 1000))
            announcements.add(task)
            task.add_done_callback(announcements.discard)
            return len(listeners)

        async def divide(self, dividend: int, divisor: int, _context: Any) -> tuple[int, int]:
            return divmod(dividend, divisor)

        async def later(self, number: float, milliseconds: int, _context: Any) -> Any:
            await asyncio.sleep(milliseconds / 1000)
            return Value(number)

        async def wait(self, milliseconds: int, _context: Any) -> None:
            await asyncio.sleep(milliseconds / 1000)

        async def fail(self, kind: Any, reason: str, _context: Any) -> None:
            # The library gives every exception the kind `failed`, and puts the traceback into its text.
            raise ValueError(f"{kind}: {reason}")

        async def echo(self, everything: Any, _context: Any) -> Any:
            return everything

        async def make(self, count: int, _context: Any) -> Any:
            return [Value(number) for number in range(count)]

    return Trials()


async def serve(address: str, bootstrap: Any) -> None:
    async def connected(stream: Any) -> None:
        await capnp.TwoPartyServer(stream, bootstrap=bootstrap).on_disconnect()

    kind, _, rest = address.rpartition(":")
    if kind == "unix":
        server = await capnp.AsyncIoStream.create_unix_server(connected, rest)
        print(f"listening on {address}", flush=True)
    else:
        server = await capnp.AsyncIoStream.create_server(connected, kind, int(rest))
        print(f"listening on {address} port {server.sockets[0].getsockname()[1]}", flush=True)
    async with server:
        await server.serve_forever()


def main(address: str) -> None:
    # Kept while the service runs: what a parser has loaded ends with it.
    parser = capnp.SchemaParser()
    here = Path(__file__).resolve().parent
    imports = [str(Path(capnp.__file__).resolve().parent.parent)]
    trials, abacus = (parser.load(str(here / f"{name}.capnp"), imports=imports) for name in ("trials", "abacus"))
    if address.startswith("unix:"):
        # A socket's file outlives its process, and would be in the way of the next one.
        Path(address.removeprefix("unix:")).unlink(missing_ok=True)
    asyncio.run(capnp.run(serve(address, service(trials, abacus))))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: abacus.py unix:/PATH|HOST:PORT")
    main(sys.argv[1])

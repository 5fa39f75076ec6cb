"""The calculator: every kind of call in a few lines each."""

from __future__ import annotations

from typing import Any

import cara_pseud
from cara_pseud import RpcError
from cara_pseud.schema.trees import schema_tree

_LEAST, _GREATEST = -(2**31), 2**31 - 1


def calculator_service() -> Any:
    """The interface ``Calculator`` and an implementation of it."""
    schema = cara_pseud.load(schema_tree() / "calculator.capnp")

    class Accumulator(schema.Calculator.Accumulator):  # type: ignore[misc, name-defined]
        def __init__(self, start: int) -> None:
            self._start = self._total = start

        def add(self, value: int) -> int:
            total = self._total + value
            if not -(2**63) <= total < 2**63:
                raise RpcError("out_of_range", f"{self._total} + {value} does not fit into an Int64")
            self._total = total
            return total

        def value(self) -> int:
            return self._total

        def reset(self) -> None:
            self._total = self._start

    class Calculator(schema.Calculator):  # type: ignore[misc, name-defined]
        def add(self, first: int, second: int) -> int:
            result = first + second
            if not _LEAST <= result <= _GREATEST:
                raise RpcError("out_of_range", f"{first} + {second} does not fit into an Int32")
            return result

        def divide(self, dividend: int, divisor: int) -> dict[str, int]:
            if divisor == 0:
                raise RpcError("invalid_argument", "the divisor must not be 0")
            quotient, remainder = divmod(dividend, divisor)
            if quotient > _GREATEST:
                raise RpcError("out_of_range", f"{dividend} / {divisor} does not fit into an Int32")
            return {"quotient": quotient, "remainder": remainder}

        def accumulator(self, start: int) -> Accumulator:
            return Accumulator(start)

        async def map(self, values: list[int], transform: Any) -> list[int]:
            if transform is None:
                raise RpcError("invalid_argument", "there must be a transform")
            return [await transform.apply(value) for value in values]

    return schema.Calculator, Calculator()

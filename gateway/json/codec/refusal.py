"""How a conversion ends that has no result: within the codec, before a caller or a service is told."""

from __future__ import annotations

from gateway.json.codec.scalars import Misfit


class Unusual(Exception):
    """A generated function gives a value up: it is wrong, or right in a way that only the careful walk knows."""


class Refusal(Exception):
    """A value is wrong; this is final.

    Attributes:
        reason: why, without the place.
        steps: where, seen from whoever catches this: names and indexes, the innermost first. What is around adds its
            own step, so nobody on the way down has to know the place.
        too_large: whether it is the depth or the number of values that is wrong.
    """

    def __init__(self, reason: str, steps: list[str | int], *, too_large: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.steps = steps
        self.too_large = too_large

    def within(self, step: str | int) -> Refusal:
        """The same refusal, seen from one level further out."""
        self.steps.append(step)
        return self


FAILURES = (
    Unusual,
    Misfit,
    Refusal,
    AttributeError,
    IndexError,
    KeyError,
    OverflowError,
    TypeError,
    ValueError,
)
"""What generated code may raise: a refusal, or what wrong types make Python's operations raise.

RecursionError is none of them: to walk again what was too much for the stack would double the work at every level.
"""

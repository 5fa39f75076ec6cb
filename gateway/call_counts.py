"""What is counted of calls, by service and method: plain numbers, changed where a call begins and ends.

Nobody is told of them; whoever wants to know reads them. A method is known by its label, which is a name of the schema:
``add``, or ``Calculator.Accumulator.add`` for one of an object. So there are no more of them than the schema has,
whatever clients ask for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from gateway.json.codec.needless import NeedlessRefusals

LATENCY_BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""How long calls take, in classes: from what a service answers at once to what people give up."""
_QUICK_S: Final = LATENCY_BOUNDS_S[0]


class TracedCall(NamedTuple):
    """One call of a class, to look at more closely.

    Attributes:
        trace_id: 32 hexadecimal digits.
        seconds: how long it took.
        at: when it ended, in seconds since 1970.
    """

    trace_id: str
    seconds: float
    at: float


class MethodCounts:
    """How often a method was called, and how long that took.

    Attributes:
        calls: how many were begun, those included that were refused before the service was asked.
        in_flight: how many are under way.
        failures: how many failed, by status code.
        lasting: how many that were under way took how long, a number for each class of `LATENCY_BOUNDS_S` and one for
            those beyond.
        seconds: what these took together.
        traced: the last traced call of a class, by the place of the class in ``lasting``.
        answer_bytes: how long its answers to streams were lately, if any was long; else 0.
    """

    __slots__ = ("answer_bytes", "calls", "failures", "in_flight", "lasting", "seconds", "traced")

    def __init__(self) -> None:
        self.calls = self.in_flight = 0
        self.failures: dict[str, int] = {}
        self.lasting = [0] * (len(LATENCY_BOUNDS_S) + 1)
        self.seconds = 0.0
        self.traced: dict[int, TracedCall] = {}
        self.answer_bytes = 0

    def ended(self, seconds: float) -> None:
        """Count the end of a call that was under way, however it ended."""
        self.in_flight -= 1
        self.lasting[bisect_left(LATENCY_BOUNDS_S, seconds) if seconds > _QUICK_S else 0] += 1
        self.seconds += seconds

    def note_trace(self, call: TracedCall) -> None:
        """Remember a traced call as the one of its class."""
        self.traced[bisect_left(LATENCY_BOUNDS_S, call.seconds)] = call

    def note_answer(self, size: int) -> None:
        """Take note of how long an answer was; the last ones count most."""
        known = self.answer_bytes
        self.answer_bytes = (3 * known + size) // 4 if known else size

    def fail(self, code: str) -> None:
        """Count a failure."""
        self.failures[code] = self.failures.get(code, 0) + 1


class CallCounts:
    """The counts of all methods and codecs. They outlive a catalogue, as a counter must never go back."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, MethodCounts]] = {}
        self._needless: dict[str, NeedlessRefusals] = {}

    def needless_refusals(self, service: str) -> NeedlessRefusals:
        """What generated code for a service's values refused for no reason."""
        return self._needless.setdefault(service, NeedlessRefusals())

    def of(self, service: str, label: str) -> MethodCounts:
        """The counts of one method, by its label."""
        methods = self._of.setdefault(service, {})
        counts = methods.get(label)
        if counts is None:
            counts = methods[label] = MethodCounts()
        return counts

    def of_service(self, service: str) -> Mapping[str, MethodCounts]:
        """The counts of a service's methods by their labels, in the order in which they were first asked for."""
        return self._of.get(service, {})

    def keep(self, is_served: Callable[[str, str], bool]) -> None:
        """Forget the methods that are served no more; should they come again, they are counted from 0.

        Args:
            is_served: whether the service of that name has a method of that label.
        """
        for service, methods in list(self._of.items()):
            for label in [label for label in methods if not is_served(service, label)]:
                del methods[label]
            if not methods:
                del self._of[service]

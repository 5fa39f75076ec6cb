"""Run the tests that concern each mutant, several mutants at once, each in a copy of its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from tests.mutants import runs
from tests.mutants.checkout import Checkout
from tests.mutants.mutant import Mutant
from tests.mutants.rooms import is_slow, tests_of
from tests.mutants.runs import Measured, Outcome

SPARE_S = 15.0
TIMES_SLOWER = 2
"""A mutant's tests count as hung after so many times what they take without a change, and that much more."""
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+?\.py)", re.MULTILINE)

T = TypeVar("T")
Item = TypeVar("Item")


class Fate(Enum):
    KILLED = "killed"
    SURVIVED = "survived"
    NOT_COVERED = "not covered"
    EQUIVALENT = "equivalent"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant; `by` is the test file that killed it, or why it counts as killed."""

    mutant: Mutant
    fate: Fate
    seconds: float = 0.0
    by: str = ""


class Hunt:
    """Copies of the checkout, as many as mutants are tried at once, and what is known of the tests."""

    def __init__(self, original: Path, scratch: Path, jobs: int) -> None:
        self._original = original
        self._jobs = jobs
        self._free: SimpleQueue[Checkout] = SimpleQueue()
        for number in range(jobs):
            checkout = Checkout(original, scratch / f"copy{number}")
            checkout.verify()
            self._free.put(checkout)
        self._measured: dict[str, Measured] = {}
        self.unusable: list[str] = []
        self._kills: Counter[str] = Counter()

    @contextmanager
    def _checkout(self) -> Iterator[Checkout]:
        checkout = self._free.get()
        try:
            yield checkout
        finally:
            self._free.put(checkout)

    def _all(self, work: Callable[[Item], T], items: Sequence[Item]) -> Iterator[T]:
        """Results as they come, of several at once."""
        with ThreadPoolExecutor(self._jobs) as pool:
            futures = [pool.submit(work, item) for item in items]
            try:
                for future in as_completed(futures):
                    yield future.result()
            finally:
                for future in futures:
                    future.cancel()

    def measure(self, files: Sequence[str]) -> Iterator[str]:
        """Run every test that concerns these modules without any change; yield a line about each as it ends.

        One that fails even then, twice, is left out from now on, and named in ``unusable``.
        """
        tests = list(dict.fromkeys(test for file in files for test in tests_of(file, self._original)))
        # The long ones first, or the last one is waited for alone.
        return self._all(self._measure, sorted(tests, key=is_slow, reverse=True))

    def _measure(self, test: str) -> str:
        with self._checkout() as checkout:
            try:
                # Once more if it fails: the first failure may be the machine's.
                try:
                    measured = runs.measure(checkout, test)
                except runs.UnusableTest:
                    measured = runs.measure(checkout, test)
            except runs.UnusableTest as error:
                self.unusable.append(test)
                return str(error)
        self._measured[test] = measured
        return f"{test}: {measured.seconds:.1f} s"

    def try_all(self, mutants: Sequence[Mutant]) -> Iterator[Verdict]:
        """What becomes of each mutant, as it is known."""
        return self._all(self._try, mutants)

    def _try(self, mutant: Mutant) -> Verdict:
        covering = covering_tests(mutant, tests_of(mutant.file, self._original), self._measured)
        if not covering:
            return Verdict(mutant, Fate.NOT_COVERED)
        seconds = 0.0
        with self._checkout() as checkout:
            text = mutant.apply((checkout.root / mutant.file).read_text("utf-8"))
            with checkout.changed(mutant.file, text):
                for stage in self._stages(mutant, covering):
                    limit_s = SPARE_S + TIMES_SLOWER * sum(self._measured[file].seconds for file in files_of(stage))
                    done = runs.run(checkout, stage, limit_s)
                    seconds += done.seconds
                    if done.outcome is not Outcome.PASSED:
                        by = self._killer(done)
                        self._kills[by] += 1
                        return Verdict(mutant, Fate.KILLED, seconds, by)
        return Verdict(mutant, Fate.SURVIVED, seconds)

    def _stages(self, mutant: Mutant, tests: Sequence[str]) -> Iterator[list[str]]:
        """What is run in one go: test functions that run the statement, the whole quick files, those with processes.

        In each, what killed most and is quickest comes first. The functions alone are not enough: what is remembered
        by all is run by the first of them only, and says nothing of the others that depend on it.
        """
        slow = {test: is_slow(test) for test in tests}
        ordered = sorted(tests, key=lambda test: (-self._kills[test], self._measured[test].seconds))
        quick = [test for test in ordered if not slow[test]]
        functions = [name for test in quick for name in covering_functions(mutant, self._measured[test])]
        yield from filter(None, (functions, quick, [test for test in ordered if slow[test]]))

    @staticmethod
    def _killer(done: runs.Run) -> str:
        if done.outcome is Outcome.HUNG:
            return "a hang"
        found = FAILED.search(done.output)
        return found.group(1) if found else "no test could start"


def covering_tests(mutant: Mutant, tests: Sequence[str], measured: Mapping[str, Measured]) -> list[str]:
    """Those of the test files that run a line of the mutant's statement."""
    return [test for test in tests if test in measured and _runners(mutant, measured[test])]


def covering_functions(mutant: Mutant, measured: Measured) -> list[str]:
    """The functions of a test file that run a line of the mutant's statement by themselves."""
    return sorted(_runners(mutant, measured) - {""})


def files_of(tests: Iterable[str]) -> set[str]:
    """The files of tests, some of which may be functions."""
    return {test.partition("::")[0] for test in tests}


def _runners(mutant: Mutant, measured: Measured) -> set[str]:
    first, last = mutant.statement
    lines = measured.lines.get(mutant.file, {})
    return {name for line, names in lines.items() if first <= line <= last for name in names}

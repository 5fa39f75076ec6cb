"""Find out whether the tests notice wrong code: make it wrong in one place at a time, and run the tests.

Everything happens in copies of the checkout, in a scratch folder that is removed at the end. Prints what became of the
mutants; what is going on goes to stderr.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.mutants import equivalent, report
from tests.mutants.choice import choose
from tests.mutants.hunt import Fate, Hunt, Verdict
from tests.mutants.mutant import Mutant
from tests.mutants.operators import mutants
from tests.mutants.rooms import modules

ROOT = Path(__file__).resolve().parent.parent.parent
EQUIVALENT = Path(__file__).resolve().with_name("equivalent.toml")


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutants", description="See whether the tests notice wrong code.")
    parser.add_argument("--seed", type=int, default=1, help="which mutants are chosen")
    parser.add_argument("--count", type=int, default=150, help="how many")
    parser.add_argument("--only", default="*", help="a glob of modules, such as gateway/sessions/*")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1, help="how many at once")
    parser.add_argument("--list", action="store_true", help="print the chosen mutants and try none")
    return parser.parse_args(arguments)


def chosen(only: str, count: int, seed: int) -> list[Mutant]:
    found = {file: mutants(file, (ROOT / file).read_text("utf-8")) for file in modules(ROOT, only)}
    return choose(found, count, seed)


@contextmanager
def stopwatch(what: str) -> Iterator[None]:
    begun = time.monotonic()
    yield
    tell(f"{what}: {time.monotonic() - begun:.0f} s")


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def hunt(picked: Sequence[Mutant], jobs: int) -> tuple[list[Verdict], list[str]]:
    """Try the mutants; those that are known as equivalent are not run. And the tests that could not be used."""
    entries = equivalent.read(EQUIVALENT)
    verdicts = [Verdict(one, Fate.EQUIVALENT) for one in picked if equivalent.is_equivalent(one, entries)]
    tried = [one for one in picked if not equivalent.is_equivalent(one, entries)]
    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:
        hunt = Hunt(ROOT, Path(scratch), jobs)
        with stopwatch("the tests without a change"):
            for said in hunt.measure(sorted({one.file for one in tried})):
                tell(said)
        with stopwatch("the mutants"):
            for number, verdict in enumerate(hunt.try_all(tried), 1):
                verdicts.append(verdict)
                by = f" by {verdict.by}" if verdict.by else ""
                tell(f"[{number}/{len(tried)}] {verdict.seconds:.1f} s, {verdict.fate.value}{by}: {verdict.mutant}")
    return verdicts, sorted(hunt.unusable)


def main(arguments: Sequence[str] | None = None) -> int:
    given = options(arguments)
    picked = chosen(given.only, given.count, given.seed)
    if not picked:
        tell(f"no module fits {given.only!r}")
        return 2
    if given.list:
        for one in picked:
            print(one)
        return 0
    verdicts, unusable = hunt(picked, given.jobs)
    for line in report.lines(verdicts, unusable):
        print(line)
    return 1 if unusable else 0


if __name__ == "__main__":
    sys.exit(main())

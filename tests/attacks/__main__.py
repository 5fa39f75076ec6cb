"""Attack a gateway in every way that we know, each for some seconds, and report what a good client saw meanwhile."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from tests.attacks import report
from tests.attacks.arena import Outcome, arena
from tests.attacks.attack import Attack
from tests.attacks.every import every_attack

ALONE_S = 5.0


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make attacks", description="See what hostile clients do to good ones.")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each attack lasts")
    parser.add_argument("--only", default="*", help="a glob of attacks' names, such as '*session*'")
    parser.add_argument("--write", type=Path, help="the page into which the tables are written")
    return parser.parse_args(arguments)


async def all_outcomes(attacks: Sequence[Attack], seconds: float) -> tuple[list[Outcome], int]:
    """What became of each, and how many harmed somebody."""
    outcomes, harmful = [], 0
    with tempfile.TemporaryDirectory(prefix="attacks-") as folder:
        left = list(attacks)
        while left:  # a gateway that an attack killed is started again for the next one
            async with arena(Path(folder)) as there:
                await there.warm_up(ALONE_S)
                print(f"alone: p99 {there.alone_p99_s * 1e3:.1f} ms", flush=True)
                while left and there.is_alive:
                    outcome = await there.outcome(left.pop(0), seconds)
                    faults = outcome.faults(there.alone_p99_s)
                    print(report.line(outcome, faults), flush=True)
                    outcomes.append(outcome)
                    harmful += bool(faults)
                    if outcome.errors:
                        break
    return outcomes, harmful


def main(arguments: Sequence[str] | None = None) -> int:
    given = options(arguments)
    picked = [one for one in every_attack() if fnmatchcase(str(one), given.only)]
    outcomes, harmful = asyncio.run(all_outcomes(picked, given.seconds))
    print(f"{len(outcomes)} attacks, {harmful} of them harmed a good client or left memory behind")
    if given.write:
        report.write(given.write, outcomes)
    return 1 if harmful else 0


if __name__ == "__main__":
    sys.exit(main())

"""Which mutants are tried: as many of each module, by a seed, and the same ones again for the same seed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from tests.mutants.mutant import Mutant


def choose(found: Mapping[str, Sequence[Mutant]], count: int, seed: int) -> list[Mutant]:
    """Take turns among the modules until `count` are chosen or none is left; more of them begin with the same ones."""
    files = sorted(found)
    random.Random(seed).shuffle(files)
    left = []
    for file in files:
        # A generator of its own, so that a module's mutants do not depend on the others.
        shuffled = list(found[file])
        random.Random(f"{seed} {file}").shuffle(shuffled)
        left.append(shuffled)
    chosen: list[Mutant] = []
    while len(chosen) < count and any(left):
        for mutants in left:
            if mutants and len(chosen) < count:
                chosen.append(mutants.pop())
    return chosen

"""Which mutants are chosen: evenly, and the same ones for the same seed."""

from __future__ import annotations

from collections import Counter

from tests.mutants.choice import choose
from tests.mutants.mutant import Mutant
from tests.mutants.operators import mutants

SIZES = {"a.py": 40, "b.py": 3, "c.py": 20}
FOUND = {file: mutants(file, "a = [" + "1, " * size + "]") for file, size in SIZES.items()}


def places(chosen: list[Mutant]) -> list[tuple[str, int]]:
    return [(mutant.file, mutant.start) for mutant in chosen]


def test_the_same_seed_chooses_the_same_ones() -> None:
    assert places(choose(FOUND, 20, 7)) == places(choose(dict(reversed(FOUND.items())), 20, 7))


def test_another_seed_chooses_others() -> None:
    assert places(choose(FOUND, 20, 7)) != places(choose(FOUND, 20, 8))


def test_more_of_them_begin_with_the_same_ones() -> None:
    assert places(choose(FOUND, 30, 7))[:10] == places(choose(FOUND, 10, 7))


def test_modules_take_turns_as_long_as_they_have_any() -> None:
    assert Counter(mutant.file for mutant in choose(FOUND, 9, 7)) == {"a.py": 3, "b.py": 3, "c.py": 3}
    assert Counter(mutant.file for mutant in choose(FOUND, 23, 7)) == {"a.py": 10, "b.py": 3, "c.py": 10}


def test_a_module_s_choice_does_not_depend_on_the_others() -> None:
    alone = places(choose({"a.py": FOUND["a.py"]}, 5, 7))
    assert [place for place in places(choose(FOUND, 13, 7)) if place[0] == "a.py"][:5] == alone


def test_no_mutant_is_chosen_twice() -> None:
    every = places(choose(FOUND, 1000, 7))
    assert len(every) == len(set(every)) == 63

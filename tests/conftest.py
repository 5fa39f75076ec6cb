"""What holds for all tests."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Schemas are compiled, and not found among those of other runs; processes that tests start have it from here.
os.environ["CARA_CACHE_DIR"] = ""

# A shell without job control has what it runs in the background ignore Ctrl-C, which all processes of ours inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long one example takes says something about the machine, not about the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

TESTS = Path(__file__).parent
LONGEST = (
    "deployment", "browser", "test_javascript.py", "mutants", "soak", "native", "integration", "typing",
    "test_packaging.py", "attacks",
)  # fmt: skip
"""What has long files, those with the longest first."""


@pytest.fixture
def without_collector() -> Iterator[None]:
    """Nothing is collected: who measures steps of milliseconds would see runs over all that this process holds."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: most tests wait for sockets, and two on two processors leave a third idle."""
    return len(os.sched_getaffinity(0)) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have long files run first: one that began last would go on alone, with the other processes done."""

    def place(item: pytest.Item) -> int:
        first = item.path.relative_to(TESTS).parts[0]
        return LONGEST.index(first) if first in LONGEST else len(LONGEST)

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """Leave what collecting made out of the collector's runs: it lives to the end, and each run would walk it."""
    gc.collect()
    gc.freeze()

"""A plugin of pytest for measured runs: tells coverage which test function is running, as the context of its lines.

What is made once for several tests has no name, since each of them needs it. Used as `-p tests.mutants.by_test`.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import coverage
import pytest

_Wrapped = Generator[None, object, object]


def pytest_configure(config: pytest.Config) -> None:
    measuring = coverage.Coverage.current()
    assert measuring is not None
    config.pluginmanager.register(_Contexts(measuring))


class _Contexts:
    def __init__(self, measuring: coverage.Coverage) -> None:
        self._measuring = measuring
        self._test = ""

    @contextmanager
    def _named(self, test: str) -> Iterator[None]:
        before, self._test = self._test, test
        self._measuring.switch_context(test)
        try:
            yield
        finally:
            self._test = before
            self._measuring.switch_context(before)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> _Wrapped:
        # All parameters together: many a value cannot stand in a command line.
        function = item.nodeid.partition("::")[2].partition("[")[0]
        with self._named(f"{os.path.relpath(item.path)}::{function}"):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[object]) -> _Wrapped:
        with self._named(self._test if fixturedef.scope == "function" else ""):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, nextitem: pytest.Item | None) -> _Wrapped:
        # After the last one, what all had in common ends.
        with self._named("" if nextitem is None else self._test):
            return (yield)

"""How many connections the process may have open."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from gateway.http.descriptors import LEAST, most_connections, permit_descriptors


@pytest.fixture(autouse=True)
def limit() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(("wanted", "reserved", "most"), [(10_000, 64, 192), (100, 64, 100), (10_000, 250, LEAST)])
def test_what_is_reserved_is_left(wanted: int, reserved: int, most: int) -> None:
    assert most_connections(wanted, reserved) == most


def test_the_soft_limit_is_raised_but_never_lowered() -> None:
    permit_descriptors(300)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 300
    permit_descriptors(200)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 300


def test_it_is_raised_no_further_than_the_hard_limit() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        hard = 10**6
    permit_descriptors(hard + 1)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] in (hard, hard + 1)

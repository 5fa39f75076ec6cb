"""Principals: one object for all who use it."""

from __future__ import annotations

import math

from gateway.access.principals import ANONYMOUS, Principal


def test_services_are_told_the_roles_that_there_are_now() -> None:
    principal = Principal("key:alice", frozenset({"staff", "admin"}))
    assert (principal.name, principal.role_names, principal.expires_at) == ("key:alice", ("admin", "staff"), math.inf)
    principal.roles = principal.roles - {"admin"}
    assert (principal.roles, principal.role_names) == (frozenset({"staff"}), ("staff",))


def test_nobody_has_neither_name_nor_roles() -> None:
    assert (ANONYMOUS.name, ANONYMOUS.roles, ANONYMOUS.role_names) == (None, frozenset(), ())
    assert not ANONYMOUS.is_removed


def test_a_principal_shows_its_name_and_roles() -> None:
    assert repr(Principal("key:alice", frozenset({"b", "a"}))) == "Principal('key:alice', ['a', 'b'])"

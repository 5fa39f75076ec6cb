"""Who shows which certificate, and the roles of its names."""

from __future__ import annotations

import asyncio

import pytest

from gateway.access.certificates import Certificates
from gateway.access.credentials import Certificate, Credentials
from gateway.access.principals import Principal
from gateway.errors import GatewayError, Status

ROLES = {"ops.example": frozenset({"admin"}), "job.example": frozenset({"batch"})}


def shown(known: Certificates, common_name: str, *dns_names: str) -> Principal:
    return known.known("", Credentials({}, certificate=Certificate(common_name, dns_names)))


@pytest.mark.parametrize(
    ("names", "name", "roles"),
    [
        (("ops.example",), "cert:ops.example", {"admin"}),
        (("", "ops.example"), "cert:ops.example", {"admin"}),
        (("Bob", "x.example", "ops.example"), "cert:ops.example", {"admin"}),
        (("ops.example", "job.example"), "cert:ops.example", {"admin", "batch"}),
        # One whom the authority knows and the table does not.
        (("other.example",), "cert:other.example", set()),
        (("", "other.example"), "cert:other.example", set()),
        (("ops.example.evil",), "cert:ops.example.evil", set()),
    ],
)
def test_a_certificate_has_the_roles_of_its_names(names: tuple[str, ...], name: str, roles: set[str]) -> None:
    owner = shown(Certificates(ROLES), *names)
    assert (owner.name, owner.roles) == (name, roles)


def test_the_same_certificate_is_the_same_owner_s() -> None:
    known = Certificates(ROLES)
    owner = shown(known, "ops.example")
    assert shown(known, "ops.example") is owner
    again = known.authenticate("", Credentials({}, certificate=Certificate("ops.example")))
    assert asyncio.run(again) is owner


def test_a_certificate_without_a_name_is_nobody_s() -> None:
    with pytest.raises(GatewayError, match="the certificate has no name") as raised:
        shown(Certificates(ROLES), "")
    assert raised.value.status is Status.UNAUTHENTICATED


def test_a_reload_changes_roles_in_place() -> None:
    known = Certificates(ROLES)
    owner = shown(known, "ops.example")
    known.replace({"ops.example": frozenset({"staff"})})
    assert (owner.roles, owner.is_removed) == ({"staff"}, False)
    known.replace({})
    assert owner.roles == frozenset()
    assert known.close() == [owner]
    assert owner.is_removed

"""Who may call what: by roles, at once when they change, and by the rules of now whatever object is called."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.access import permissions as module
from gateway.access.permissions import Permissions
from gateway.access.principals import ANONYMOUS
from gateway.access.rules import RoleRule
from gateway.catalogue import Served, Service
from gateway.errors import GatewayError, Status
from tests.gateway.access import vault as play
from tests.gateway.access.vault import Compile, Find, catalogue, principal


@pytest.fixture
def vault(compile_text: Compile, struct_type: Find, fakes: Any) -> Service:
    schema = compile_text(play.SCHEMA)
    return play.vault(schema, struct_type(schema, "Vault"), fakes.Upstream())


@pytest.fixture
def served(vault: Service) -> Served:
    return Served(catalogue(vault))


@pytest.mark.parametrize(
    ("roles", "may"),
    [
        ((), ""),
        (("admin", "reader", "writer"), ""),
        (("staff",), "light look open"),
        (("staff", "admin"), "burn light look open wipe"),
    ],
)
def test_all_roles_are_needed_those_of_the_service_and_of_the_method(
    roles: tuple[str, ...], may: str, vault: Service, served: Served
) -> None:
    permissions = Permissions(served)
    found = {name for name, method in vault.methods.items() if permissions.may_call(principal(*roles), method)}
    assert found == set(may.split())


def test_a_rule_holds_whatever_an_object_is_taken_for(
    vault: Service, served: Served, struct_type: Find
) -> None:
    permissions, writer = Permissions(served), principal("staff", "writer")
    for interface in ("Vault.Session", "Vault.Reader"):
        read = vault.object_method(struct_type(vault.schema, interface), "read")
        assert not permissions.may_call(writer, read)
        assert permissions.may_call(principal("staff", "reader"), read)
    assert permissions.may_call(writer, vault.object_method(struct_type(vault.schema, "Vault.Session"), "write"))


def test_a_role_that_is_taken_away_acts_at_the_next_call(vault: Service, served: Served) -> None:
    permissions, method = Permissions(served), vault.method("wipe")
    somebody = principal("staff", "admin")
    permissions.authorise(somebody, method)
    somebody.roles = frozenset({"staff"})
    with pytest.raises(GatewayError, match=r"has not all roles that .vault\.wipe. requires") as raised:
        permissions.authorise(somebody, method)
    assert raised.value.status is Status.PERMISSION_DENIED
    assert "admin" not in raised.value.detail
    somebody.roles = frozenset({"staff", "admin"})
    permissions.authorise(somebody, method)


def test_who_has_no_credentials_is_asked_for_them(vault: Service, served: Served) -> None:
    with pytest.raises(GatewayError) as raised:
        Permissions(served).authorise(ANONYMOUS, vault.method("look"))
    assert raised.value.status is Status.UNAUTHENTICATED
    assert (raised.value.service, raised.value.method) == ("vault", "look")


def test_what_requires_nothing_is_for_everybody(compile_text: Compile, struct_type: Find, fakes: Any) -> None:
    schema = compile_text(play.SCHEMA)
    open_vault = play.vault(schema, struct_type(schema, "Vault"), fakes.Upstream(), roles=())
    Permissions(Served(catalogue(open_vault))).authorise(ANONYMOUS, open_vault.method("look"))


def test_rules_that_are_replaced_hold_for_objects_of_before(
    vault: Service, served: Served, struct_type: Find, fakes: Any
) -> None:
    permissions, staff = Permissions(served), principal("staff", "writer")
    session = struct_type(vault.schema, "Vault.Session")
    write = vault.object_method(session, "write")
    assert permissions.may_call(staff, write)
    stricter = play.vault(
        vault.schema, vault.routes.interface, fakes.Upstream(), (RoleRule(("Session.write",), ("scribe",)),)
    )
    served.catalogue = catalogue(stricter)
    assert not permissions.may_call(staff, write)
    assert permissions.may_call(principal("staff", "scribe"), write)
    served.catalogue = catalogue()  # it is served no more, so what it required stays required
    assert permissions.may_call(staff, write)
    assert not permissions.may_call(principal("staff"), write)


def test_as_many_answers_are_kept_as_may_be(
    vault: Service, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_KEPT", 10)
    permissions, method = Permissions(served), vault.method("look")
    for number in range(100):
        assert permissions.may_call(principal("staff", f"{number}"), method)
        assert not permissions.may_call(principal(f"{number}"), method)
        assert len(permissions._known) <= 10

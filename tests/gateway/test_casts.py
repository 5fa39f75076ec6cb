"""What a handle becomes when its object is taken for something else; who may, and of what nobody hears."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cara_pseud.schema.nodes import Schema, Type
from gateway.casts import cast, cast_form
from gateway.catalogue import Catalogue, Service
from gateway.errors import GatewayError
from gateway.sessions.handles import Handles
from tests.gateway.access import vault as play

Compile = Callable[[str], Schema]
Find = Callable[[Schema, str], Type]
MANY = "\n".join(f"interface Other{number} {{ a @0 () -> (); }}" for number in range(120))
STAFF, ADMIN = frozenset({"staff"}), frozenset({"staff", "admin", "reader", "writer"})


@pytest.fixture
def vault(compile_text: Compile, struct_type: Find, fakes: Any) -> Service:
    schema = compile_text(play.SCHEMA)
    return play.vault(schema, struct_type(schema, "Vault"), fakes.Upstream())


@pytest.fixture
def handles() -> Handles:
    tokens = iter("abcdef")
    return Handles({}, 5, lambda: next(tokens))


def refusal(handles: Handles, token: str, interface: str, catalogue: Catalogue, roles: frozenset[str]) -> str:
    with pytest.raises(GatewayError) as raised:
        cast(handles, "s", token, interface, catalogue, roles)
    assert (raised.value.path, raised.value.service) == ("$.interface", "vault")
    return raised.value.detail


def test_an_object_is_cast_to_what_one_may_call(vault: Service, handles: Handles, fakes: Any) -> None:
    token = handles.put("s", vault, None, fakes.Object()).token
    found = cast(handles, "s", token, "Vault.Session", play.catalogue(vault), ADMIN)
    assert cast_form(found) == {"$handle": "b", "interface": "Vault.Session"}
    assert found.counts == {"s": 1}


def test_of_what_one_may_not_call_one_does_not_hear(vault: Service, handles: Handles, fakes: Any) -> None:
    token = handles.put("s", vault, None, fakes.Object()).token
    catalogue = play.catalogue(vault)
    for interface in ("Secret", "Vault.Session", "Gone"):
        detail = refusal(handles, token, interface, catalogue, STAFF)
        assert detail.startswith(f'$.interface: the schema of vault has no interface "{interface}"')
        assert "Secret" not in detail.partition(";")[2]
    # Not even the roles that the service itself requires.
    assert refusal(handles, token, "Vault", catalogue, frozenset()).endswith('no interface "Vault"')


def test_what_came_from_an_earlier_catalogue_is_cast_by_the_rules_of_now(
    vault: Service, handles: Handles, compile_text: Compile, struct_type: Find, fakes: Any
) -> None:
    token = handles.put("s", vault, None, fakes.Object()).token
    schema = compile_text(play.SCHEMA)
    now = play.vault(schema, struct_type(schema, "Vault"), fakes.Upstream(), rules=(), roles=("boss",))
    assert "no interface" in refusal(handles, token, "Room", play.catalogue(now), STAFF)
    assert cast(handles, "s", token, "Room", play.catalogue(now), frozenset({"boss"})).service is vault


def test_a_misspelt_name_is_looked_for_among_few(
    compile_text: Compile, struct_type: Find, handles: Handles, fakes: Any
) -> None:
    for more, hint in (("", '; did you mean "Rooms"?'), (MANY, "")):
        schema = compile_text(f"interface Rooms {{ a @0 () -> (); }} {more}")
        service = play.vault(schema, struct_type(schema, "Rooms"), fakes.Upstream(), (), ())
        token = handles.put("s", service, None, fakes.Object(more)).token
        assert refusal(handles, token, "Roms", play.catalogue(service), STAFF).endswith(f'"Roms"{hint}')

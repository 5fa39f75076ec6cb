"""What one may not call one does not see: in what is described, in documents, in what an error proposes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway import catalogue as module
from gateway.call_targets import method_of_service
from gateway.catalogue import Catalogue, Service
from gateway.describe.descriptions import describe_interface, describe_service
from gateway.describe.openapi import openapi_document
from gateway.describe.openrpc import openrpc_document
from gateway.describe.typescript import typescript_module
from gateway.errors import GatewayError, Status
from gateway.json.codec.options import CodecOptions
from gateway.json.text import dump
from tests.gateway.access import vault as play
from tests.gateway.access.vault import Compile, Find, catalogue, principal

STAFF = frozenset({"staff"})
WRITER = STAFF | {"writer"}
EVERYTHING = frozenset({"staff", "admin", "reader", "writer"})


@pytest.fixture
def vault(compile_text: Compile, struct_type: Find, fakes: Any) -> Service:
    schema = compile_text(play.SCHEMA)
    return play.vault(schema, struct_type(schema, "Vault"), fakes.Upstream())


@pytest.fixture
def all_of(vault: Service, calculator: Service) -> Catalogue:
    return catalogue(vault, calculator)


def test_a_service_is_seen_by_who_may_call_something_of_it(all_of: Catalogue) -> None:
    assert list(all_of.seen_by(frozenset()).routes) == ["calculator"]
    assert list(all_of.seen_by(frozenset({"admin"})).routes) == ["calculator"]
    seen = all_of.seen_by(STAFF)
    assert list(seen.routes) == ["vault", "calculator"]
    assert list(seen.routes["vault"].methods) == ["open", "look", "light"]
    assert list(all_of.seen_by(EVERYTHING).routes["vault"].methods) == ["open", "wipe", "look", "burn", "light"]


def test_who_may_call_all_of_a_service_sees_it_whole(all_of: Catalogue) -> None:
    assert all_of.seen_by(frozenset()).whole == {"calculator"}
    assert all_of.seen_by(STAFF).whole == {"calculator"}
    assert all_of.seen_by(EVERYTHING | {"more"}).whole == {"vault", "calculator"}
    assert all_of.seen_by(EVERYTHING).documents is all_of.documents


def test_documents_are_of_what_is_seen_and_made_once_for_the_same(all_of: Catalogue) -> None:
    nobody, staff = all_of.seen_by(frozenset()), all_of.seen_by(STAFF)
    assert b"vault" not in nobody.document("/openapi.json").data
    assert b"look" in staff.document("/openapi.json").data
    assert b"wipe" not in staff.document("/openapi.json").data
    # Roles that nothing requires make no difference.
    assert all_of.seen_by(STAFF | {"other", "roles"}) is staff
    with pytest.raises(GatewayError) as unseen:
        nobody.document("/types/vault.d.ts")
    with pytest.raises(GatewayError) as unknown:
        nobody.document("/types/nothing.d.ts")
    assert unseen.value.problem() == unknown.value.problem()


def test_as_many_parts_are_kept_as_may_be(
    compile_text: Compile, struct_type: Find, fakes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_SEEN", 2)
    schema = compile_text(play.SCHEMA)
    made = catalogue(play.vault(schema, struct_type(schema, "Vault"), fakes.Upstream(), roles=()))
    parts = [frozenset({role}) for role in ("admin", "reader", "writer")]
    kept = [made.seen_by(roles) for roles in parts]
    assert len(made._seen) == 2
    assert made.seen_by(parts[2]) is kept[2]
    assert made.seen_by(parts[0]) is not kept[0]


Write = Callable[[Any], bytes]
WRITTEN: dict[str, Write] = {
    "description": lambda routes: dump(describe_service(routes)),
    "openapi": lambda routes: dump(openapi_document([routes], CodecOptions(), "1")),
    "openrpc": lambda routes: dump(openrpc_document([routes], CodecOptions(), "1")),
    "types": lambda routes: typescript_module([routes], CodecOptions()).encode(),
}


@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN)
def test_no_document_has_a_method_that_one_may_not_call(write: Write, vault: Service) -> None:
    # Names as they stand in schemas: "read" alone is in many words.
    def found(roles: frozenset[str]) -> set[str]:
        text = write(vault.routes.seen_by(roles))
        names = (b"wipe", b"erase", b"light", b"look", b"write")
        return {name.decode() for name in names if name in text.replace(b"readOnly", b"").replace(b"write-only", b"")}

    assert found(STAFF) == {"light", "look"}
    assert found(WRITER) == {"light", "look", "write"}
    assert found(EVERYTHING) == {"wipe", "erase", "light", "look", "write"}


def test_superclasses_of_which_one_may_call_nothing_are_not_told(vault: Service, struct_type: Find) -> None:
    session = struct_type(vault.schema, "Vault.Session")
    for roles, extends in ((WRITER, []), (WRITER | {"reader"}, ["Vault.Reader"])):
        described = describe_interface(vault.routes.seen_by(roles), session)
        assert described["extends"] == extends
    assert not vault.routes.seen_by(STAFF).sees(struct_type(vault.schema, "Secret"))
    assert vault.routes.sees(struct_type(vault.schema, "Secret"))


def test_what_is_told_to_be_required_is_all_that_is(vault: Service) -> None:
    described: Any = describe_service(vault.routes)
    assert {each["name"]: each["requires"] for each in described["methods"]} == {
        "open": ["staff"], "wipe": ["admin", "staff"], "look": ["staff"], "light": ["staff"],
        "burn": ["admin", "staff"],
    }  # fmt: skip


def refused(*arguments: Any) -> GatewayError:
    with pytest.raises(GatewayError) as raised:
        method_of_service(*arguments)
    return raised.value


def test_an_error_proposes_only_what_one_may_see(all_of: Catalogue) -> None:
    assert refused(all_of, "vaul", "look", principal()).detail == 'there is no service "vaul"; known: calculator'
    assert 'did you mean "vault"?' in refused(all_of, "vaul", "look", principal("staff")).detail
    assert "wipe" not in refused(all_of, "vault", "wip", principal("staff")).detail
    assert 'did you mean "wipe"?' in refused(all_of, "vault", "wip", principal("staff", "admin")).detail
    assert refused(all_of, "vault", "wip", principal("staff")).status is Status.NOT_FOUND


def test_objects_propose_only_what_one_may_call(vault: Service, struct_type: Find) -> None:
    session = struct_type(vault.schema, "Vault.Session")
    for roles, told in ((WRITER, "known: write"), (EVERYTHING, 'did you mean "erase"?')):
        with pytest.raises(GatewayError) as raised:
            vault.object_method(session, "eras", roles)
        assert raised.value.detail.endswith(told)


def test_of_a_service_that_one_may_not_see_each_name_is_answered_alike(all_of: Catalogue) -> None:
    there = refused(all_of, "vault", "nothing", principal("admin"))
    assert there.status is Status.PERMISSION_DENIED
    assert there.detail == 'the caller has not all roles that "vault.nothing" requires'
    assert (there.service, there.method) == ("vault", "nothing")
    long = refused(all_of, "vault", "x" * 100_000, principal("admin"))
    assert len(dump(long.problem())) < 2000

"""Secrets of a method: found wherever they stand, and left out of a path."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cara_pseud.schema.nodes import Schema, Type
from gateway.routes import ServiceRoutes
from gateway.sensitive import has_sensitive, without_secrets

SCHEMA = """
using Gateway = import "/gateway.capnp";
interface Vault {
  open @0 (user :Text, pin :Text $Gateway.sensitive) -> () $Gateway.http(path = "/vaults/{user}/{pin}");
  deep @1 (login :Login, box :Text) -> () $Gateway.http(verb = "get", path = "/logins/{login.secret.pin}/{login.name}");
  told @2 () -> (logins :List(Login));
  plain @3 (user :Text, chain :Chain) -> (done :Bool);
}
struct Login { name @0 :Text; secret :group { pin @1 :Text $Gateway.sensitive; } }
struct Chain { next @0 :Chain; name @1 :Text; }
"""


@pytest.fixture
def routes(compile_text: Callable[[str], Schema], struct_type: Callable[[Schema, str], Type]) -> ServiceRoutes:
    schema = compile_text(SCHEMA)
    return ServiceRoutes("vault", schema, struct_type(schema, "Vault"))


@pytest.mark.parametrize(("method", "secret"), [("open", True), ("deep", True), ("told", True), ("plain", False)])
def test_a_secret_is_found_in_parameters_and_results_and_within(
    routes: ServiceRoutes, method: str, secret: bool
) -> None:
    assert has_sensitive(routes, routes.method(method)) is secret


@pytest.mark.parametrize(
    ("method", "path", "logged"),
    [
        ("open", "/vaults/ann/1234", "/vaults/ann/…"),
        ("open", "/vaults/a%2Fb/12%2F34", "/vaults/a%2Fb/…"),
        ("deep", "/logins/1234/ann", "/logins/…/ann"),
    ],
)
def test_a_path_is_logged_without_its_secrets(routes: ServiceRoutes, method: str, path: str, logged: str) -> None:
    bound = routes.method(method)
    rule = routes.facts(bound).http
    assert rule is not None
    assert without_secrets(routes, bound, rule, path) == logged

"""Secrets of a method: found wherever they stand, and left out of a path."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cara_pseud.schema.nodes import Schema, Type
from gateway.routes import ServiceRoutes
from gateway.sensitive import SecretPaths, has_sensitive, secrets_in
from tests.codecs import Codec

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
    ("path", "logged"),
    [
        ("/vaults/ann/1234", "/vaults/ann/…"),
        ("/vaults/a%2Fb/12%2F34", "/vaults/a%2Fb/…"),
        ("/v%61ults/ann/1234", "/v%61ults/ann/…"),
        ("/logins/1234/ann", "/logins/…/ann"),
        # What was meant for such a path is as secret where it does not fit.
        ("/vaults/ann/1234/", "/vaults/ann/…/"),
        ("/vaults/ann/1234/more", "/vaults/ann/…/…"),
        ("/logins/1234", "/logins/…"),
        ("/logins/1234/ann/5678", "/logins/…/…/…"),
        ("/Vaults/ann/1234", "/Vaults/ann/…"),
        ("//vaults/ann/1234", "//vaults/ann/…"),
        ("/vaults//1234", "/vaults//…"),
        ("/vaults/ann//1234", "/vaults/ann//…"),
        ("/vaults/ann", "/vaults/ann"),
        ("/other/ann/1234", "/other/ann/1234"),
        ("/api/vault/open", "/api/vault/open"),
        ("/", "/"),
        ("", ""),
    ],
)
def test_a_path_is_logged_without_what_may_be_a_secret(routes: ServiceRoutes, path: str, logged: str) -> None:
    assert SecretPaths([routes]).shown(path) == logged


def test_a_path_without_secrets_is_logged_as_it_is(routes: ServiceRoutes) -> None:
    assert SecretPaths([]).shown("/vaults/ann/1234") == "/vaults/ann/1234"


def test_secrets_among_arguments_are_found_wherever_they_stand(
    compile_text: Callable[[str], Schema], struct_type: Callable[[Schema, str], Type]
) -> None:
    schema = compile_text(DEEP)
    routes = ServiceRoutes("vault", schema, struct_type(schema, "Vault"))
    codec = Codec(schema)
    given = {
        "open": {"user": "ann", "pin": 1234, "keys": ["AQI=", "Aw=="], "logins": [
            {"name": "bob", "secret": {"pin": "5678"}, "either": {"token": "t-1"}},
            {"name": "eve", "whole": {"name": "inner", "size": 5}, "either": {"guest": "g-1"}},
        ]},
        "whole": {"name": "zoe", "secret": {"pin": "9"}},
    }  # fmt: skip
    found = {
        name: list(secrets_in(routes, routes.method(name), codec.params(routes.method(name)).read(params)))
        for name, params in given.items()
    }
    assert found == {"open": [1234, b"\1\2", b"\3", "5678", "t-1", "inner", 5], "whole": ["9"]}


DEEP = """
using Gateway = import "/gateway.capnp";
interface Vault {
  open @0 (user :Text, pin :UInt32 $Gateway.sensitive, keys :List(Data) $Gateway.sensitive, logins :List(Login)) -> ();
  whole @1 Login -> ();
}
struct Login {
  name @0 :Text;
  secret :group { pin @1 :Text $Gateway.sensitive; }
  whole @2 :Inner $Gateway.sensitive;
  either :union { token @3 :Text $Gateway.sensitive; guest @4 :Text; }
}
struct Inner { name @0 :Text; size @1 :UInt8; }
"""

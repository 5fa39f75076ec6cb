"""How the OpenAPI document says who may ask: schemes, what each operation takes, and how strangers are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from openapi_spec_validator import validate

from cara_pseud.schema.nodes import Schema, Type
from gateway.access.rules import RoleRule, ServiceRules
from gateway.config.auth import AuthConfig
from gateway.config.mtls import MtlsConfig
from gateway.describe.openapi import openapi_document, security_of
from gateway.json.codec.options import CodecOptions
from gateway.routes import ServiceRoutes

SCHEMA = """
using Gateway = import "/gateway.capnp";
interface Shop {
  list @0 () -> (names :List(Text)) $Gateway.readOnly;
  open @1 () -> (cart :Cart);
  wipe @2 () -> ();
  interface Cart { pay @0 () -> (); }
}
"""
KEYS = AuthConfig(keys=())


@pytest.fixture
def written(
    compile_text: Callable[[str], Schema], struct_type: Callable[[Schema, str], Type]
) -> Callable[[AuthConfig | None], dict[str, Any]]:
    schema = compile_text(SCHEMA)
    shop = struct_type(schema, "Shop")
    rules = ServiceRules(schema, shop, (), [RoleRule(("wipe", "Cart.pay"), ("admin",))])
    routes = ServiceRoutes("shop", schema, shop, rules)

    def written(auth: AuthConfig | None) -> dict[str, Any]:
        document = openapi_document([routes], CodecOptions(), "1", security=security_of(auth))
        made: dict[str, Any] = json.loads(json.dumps(document))
        validate(made)
        return made

    return written


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{verb} {path}": operation for path, verbs in document["paths"].items() for verb, operation in verbs.items()
    }


@pytest.mark.parametrize(
    ("auth", "schemes"),
    [
        (None, set()),
        (KEYS, {"key", "bearer"}),
        (AuthConfig(passwords={}), {"basic"}),
        (AuthConfig(mtls=MtlsConfig(roles={})), {"certificate"}),
        (AuthConfig(plugin="a:b"), set()),
        (AuthConfig(keys=(), passwords={}, required=False), {"key", "bearer", "basic"}),
    ],
)
def test_there_is_a_scheme_for_each_way_that_a_client_can_go(
    auth: AuthConfig | None, schemes: set[str], written: Callable[..., dict[str, Any]]
) -> None:
    assert written(auth)["components"]["securitySchemes"].keys() == {"session"} | schemes


def test_without_authentication_there_is_none(written: Callable[..., dict[str, Any]]) -> None:
    found = operations(written(None))
    assert found["post /api/shop/list"]["security"] == []
    assert found["post /api/shop/wipe"]["security"] == []
    assert found["get /api"]["security"] == []


def test_where_everybody_is_asked_each_operation_takes_a_credential(written: Callable[..., dict[str, Any]]) -> None:
    document = written(KEYS)
    found = operations(document)
    either = [{"key": []}, {"bearer": []}]
    assert found["post /api/shop/list"]["security"] == found["get /api"]["security"] == either
    assert found["post /api/shop/wipe"]["security"] == either
    with_session = [{"session": [], "key": []}, {"session": [], "bearer": []}]
    assert found["post /api/handles/{handle}/{method}"]["security"] == with_session
    assert found["post /api/handles/{handle}/shop/Shop.Cart/pay"]["security"] == with_session
    assert found["post /api/shop/open"]["security"] == [*either, *with_session]
    for place, operation in found.items():
        is_public = place in ("get /healthz", "get /readyz")
        assert bool(operation["security"]) is not is_public, place
        assert ({"401", "403"} <= operation["responses"].keys()) is not is_public, place
    assert {"key": []} in document["security"]


def test_where_only_roles_need_somebody_the_rest_is_for_everybody(written: Callable[..., dict[str, Any]]) -> None:
    found = operations(written(AuthConfig(keys=(), required=False)))
    assert found["post /api/shop/list"]["security"] == [{}, {"key": []}, {"bearer": []}]
    assert found["post /api/shop/wipe"]["security"] == [{"key": []}, {"bearer": []}]
    assert {} in found["get /openapi.json"]["security"]
    assert {"session": []} in found["post /api/handles/{handle}/{method}"]["security"]


def test_who_is_known_by_others_alone_is_refused_as_documented(written: Callable[..., dict[str, Any]]) -> None:
    found = operations(written(AuthConfig(plugin="a:b")))
    assert found["post /api/shop/list"]["security"] == []
    assert {"401", "429", "503"} <= found["get /api"]["responses"].keys()

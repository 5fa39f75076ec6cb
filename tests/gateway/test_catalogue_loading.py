"""From a configuration to a catalogue, and every complaint about schemas and routes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.access.rules import RoleRule
from gateway.call_counts import CallCounts
from gateway.catalogue import Catalogue
from gateway.catalogue_loading import load_catalogue, load_routes
from gateway.config.auth import AuthConfig
from gateway.config.file import ConfigError, GatewayConfig, ServiceConfig
from gateway.config.limits import Limits

SCHEMA = """@0xb5f3c07e56b6a7d1;
using Gateway = import "/gateway.capnp";
using More = import "more.capnp";
interface Shop {
  order @0 () -> (number :Int64) $Gateway.http(path = "/orders");
  interface Inner { ping @0 () -> (); }
  struct Item { name @0 :Text; interface Deep { ping @0 () -> (); } }
}
"""
MORE = "@0xb5f3c07e56b6a7d2; struct Nothing {}"
LIMITS = Limits(default_call_timeout_s=12.5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.capnp").write_text(SCHEMA, "utf-8")
    (tmp_path / "more.capnp").write_text(MORE, "utf-8")
    return tmp_path


def service(folder: Path, name: str = "shop", interface: str = "Shop", **more: Any) -> ServiceConfig:
    file = folder / more.pop("file", "shop.capnp")
    return ServiceConfig(name=name, schema=file, interface=interface, endpoints=("tcp://service:1",), **more)


def loaded(*services: ServiceConfig) -> tuple[Catalogue, list[str], CallCounts]:
    """The catalogue, whose connections are the names of their services, and the names as they were asked for."""
    asked: list[str] = []

    def upstream_of(config: ServiceConfig) -> Any:
        asked.append(config.name)
        return config.name

    counts = CallCounts()
    return load_catalogue(GatewayConfig(limits=LIMITS, services=services), upstream_of, counts), asked, counts


def complaints(*services: ServiceConfig) -> tuple[str, ...]:
    def never(config: ServiceConfig) -> Any:
        raise AssertionError("no connection is made where something is wrong")

    with pytest.raises(ConfigError) as raised:
        load_catalogue(GatewayConfig(services=services), never, CallCounts())
    with pytest.raises(ConfigError) as again:
        load_routes(GatewayConfig(services=services))
    assert again.value.complaints == raised.value.complaints
    return raised.value.complaints


def test_each_service_has_its_schema_its_connection_and_its_deadline(folder: Path) -> None:
    catalogue, asked, counts = loaded(service(folder), service(folder, "inner", "Shop.Inner", timeout_s=3.5))
    shop, inner = catalogue.services.values()
    assert list(catalogue.services) == ["shop", "inner"] == asked == [shop.upstream, inner.upstream]
    assert (shop.timeout_s, inner.timeout_s) == (12.5, 3.5)
    assert shop.schema is inner.schema  # compiled once
    assert (list(shop.methods), list(inner.methods)) == (["order"], ["ping"])
    assert shop.method("order").counts is counts.of("shop", "order")


@pytest.mark.parametrize("base_path", ["/orders", "/a/b", "/a"])
def test_a_base_path_that_a_route_begins_with_is_refused(folder: Path, base_path: str) -> None:
    (folder / "shop.capnp").write_text(SCHEMA.replace("/orders", "/orders" if base_path == "/orders" else "/a/b/c"))
    with pytest.raises(ConfigError) as raised:
        load_routes(GatewayConfig(services=(service(folder),), base_path=base_path))
    assert raised.value.complaints[0].startswith(f'gateway.base_path: "{base_path}" is the beginning of POST /')
    assert load_routes(GatewayConfig(services=(service(folder),), base_path="/ord"))


def test_the_openapi_document_names_the_prefix_of_who_asks(folder: Path) -> None:
    catalogue, _, _ = loaded(service(folder))
    document = catalogue.documents["/openapi.json"]
    servers = [json.loads(document.below(prefix))["servers"] for prefix in ("/gw", "", "/lab/gw")]
    assert servers == [[{"url": "/gw"}], [{"url": "/"}], [{"url": "/lab/gw"}]]
    assert document.data == document.below("")
    assert document.below("/gw") is document.below("/gw")


def test_values_are_written_as_the_configuration_says(folder: Path) -> None:
    config = GatewayConfig(services=(service(folder),))
    documents = {}
    for int64 in ("string", "number"):
        changed = replace(config, codec=replace(config.codec, int64=int64))
        catalogue = load_catalogue(changed, lambda service: None, CallCounts())  # type: ignore[arg-type, return-value]
        documents[int64] = [document.data for document in catalogue.documents.values()]
    assert len(documents["string"]) == 3
    for as_text, as_number in zip(documents["string"], documents["number"], strict=True):
        assert as_text != as_number


def test_there_are_documents_of_all_services(folder: Path) -> None:
    catalogue, _, _ = loaded(service(folder), service(folder, "inner", "Shop.Inner"))
    documents = catalogue.documents
    assert set(documents) == {"/openapi.json", "/openrpc.json", "/types/shop.d.ts", "/types/inner.d.ts"}
    assert documents["/openapi.json"].media_type == "application/json"
    assert b"/api/inner/ping" in documents["/openapi.json"].data
    assert b'"inner.ping"' in documents["/openrpc.json"].data
    assert b'"rpc.discover"' in documents["/openrpc.json"].data
    assert documents["/types/shop.d.ts"].media_type == "text/plain; charset=utf-8"
    # An object may be cast to any interface of the schema, so both have all of them.
    assert b"export type Root = Shop;" in documents["/types/shop.d.ts"].data
    assert b"export type Root = Shop_Inner;" in documents["/types/inner.d.ts"].data


def test_paths_of_annotations_are_routes(folder: Path) -> None:
    catalogue, _, _ = loaded(service(folder))
    found = catalogue.http_routes.match("POST", "/orders")
    assert found is not None
    assert (found.service.name, found.name) == ("shop", "order")


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"file": "none.capnp"}, "services.shop.schema: there is no file {folder}/none.capnp"),
        ({"interface": "Shop.Item"}, 'services.shop.interface: "Shop.Item" is no interface'),
        ({"interface": "Shp"},
         'services.shop.interface: {folder}/shop.capnp has no interface "Shp"; did you mean "Shop"?'),
        ({"interface": "Deeep"},
         'services.shop.interface: {folder}/shop.capnp has no interface "Deeep"; '
         "known: Shop, Shop.Inner, Shop.Item.Deep"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_service_is_said_by_its_key(
    folder: Path, changed: dict[str, str], complaint: str
) -> None:
    assert complaints(service(folder, **changed)) == (complaint.format(folder=folder),)


def test_every_complaint_is_told_and_each_once(folder: Path) -> None:
    (folder / "broken.capnp").write_text("@0xb5f3c07e56b6a7d3;\ninterface Shop { nonsense }\n", "utf-8")
    (folder / "roles.capnp").write_text(
        '@0xb5f3c07e56b6a7d4; using Gateway = import "/gateway.capnp";\n'
        'interface Shop { order @0 () -> () $Gateway.requires(["clerk"]); }\n',
        "utf-8",
    )
    broken, interface, roles, file = complaints(
        service(folder, "a", file="broken.capnp"),
        service(folder, "b", file="broken.capnp"),
        service(folder, "c", "Nothing"),
        service(folder, "d", file="roles.capnp"),
        service(folder, "e", file="roles.capnp"),
        service(folder, "f", file="none.capnp"),
    )
    assert "broken.capnp:2" in broken
    assert interface.startswith("services.c.interface: ")
    assert "roles.capnp" in roles
    assert file.startswith("services.f.schema: ")


AUTH = AuthConfig(required=False)


def test_roles_that_nobody_can_have_are_refused(folder: Path) -> None:
    rules = (RoleRule(("order",), ("clerk",)),)
    assert complaints(service(folder, roles=("staff",), rules=rules)) == tuple(
        f"services.shop.{key}: without [gateway.auth] nobody has roles, so it would be open to everybody; "
        "say in [gateway.auth] who may ask, or leave it out"
        for key in ("roles", "rules")
    )


def test_roles_are_those_of_the_schema_and_of_the_configuration(folder: Path) -> None:
    (folder / "roles.capnp").write_text(
        '@0xb5f3c07e56b6a7d4; using Gateway = import "/gateway.capnp";\n'
        'interface Shop { order @0 () -> () $Gateway.requires(["clerk"]); }\n',
        "utf-8",
    )
    rules = (RoleRule(("order",), ("owner",)),)
    shop = service(folder, file="roles.capnp", roles=("staff",), rules=rules)
    config = GatewayConfig(services=(shop,), auth=AUTH)
    catalogue = load_catalogue(config, lambda config: None, CallCounts())  # type: ignore[arg-type, return-value]
    method = catalogue.services["shop"].method("order")
    assert catalogue.rules_of(method.service).required(method.bound) == {"clerk", "staff", "owner"}
    assert catalogue.roles == {"clerk", "staff", "owner"}
    assert catalogue.seen_by(frozenset({"clerk", "staff"})).documents["/openapi.json"].data.count(b"/order") == 0
    assert b"/api/shop/order" in catalogue.documents["/openapi.json"].data


def test_a_rule_for_a_method_that_there_is_not_is_a_complaint(folder: Path) -> None:
    rules = (RoleRule(("order",), ("clerk",)), RoleRule(("order", "oder", "Iner.*"), ("clerk",)))
    shop = service(folder, rules=rules)
    with pytest.raises(ConfigError) as raised:
        load_routes(GatewayConfig(services=(shop,), auth=AUTH))
    assert raised.value.complaints == (
        'services.shop.rules[1].methods: no method is called "oder"; did you mean "order"?',
        'services.shop.rules[1].methods: no method is called "Iner.*"; did you mean "Inner.*"?',
    )


@pytest.mark.parametrize("file", ["none.capnp", "broken.capnp"])
def test_a_schema_that_cannot_be_compiled_is_tried_once(folder: Path, file: str) -> None:
    (folder / "broken.capnp").write_text("@0xb5f3c07e56b6a7d3;\ninterface Shop { nonsense }\n", "utf-8")
    (complaint,) = complaints(*(service(folder, name, file=file) for name in ("one", "two")))
    assert file in complaint


def test_routes_that_clash_are_a_complaint(folder: Path) -> None:
    (complaint,) = complaints(service(folder, "one"), service(folder, "two"))
    assert complaint.startswith("routes: ")
    assert "/orders" in complaint


def test_schemas_are_looked_for_on_the_import_path(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "words.capnp").write_text("@0xb5f3c07e56b6a7d5; struct Word {}", "utf-8")
    (folder / "far.capnp").write_text(
        '@0xb5f3c07e56b6a7d6; interface Shop { say @0 (word :import "/words.capnp".Word) -> (); }', "utf-8"
    )
    config = GatewayConfig(services=(service(folder, file="far.capnp"),))
    (routes,), _ = load_routes(replace(config, import_path=(elsewhere,)))
    assert list(routes.methods) == ["say"]
    with pytest.raises(ConfigError, match=r"words\.capnp"):
        load_routes(config)

"""Services and their methods: what calls, callbacks and figures find of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cara_pseud.errors import RpcError
from cara_pseud.schema.nodes import Schema, Type, substitute
from gateway.call_counts import CallCounts
from gateway.catalogue import Catalogue, Served, Service, ServiceMethod
from gateway.errors import GatewayError, Status
from gateway.routes import HttpRoutes, ServiceRoutes
from tests.codecs import Codec

SCHEMA = """
using Gateway = import "/gateway.capnp";
using Json = import "/capnp/compat/json.capnp";
interface Shop extends(Base) {
  order @0 (item :Item, on :Listener) -> (receipt :Receipt) $Gateway.timeout(1500);
  watch @1 (on :Listener) -> ();
  login @2 (password :Text $Gateway.sensitive) -> ();
  token @3 () -> (token :Token);
  inside @4 () -> () $Gateway.hidden;
}
interface Base { ping @0 () -> (); }
interface Receipt { cancel @0 () -> (done :Bool); total @1 () -> (total :Int32) $Gateway.readOnly; }
interface Listener extends(Base) { told @0 (receipt :Receipt) -> () $Json.name("tell"); }
interface Other { ping @0 () -> (); }
struct Item { name @0 :Text; }
struct Token { text @0 :Text $Gateway.sensitive; }
"""


@pytest.fixture
def schema(compile_text: Callable[[str], Schema]) -> Schema:
    return compile_text(SCHEMA)


@pytest.fixture
def shop(schema: Schema, service_of: Callable[..., Service]) -> Service:
    return service_of("shop", schema, "Shop")


def refused(status: Status, call: Callable[..., Any], *args: Any) -> GatewayError:
    with pytest.raises(GatewayError) as raised:
        call(*args)
    assert raised.value.status is status
    return raised.value


# Methods of a service and of its objects.


@pytest.mark.parametrize(
    ("name", "timeout_s", "has_references", "may_give_objects", "has_secrets"),
    [
        ("order", 1.5, True, True, False),
        ("watch", 30.0, True, False, False),
        ("login", 30.0, False, False, True),
        ("token", 30.0, False, False, True),
        ("ping", 30.0, False, False, False),
    ],
)
def test_a_method_knows_what_holds_for_each_call(
    shop: Service, name: str, timeout_s: float, has_references: bool, may_give_objects: bool, has_secrets: bool
) -> None:
    method = shop.method(name)
    assert (method.name, method.label, method.service, method.service_name) == (name, name, shop, "shop")
    assert method.timeout_s == timeout_s
    assert (method.has_references, method.may_give_objects) == (has_references, may_give_objects)
    assert method.has_secrets == has_secrets


def test_an_unknown_or_hidden_method_is_not_found_with_a_hint(shop: Service) -> None:
    error = refused(Status.NOT_FOUND, shop.method, "ordre")
    assert error.service == "shop"
    assert error.detail.endswith('did you mean "order"?')
    refused(Status.NOT_FOUND, shop.method, "inside")


def test_a_method_of_an_object_is_made_once(shop: Service, schema: Schema, struct_type: Any) -> None:
    receipt = struct_type(schema, "Receipt")
    total = shop.object_method(receipt, "total")
    assert (total.name, total.label) == ("total", "Receipt.total")
    assert total.facts.read_only
    assert shop.object_method(receipt, "total") is total
    refused(Status.NOT_FOUND, shop.object_method, receipt, "ping")


def test_an_object_without_an_interface_has_no_methods(shop: Service) -> None:
    error = refused(Status.FAILED_PRECONDITION, shop.object_method, None, "total")
    assert (error.service, error.method) == ("shop", "total")
    assert "cast it to one first" in error.detail


def test_counted_methods_are_those_of_the_service_and_those_that_were_called(
    shop: Service, schema: Schema, struct_type: Any
) -> None:
    own = [(name, shop.method(name).counts) for name in ("order", "watch", "login", "token", "ping")]
    assert list(shop.counted_methods()) == own
    total = shop.object_method(struct_type(schema, "Receipt"), "total")
    assert list(shop.counted_methods()) == [*own, ("Receipt.total", total.counts)]


def test_methods_that_the_schema_has_no_more_are_not_counted(shop: Service, schema: Schema) -> None:
    for label in ("gone", "Receipt.gone", "Gone.total", "Receipt.total"):
        shop.counts.of("shop", label)
    shop.counts.of("other", "order")
    assert [label for label, _ in shop.counted_methods()][-1] == "Receipt.total"
    assert len(list(shop.counted_methods())) == 6


def test_what_a_generic_interface_is_bound_to_is_no_part_of_a_label(
    compile_text: Callable[[str], Schema], service_of: Callable[..., Service]
) -> None:
    schema = compile_text("""
        interface Shop { first @0 () -> (node :Node(Text)); }
        interface Node(T) { next @0 () -> (node :Node(Node(T))); }
    """)
    shop = service_of("shop", schema, "Shop")
    type = node_of(schema, shop.method("first"))
    for _ in range(3):  # each is of a type of its own, as a client that goes on and on has them made
        type = node_of(schema, shop.object_method(type, "next"))
    assert [label for label, _ in shop.counted_methods()] == ["first", "Node.next"]


def node_of(schema: Schema, method: ServiceMethod) -> Type:
    """The type of the object that a method gives."""
    results = schema.struct(method.bound.method.results.node_id)
    found = results.fields[0].type
    assert found is not None
    return substitute(found, method.bound.interface.brand)


def test_interfaces_have_the_names_of_the_schema(shop: Service, schema: Schema, struct_type: Any) -> None:
    receipt = struct_type(schema, "Receipt")
    assert [shop.interface_name(receipt) for _ in range(2)] == ["Receipt", "Receipt"]
    assert shop.interface_name(None) is None


# Methods of clients' objects.


def interface(schema: Schema, struct_type: Callable[[Schema, str], Type], name: str | None) -> Type | None:
    return None if name is None else struct_type(schema, name)


@pytest.mark.parametrize(
    ("passed_as", "asked_for", "method", "name"),
    [
        ("Listener", "Listener", 0, "tell"),
        ("Listener", "Listener", "told", "tell"),
        ("Listener", "Base", 0, "ping"),
        ("Listener", "Base", "ping", "ping"),
        (None, "Listener", 0, "tell"),
        (None, "Base", "ping", "ping"),
    ],
)
def test_a_service_names_a_client_s_method_as_on_the_wire(
    shop: Service, schema: Schema, struct_type: Any, passed_as: str | None, asked_for: str, method: Any, name: str
) -> None:
    own, id = interface(schema, struct_type, passed_as), struct_type(schema, asked_for).node_id
    found = shop.callback_method(own, id, method)
    assert found.name == name
    assert shop.callback_method(own, id, method) is found


@pytest.mark.parametrize(
    ("passed_as", "asked_for", "method"),
    [
        ("Listener", "Listener", 1),
        ("Listener", "Listener", "tell"),
        ("Listener", "Other", 0),
        ("Base", "Listener", 0),
        (None, "Listener", 1),
        (None, "Item", 0),
        (None, None, 0),
    ],
)
def test_a_method_that_the_client_s_object_has_not(
    shop: Service, schema: Schema, struct_type: Any, passed_as: str | None, asked_for: str | None, method: Any
) -> None:
    id = 5 if asked_for is None else struct_type(schema, asked_for).node_id
    with pytest.raises(RpcError, match="the client's object has no such method") as raised:
        shop.callback_method(interface(schema, struct_type, passed_as), id, method)
    assert raised.value.code == "unimplemented"


# Counts.


def test_counts_outlive_a_catalogue(shop: Service, schema: Schema, struct_type: Any) -> None:
    counts = CallCounts()
    routes = ServiceRoutes("shop", schema, struct_type(schema, "Shop"))
    upstream: Any = shop.upstream
    first, second = (Service(routes, Codec(schema), upstream, 30.0, counts) for _ in range(2))
    first.method("order").counts.calls += 1
    first.object_method(struct_type(schema, "Receipt"), "total").counts.fail("aborted")
    assert second.method("order").counts.calls == 1
    assert counts.of("shop", "Receipt.total").failures == {"aborted": 1}
    assert second.method("ping").counts.calls == 0
    assert counts.of("other", "order").calls == 0
    assert shop.method("order").counts.calls == 0


# What is served.


def test_a_service_is_found_by_its_name(shop: Service) -> None:
    seen = Catalogue({"shop": shop}, HttpRoutes([]), {}).seen_by(frozenset())
    assert seen.service("shop") is shop.routes
    error = refused(Status.NOT_FOUND, seen.service, "shops")
    assert error.detail.endswith('did you mean "shop"?')


def test_a_catalogue_is_replaced_whole(shop: Service) -> None:
    first, second = (Catalogue(services, HttpRoutes([]), {}) for services in ({}, {"shop": shop}))
    served = Served(first)
    served.catalogue = second
    assert served.catalogue is second
    with pytest.raises(AttributeError):
        second.services = {}  # type: ignore[misc]

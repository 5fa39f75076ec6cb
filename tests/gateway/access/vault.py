"""A service with rules of every kind, and what is served of it; the services are played by the test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cara_pseud.schema.nodes import Schema, Type
from gateway.access.principals import Principal
from gateway.access.rules import RoleRule, ServiceRules
from gateway.catalogue import Catalogue, Service
from gateway.describe.documents import Document
from gateway.json.text import dump
from gateway.routes import HttpRoutes, ServiceRoutes
from tests.codecs import Codec

SCHEMA = """
using Gateway = import "/gateway.capnp";
interface Vault extends(Room) {
  open @0 () -> (session :Session);
  wipe @1 () -> () $Gateway.requires(["admin"]);
  look @2 (name :Text) -> (found :Bool) $Gateway.readOnly;
  burn @3 (secretWord :Text) -> () $Gateway.requires(["admin"]) $Gateway.http(verb = "put", path = "/vault/fire");
  interface Session extends(Reader) { write @0 (text :Text) -> (); erase @1 () -> () $Gateway.requires(["admin"]); }
  interface Reader { read @0 () -> (text :Text); }
}
interface Room { light @0 () -> (); }
interface Secret $Gateway.requires(["admin"]) { tell @0 () -> (); }
"""
RULES = (RoleRule(("Session.write",), ("writer",)), RoleRule(("Reader.read",), ("reader",)))
STAFF = ("staff",)

Compile = Callable[[str], Schema]
Find = Callable[[Schema, str], Type]


def vault(
    schema: Schema, interface: Type, upstream: Any, rules: Sequence[RoleRule] = RULES, roles: Sequence[str] = STAFF
) -> Service:
    """The service ``vault``, for staff alone, whose sessions need roles to read and to write."""
    routes = ServiceRoutes("vault", schema, interface, ServiceRules(schema, interface, roles, rules))
    return Service(routes, Codec(schema), upstream, 30.0)


def describe(services: Sequence[ServiceRoutes]) -> dict[str, Document]:
    """Documents of services: the names of their methods."""
    names = {each.name: list(each.methods) for each in services}
    return {
        "/openapi.json": Document(lambda: dump(names)),
        "/openrpc.json": Document(lambda: dump(names)),
        **{f"/types/{name}.d.ts": Document(lambda: b"// x", "text/plain") for name in names},
    }


def catalogue(*services: Service) -> Catalogue:
    """What is served: services and their documents."""
    routes = [service.routes for service in services]
    return Catalogue({service.name: service for service in services}, HttpRoutes(routes), describe(routes), describe)


def principal(*roles: str) -> Principal:
    """Somebody with these roles."""
    return Principal("key:somebody", frozenset(roles))

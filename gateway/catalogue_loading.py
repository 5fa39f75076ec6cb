"""From a configuration to a catalogue: schemas compiled, routes and documents made, services joined to connections."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

from cara_pseud.errors import SchemaError
from cara_pseud.schema.compatibility import incompatibilities
from cara_pseud.schema.loader import compile_schema
from cara_pseud.schema.nodes import InterfaceNode, Kind, Node, Schema, Type
from gateway import fixed_paths
from gateway.access.roles import NEEDS_AUTH, unenforced_roles
from gateway.access.rules import RuleError, ServiceRules
from gateway.call_counts import CallCounts
from gateway.catalogue import Catalogue, Service
from gateway.config.file import ConfigError, GatewayConfig, ServiceConfig
from gateway.describe.documents import TEXT_TYPE, Document, PlacedDocument
from gateway.describe.openapi import openapi_document, security_of
from gateway.describe.openrpc import openrpc_document
from gateway.describe.typescript import typescript_module
from gateway.errors import nearest, quote
from gateway.json.codec import Codec
from gateway.json.text import dump
from gateway.path_prefix import below
from gateway.protocols.jsonrpc.control_methods import control_methods
from gateway.raw_bodies import misused
from gateway.reference_form import REFERENCE_FORM
from gateway.routes import HttpRoutes, RouteError, ServiceRoutes
from gateway.traces import Tracer
from gateway.upstream.base import Upstream


def load_catalogue(
    config: GatewayConfig,
    upstream_of: Callable[[ServiceConfig], Upstream],
    counts: CallCounts,
    tracer: Tracer | None = None,
) -> Catalogue:
    """Make everything that is served of a configuration.

    Args:
        upstream_of: the connection to a service; asked only when nothing can go wrong any more.
        counts: where calls are counted, whichever catalogue they are of.
        tracer: who records traces; None if nobody does.

    Raises:
        ConfigError: see `load_routes`.
    """
    return make_catalogue(config, load_routes(config), upstream_of, counts, tracer)


@dataclass(frozen=True, slots=True)
class Former:
    """What is served until now, so that what is as before stays what it is, with all that it has made and learned."""

    config: GatewayConfig
    catalogue: Catalogue

    def service(self, config: GatewayConfig, service: ServiceConfig, routes: ServiceRoutes) -> Service | None:
        """The service as it is, if nothing that it is made of differs."""
        former = self.catalogue.services.get(service.name)
        is_same = (
            former is not None
            and service in self.config.services
            and routes.schema == former.schema
            and config.codec == self.config.codec
            and config.limits.default_call_timeout_s == self.config.limits.default_call_timeout_s
        )
        return former if is_same else None


def make_catalogue(
    config: GatewayConfig,
    loaded: tuple[list[ServiceRoutes], HttpRoutes],
    upstream_of: Callable[[ServiceConfig], Upstream],
    counts: CallCounts,
    tracer: Tracer | None = None,
    former: Former | None = None,
) -> Catalogue:
    """Make everything that is served.

    Args:
        loaded: what `load_routes` has made of the configuration.
        upstream_of, counts, tracer: see `load_catalogue`.
        former: what is served until now.
    """
    routes, http_routes = loaded
    services: dict[str, Service] = {}
    for route, service in zip(routes, config.services, strict=True):
        upstream = upstream_of(service)
        same = None if former is None else former.service(config, service, route)
        if same is not None and same.upstream is upstream:
            services[route.name] = same
        else:
            needless = counts.needless_refusals(route.name)
            codec = Codec(route.schema, config.codec, form=REFERENCE_FORM, needless=needless)
            default_s = config.limits.default_call_timeout_s
            timeout_s = default_s if service.timeout_s is None else service.timeout_s
            services[route.name] = Service(route, codec, upstream, timeout_s, counts, tracer)
    describe = partial(_documents, config=config)
    return Catalogue(services, http_routes, describe(routes), describe)


def _documents(routes: Sequence[ServiceRoutes], config: GatewayConfig) -> dict[str, Document]:
    """By their paths. Each is made when it is first asked for."""
    options, security, ours = config.codec, security_of(config.auth), version("cara-gateway")

    def openapi(prefix: str) -> bytes:
        return dump(openapi_document(routes, options, ours, prefix, config.limits, security))

    def openrpc(prefix: str) -> bytes:
        return dump(openrpc_document(routes, options, ours, control_methods(), prefix))

    def types(service: ServiceRoutes) -> bytes:
        return typescript_module([service], options).encode("utf-8")

    return {
        fixed_paths.OPENAPI: PlacedDocument(openapi),
        fixed_paths.OPENRPC: PlacedDocument(openrpc),
        **{
            fixed_paths.filled(fixed_paths.TYPES, service=service.name): Document(partial(types, service), TEXT_TYPE)
            for service in routes
        },
    }


def check_against(old_schema: Path, routes: Iterable[ServiceRoutes], import_path: Sequence[Path]) -> None:
    """Compare the schemas of services with an earlier version of one of them.

    Raises:
        ConfigError: it does not compile, no service has a declaration of it, or it and a service's schema are not
            compatible; with every place.
    """
    try:
        old = compile_schema([old_schema], import_path)
    except SchemaError as error:
        raise ConfigError(str(error)) from None
    own = {id for id, node in old.nodes.items() if node.scope_id in old.roots}
    known = [service for service in routes if service.schema.nodes.keys() & own]
    if not known:
        raise ConfigError(f"{old_schema}: no service has a schema with a declaration of this one: their ids differ")
    complaints = {
        str(found): None
        for service in known
        for found in incompatibilities(old, service.schema, service.interface)
    }
    if complaints:
        raise ConfigError(*complaints)


def load_routes(config: GatewayConfig) -> tuple[list[ServiceRoutes], HttpRoutes]:
    """Compile the schemas and make the routes.

    Raises:
        ConfigError: with every complaint: schemas that do not compile, roles that nobody can have, rules for
            methods that there are not, interfaces that there are
            not, clashing routes.
    """
    complaints: list[str] = []
    compiled: dict[Path, Schema] = {}
    broken: set[Path] = set()
    routes: list[ServiceRoutes] = []
    for service in config.services:
        if service.schema in broken:
            continue
        try:
            schema = compiled.get(service.schema)
            if schema is None:
                schema = compiled[service.schema] = _compile(service, config)
            interface = _interface(service, schema)
            rules, wrong = _rules(service, schema, interface)
            complaints += wrong
            complaints += map(str, misused(schema))
            if config.auth is None:
                complaints += _useless_roles(service)
                complaints += map(str, unenforced_roles(schema, interface))
            routes.append(ServiceRoutes(service.name, schema, interface, rules))
        except (SchemaError, ConfigError, RouteError) as error:
            complaints.append(str(error))
            if service.schema not in compiled:
                broken.add(service.schema)
    if complaints:
        # Two services may have one schema, and then one complaint.
        raise ConfigError(*dict.fromkeys(complaints))
    try:
        http_routes = HttpRoutes(routes)
    except RouteError as error:
        raise ConfigError(f"routes: {error}") from None
    _check_base_path(config.base_path, http_routes)
    return routes, http_routes


def _check_base_path(base_path: str, routes: HttpRoutes) -> None:
    # Where a proxy takes the prefix away, such a path would lose its own beginning.
    for verb, path, service, method in routes.rows():
        if base_path and (path == base_path or below(base_path, path) is not None):
            raise ConfigError(
                f"gateway.base_path: {quote(base_path)} is the beginning of {verb} {path}, which is a route of "
                f"{service}.{method}"
            )


def _compile(service: ServiceConfig, config: GatewayConfig) -> Schema:
    if not os.path.isfile(service.schema):
        raise ConfigError(f"services.{service.name}.schema: there is no file {service.schema}")
    schema = compile_schema([service.schema], config.import_path)
    Codec(schema, config.codec, form=REFERENCE_FORM).check()
    return schema


def _rules(service: ServiceConfig, schema: Schema, interface: Type) -> tuple[ServiceRules | None, list[str]]:
    """The rules of a service, and what is wrong with them."""
    try:
        return ServiceRules(schema, interface, service.roles, service.rules), []
    except RuleError as error:
        key = f"services.{service.name}.rules"
        return None, [f"{key}[{place}].methods: {text}" for place, text in error.complaints]


def _useless_roles(service: ServiceConfig) -> Iterator[str]:
    """Roles that an operator requires where nobody can have any."""
    for key in ("roles", "rules"):
        if getattr(service, key):
            yield f"services.{service.name}.{key}: {NEEDS_AUTH}; say in [gateway.auth] who may ask, or leave it out"


def _interface(service: ServiceConfig, schema: Schema) -> Type:
    node = schema.find(service.interface)
    if isinstance(node, InterfaceNode):
        return Type(Kind.INTERFACE, node.id)
    key = f"services.{service.name}.interface"
    if node is not None:
        raise ConfigError(f"{key}: {quote(service.interface)} is no interface")
    meant = nearest(service.interface, sorted(_interface_names(schema)))
    raise ConfigError(f"{key}: {service.schema} has no interface {quote(service.interface)}{meant}")


def _interface_names(schema: Schema) -> list[str]:
    def below(node: Node) -> list[str]:
        names = [node.qualified_name] if isinstance(node, InterfaceNode) else []
        for _, id in node.nested:
            inner = schema.nodes.get(id)
            names += below(inner) if inner is not None else []
        return names

    return [name for root in schema.roots for name in below(schema.nodes[root])]

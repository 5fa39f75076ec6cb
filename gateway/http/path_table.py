"""Which handler answers a path. The fixed paths and every method of every service are in one dict; only what is not in
it is looked at closer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from gateway import fixed_paths
from gateway.catalogue import Catalogue
from gateway.describe.documents import TEXT_TYPE, Document
from gateway.describe.schema_text import schema_files, schema_text
from gateway.errors import NOTHING, GatewayError, Status
from gateway.http.base import BaseHandler, RefusingHandler
from gateway.http.developed_pages import ChangesHandler, ReloadScriptHandler
from gateway.http.documents import DocumentHandler, SchemaHandler, ServiceHandler, ServicesHandler
from gateway.http.metrics import MetricsHandler
from gateway.http.objects import HandleCallHandler, HandleHandler
from gateway.http.own_pages import OwnPageHandler
from gateway.http.page_changes import CHANGES, RELOAD
from gateway.http.pages import CONSOLE, ConsoleHandler, HealthHandler, PageHandler, ReadyHandler, ServerHandler
from gateway.http.request_head import WHOLE_SERVER
from gateway.http.rest import (
    CallHandler,
    HttpRuleHandler,
    UnknownMethodHandler,
)
from gateway.http.rpc import RpcHandler
from gateway.http.session_resource import SessionHandler
from gateway.http.site import Site
from gateway.http.sse import CallbackAnswerHandler, EventsHandler
from gateway.http.websocket.handshake import SocketHandler
from gateway.json.text import dump
from gateway.routes import ServiceRoutes

_OTHER_THAN_SERVICES: Final = ("callbacks", "events", "handles", "session", "")
"""What may stand behind ``/api/`` and is no service's name."""

_OF_SERVICES: Final = tuple(path.partition("{")[0] for path in (fixed_paths.SCHEMA, fixed_paths.TYPES))
"""How paths begin that have a service's name."""

Route = tuple[type[BaseHandler], dict[str, Any]]
"""A handler and what its ``initialize`` takes."""


class PathTable:
    """The paths of one catalogue.

    Args:
        static: the directory of the console and the browser client.
    """

    def __init__(self, site: Site, catalogue: Catalogue, static: str) -> None:
        self._site = site
        self._catalogue = catalogue
        self._static = {"site": site, "path": static}
        plain = {"site": site}
        self._fixed: dict[str, Route] = {
            fixed_paths.WEBSOCKET: (SocketHandler, plain),
            fixed_paths.HEALTH: (HealthHandler, plain),
            fixed_paths.READY: (ReadyHandler, plain),
            fixed_paths.API: (ServicesHandler, plain),
            fixed_paths.SESSION: (SessionHandler, plain),
            fixed_paths.EVENTS: (EventsHandler, plain),
            fixed_paths.METRICS: (MetricsHandler, plain),
            fixed_paths.RPC: (RpcHandler, plain),
            WHOLE_SERVER: (ServerHandler, plain),
        }
        if site.has_admin:
            error = GatewayError(Status.NOT_FOUND, "the metrics are at the admin listener")
            self._fixed[fixed_paths.METRICS] = (RefusingHandler, {**plain, "error": error})
        if site.page_changes is not None:
            self._fixed[CHANGES] = (ChangesHandler, {**plain, "changes": site.page_changes})
            self._fixed[RELOAD] = (ReloadScriptHandler, self._static)
        for path in catalogue.documents:
            self._fixed[path] = (DocumentHandler, {**plain, "path": path})
        for name, service in catalogue.services.items():
            self._fixed[fixed_paths.filled(fixed_paths.SERVICE, service=name)] = (
                ServiceHandler,
                {**plain, "name": name},
            )
            documents = {**plain, "name": name, **_schema_documents(service.routes)}
            self._fixed[fixed_paths.filled(fixed_paths.SCHEMA, service=name)] = (SchemaHandler, documents)
            for method_name, method in service.methods.items():
                path = fixed_paths.filled(fixed_paths.METHOD, service=name, method=method_name)
                self._fixed[path] = (CallHandler, {**plain, "method": method.over_rest})

    def find(self, verb: str, path: str) -> Route:
        """The route of a path; one that refuses if there is nothing there."""
        return self._fixed.get(path) or self._route(verb, path)

    def _route(self, verb: str, path: str) -> Route:
        plain = {"site": self._site}
        try:
            if not path:
                raise GatewayError(Status.UNIMPLEMENTED, "this gateway is no proxy")
            if path.startswith("/api/"):
                return self._api_route(path)
            if path.startswith(_OF_SERVICES):
                # No page: to those who have not said who they are, it is as what there is.
                raise GatewayError(Status.NOT_FOUND, NOTHING)
            match = self._catalogue.http_routes.match(verb, path)
        except GatewayError as error:
            if error.status is Status.METHOD_NOT_ALLOWED:
                return HttpRuleHandler, {**plain, "match": None, "method": None}
            return RefusingHandler, {**plain, "error": error}
        if match is not None:
            method = self._catalogue.services[match.service.name].methods[match.name]
            return HttpRuleHandler, {**plain, "match": match, "method": method.over_rest}
        return self._page_route(path)

    def _page_route(self, path: str) -> Route:
        first, pages = path.split("/", 2)[1], self._site.pages
        if first == CONSOLE:
            return ConsoleHandler, self._static
        # What the console's page loads lies beside it.
        if pages is None or first == "client" or first.startswith(f"{CONSOLE}."):
            return PageHandler, self._static
        return OwnPageHandler, {**self._static, "pages": pages}

    def _api_route(self, path: str) -> Route:
        """The route of a path below ``/api/`` that is not in the dict as it stands.

        Raises:
            GatewayError: there is none.
        """
        parts = [_decoded(part) for part in path.split("/")[2:]]
        plain = {"site": self._site}
        if len(parts) > 1 and parts[0] == "handles" and parts[1]:
            if len(parts) == 2:
                return HandleHandler, {**plain, "token": parts[1]}
            if len(parts) == 3:
                return HandleCallHandler, {**plain, "token": parts[1], "name": parts[2]}
            if len(parts) == 5:
                return HandleCallHandler, {**plain, "token": parts[1], "name": parts[4], "taken_as": parts[2:4]}
        elif len(parts) == 2 and parts[0] == "callbacks" and parts[1]:
            return CallbackAnswerHandler, {**plain, "id": parts[1]}
        elif 1 <= len(parts) <= 2 and parts[0] not in _OTHER_THAN_SERVICES:
            if len(parts) == 1:
                return ServiceHandler, {**plain, "name": parts[0]}
            service = self._catalogue.services.get(parts[0])
            if service is None or parts[1] not in service.methods:
                return UnknownMethodHandler, {**plain, "service": parts[0], "name": parts[1]}
            return CallHandler, {**plain, "method": service.methods[parts[1]].over_rest}
        raise GatewayError(Status.NOT_FOUND, NOTHING)


def _schema_documents(routes: ServiceRoutes) -> dict[str, Document]:
    return {
        "text": Document(lambda: schema_text(routes).encode("utf-8"), TEXT_TYPE),
        "files": Document(lambda: dump(schema_files(routes))),
    }


def _decoded(part: str) -> str:
    return unquote_to_bytes(part).decode("utf-8", "replace") if "%" in part else part


def default_routes(services: Iterable[ServiceRoutes]) -> Iterator[tuple[str, str, str]]:
    """The routes that every method has: verbs, path, ``service.method``."""
    for service in services:
        for name, bound in service.methods.items():
            verbs = "GET, POST" if service.facts(bound).read_only else "POST"
            yield (
                verbs,
                fixed_paths.filled(fixed_paths.METHOD, service=service.name, method=name),
                f"{service.name}.{name}",
            )

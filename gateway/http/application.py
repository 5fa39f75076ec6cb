"""Which handler answers a path, and how bodies are read.

The fixed paths and every method of every service are in one dict; only what is not in it is looked at closer. Bodies
are counted here, because Tornado's own limit answers with a bare 400.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import tornado.httputil
import tornado.web

from gateway.catalogue import find_service
from gateway.describe.schema_text import schema_files, schema_text
from gateway.errors import GatewayError, Status
from gateway.http.base import BaseHandler, RefusingHandler, Site, connection_of
from gateway.http.documents import TEXT_TYPE, Document, DocumentHandler, SchemaHandler
from gateway.http.metrics import MetricsHandler
from gateway.http.pages import HealthHandler, PageHandler, ReadyHandler
from gateway.http.rest import (
    CallHandler,
    HandleCallHandler,
    HandleHandler,
    HttpRuleHandler,
    ServiceHandler,
    ServicesHandler,
    SessionHandler,
)
from gateway.http.sse import CallbackAnswerHandler, EventsHandler
from gateway.http.websocket.handshake import SocketHandler
from gateway.json.text import dump
from gateway.routes import HttpRoutes, ServiceRoutes

Route = tuple[type[BaseHandler], dict[str, Any]]

MAX_DRAINED_BYTES: Final = 64 * 2**20
"""So much of a body that is too large is read before it is refused: its sender would not see an earlier answer."""
_FORMS: Final = ("multipart/", "application/x-www-form-urlencoded")


class GatewayApplication(tornado.web.Application):
    """Tornado's application with a dict for a router."""

    def __init__(self, site: Site, http_routes: HttpRoutes, pages: str, documents: Mapping[str, Document]) -> None:
        super().__init__(websocket_ping_interval=None)
        self._site = site
        self._http_routes = http_routes
        self._page = {"site": site, "path": pages}
        plain = {"site": site}
        self._fixed: dict[str, Route] = {
            "/ws": (SocketHandler, plain),
            "/healthz": (HealthHandler, plain),
            "/readyz": (ReadyHandler, plain),
            "/api": (ServicesHandler, plain),
            "/api/session": (SessionHandler, plain),
            "/api/events": (EventsHandler, plain),
            "/metrics": (MetricsHandler, plain),
        }
        for path, document in documents.items():
            self._fixed[path] = (DocumentHandler, {**plain, "document": document})
        for service in site.services.values():
            self._fixed[f"/api/{service.name}"] = (ServiceHandler, {**plain, "service": service})
            self._fixed[f"/schema/{service.name}"] = (SchemaHandler, {**plain, **_schema_documents(service.routes)})
            for name, method in service.methods.items():
                self._fixed[f"/api/{service.name}/{name}"] = (CallHandler, {**plain, "method": method})

    def log_request(self, handler: tornado.web.RequestHandler) -> None:
        """Nothing: handlers write their log line themselves."""

    def find_handler(  # type: ignore[override]
        self, request: tornado.httputil.HTTPServerRequest, **kwargs: Any
    ) -> tornado.httputil.HTTPMessageDelegate:
        """See `tornado.routing.Router`; called when the headers are there."""
        # The head has come, now the body must.
        self._site.arrivals.expect(connection_of(request), asyncio.get_running_loop().time())
        handler, arguments = self._fixed.get(request.path) or self._route(request)
        headers = request.headers
        media_type = headers.get("Content-Type")
        if media_type is not None and media_type.startswith(_FORMS):
            # Tornado would parse a form that no handler takes, and answer a bad one itself.
            del headers["Content-Type"]
        delegate = self.get_handler_delegate(request, handler, arguments)
        length = headers.get("Content-Length")
        if length is None and "Transfer-Encoding" not in headers:
            return delegate
        limit = self._site.limits.max_message_bytes
        if length is not None and length.isdecimal() and len(length) < 19 and int(length) <= limit:
            return delegate
        return _Measured(self, request, delegate, limit)

    def refuse(self, request: tornado.httputil.HTTPServerRequest, error: GatewayError) -> asyncio.Future[None]:
        """Answer with an error, whatever is asked; resolves when that is written."""
        done = asyncio.get_running_loop().create_future()
        arguments = {"site": self._site, "error": error, "done": done}
        self.get_handler_delegate(request, RefusingHandler, arguments).finish()
        return done

    def _route(self, request: tornado.httputil.HTTPServerRequest) -> Route:
        path = request.path
        plain = {"site": self._site}
        try:
            if path.startswith("/api/"):
                return self._api_route(path)
            match = self._http_routes.match(request.method or "", path)
        except GatewayError as error:
            if error.status is Status.METHOD_NOT_ALLOWED:
                return HttpRuleHandler, {**plain, "match": None, "allowed": (error.details or {}).get("allow", ())}
            return RefusingHandler, {**plain, "error": error}
        if match is not None:
            return HttpRuleHandler, {**plain, "match": match, "allowed": ()}
        return PageHandler, self._page

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
        elif len(parts) == 2 and parts[0] == "callbacks" and parts[1]:
            return CallbackAnswerHandler, {**plain, "id": parts[1]}
        elif 1 <= len(parts) <= 2 and parts[0] not in ("handles", "session", ""):
            service = find_service(self._site.services, parts[0])
            if len(parts) == 1:
                return ServiceHandler, {**plain, "service": service}
            return CallHandler, {**plain, "method": service.method(parts[1])}
        raise GatewayError(Status.NOT_FOUND, "there is nothing at this path")


def _schema_documents(routes: ServiceRoutes) -> dict[str, Document]:
    return {
        "text": Document(lambda: schema_text(routes).encode("utf-8"), TEXT_TYPE),
        "files": Document(lambda: dump(schema_files(routes))),
    }


def _decoded(part: str) -> str:
    return unquote_to_bytes(part).decode("utf-8", "replace") if "%" in part else part


class _Measured(tornado.httputil.HTTPMessageDelegate):
    """Reads a body of unknown or too large size; hands it on, or answers that it is too large."""

    def __init__(
        self,
        application: GatewayApplication,
        request: tornado.httputil.HTTPServerRequest,
        inner: tornado.httputil.HTTPMessageDelegate,
        limit: int,
    ) -> None:
        self._application = application
        self._request = request
        self._inner = inner
        self._limit = limit
        self._received = 0
        self._answered = False

    def headers_received(
        self,
        start_line: tornado.httputil.RequestStartLine | tornado.httputil.ResponseStartLine,
        headers: tornado.httputil.HTTPHeaders,
    ) -> Awaitable[None] | None:
        length = headers.get("Content-Length", "0")
        announced = int(length) if length.isdecimal() and len(length) < 19 else MAX_DRAINED_BYTES + 1
        if announced > self._limit and (
            announced > MAX_DRAINED_BYTES or headers.get("Expect", "").lower() == "100-continue"
        ):
            # Awaited before Tornado says `100 Continue`.
            return self._refuse()
        return self._inner.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        self._received += len(chunk)
        if self._answered:
            return None
        if self._received > MAX_DRAINED_BYTES:
            self._refuse()
        elif self._received <= self._limit:
            return self._inner.data_received(chunk)
        return None

    def finish(self) -> None:
        if self._answered:
            return
        if self._received > self._limit:
            self._refuse()
        else:
            self._inner.finish()

    def on_connection_close(self) -> None:
        self._inner.on_connection_close()

    def _refuse(self) -> asyncio.Future[None]:
        self._answered = True
        detail = f"the body is too large: at most {self._limit} bytes are permitted"
        return self._application.refuse(self._request, GatewayError(Status.TOO_LARGE, detail))


def default_routes(services: Iterable[ServiceRoutes]) -> Iterator[tuple[str, str, str]]:
    """The routes that every method has: verbs, path, ``service.method``."""
    for service in services:
        for name, bound in service.methods.items():
            verbs = "GET, POST" if service.facts(bound).read_only else "POST"
            yield verbs, f"/api/{service.name}/{name}", f"{service.name}.{name}"

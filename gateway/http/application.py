"""Tornado's application: bodies are counted here, because Tornado's own limit answers with a bare 400."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Final

import tornado.httputil
import tornado.web

from gateway.catalogue import Catalogue
from gateway.errors import GatewayError, Status
from gateway.http.base import RefusingHandler, Site, connection_of
from gateway.http.path_table import PathTable

MAX_DRAINED_BYTES: Final = 64 * 2**20
"""So much of a body that is too large is read before it is refused: its sender would not see an earlier answer."""
_CONTINUE: Final = "100-continue"
_FORMS: Final = ("multipart/", "application/x-www-form-urlencoded")


class GatewayApplication(tornado.web.Application):
    """Tornado's application with a table for a router.

    Args:
        pages: the directory of the pages.
    """

    def __init__(self, site: Site, pages: str) -> None:
        super().__init__(websocket_ping_interval=None)
        self._site = site
        self._pages = pages
        self._paths = PathTable(site, site.served.catalogue, pages)

    def serve(self, catalogue: Catalogue) -> None:
        """Serve another catalogue from the next request on; those under way go on with theirs."""
        paths = PathTable(self._site, catalogue, self._pages)
        # Nothing can happen between these two.
        self._site.served.catalogue, self._paths = catalogue, paths

    def log_request(self, handler: tornado.web.RequestHandler) -> None:
        """Nothing: handlers write their log line themselves."""

    def find_handler(  # type: ignore[override]
        self, request: tornado.httputil.HTTPServerRequest, **kwargs: Any
    ) -> tornado.httputil.HTTPMessageDelegate:
        """See `tornado.routing.Router`; called when the headers are there."""
        handler, arguments = self._paths.find(request.method or "", request.path)
        headers = request.headers
        media_type = headers.get("Content-Type")
        if media_type is not None and media_type.startswith(_FORMS):
            # Tornado would parse a form that no handler takes, and answer a bad one itself.
            del headers["Content-Type"]
        delegate = self.get_handler_delegate(request, handler, arguments)
        length = headers.get("Content-Length")
        if length is None and "Transfer-Encoding" not in headers:
            return delegate
        # Tornado's `get` raises and catches an exception for a header that is not there, as this one is for most.
        expected = headers.get_list("Expect")
        if expected and expected[-1].lower() == _CONTINUE:
            # The token has no case (RFC 9110 section 10.1.1), but Tornado looks for this spelling.
            headers["Expect"] = _CONTINUE
        limit = self._site.limits.max_message_bytes
        is_measured = length is None or not length.isdecimal() or len(length) >= 19 or int(length) > limit
        # The head has come, now the body must.
        refusal = self._site.connections.expect_body(
            connection_of(request),
            limit if is_measured or length is None else int(length),
            asyncio.get_running_loop().time(),
        )
        if refusal is not None:
            return _Refused(self, request, refusal)
        if not is_measured:
            return delegate
        return _Measured(self, request, delegate, limit)

    def refuse(self, request: tornado.httputil.HTTPServerRequest, error: GatewayError) -> asyncio.Future[None]:
        """Answer with an error, whatever is asked; resolves when that is written."""
        done = asyncio.get_running_loop().create_future()
        arguments = {"site": self._site, "error": error, "done": done}
        self.get_handler_delegate(request, RefusingHandler, arguments).finish()
        return done


class _Refused(tornado.httputil.HTTPMessageDelegate):
    """Answers with an error before the body comes."""

    def __init__(
        self, application: GatewayApplication, request: tornado.httputil.HTTPServerRequest, error: GatewayError
    ) -> None:
        self._application = application
        self._request = request
        self._error = error

    def headers_received(
        self,
        start_line: tornado.httputil.RequestStartLine | tornado.httputil.ResponseStartLine,
        headers: tornado.httputil.HTTPHeaders,
    ) -> Awaitable[None] | None:
        return self._application.refuse(self._request, self._error)


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
        if announced > self._limit and (announced > MAX_DRAINED_BYTES or headers.get("Expect") == _CONTINUE):
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

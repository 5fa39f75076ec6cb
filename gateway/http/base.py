"""What all handlers have in common: who may ask at all, the request id, errors as problem+json, the log line.

Every handler of the gateway is a `BaseHandler`, the WebSocket and the static files included: the checks of hosts,
origins and authentication stand in one place, `prepare`.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType, TracebackType
from typing import Any, Final, Protocol

import tornado.httputil
import tornado.web

from cara_pseud.cork import Cork
from gateway.calls import Calls
from gateway.catalogue import Served
from gateway.client import Client
from gateway.config.limits import Limits
from gateway.describe.documents import JSON_TYPE
from gateway.errors import GatewayError, Status
from gateway.http.origins import OriginPolicy
from gateway.http.request_deadlines import RequestDeadlines
from gateway.http.websocket.byte_transports import ByteTransports, best_transports
from gateway.json.text import JSON, dump
from gateway.logs import LogWriter
from gateway.protocols.rest.representation import MIN_COMPRESSED_BYTES, accepts_gzip, compress, entity_tag
from gateway.sessions.sessions import Sessions

SERVER: Final = "cara-gateway"
PROBLEM_TYPE: Final = "application/problem+json"
EXPOSED_HEADERS: Final = "Session-Id, X-Request-Id, Allow, ETag"
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}", re.ASCII)
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Socket(Protocol):
    """An open WebSocket or event stream."""

    @property
    def client(self) -> Client:
        """Who is at its other end."""


@dataclass(kw_only=True)
class Site:
    """What handlers need of the gateway. One for all.

    Attributes:
        served: what is served now.
        stopping: true when the gateway is about to end.
        sockets: the open WebSockets and event streams.
        transports: how the bytes of WebSockets travel.
        compresses_sockets: whether their messages may be compressed.
        cork: what their reads are the work of; their answers leave at its end.
        calls_under_way: of REST.
        answered: requests by HTTP status.
        deadlines: connections from which a request is still to come.
    """

    served: Served
    calls: Calls
    sessions: Sessions
    limits: Limits
    origins: OriginPolicy
    log: LogWriter
    cookie_name: str
    deadlines: RequestDeadlines
    compresses_sockets: bool
    request_ids: Iterator[str] = field(default_factory=lambda: _request_ids())
    stopping: bool = False
    calls_under_way: int = 0
    answered: dict[int, int] = field(default_factory=dict)
    sockets: set[Socket] = field(default_factory=set)
    transports: ByteTransports = field(default_factory=best_transports)
    cork: Cork = field(default_factory=Cork)

    @property
    def is_busy(self) -> bool:
        """Whether calls are under way, of REST or of WebSockets."""
        return self.calls_under_way > 0 or any(socket.client.is_busy for socket in self.sockets)


def connection_of(request: tornado.httputil.HTTPServerRequest) -> object:
    """What `RequestDeadlines` knows a request's connection by: the same object for all requests of the connection."""
    return getattr(request.connection, "context", None)


def _request_ids() -> Iterator[str]:
    # A random prefix per process and a counter: unique enough for logs, and cheap.
    prefix = secrets.token_hex(4)
    return (f"{prefix}-{number:x}" for number in itertools.count(1))


class BaseHandler(tornado.web.RequestHandler):
    """See the module.

    Attributes:
        sent: the request's headers; names as in ``Session-Id``.
        request_id: of this request, in its answer, its log line and its calls.
        principal: who asks; None as long as there is no authentication.
    """

    site: Site
    sent: Mapping[str, str] = MappingProxyType({})
    request_id: str = ""
    principal: str | None = None
    allowed: tuple[str, ...] | None = None
    _problem_code: str | None = None

    def initialize(self, site: Site) -> None:
        self.site = site

    def prepare(self) -> None:
        """Check who asks before anything else happens.

        Raises:
            GatewayError: MISDIRECTED, PERMISSION_DENIED or UNAUTHENTICATED.
        """
        site, request = self.site, self.request
        site.deadlines.arrived(connection_of(request))
        # Tornado's headers raise and catch an exception for each one that is asked for and not there.
        self.sent = sent = dict(request.headers.get_all())
        given = sent.get("X-Request-Id")
        self.request_id = given if given is not None and _REQUEST_ID.fullmatch(given) else next(site.request_ids)
        self.set_header("X-Request-Id", self.request_id)
        site.origins.check_host(request.host)
        site.origins.check_origin(request.method or "", "Upgrade" in sent, request.host, sent)
        self.authenticate()
        origin = sent.get("Origin")
        if origin is not None and site.origins.is_configured(origin):
            self._share_with(origin)

    def clear(self) -> None:
        """Begin an answer anew, as Tornado's method does; but the text of a date is made once a second, not each time.

        It is called for every request, and making the text costs as much as reading the JSON of a call.
        """
        self._headers = tornado.httputil.HTTPHeaders(
            {"Server": SERVER, "Content-Type": JSON_TYPE, "Date": _date(int(time.time()))}
        )
        self.set_default_headers()
        self._write_buffer = []
        self._status_code = 200
        self._reason = "OK"

    def authenticate(self) -> None:
        """Find out who asks and set `principal`; the one hook for it, which every handler passes."""

    def _share_with(self, origin: str) -> None:
        # CORS, for the configured origins only and without cookies: such a page sends the session's id as a header.
        self.set_header("Access-Control-Allow-Origin", origin)
        self.set_header("Access-Control-Expose-Headers", EXPOSED_HEADERS)
        self.add_header("Vary", "Origin")

    def options(self) -> None:
        """Answer what may be asked here; a preflight only if its origin is ours or a configured one.

        Raises:
            GatewayError: PERMISSION_DENIED, a page of another origin asks for what it may not do.
        """
        sent, methods = self.sent, ", ".join(self.methods())
        origin = sent.get("Origin")
        if origin is not None and "Access-Control-Request-Method" in sent:
            self.site.origins.check_page(origin, self.request.host)
            self.set_header("Access-Control-Allow-Methods", methods)
            asked = sent.get("Access-Control-Request-Headers", "")
            self.set_header("Access-Control-Allow-Headers", asked if _HEADER_LIST.fullmatch(asked) else "Content-Type")
            self.set_header("Access-Control-Max-Age", "600")
        self.set_header("Allow", f"{methods}, OPTIONS" if methods else "OPTIONS")
        self.set_status(204)
        self.finish()

    # Answers.

    def answer(self, obj: JSON, status: int = 200) -> None:
        """Finish with a JSON value."""
        self.answer_bytes(dump(obj), status)

    def answer_bytes(self, data: bytes, status: int = 200, *, secret: bool = False) -> None:
        """Finish with JSON text.

        Args:
            secret: it holds handles. Compressed beside what a caller chose, their length would tell of them.
        """
        if status != 200:
            self.set_status(status)
        if len(data) >= MIN_COMPRESSED_BYTES and not secret:
            data = self._encoded(data)
        self.finish(data)

    def answer_unless_known(self, data: bytes, media_type: str = JSON_TYPE) -> None:
        """Finish with bytes and their entity tag, or with 304 if ``If-None-Match`` names that tag."""
        if media_type != JSON_TYPE:
            self.set_header("Content-Type", media_type)
        self.set_header("ETag", entity_tag(data))
        self.set_header("Cache-Control", "private, no-cache")
        if self.check_etag_header():
            self.set_status(304)
            self.finish()
            return
        if len(data) >= MIN_COMPRESSED_BYTES:
            data = self._encoded(data)
        self.finish(data)

    def _encoded(self, data: bytes) -> bytes:
        self.add_header("Vary", "Accept-Encoding")
        if not accepts_gzip(self.sent.get("Accept-Encoding", "")):
            return data
        self.set_header("Content-Encoding", "gzip")
        return compress(data)

    def compute_etag(self) -> str | None:
        """None: an answer of a call is not worth a hash."""
        return None

    # Errors.

    def methods(self) -> tuple[str, ...]:
        """The HTTP methods that this resource has."""
        if self.allowed is not None:
            return self.allowed
        return implemented_methods(type(self))

    def method_not_allowed(self) -> GatewayError:
        """The error for a method that the resource does not have."""
        allowed = ", ".join(self.methods())
        return GatewayError(
            Status.METHOD_NOT_ALLOWED, f"{self.request.method} is not permitted here; permitted: {allowed or 'nothing'}"
        )

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if not isinstance(value, GatewayError):
            super().log_exception(typ, value, tb)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        exc_info = kwargs.get("exc_info")
        error = exc_info[1] if exc_info else None
        if not isinstance(error, GatewayError):
            error = self.method_not_allowed() if status_code == 405 else _of_tornado(status_code)
        error.at(request_id=self.request_id or next(self.site.request_ids))
        self.request_id = error.request_id or ""
        self._problem_code = error.status.code
        self.set_status(error.status.http, error.status.title)
        self.set_header("X-Request-Id", self.request_id)
        self.set_header("Content-Type", PROBLEM_TYPE)
        self.set_header("Cache-Control", "no-store")
        if error.status is Status.METHOD_NOT_ALLOWED:
            self.set_header("Allow", ", ".join(self.methods()))
        origin = self.request.headers.get("Origin")
        if origin is not None and self.site.origins.is_configured(origin):
            self._share_with(origin)
        self.error_headers(error)
        self.finish(dump(self.problem(error)))

    def error_headers(self, error: GatewayError) -> None:
        """Add headers to an error's answer; nothing here."""

    def problem(self, error: GatewayError) -> JSON:
        """The problem object of an error."""
        return error.problem()

    # The log.

    def logged_path(self) -> str:
        """The path as it may stand in a log."""
        return self.site.served.catalogue.secret_paths.shown(self.request.path)

    def _log(self) -> None:
        request, status, answered = self.request, self.get_status(), self.site.answered
        answered[status] = answered.get(status, 0) + 1
        self.site.log.request(
            request.method or "-",
            self.logged_path(),
            status,
            request.request_time(),
            request.remote_ip or "-",
            self.request_id,
            self._problem_code,
        )


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return tornado.httputil.format_timestamp(second)


_HEADER_LIST: Final = re.compile(r"[A-Za-z0-9, -]{1,400}", re.ASCII)


def implemented_methods(handler: type[tornado.web.RequestHandler]) -> tuple[str, ...]:
    """The HTTP methods that a handler class defines; OPTIONS, which only answers preflights, is left out."""
    base = tornado.web.RequestHandler
    return tuple(
        method
        for method in _METHODS
        if method != "OPTIONS" and getattr(handler, method.lower()) is not getattr(base, method.lower())
    )


def _of_tornado(status_code: int) -> GatewayError:
    """Tornado's own error in our terms; its texts may hold anything and are not passed on."""
    status = _STATUSES.get(status_code) or (
        Status.INVALID_ARGUMENT if 400 <= status_code < 500 else Status.INTERNAL
    )
    detail = _DETAILS.get(status_code, status.title)
    return GatewayError(status, detail)


_STATUSES: Final = {
    400: Status.INVALID_ARGUMENT,
    403: Status.PERMISSION_DENIED,
    404: Status.NOT_FOUND,
    413: Status.TOO_LARGE,
    415: Status.UNSUPPORTED_MEDIA_TYPE,
}
_DETAILS: Final = {
    400: "the request cannot be read",
    404: "there is nothing at this path",
    500: "the gateway failed; its log says why",
}


class RefusingHandler(BaseHandler):
    """Answers every method with one error: nothing is at this path, or its body is too large."""

    def initialize(  # type: ignore[override]
        self, site: Site, error: GatewayError, done: asyncio.Future[None] | None = None
    ) -> None:
        super().initialize(site)
        self._error = error
        self._done = done

    def on_finish(self) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def method_not_allowed(self) -> GatewayError:
        # Tornado asks for it where it does not know the method.
        return self._error

    def _refuse(self) -> None:
        raise self._error

    get = head = post = put = patch = delete = options = _refuse

"""What all handlers have in common: who may ask at all, the request id, errors as problem+json, the log line.

Every handler of the gateway is a `BaseHandler`, the WebSocket and the static files included: the checks of hosts,
origins and authentication stand in one place, `run`. It is none of Tornado's handlers: what those do for templates,
locales and forms costs a good part of a call, and nobody here has any.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable
from typing import Any, ClassVar, Final

from gateway.access.principals import ANONYMOUS, Principal
from gateway.access.seen import Seen
from gateway.describe.documents import JSON_TYPE
from gateway.errors import GatewayError, Status, quote
from gateway.http.addresses import counted
from gateway.http.exchange import Exchange
from gateway.http.identification import FindsOut
from gateway.http.proxies import Downstream
from gateway.http.request_head import HeadError, HttpRequest
from gateway.http.session_cookie import cookie_name
from gateway.http.site import Site, downstream_of
from gateway.json.error_text import write_error
from gateway.json.text import JSON, dump
from gateway.logged_paths import shortened, without_stray_secrets
from gateway.protocols.admission import Admission
from gateway.protocols.rest.representation import MIN_COMPRESSED_BYTES, accepts_gzip, compress, entity_tag, is_known
from gateway.trace_context import trace_id_of
from gateway.turns import LARGE_BYTES

PROBLEM_TYPE: Final = "application/problem+json"
EXPOSED_HEADERS: Final = "Session-Id, X-Request-Id, Allow, ETag, Retry-After, RateLimit, RateLimit-Policy"
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}", re.ASCII)
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_LOG: Final = logging.getLogger(__name__)


class BaseHandler(Exchange):
    """See the module. A method of HTTP is a method of that name in lower case; it calls `finish`, at once or later.

    Attributes:
        principal: who asks.
        downstream: how the client reached us.
        is_public: whether it answers everybody alike, so that it does not matter who asks.
        answers_any_address: whether it may be asked by any address, as probes do that know no name.
        may_be_stray: whether it answers for paths at which nothing is.
        is_unknown: whether it passed although nobody knows who asks, who will say so later.
        is_lost: whether the client has left, so that nobody reads the answer.
        trace_id: of the trace that is recorded of its call; None if there is none.
    """

    site: Site
    principal: Principal = ANONYMOUS
    downstream: Downstream = Downstream("", "http", "", "", False)
    is_public: ClassVar[bool] = False
    answers_any_address: ClassVar[bool] = False
    may_be_stray: ClassVar[bool] = False
    allowed: tuple[str, ...] | None = None
    is_unknown = False
    is_lost = False
    trace_id: str | None = None
    _problem_code: str | None = None
    _answers_later = False
    _task: asyncio.Task[None] | None = None
    _waits: asyncio.Task[None] | None = None

    def initialize(self, site: Site) -> None:
        self.site = site

    @property
    def seen(self) -> Seen:
        """What of the services whoever asks may see."""
        return self.site.served.catalogue.seen_by(self.principal.roles)

    @property
    def address(self) -> str:
        """Whose request it is, as bounds per address count."""
        return counted(self.downstream.address)

    def run(self, refusal: GatewayError | None = None) -> None:
        """Answer the request.

        Args:
            refusal: what it is answered with, whatever it asks for.
        """
        try:
            self.prepare()
            if refusal is not None and not self._is_preflight():
                raise refusal
            find_out = self.authenticate()
        except Exception as error:
            self.fail(error)
            return
        if find_out is None:
            self._go_on()
        else:
            self.answers_later()
            self._task = self._waits = asyncio.ensure_future(self._identified(find_out))

    def look_at_head(self) -> FindsOut | None:
        """Look at a request of which the body is still to come; gives what `authenticate` does.

        Raises:
            GatewayError: it will be refused, whatever that is.
        """
        self.prepare()
        find_out = self.authenticate()
        if find_out is None and not self._is_preflight() and not self._tells_nothing:
            self.check_existence()
        return find_out

    async def _identified(self, find_out: FindsOut) -> None:
        """Go on when it is known who asks. The connection goes on as with every answer that takes time."""
        patience_s = self.site.limits.default_call_timeout_s
        try:
            async with asyncio.timeout(patience_s):
                try:
                    self.principal = await find_out()
                except GatewayError as error:
                    self.unidentified(error)
        except TimeoutError:
            detail = f"it could not be found out within {patience_s:g} s who asks"
            self.fail(GatewayError(Status.UNAVAILABLE, detail))
        except Exception as error:
            self.fail(error)
        else:
            self._waits = None
            self._answers_later = False
            with self.site.cork:
                self._go_on()

    def _go_on(self) -> None:
        try:
            if not self._is_preflight() and not self._tells_nothing:
                self.check_existence()
        except Exception as error:
            self.fail(error)
            return
        if len(self.request.body) >= LARGE_BYTES:
            self._act_later()
        else:
            self._act()

    def _act(self) -> None:
        try:
            awaited = self._action(self.request.method)()
        except Exception as error:
            self.fail(error)
            return
        if awaited is not None:
            self._task = asyncio.ensure_future(self._wait(awaited))
        elif not self._finished and not self._answers_later:
            self.finish()

    async def _wait(self, awaited: Awaitable[None]) -> None:
        try:
            await awaited
        except (Exception, asyncio.CancelledError) as error:
            self.fail(error)
        else:
            if not self._finished and not self._answers_later:
                self.finish()

    def _act_later(self) -> None:
        """Read a large body when it is the turn of its address."""
        site, request, lane = self.site, self.request, self.downstream.address
        patience_s = site.limits.default_call_timeout_s
        detail = f"other large bodies of this address were read for {patience_s:g} s before this one; try again"
        late = GatewayError(Status.RESOURCE_EXHAUSTED, detail)
        timer = asyncio.get_running_loop().call_later(patience_s, self.fail, late)

        def act() -> bool:
            timer.cancel()
            self._answers_later = False
            if not self._finished and not self.is_lost:
                self._act()
                path = self.logged_path()
                site.turns.stalls.spent("%s %s: %d bytes of %s", request.method, path, len(request.body), lane)
            return False

        self.answers_later()
        site.turns.add(lane, act)

    def _action(self, method: str) -> Any:
        found = getattr(self, method.lower(), None) if method in METHODS else None
        if found is None:
            raise self.method_not_allowed()
        return found

    def prepare(self) -> None:
        """Check for whom it is meant, and whose page had it made, before anything else happens.

        Raises:
            GatewayError: MISDIRECTED or PERMISSION_DENIED.
        """
        site, request, sent = self.site, self.request, self.sent
        given = sent.get("X-Request-Id")
        self.request_id = given if given is not None and _REQUEST_ID.fullmatch(given) else next(site.request_ids)
        self.downstream = downstream = downstream_of(site, request)
        host = downstream.host
        site.origins.check_host(host, any_address=self.answers_any_address)
        site.origins.check_origin(request.method, "Upgrade" in sent, host, sent, any_port=downstream.is_proxied)
        origin = sent.get("Origin")
        if origin is not None and site.origins.is_configured(origin):
            self._share_with(origin)

    def check_existence(self) -> None:
        """Be sure that there is something at the path, whatever the method.

        Preflights are not asked: where they fail a page is not told why, but that it could not fetch.

        Raises:
            GatewayError: there is nothing.
        """

    def _is_preflight(self) -> bool:
        sent = self.sent
        return self.request.method == "OPTIONS" and "Origin" in sent and "Access-Control-Request-Method" in sent

    @property
    def _tells_nothing(self) -> bool:
        """Whether an OPTIONS is answered alike whatever there is: anybody may ask, without saying who it is."""
        return self.request.method == "OPTIONS" and not self.is_public and self.site.asks_who

    def connection_lost(self) -> None:
        """See `gateway.http.connection.Answerer`."""
        self.is_lost = True
        if self._waits is not None:
            self._waits.cancel()
        self.on_connection_close()

    def on_connection_close(self) -> None:
        """The client has left; nothing here."""

    def authenticate(self) -> FindsOut | None:
        """Find out who asks and set `principal`; the one hook for it, which every handler passes.

        Returns:
            How to find out, where that takes time; None if it is known already, or does not matter.

        Raises:
            GatewayError: UNAUTHENTICATED; or PERMISSION_DENIED, a page of another site had it asked.
        """
        identification = self.site.identification
        if identification is None or self.is_public or self.request.method == "OPTIONS":
            return None
        try:
            found = identification.of(self.request, self.downstream, self.session_cookie)
        except GatewayError as error:
            self.unidentified(error)
            return None
        if not isinstance(found, Principal):
            return found
        self.principal = found
        return None

    def admission(self) -> Admission:
        """What the client is let in by, for what outlives the request."""
        identification = self.site.identification
        if identification is None:
            return Admission()
        principal = None if self.is_unknown else self.principal
        return identification.admission(principal, self.request, self.downstream, self.session_cookie)

    def unidentified(self, error: GatewayError) -> None:
        """Refuse a request of which nobody knows who sent it.

        Raises:
            GatewayError: the one that says so.
        """
        raise error

    @property
    def cookie_name(self) -> str:
        """The name of the cookie of sessions."""
        return cookie_name(self.site.cookie_name, self.downstream)

    def session_cookie(self) -> str | None:
        """The cookie of a session that was sent; it may be anybody's."""
        return self.get_cookie(self.cookie_name) if "Cookie" in self.sent else None

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
        sent, known = self.sent, () if self._tells_nothing else self.methods()
        methods = ", ".join(known)
        if self._is_preflight():
            downstream = self.downstream
            self.site.origins.check_page(sent["Origin"], downstream.host, any_port=downstream.is_proxied)
            # What is asked is permitted even where it will be refused, so that the page can read the refusal.
            wished = sent["Access-Control-Request-Method"]
            permitted = methods if wished in known or wished not in METHODS else f"{methods}, {wished}"
            self.set_header("Access-Control-Allow-Methods", permitted.removeprefix(", "))
            asked = sent.get("Access-Control-Request-Headers", "")
            self.set_header("Access-Control-Allow-Headers", asked if _HEADER_LIST.fullmatch(asked) else "Content-Type")
            self.set_header("Access-Control-Max-Age", "600")
        self.set_header("Allow", f"{methods}, OPTIONS" if methods else "OPTIONS")
        self.set_status(204)
        self.finish()

    def answers_later(self) -> None:
        """Say that somebody calls `finish` or `fail` when the method has returned."""
        self._answers_later = True

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
            self.add_header("Vary", "Accept-Encoding")
            data = self._encoded(data)
        self.finish(data)

    def answer_unless_known(self, data: bytes, media_type: str = JSON_TYPE) -> None:
        """Finish with bytes and their entity tag, or with 304 if ``If-None-Match`` names that tag."""
        if media_type != JSON_TYPE:
            self.set_header("Content-Type", media_type)
        self.set_header("ETag", tag := entity_tag(data))
        self.set_header("Cache-Control", "private, no-cache")
        if len(data) >= MIN_COMPRESSED_BYTES:
            # In a 304 too, as caches take it from there (RFC 9110 section 15.4.5).
            self.add_header("Vary", "Accept-Encoding")
        if is_known(tag, self.sent.get("If-None-Match")):
            self.set_status(304)
            data = b""
        elif len(data) >= MIN_COMPRESSED_BYTES:
            data = self._encoded(data)
        self.finish(data)

    def _encoded(self, data: bytes) -> bytes:
        if not accepts_gzip(self.sent.get("Accept-Encoding", "")):
            return data
        self.set_header("Content-Encoding", "gzip")
        return compress(data)

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
            Status.METHOD_NOT_ALLOWED,
            f"{shown_method(self.request)} is not permitted here; permitted: {allowed or 'nothing'}",
        )

    def fail(self, error: BaseException) -> None:
        """Answer with an error, or break off an answer that has begun; of faults of our own the log is told."""
        if not isinstance(error, GatewayError):
            if not self.is_lost:
                place = f"{shown_method(self.request)} {shortened(self.logged_path())}"
                _LOG.error("a handler failed: %s", place, exc_info=error)
            error = GatewayError(Status.INTERNAL, "the gateway failed; its log says why")
        # Its frames have the request, and what made the handler has it: that would stay until the collector comes.
        error.__traceback__ = None
        if self._finished:
            return
        if self._is_streaming:
            self.request.connection.close()
            return
        error.at(request_id=self.request_id or next(self.site.request_ids))
        self.request_id = error.request_id or ""
        self._problem_code = error.status.code
        # Nothing is left of the answer that was to be.
        self.start_anew()
        if isinstance(error, HeadError):
            self.set_status(error.http)
        else:
            self.set_status(error.status.http, error.status.title)
        self.set_header("Content-Type", PROBLEM_TYPE)
        self.set_header("Cache-Control", "no-store")
        if error.retry_after is not None:
            self.set_header("Retry-After", str(error.retry_after))
        identification = self.site.identification
        if error.status is Status.UNAUTHENTICATED and identification is not None and identification.gatekeeper.is_on:
            self.set_header("WWW-Authenticate", identification.gatekeeper.challenge(self.sent))
        if error.status is Status.METHOD_NOT_ALLOWED:
            self.set_header("Allow", ", ".join(self.methods()))
        origin = self.sent.get("Origin")
        if origin is not None and self.site.origins.is_configured(origin):
            self._share_with(origin)
        self.error_headers(error)
        self.finish(write_error(error, self.problem, self.site.limits.max_message_bytes))

    def error_headers(self, error: GatewayError) -> None:
        """Add headers to an error's answer; nothing here."""

    def problem(self, error: GatewayError) -> JSON:
        """The problem object of an error."""
        return error.problem()

    # The log.

    def logged_path(self) -> str:
        """The path as it may stand in a log."""
        path, secret_paths = self.request.path, self.site.served.catalogue.secret_paths
        is_stray = self.may_be_stray and self._status >= 400
        return without_stray_secrets(path, secret_paths) if is_stray else secret_paths.shown(path)

    def on_finish(self) -> None:
        request, status, answered = self.request, self._status, self.site.answered
        answered[status] = answered.get(status, 0) + 1
        self.site.log.request(
            shown_method(request) or "-",
            shortened(self.logged_path()),
            status,
            time.perf_counter() - request.began_s,
            self.shown_address(),
            self.request_id,
            self._problem_code,
            self._refused(status) if status in (403, 421) else None,
            self.principal.name,
            self.trace_id or self.trace_said(),
            self._body_bytes,
        )

    def shown_address(self) -> str:
        """Where the client is, for the log."""
        return self.downstream.address or self.request.remote_ip or "-"

    def trace_said(self) -> str | None:
        """The trace that the request says it belongs to."""
        said = self.sent.get("Traceparent")
        return None if said is None else trace_id_of(said)

    def _refused(self, status: int) -> tuple[str, str] | None:
        """What the log says of a refusal: the name of a value of the request, and the value."""
        if status == 421:
            return "host", self.downstream.host
        origin = self.sent.get("Origin", self.sent.get("Sec-Fetch-Site"))
        return None if origin is None else ("origin", origin)


def shown_method(request: HttpRequest) -> str:
    """A request's method as it may stand in an answer and in the log."""
    return request.method if len(request.method) <= 20 else quote(request.method)


_HEADER_LIST: Final = re.compile(r"[A-Za-z0-9, -]{1,400}", re.ASCII)


def implemented_methods(handler: type[BaseHandler]) -> tuple[str, ...]:
    """The HTTP methods that a handler class defines; OPTIONS, which only answers preflights, is left out."""
    return tuple(method for method in METHODS if method != "OPTIONS" and hasattr(handler, method.lower()))


class RefusingHandler(BaseHandler):
    """Answers every method with one error: nothing is at this path."""

    may_be_stray = True

    def initialize(self, site: Site, error: GatewayError) -> None:  # type: ignore[override]
        self.site = site
        self._error = error

    def check_existence(self) -> None:
        raise self._error

    def methods(self) -> tuple[str, ...]:
        return ()


class UnreadHandler(RefusingHandler):
    """Answers what could not be read, so that nobody knows who asks for what."""

    def run(self, refusal: GatewayError | None = None) -> None:
        self.fail(self._error)

    def logged_path(self) -> str:
        return "-"

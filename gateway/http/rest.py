"""REST: calls on services and handles. What a path means is in `gateway.http.path_table`."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl

from cara_pseud.capabilities import CallOptions, Capability
from gateway.access.permissions import denied
from gateway.call_targets import method_of_service
from gateway.calls import Call
from gateway.catalogue import ServiceMethod
from gateway.describe.documents import JSON_TYPE
from gateway.errors import NOTHING, GatewayError, Status
from gateway.http.base import BaseHandler
from gateway.http.rate_fields import rate_fields
from gateway.http.raw_exchange import answer_raw, with_body
from gateway.http.session_cookie import cookie_attributes
from gateway.http.site import Site
from gateway.json.grammar import parse_within
from gateway.json.text import JSON, dump
from gateway.json.value_count import check_values
from gateway.protocols.jsonrpc.messages import MAX_META_CHARS
from gateway.protocols.rest.rest_references import RestReferences
from gateway.protocols.rest.text_parameters import http_params, query_params
from gateway.routes import HttpMatch
from gateway.sessions.session import Session
from gateway.trace_context import stated

SESSION_HEADER: Final = "Session-Id"
_SECONDS: Final = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


class ApiHandler(BaseHandler):
    """What REST handlers have in common: sessions, bodies, wishes."""

    def session(self) -> Session | None:
        """The session that the request names; None if it names none.

        Raises:
            GatewayError: NOT_FOUND, there is no such session.
        """
        sessions, id = self.site.sessions, self.sent.get(SESSION_HEADER)
        if id is not None:
            return sessions.find(id, self.principal, rest=True) if id else None
        cookie = self.session_cookie()
        return sessions.find_by_cookie(cookie, self.principal) if cookie else None

    def session_for(self, method: ServiceMethod) -> Session | None:
        """The session that the request names, for a call; None as well if it needs none and only an old cookie does.

        Raises:
            GatewayError: NOT_FOUND, there is no such session.
        """
        return self.session() if method.has_references else self.session_if_known()

    def session_if_known(self) -> Session | None:
        """The session that the request names; None as well if only an old cookie does.

        Raises:
            GatewayError: NOT_FOUND, there is no such session.
        """
        try:
            return self.session()
        except GatewayError as error:
            # A browser sends the cookie with everything; who sends the header means it.
            if error.reason != "session" or SESSION_HEADER in self.sent:
                raise
            self.forget_cookie()
            return None

    def required_session(self) -> Session:
        """The session that the request names.

        Raises:
            GatewayError: NOT_FOUND, it names none or there is no such session.
        """
        session = self.session()
        if session is None:
            detail = f"the request belongs to no session; send {SESSION_HEADER} or its cookie"
            raise GatewayError(Status.NOT_FOUND, detail, reason="session")
        return session

    def open_session(self) -> Session:
        """Open a session for whoever asks."""
        return self.site.sessions.open(self.principal, rest=True, address=self.address)

    def tell_session(self, session: Session) -> None:
        """Say in the answer which session was opened."""
        self.set_header(SESSION_HEADER, session.id)
        self.set_cookie(self.cookie_name, self.site.sessions.cookie_of(session), **cookie_attributes(self.downstream))

    def forget_cookie(self) -> None:
        """Have a browser forget the cookie, which it does only if it is told the attributes as well."""
        self.clear_cookie(self.cookie_name, **cookie_attributes(self.downstream))

    def error_headers(self, error: GatewayError) -> None:
        # A browser would send the cookie of an ended session for ever, and no script could stop it.
        if error.reason == "session" and SESSION_HEADER not in self.sent and self.session_cookie():
            self.forget_cookie()

    def tell_allowance(self) -> None:
        """Say in the answer how many calls may still be made."""
        rates = self.site.rates
        allowance = None if rates is None else rates.allowance(self.principal, self.address)
        for name, value in () if allowance is None else rate_fields(allowance):
            self.set_header(name, value)

    def body(self) -> JSON:
        """The parsed body; None without one.

        Raises:
            GatewayError: UNSUPPORTED_MEDIA_TYPE, or as `parsed`.
        """
        return self.parsed(self.json_text()) if self.request.body else None

    def parsed(self, text: bytes) -> JSON:
        """What a text of the client says.

        Raises:
            GatewayError: as `parse_within`.
        """
        limits = self.site.limits
        return parse_within(text, limits.max_values, limits.max_depth)

    def json_text(self, others: Collection[str] = ()) -> bytes:
        """The body, which says of itself that it is JSON.

        Args:
            others: media types that are as good.

        Raises:
            GatewayError: UNSUPPORTED_MEDIA_TYPE.
        """
        media_type = self.sent.get("Content-Type")
        if media_type != JSON_TYPE:
            kind = (media_type or "").partition(";")[0].strip().lower()
            if kind != JSON_TYPE and kind not in others:
                raise GatewayError(Status.UNSUPPORTED_MEDIA_TYPE, f"the body must be {JSON_TYPE}")
        if self.sent.get("Content-Encoding", "identity") != "identity":
            raise GatewayError(Status.UNSUPPORTED_MEDIA_TYPE, "the body must not be compressed")
        return self.request.body

    def query(self) -> Sequence[tuple[str, str]]:
        """The query's names and values, in order.

        Raises:
            GatewayError: INVALID_ARGUMENT, there are too many, or it is no UTF-8.
        """
        most = self.site.limits.max_query_parameters
        if self.request.query.count("&") >= most:
            raise GatewayError(Status.INVALID_ARGUMENT, f"a query may hold at most {most} parameters; use a JSON body")
        try:
            return parse_qsl(self.request.query, keep_blank_values=True, errors="strict")
        except ValueError:
            raise GatewayError(Status.INVALID_ARGUMENT, "the query cannot be read as UTF-8") from None

    def options_of_call(self, method: ServiceMethod) -> CallOptions:
        """What the headers say about the call.

        Raises:
            GatewayError: INVALID_ARGUMENT, the timeout is none, or a text cannot go on to the service.
        """
        headers = self.sent
        wished = headers.get("Request-Timeout")
        return CallOptions(
            method.timeout_s if wished is None else seconds(wished),
            self.request_id,
            self.principal.name,
            header_text(headers, "Traceparent"),
            header_text(headers, "Idempotency-Key"),
            self.principal.role_names,
        )


def header_text(headers: Mapping[str, str], name: str) -> str | None:
    """A header that goes on to the service.

    Raises:
        GatewayError: INVALID_ARGUMENT, it cannot.
    """
    text = headers.get(name)
    if text is not None and not (0 < len(text) <= MAX_META_CHARS and text.isprintable()):
        raise GatewayError(Status.INVALID_ARGUMENT, f"{name} must be 1 to {MAX_META_CHARS} printable characters")
    return text


def seconds(text: str) -> float:
    """The header Request-Timeout.

    Raises:
        GatewayError: INVALID_ARGUMENT, it is no time.
    """
    # Python's own reading takes underscores, blanks and other digits.
    seconds = float(text) if _SECONDS.fullmatch(text) else math.nan
    if not 0 < seconds < math.inf:
        raise GatewayError(Status.INVALID_ARGUMENT, "Request-Timeout must be a number of seconds above 0")
    return seconds


class CallingHandler(ApiHandler):
    """A handler that makes one call: a `gateway.calls.CallWaiter`."""

    _under_way: Call | None = None
    _refs: RestReferences | None = None
    _is_counted = _was_begun = False

    def call(self, method: ServiceMethod, target: Capability, params: JSON, session: Session | None) -> None:
        """Begin the call; its results or its failure are the answer.

        Raises:
            GatewayError: it cannot be made.
        """
        site = self.site
        refs = self._references(method, session) if method.has_references else None
        self._refs = refs
        try:
            options = self.options_of_call(method)
        except GatewayError as error:
            raise self.fault(method, error) from None
        # No coroutine waits for it: a task for each call would cost a tenth of the call.
        self.answers_later()
        site.calls_under_way += 1
        self._is_counted = self._was_begun = True
        self._under_way = site.calls.begin(
            self, 0, method, target, params, refs, session, options, False, self.address, self.principal,
            stated(self.sent.get("Tracestate")),
        )  # fmt: skip

    def fault(self, method: ServiceMethod, error: GatewayError) -> GatewayError:
        """What is told of a request for a call that is none: nothing of the method to who may not call it.

        Raises:
            GatewayError: instead of it, that one may not, or not so often.
        """
        self._was_begun = True
        self.site.calls.check_caller(self.principal, self.address, method)
        return error.at(method.service_name, method.label)

    def _references(self, method: ServiceMethod, session: Session | None) -> RestReferences:
        verb, downstream = self.request.method, self.downstream
        may_open = verb == "POST" or self.site.origins.permits_sessions(
            downstream.host, self.sent, any_port=downstream.is_proxied
        )
        return RestReferences(
            method.service, session, self.site.sessions, self.principal, self.address,
            may_open=may_open, discards=verb == "HEAD", method=method,
        )  # fmt: skip

    def error_headers(self, error: GatewayError) -> None:
        super().error_headers(error)
        if self._was_begun:
            self.tell_allowance()

    def _answer(self, method: ServiceMethod, data: bytes) -> None:
        refs = self._refs
        self.tell_allowance()
        if refs is not None and refs.holds_handles:
            self.set_header("Cache-Control", "no-store")
            if refs.opened and refs.session is not None:
                self.tell_session(refs.session)
            self.answer_bytes(data, secret=True)
        elif method.raw is not None and method.raw.result is not None:
            answer_raw(self, data, method.raw, tagged=method.facts.read_only and self.request.method != "POST")
        elif method.facts.read_only and self.request.method != "POST":
            self.answer_unless_known(data)
        else:
            self.answer_bytes(data)

    def answered(self, call: Call, result: JSON) -> bool:
        """See `gateway.calls.CallWaiter`."""
        is_raw = type(result) is bytes
        data: bytes = result if is_raw else dump(result)
        limit = self.site.limits.max_message_bytes
        if len(data) > limit:
            detail = f"the result takes {len(data)} bytes, at most {limit} are permitted"
            raise GatewayError(Status.TOO_LARGE, detail)
        if not is_raw:
            check_values(data, result, self.site.limits.max_values, "the result")
        self._is_over(call)
        self._answer(call.method, data)
        return not self.is_lost

    def failed(self, call: Call, error: GatewayError) -> None:
        """See `gateway.calls.CallWaiter`."""
        self._is_over(call)
        self.fail(error)

    def _is_over(self, call: Call) -> None:
        self._under_way = None
        if call.trace is not None:
            self.trace_id = call.trace_id
        if self._is_counted:
            self._is_counted = False
            self.site.calls_under_way -= 1

    def on_connection_close(self) -> None:
        if self._under_way is not None:
            self._under_way.cancel()


class CallHandler(CallingHandler):
    """``/api/{service}/{method}``"""

    def initialize(self, site: Site, method: ServiceMethod) -> None:  # type: ignore[override]
        self.site = site
        self._method = method

    def check_existence(self) -> None:
        # Calls pass their own hook. What else is answered must not tell what there is in a service that is not seen.
        if self.request.method != "POST" and self._method.service_name not in self.seen.routes:
            raise denied(self.principal, self._method.service_name, self._method.label)

    def methods(self) -> tuple[str, ...]:
        return ("GET", "HEAD", "POST") if self._method.facts.read_only else ("POST",)

    def post(self) -> None:
        method = self._method
        try:
            if self.request.query and not _takes_raw(method):
                detail = "parameters of a POST go into the body, not into the query"
                raise GatewayError(Status.INVALID_ARGUMENT, detail)
            params, session = params_of(self, method), self.session_for(method)
        except GatewayError as error:
            raise self.fault(method, error) from None
        self.call(method, method.service.upstream.root, params, session)

    def get(self) -> None:
        method = self._method
        try:
            if not method.facts.read_only:
                raise self.method_not_allowed()
            params = query_params(method.service.routes, method.bound, self.query(), self.site.limits.max_depth)
            session = self.session_for(method)
        except GatewayError as error:
            raise self.fault(method, error) from None
        self.call(method, method.service.upstream.root, params, session)

    head = get


def _takes_raw(method: ServiceMethod) -> bool:
    return method.raw is not None and method.raw.param is not None


def params_of(handler: ApiHandler, method: ServiceMethod) -> JSON:
    """The parameters in the body of a request for a call.

    Raises:
        GatewayError: the body is no JSON, or empty where something is needed.
    """
    if method.raw is not None and _takes_raw(method):
        max_depth = handler.site.limits.max_depth
        beside = query_params(method.service.routes, method.bound, handler.query(), max_depth)
        return with_body(beside, method.raw, handler.request)
    params = handler.body()
    if params is None and not handler.request.body and not method.params.is_empty:
        signature = method.params.signature
        raise GatewayError.invalid(f"the body is empty; expected the parameters of {signature} as JSON")
    return params


class HttpRuleHandler(CallingHandler):
    """A route of a schema's ``$http`` annotation."""

    def initialize(  # type: ignore[override]
        self, site: Site, match: HttpMatch | None, method: ServiceMethod | None
    ) -> None:
        self.site = site
        self.allowed = ()
        self._match = match
        self._method = method

    def check_existence(self) -> None:
        if self._method is not None:
            return
        seen = self.seen.routes
        there = self.site.served.catalogue.http_routes.verbs(self.request.path)
        verbs = {verb for verb, (service, name) in there.items() if service in seen and name in seen[service].methods}
        if not verbs:
            raise GatewayError(Status.NOT_FOUND, NOTHING)
        self.allowed = tuple(sorted(verbs | ({"HEAD"} if "GET" in verbs else set())))

    def _call(self) -> None:
        match, method = self._match, self._method
        if match is None or method is None:
            raise self.method_not_allowed()
        try:
            max_depth = self.site.limits.max_depth
            if method.raw is not None and _takes_raw(method):
                params = http_params(match, self.query(), None, False, max_depth)
                params = with_body(params, method.raw, self.request)
            else:
                body = self.body()
                params = http_params(match, self.query(), body, bool(self.request.body), max_depth)
            session = self.session_for(method)
        except GatewayError as error:
            raise self.fault(method, error) from None
        self.call(method, method.service.upstream.root, params, session)

    get = head = post = put = patch = delete = _call

    def fail(self, error: BaseException) -> None:
        method = self._method
        if isinstance(error, GatewayError) and error.service is not None and method is not None:
            seen = self.seen.routes.get(method.service_name)
            if seen is None or method.name not in seen.methods:
                # The path does not tell whose it is, so the refusal does not either.
                error = GatewayError(error.status, "the caller has not all roles that are required here")
        super().fail(error)


class UnknownMethodHandler(BaseHandler):
    """``/api/{service}/{method}`` where there is none; what is told of others depends on who asks."""

    may_be_stray = True

    def initialize(self, site: Site, service: str, name: str) -> None:  # type: ignore[override]
        self.site = site
        self._service = service
        self._name = name

    def check_existence(self) -> None:
        method_of_service(self.site.served.catalogue, self._service, self._name, self.principal)

    def methods(self) -> tuple[str, ...]:
        return ()

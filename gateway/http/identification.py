"""Who sent a request: by its credentials, or by the cookie of a session that somebody opened with some.

Browsers add cookies, passwords, certificates and what proxies know by themselves, whoever had the request made. So
where it matters who asks, nothing of pages of other sites passes, not even what only reads.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from gateway.access.credentials import Credentials
from gateway.access.gatekeeper import NOT_SHOWN, Gatekeeper
from gateway.access.principals import ANONYMOUS, Principal
from gateway.errors import GatewayError, Status
from gateway.http.origins import OriginPolicy
from gateway.http.proxies import Downstream
from gateway.http.request_head import HttpRequest
from gateway.protocols.admission import Admission, Admissions
from gateway.sessions.sessions import Sessions

_READING: Final = frozenset({"GET", "HEAD"})


FindsOut = Callable[[], Awaitable[Principal]]
"""To be called and awaited, or not at all: who made the request may have left before."""


class Identification:
    """One for all handlers.

    Attributes:
        gatekeeper: knows credentials.
        origins: whose pages may read; a reload may put others in their place.
        admissions: how long sockets and event streams are let in.
        origins: whose pages may have requests made.
    """

    def __init__(self, gatekeeper: Gatekeeper, sessions: Sessions, origins: OriginPolicy) -> None:
        self.gatekeeper = gatekeeper
        self.admissions = Admissions(gatekeeper, sessions.now)
        self._sessions = sessions
        self.origins = origins
        gatekeeper.on_removed(self._removed)

    def reloaded(self) -> None:
        """Somebody's roles may be others now, or everybody may have to say who it is: put out what is no more in order.

        To be called when the gatekeeper has another configuration. Those whom it knows no more are out already.
        """
        self._sessions.roles_changed()
        if self.gatekeeper.is_on and self.gatekeeper.is_required:
            self.admissions.withdraw(ANONYMOUS, "this gateway has to know who calls now")

    def _removed(self, principal: Principal) -> None:
        self._sessions.end_those_of(principal, "its owner was removed")
        self.admissions.withdraw(principal)

    def of(
        self, request: HttpRequest, downstream: Downstream, cookie: Callable[[], str | None]
    ) -> Principal | FindsOut:
        """Who sent a request, or how that is found out, which takes time.

        Args:
            cookie: gives the value of the session's cookie.

        Raises:
            GatewayError: UNAUTHENTICATED; or PERMISSION_DENIED, a page of another site had it made.
        """
        if not self.gatekeeper.is_on:
            return ANONYMOUS
        self.origins.check_reader(downstream.host, request.headers, any_port=downstream.is_proxied)
        credentials = credentials_of(request, downstream)
        try:
            found = self.gatekeeper.known(credentials)
        except GatewayError as error:
            return self._logged_in(request, downstream, cookie, error)
        if found is None:
            sender: Principal | None = getattr(request, "sender", None)
            if sender is not None and not sender.is_removed:
                return sender  # a credential may be good for once only
            return partial(self._awaited, credentials, request, downstream, cookie)
        return self._logged_in(request, downstream, cookie) if found is ANONYMOUS else found

    async def _awaited(
        self,
        credentials: Credentials,
        request: HttpRequest,
        downstream: Downstream,
        cookie: Callable[[], str | None],
    ) -> Principal:
        try:
            found = await self.gatekeeper.authenticate(credentials)
        except GatewayError as error:
            return self._logged_in(request, downstream, cookie, error)
        if found.is_removed:
            raise GatewayError(Status.UNAUTHENTICATED, "the credentials were withdrawn a moment ago")
        return self._logged_in(request, downstream, cookie) if found is ANONYMOUS else found

    def _logged_in(
        self,
        request: HttpRequest,
        downstream: Downstream,
        cookie: Callable[[], str | None],
        error: GatewayError | None = None,
    ) -> Principal:
        """Whoever opened the session of the cookie, where nothing else is shown; else ANONYMOUS, or the error."""
        if error is None or error.reason == NOT_SHOWN:
            value = cookie()
            if value and self._is_our_page(request, downstream):
                principal = self._sessions.principal_of(value)
                if principal is not None:
                    return principal
        if error is not None:
            raise error
        return ANONYMOUS

    def _is_our_page(self, request: HttpRequest, downstream: Downstream) -> bool:
        """Whether a page of our own had the request made, as far as its browser tells; or what only reads, nobody's.

        A browser that tells whose page it is knows better than a comparison of names: behind a proxy that drops the
        port a page of any port has ours, and it is sent our cookie.
        """
        headers = request.headers
        if headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
            return False
        origin = headers.get("Origin")
        if origin is not None:
            return self.origins.is_own(origin, downstream.host, any_port=downstream.is_proxied)
        return request.method in _READING


    def admission(
        self,
        principal: Principal | None,
        request: HttpRequest,
        downstream: Downstream,
        cookie: Callable[[], str | None],
    ) -> Admission:
        """What the client of a request is let in by, for what outlives the request.

        Args:
            principal: whom `of` has found; None if nobody.
        """
        if not self.gatekeeper.is_on:
            return Admission(self.admissions)
        value = cookie()
        login = self._sessions.login(value) if value else None
        if login is not None and login.principal is not principal:
            login = None
        return Admission(self.admissions, principal, credentials_of(request, downstream), login)


def credentials_of(request: HttpRequest, downstream: Downstream) -> Credentials:
    """What a request says of who sent it."""
    return Credentials(
        request.headers, downstream.address, downstream.is_proxied,
        # That of a proxy is the proxy's own, and says nothing of its clients.
        None if downstream.is_proxied else request.connection.certificate,
        repeated=request.repeated,
    )  # fmt: skip

"""Objects over REST: what they can do, calls on them, what else they are, and their end."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.call_targets import method_of_handle, method_of_object
from gateway.casts import cast, cast_form
from gateway.describe.descriptions import describe_handle
from gateway.errors import GatewayError
from gateway.http.rest import ApiHandler, CallingHandler, params_of
from gateway.http.site import Site
from gateway.logged_paths import without_token
from gateway.sessions.handles import REST, Handle


class HandleHandler(ApiHandler):
    """``/api/handles/{handle}``"""

    def initialize(self, site: Site, token: str) -> None:  # type: ignore[override]
        self.site = site
        self._token = token

    def logged_path(self) -> str:
        return without_token(self.request.path)

    def get(self) -> None:
        handle: Handle = self.required_session().handles.get(self._token)
        rules = self.site.served.catalogue.rules_of(handle.service)
        routes = handle.service.routes.seen_by(self.principal.roles, rules)
        self.set_header("Cache-Control", "no-store")
        self.answer(describe_handle(handle.token, routes, handle.interface))

    head = get

    def post(self) -> None:
        body = self.body()
        interface = body.get("interface") if isinstance(body, dict) else None
        if not isinstance(body, dict) or not isinstance(interface, str) or len(body) > 1:
            detail = 'expected {"interface": …}, the name of an interface that the object is to be taken for'
            raise GatewayError.invalid(detail)
        session, catalogue = self.required_session(), self.site.served.catalogue
        handle = cast(session.handles, REST, self._token, interface, catalogue, self.principal.roles)
        self.set_header("Cache-Control", "no-store")
        self.answer(cast_form(handle))

    def delete(self) -> None:
        self.site.sessions.drop_handle(self.required_session(), self._token)
        self.set_status(204)


class HandleCallHandler(CallingHandler):
    """``/api/handles/{handle}/{method}``, and with service and interface before the method."""

    def initialize(  # type: ignore[override]
        self, site: Site, token: str, name: str, taken_as: Sequence[str] = ()
    ) -> None:
        self.site = site
        self._token = token
        self._name = name
        self._taken_as = taken_as

    def logged_path(self) -> str:
        return without_token(self.request.path)

    def post(self) -> None:
        session = self.required_session()
        if self._taken_as:
            service, interface = self._taken_as
            method, target = method_of_object(session, self._token, service, interface, self._name)
        else:
            method, target = method_of_handle(session, self._token, self._name)
        method = method.over_rest
        try:
            params = params_of(self, method)
        except GatewayError as error:
            raise self.fault(method, error) from None
        self.call(method, target, params, session)

"""Who answers a request, by the table of what is served now."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Protocol

from gateway.catalogue import Catalogue
from gateway.errors import GatewayError
from gateway.http.base import BaseHandler, UnreadHandler
from gateway.http.identification import FindsOut
from gateway.http.metric_families import register_metrics
from gateway.http.pages import BasePathHandler
from gateway.http.path_table import PathTable, Route
from gateway.http.request_head import HttpRequest
from gateway.http.site import Site
from gateway.path_prefix import below


class Paths(Protocol):
    """Which handler answers what."""

    def find(self, verb: str, path: str) -> Route:
        """The route of a path; one that refuses if there is nothing there."""


class Application:
    """Answers requests that are complete.

    Attributes:
        site: what its handlers have.
    """

    def __init__(self, site: Site, paths: Paths) -> None:
        self.site = site
        self._paths = paths

    def answer(self, request: HttpRequest) -> BaseHandler:
        """Begin to answer a request; what that puts off leaves at once."""
        kind, arguments = self._route(request)
        handler = kind(request)
        handler.initialize(**arguments)
        with self.site.cork:
            handler.run()
        return handler

    def _route(self, request: HttpRequest) -> Route:
        """The route of a request. Its path becomes that below the base path, which proxies may have left there."""
        base_path = self.site.proxies.base_path
        if base_path and request.path == base_path:
            return BasePathHandler, {"site": self.site}
        request.path = self.inner_path(request)
        return self._paths.find(request.method, request.path)

    def inner_path(self, request: HttpRequest) -> str:
        """The path of a request below the base path, if that is there."""
        base_path = self.site.proxies.base_path
        return (below(base_path, request.path) or request.path) if base_path else request.path

    def refusal_of_head(self, request: HttpRequest) -> GatewayError | Awaitable[GatewayError | None] | None:
        """What a request will be refused for whatever its body is, as far as that is known at once.

        Where it takes time to find out who asks, it is waited for only if the client waits, too, to send the body.
        """
        path = request.path
        kind, arguments = self._route(request)
        handler = kind(request)
        handler.initialize(**arguments)
        try:
            find_out = handler.look_at_head()
        except GatewayError as error:
            return error
        finally:
            request.path = path
        return self._found_refusal(handler, find_out) if find_out is not None and request.waits else None

    async def _found_refusal(self, handler: BaseHandler, find_out: FindsOut) -> GatewayError | None:
        try:
            async with asyncio.timeout(self.site.limits.default_call_timeout_s):
                handler.request.sender = await find_out()
        except GatewayError as error:
            try:
                handler.unidentified(error)
            except GatewayError as refusal:
                return refusal
        except Exception:
            # Whoever answers the request meets it again, and tells.
            return None
        return None

    def refuse(self, request: HttpRequest, error: GatewayError) -> BaseHandler:
        """Answer with an error, whatever is asked; without a method, nobody knows what that is."""
        if not request.method:
            unread = UnreadHandler(request)
            unread.initialize(self.site, error)
            unread.run()
            return unread
        # By the handler of its path, which knows what of that may stand in a log.
        kind, arguments = self._route(request)
        handler = kind(request)
        handler.initialize(**arguments)
        handler.run(error)
        return handler


class GatewayApplication(Application):
    """What the gateway serves to its clients.

    Args:
        static: the directory of the console and the browser client.
    """

    def __init__(self, site: Site, static: str) -> None:
        super().__init__(site, PathTable(site, site.served.catalogue, static))
        self._static = static
        register_metrics(site)

    def serve(self, catalogue: Catalogue) -> None:
        """Serve another catalogue from the next request on; those under way go on with theirs."""
        paths = PathTable(self.site, catalogue, self._static)
        # Nothing can happen between these two.
        self.site.served.catalogue, self._paths = catalogue, paths

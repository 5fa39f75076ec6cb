"""Who answers a request, by the table of what is served now."""

from __future__ import annotations

from gateway.catalogue import Catalogue
from gateway.errors import GatewayError
from gateway.http.base import BaseHandler, RefusingHandler, Site, UnreadHandler
from gateway.http.pages import BasePathHandler
from gateway.http.path_table import PathTable, Route
from gateway.http.request_head import HttpRequest
from gateway.path_prefix import below


class GatewayApplication:
    """Answers requests that are complete.

    Args:
        pages: the directory of the pages.

    Attributes:
        site: what its handlers have.
    """

    def __init__(self, site: Site, pages: str) -> None:
        self.site = site
        self._pages = pages
        self._paths = PathTable(site, site.served.catalogue, pages)

    def serve(self, catalogue: Catalogue) -> None:
        """Serve another catalogue from the next request on; those under way go on with theirs."""
        paths = PathTable(self.site, catalogue, self._pages)
        # Nothing can happen between these two.
        self.site.served.catalogue, self._paths = catalogue, paths

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
        if base_path and request.path.startswith(base_path):
            if request.path == base_path:
                return BasePathHandler, {"site": self.site}
            request.path = below(base_path, request.path) or request.path
        return self._paths.find(request.method, request.path)

    def refuse(self, request: HttpRequest, error: GatewayError) -> BaseHandler:
        """Answer with an error, whatever is asked; without a method, nobody knows what that is."""
        handler = (RefusingHandler if request.method else UnreadHandler)(request)
        handler.initialize(self.site, error)
        handler.run()
        return handler

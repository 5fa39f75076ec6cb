"""Who answers a request, by the table of what is served now."""

from __future__ import annotations

from gateway.catalogue import Catalogue
from gateway.errors import GatewayError
from gateway.http.base import BaseHandler, RefusingHandler, Site, UnreadHandler
from gateway.http.path_table import PathTable
from gateway.http.request_head import HttpRequest


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
        kind, arguments = self._paths.find(request.method, request.path)
        handler = kind(request)
        handler.initialize(**arguments)
        with self.site.cork:
            handler.run()
        return handler

    def refuse(self, request: HttpRequest, error: GatewayError) -> None:
        """Answer with an error, whatever is asked; without a method, nobody knows what that is."""
        handler = (RefusingHandler if request.method else UnreadHandler)(request)
        handler.initialize(self.site, error)
        handler.run()

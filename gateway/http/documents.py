"""Documents that are made of the schemas: descriptions, types, schemas. What is in them is `gateway.describe`'s.

Everybody gets those of what they may call. What they may not see is answered as what is not there.
"""

from __future__ import annotations

from gateway.describe.descriptions import describe_service, describe_services
from gateway.describe.documents import JSON_TYPE, Document
from gateway.errors import NOTHING, GatewayError, Status
from gateway.http.base import BaseHandler
from gateway.http.site import Site
from gateway.json.text import dump
from gateway.routes import ServiceRoutes


class DescribingHandler(BaseHandler):
    """What all of them have: an answer that is for whoever asked alone, and read again only when it has changed."""

    def answer_to_asker(self, data: bytes, media_type: str = JSON_TYPE) -> None:
        """Finish with a document as it is for whoever asks."""
        self.add_header("Vary", "Authorization, Cookie")
        self.answer_unless_known(data, media_type)


class DocumentHandler(DescribingHandler):
    """A document of all that somebody sees, or of one service of it."""

    def initialize(self, site: Site, path: str) -> None:  # type: ignore[override]
        self.site = site
        self._path = path

    def check_existence(self) -> None:
        self._document = self.seen.document(self._path)

    def get(self) -> None:
        document = self._document
        self.answer_to_asker(document.below(self.downstream.prefix), document.media_type)

    head = get


class ServicesHandler(DescribingHandler):
    """``/api``"""

    def get(self) -> None:
        services = self.site.served.catalogue.services
        seen = self.seen.routes
        states = {name: services[name].upstream.state for name in seen}
        self.answer_to_asker(dump(describe_services(seen.values(), states)))

    head = get


class ServiceHandler(DescribingHandler):
    """``/api/{service}``"""

    may_be_stray = True

    def initialize(self, site: Site, name: str) -> None:  # type: ignore[override]
        self.site = site
        self._name = name

    def check_existence(self) -> None:
        self._routes: ServiceRoutes = self.seen.service(self._name)

    def get(self) -> None:
        self.answer_to_asker(dump(describe_service(self._routes)))

    head = get


class SchemaHandler(DescribingHandler):
    """``/schema/{service}``: the text of the schema; as JSON, all files with their ids.

    It has every method, so it is for those who may call all of them.
    """

    def initialize(self, site: Site, name: str, text: Document, files: Document) -> None:  # type: ignore[override]
        self.site = site
        self._name = name
        self._text = text
        self._files = files

    def check_existence(self) -> None:
        seen = self.seen
        if self._name not in seen.routes:
            raise GatewayError(Status.NOT_FOUND, NOTHING)
        if self._name not in seen.whole:
            detail = f"the schema of {self._name} is for callers who may call all of it"
            raise GatewayError(Status.PERMISSION_DENIED, detail).at(self._name)

    def get(self) -> None:
        document = self._files if self.sent.get("Accept", "").startswith(JSON_TYPE) else self._text
        self.add_header("Vary", "Accept")
        self.answer_to_asker(document.data, document.media_type)

    head = get

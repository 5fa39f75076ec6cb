"""Documents that are made of the schemas: descriptions, types, schemas. What is in them is `gateway.describe`'s."""

from __future__ import annotations

from gateway.describe.documents import JSON_TYPE, Document
from gateway.http.base import BaseHandler
from gateway.http.site import Site


class DocumentHandler(BaseHandler):
    """Answers with a document, tagged so that it is read again only when the schemas have changed."""

    def initialize(self, site: Site, document: Document) -> None:  # type: ignore[override]
        self.site = site
        self._document = document

    def get(self) -> None:
        self.answer_unless_known(self._document.below(self.downstream.prefix), self._document.media_type)

    head = get


class SchemaHandler(BaseHandler):
    """``/schema/{service}``: the text of the schema; as JSON, all files with their ids."""

    def initialize(self, site: Site, text: Document, files: Document) -> None:  # type: ignore[override]
        self.site = site
        self._text = text
        self._files = files

    def get(self) -> None:
        document = self._files if self.sent.get("Accept", "").startswith(JSON_TYPE) else self._text
        self.add_header("Vary", "Accept")
        self.answer_unless_known(document.data, document.media_type)

    head = get

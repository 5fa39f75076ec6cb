"""Documents that are made of the schemas once, when somebody first asks for them: descriptions, types, schemas."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Final

from gateway.http.base import JSON_TYPE, BaseHandler, Site

TEXT_TYPE: Final = "text/plain; charset=utf-8"


class Document:
    """A document and its media type.

    Args:
        make: gives its bytes; asked once.
    """

    def __init__(self, make: Callable[[], bytes], media_type: str = JSON_TYPE) -> None:
        self._make = make
        self.media_type = media_type

    @cached_property
    def data(self) -> bytes:
        """The document itself."""
        return self._make()


class DocumentHandler(BaseHandler):
    """Answers with a document, tagged so that it is read again only when the schemas have changed."""

    def initialize(self, site: Site, document: Document) -> None:  # type: ignore[override]
        self.site = site
        self._document = document

    def get(self) -> None:
        self.answer_unless_known(self._document.data, self._document.media_type)

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

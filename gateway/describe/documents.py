"""A document that is made of the schemas once, when somebody first asks for it: a description, types, a schema."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Final

from gateway.json.text import JSON, parse

JSON_TYPE: Final = "application/json"
TEXT_TYPE: Final = "text/plain; charset=utf-8"
_PREFIXES: Final = 8
"""So many forms of one document are kept; only proxies that are trusted name a prefix, and each has its own."""


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

    @cached_property
    def value(self) -> JSON:
        """What it says, for a document that is JSON."""
        return parse(self.data)

    def below(self, prefix: str) -> bytes:
        """The document as it is served below a prefix of paths."""
        return self.data


class PlacedDocument(Document):
    """A document that says below which prefix it is served.

    Args:
        make: gives its bytes for a prefix, such as ``/gw`` or an empty one.
    """

    def __init__(self, make: Callable[[str], bytes], media_type: str = JSON_TYPE) -> None:
        super().__init__(lambda: self.below(""), media_type)
        self._made = lru_cache(_PREFIXES)(make)

    def below(self, prefix: str) -> bytes:
        """See `Document.below`."""
        return self._made(prefix)

"""A document that is made of the schemas once, when somebody first asks for it: a description, types, a schema."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Final

JSON_TYPE: Final = "application/json"
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

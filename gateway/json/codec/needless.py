"""What generated code refused for no reason: a fault of ours that would else be silent, since the value is taken."""

from __future__ import annotations

import logging
from typing import Final

_LOG: Final = logging.getLogger(__name__)


class NeedlessRefusals:
    """How often generated code refused a value that was right, and usual at that.

    Attributes:
        count: all of them; each type is logged once.
    """

    def __init__(self) -> None:
        self.count = 0
        self._logged: set[str] = set()

    def add(self, what: str) -> None:
        """Count one; ``what`` names the function and its type."""
        self.count += 1
        if what not in self._logged:
            self._logged.add(what)
            _LOG.error("the generated %s refused a value in which nothing is wrong; it was taken all the same", what)

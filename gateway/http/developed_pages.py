"""What pages ask for that load themselves again; there only while somebody develops them."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

from gateway.http.base import BaseHandler
from gateway.http.files import FileHandler, nothing
from gateway.http.page_changes import VERSION, PageChanges
from gateway.http.pages import file_below
from gateway.http.site import Site

_PATIENCE_S: Final = 20.0
"""How long a browser is kept waiting for a change before it has to ask again."""


class ChangesHandler(BaseHandler):
    """``/.dev/changes?version=…``: answered when there are others."""

    is_public = True

    def initialize(self, site: Site, changes: PageChanges) -> None:  # type: ignore[override]
        self.site = site
        self._changes = changes

    async def get(self) -> None:
        known = parse_qs(self.request.query).get(VERSION, [""])[-1]
        version = await self._changes.after(known, _PATIENCE_S)
        self.set_header("Cache-Control", "no-store")
        self.answer({VERSION: version})

    def on_connection_close(self) -> None:
        if self._task is not None:
            self._task.cancel()


class ReloadScriptHandler(FileHandler):
    """``/.dev/reload.js``: the script within pages."""

    def initialize(self, site: Site, path: str) -> None:  # type: ignore[override]
        self.site = site
        self._root = path

    def found(self) -> Path:
        found = file_below(self._root, "/dev/reload.js")
        if found is None:
            raise nothing()
        return found

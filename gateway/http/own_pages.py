"""The pages of whoever runs the gateway: a folder of files that is served at ``/``, beside the gateway's own paths."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

from gateway.http.files import FileHandler, nothing
from gateway.http.page_changes import RELOAD, VERSION
from gateway.http.pages import INDEX, file_below, redirect
from gateway.http.site import Site

_HTML: Final = (".html", ".htm")


class OwnPageHandler(FileHandler):
    """A file of the folder, or one of the gateway's that has no namesake there.

    Nothing whose name begins with a dot is a page, and no link leads out of the folder. The gateway's rules for its own
    pages are none for these.
    """

    _is_folder = _is_gateways = False

    def initialize(self, site: Site, pages: Path, path: str) -> None:  # type: ignore[override]
        self.site = site
        self._pages = pages
        self._root = path

    def found(self) -> Path:
        path = self.request.path
        found = self._page(path)
        if found is not None:
            return found
        gateways = file_below(self._root, path)
        if gateways is None or gateways == file_below(self._root, "/"):
            raise nothing()
        self._is_gateways = True
        return gateways

    def _page(self, path: str) -> Path | None:
        try:
            segments = [unquote_to_bytes(segment).decode("utf-8") for segment in path[1:].split("/")]
            if any(_is_no_name(segment) for segment in segments[:-1]) or (segments[-1] and _is_no_name(segments[-1])):
                return None
            root = self._pages.resolve()
            found = root.joinpath(*segments).resolve()
            if found.is_dir():
                self._is_folder = bool(segments[-1])
                found = (found / INDEX).resolve()
            elif not segments[-1]:
                return None  # a file is no folder
            if found.is_file() and found.is_relative_to(root):
                return None if any(map(_is_no_name, found.relative_to(root).parts)) else found
        except (OSError, ValueError, RuntimeError):
            return None  # a path that no file can have, or a link to itself, which is a RuntimeError until Python 3.13
        return None

    def file_headers(self, path: Path) -> None:
        # Without the rules that keep the console's page from others, a file of it would not be one any more.
        if not self._is_gateways:
            self.without_policy()

    def text_of(self, path: Path, data: bytes) -> bytes:
        changes = self.site.page_changes
        if changes is None or path.suffix.lower() not in _HTML:
            return data
        source = f"{self.downstream.prefix}{RELOAD}?{VERSION}={changes.version}"
        return data + f'<script type="module" src="{source}"></script>\n'.encode()

    async def get(self) -> None:
        if self._is_folder:
            # Below it what a page names would be looked for beside it.
            redirect(self, f"{self.request.path}/")
        else:
            await super().get()

    head = get


def _is_no_name(segment: str) -> bool:
    return not segment or segment.startswith(".") or "/" in segment or "\0" in segment

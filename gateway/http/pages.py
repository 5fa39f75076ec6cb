"""The console's page, the browser client and other files of ``static/``; health for those who watch the gateway."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import tornado.web
from tornado.escape import url_unescape

from gateway.errors import GatewayError, Status
from gateway.http.base import BaseHandler, Site
from gateway.json.text import JSON

_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}
_INDEX: Final = "index.html"
_PIECE_BYTES: Final = 65_536
# The page loads from here alone and is shown in no frame; styles in the page's own text are harmless.
_POLICY: Final = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


class PageHandler(BaseHandler, tornado.web.StaticFileHandler):
    """Files below the directory of pages; ``/`` is its index. What is not there is 404, whatever the method."""

    def initialize(self, site: Site, path: str) -> None:  # type: ignore[override]
        BaseHandler.initialize(self, site)
        tornado.web.StaticFileHandler.initialize(self, path)

    def method_not_allowed(self) -> GatewayError:
        return super().method_not_allowed() if self._is_there() else _nothing()

    async def get(self, path: str = "", include_body: bool = True) -> None:
        await tornado.web.StaticFileHandler.get(self, self._relative(), include_body)

    async def head(self, path: str = "") -> None:
        await tornado.web.StaticFileHandler.get(self, self._relative(), False)

    def _is_there(self) -> bool:
        root = Path(self.root).resolve()
        try:
            path = (root / self._relative()).resolve()
            return path.is_relative_to(root) and path.is_file()
        except (GatewayError, OSError):
            # A path that no file can have.
            return False

    def get_content_type(self) -> str:
        # The system's table of types is missing in small containers, and browsers refuse modules of another type.
        return _TYPES.get(Path(self.absolute_path or "").suffix) or super().get_content_type()

    def _relative(self) -> str:
        path = url_unescape(self.request.path, plus=False).lstrip("/")
        if "\0" in path:
            raise _nothing()
        return path or _INDEX

    @classmethod
    def get_content(
        cls, abspath: str, start: int | None = None, end: int | None = None
    ) -> Generator[bytes, None, None]:
        """See `tornado.web.StaticFileHandler`; the file is not kept open while a slow client reads.

        Raises:
            OSError: the file was changed meanwhile, so that the pieces would not fit together.
        """
        at, until, first = start or 0, end, None
        while until is None or at < until:
            with open(abspath, "rb") as file:
                found = os.fstat(file.fileno())
                state = found.st_ino, found.st_mtime_ns, found.st_size
                first = first or state
                if state != first:
                    raise OSError("the file was changed while it was sent")
                file.seek(at)
                piece = file.read(_PIECE_BYTES if until is None else min(_PIECE_BYTES, until - at))
            if not piece:
                return
            at += len(piece)
            yield piece

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Content-Type-Options", "nosniff")
        if path.endswith(".html"):
            self.set_header("Content-Security-Policy", _POLICY)
            self.set_header("Referrer-Policy", "no-referrer")

    def compute_etag(self) -> str | None:
        return tornado.web.StaticFileHandler.compute_etag(self)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        # Tornado calls it 403 when a path leads out of the directory, which tells that there is something.
        super().write_error(404 if status_code == 403 and not _is_ours(kwargs) else status_code, **kwargs)


def _nothing() -> GatewayError:
    return GatewayError(Status.NOT_FOUND, "there is nothing at this path")


def _is_ours(kwargs: dict[str, Any]) -> bool:
    exc_info = kwargs.get("exc_info")
    return exc_info is not None and isinstance(exc_info[1], GatewayError)


class HealthHandler(BaseHandler):
    """``/healthz``: the process answers."""

    def get(self) -> None:
        self.answer({"status": "ok"})

    head = get


class ReadyHandler(BaseHandler):
    """``/readyz``: whether every service can be reached, and which cannot."""

    def get(self) -> None:
        states = self._states()
        if self.site.stopping or self._reasons() or any(state != "up" for state in states.values()):
            detail = "the gateway stops" if self.site.stopping else "not every service can be reached"
            raise GatewayError(Status.UNAVAILABLE, detail)
        self.set_header("Cache-Control", "no-store")
        self.answer({"status": "ready", "services": states})

    head = get

    def problem(self, error: GatewayError) -> JSON:
        problem = super().problem(error)
        if error.status is not Status.UNAVAILABLE:
            return problem
        return {**problem, "services": self._states(), "reasons": self._reasons()}

    def _states(self) -> dict[str, str]:
        return {name: service.upstream.state for name, service in self.site.served.catalogue.services.items()}

    def _reasons(self) -> dict[str, str]:
        """What is wrong with those that cannot be reached, or that have not answered yet."""
        upstreams = {name: service.upstream for name, service in self.site.served.catalogue.services.items()}
        return {name: upstream.trouble for name, upstream in upstreams.items() if upstream.trouble}

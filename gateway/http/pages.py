"""The console's page, the browser client and other files of ``static/``; health for those who watch the gateway."""

from __future__ import annotations

import os
from email.utils import formatdate
from functools import lru_cache
from mimetypes import guess_type
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

from tornado.iostream import StreamClosedError

from gateway.errors import NOTHING, GatewayError, Status
from gateway.http.base import METHODS, BaseHandler
from gateway.http.site import Site
from gateway.json.text import JSON
from gateway.protocols.rest.representation import entity_tag, is_known

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
# The page loads from here alone, has no scripts and styles in its own text, and is shown in no frame.
_POLICY: Final = (
    "default-src 'self'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


class PageHandler(BaseHandler):
    """Files below the directory of pages; ``/`` is its index. What is not there is 404, whatever the method."""

    is_public = True

    def initialize(self, site: Site, path: str) -> None:  # type: ignore[override]
        self.site = site
        self._root = path

    def check_existence(self) -> None:
        self._file = self._found()

    def _found(self) -> Path:
        root = Path(self._root).resolve()
        relative = unquote_to_bytes(self.request.path).decode("utf-8", "replace").lstrip("/")
        try:
            path = (root / (relative or _INDEX)).resolve()
            if path.is_relative_to(root) and path.is_file():
                return path
        except (OSError, ValueError):
            # A path that no file can have.
            raise _nothing() from None
        raise _nothing()

    async def get(self) -> None:
        path = self._file
        suffix = path.suffix
        # The system's table of types is missing in small containers, and browsers refuse modules of another type.
        media_type = _TYPES.get(suffix) or guess_type(path.name)[0] or "application/octet-stream"
        self.set_header("Content-Type", media_type)
        self.set_header("Content-Security-Policy", _POLICY)
        if suffix == ".html":
            self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cache-Control", "no-cache")
        found = path.stat()
        self.set_header("ETag", tag := _tag(path, found.st_mtime_ns, found.st_size))
        self.set_header("Last-Modified", formatdate(found.st_mtime, usegmt=True))
        if is_known(tag, self.sent.get("If-None-Match")):
            self.set_status(304)
        elif found.st_size <= _PIECE_BYTES:
            self.finish(path.read_bytes())
        else:
            await self._send_pieces(path, found)

    async def _send_pieces(self, path: Path, first: os.stat_result) -> None:
        """Send a long file, of which no more is in memory than its client reads; nor is it kept open meanwhile.

        Raises:
            OSError: the file was changed meanwhile, so that the pieces would not fit together.
        """
        self.set_header("Content-Length", str(first.st_size))
        at = 0
        while at < first.st_size:
            with path.open("rb") as file:
                found = os.fstat(file.fileno())
                if (found.st_ino, found.st_mtime_ns, found.st_size) != (first.st_ino, first.st_mtime_ns, first.st_size):
                    raise OSError("the file was changed while it was sent")
                file.seek(at)
                piece = file.read(_PIECE_BYTES)
            at += len(piece)
            self.write(piece)
            try:
                await self.flush()
            except StreamClosedError:
                return
            if self.request.method == "HEAD":
                return

    head = get


@lru_cache(maxsize=256)
def _tag(path: Path, changed_ns: int, size: int) -> str:
    # Of what is in it: files of two releases may have one time and one size.
    return entity_tag(path.read_bytes())


class BasePathHandler(BaseHandler):
    """The base path without a slash behind it: below it what a page names would be looked for beside it."""

    is_public = True

    def get(self) -> None:
        query = self.request.query
        self.set_header("Location", f"{self.downstream.prefix}/" + (f"?{query}" if query else ""))
        self.set_status(308)
        self.finish()

    head = get


def _nothing() -> GatewayError:
    return GatewayError(Status.NOT_FOUND, NOTHING)


class ServerHandler(BaseHandler):
    """``OPTIONS *``: what the server as a whole can do (RFC 9110 section 9.3.7)."""

    is_public = True

    def methods(self) -> tuple[str, ...]:
        return tuple(method for method in METHODS if method != "OPTIONS")


class HealthHandler(BaseHandler):
    """``/healthz``: the process answers."""

    is_public = True
    answers_any_address = True

    def get(self) -> None:
        self.answer({"status": "ok"})

    head = get


class ReadyHandler(BaseHandler):
    """``/readyz``: whether every service can be reached; and which cannot, where nobody is asked who they are."""

    is_public = True
    answers_any_address = True

    def get(self) -> None:
        states = self._states()
        if self.site.stopping or self._reasons() or any(state != "up" for state in states.values()):
            detail = "the gateway stops" if self.site.stopping else "not every service can be reached"
            raise GatewayError(Status.UNAVAILABLE, detail)
        self.set_header("Cache-Control", "no-store")
        told: dict[str, JSON] = {"status": "ready"}
        self.answer(told if self._is_brief else {**told, "services": states, **self._endpoints()})

    head = get

    def problem(self, error: GatewayError) -> JSON:
        problem = super().problem(error)
        if error.status is not Status.UNAVAILABLE or self._is_brief:
            return problem
        return {**problem, "services": self._states(), **self._endpoints(), "reasons": self._reasons()}

    @property
    def _is_brief(self) -> bool:
        # Which services there are is not everybody's business where not everybody may call them.
        return self.site.asks_who

    def _states(self) -> dict[str, str]:
        return {name: service.upstream.state for name, service in self.site.served.catalogue.services.items()}

    def _endpoints(self) -> dict[str, JSON]:
        """The states of each service's endpoints, as the configuration has them in order; if any has several."""
        several: dict[str, JSON] = {
            name: [endpoint.state for endpoint in service.upstream.endpoints]
            for name, service in self.site.served.catalogue.services.items()
            if len(service.upstream.connections) > 1
        }
        return {"endpoints": several} if several else {}

    def _reasons(self) -> dict[str, str]:
        """What is wrong with those that cannot be reached, or that have not answered yet."""
        upstreams = {name: service.upstream for name, service in self.site.served.catalogue.services.items()}
        return {name: upstream.trouble for name, upstream in upstreams.items() if upstream.trouble}

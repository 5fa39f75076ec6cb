"""The console's page and the browser client, the files of ``static/``; health for those who watch the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

from gateway.errors import GatewayError, Status
from gateway.http.base import METHODS, BaseHandler
from gateway.http.files import FileHandler, nothing
from gateway.http.site import Site
from gateway.json.text import JSON

INDEX: Final = "index.html"
CONSOLE: Final = "console"
"""Where the console's page is always, the first segment of a path; at ``/`` it is where there are no other pages."""

# The page loads from here alone, has no scripts and styles in its own text, and is shown in no frame.
_POLICY: Final = (
    "default-src 'self'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


class PageHandler(FileHandler):
    """Files of the console and the browser client; ``/`` is the console's page."""

    def initialize(self, site: Site, path: str) -> None:  # type: ignore[override]
        self.site = site
        self._root = path

    def found(self) -> Path:
        path = file_below(self._root, self.request.path)
        if path is None:
            raise nothing()
        return path

    def file_headers(self, path: Path) -> None:
        self.set_header("Content-Security-Policy", _POLICY)
        if path.suffix == ".html":
            self.set_header("Referrer-Policy", "no-referrer")


class ConsoleHandler(PageHandler):
    """``/console/``: the console's page, wherever other pages are. What it loads is beside the browser client."""

    _elsewhere: str | None = None

    def found(self) -> Path:
        path = self.request.path
        within = path.removeprefix(f"/{CONSOLE}")
        beside = file_below(self._root, within)
        if within and (found := file_below(self._root, path) or (beside if within == "/" else None)):
            return found
        if within and beside is None:
            raise nothing()
        # A module asks for others by its own address, so it must be told where it is.
        self._elsewhere = within or f"/{CONSOLE}/"
        return Path(self._root)

    async def get(self) -> None:
        if self._elsewhere is None:
            await super().get()
        else:
            redirect(self, self._elsewhere)

    head = get


def file_below(root: str, path: str) -> Path | None:
    """The file that the path of a request names below a folder, whose index is ``/``; None if there is none."""
    folder = Path(root).resolve()
    relative = unquote_to_bytes(path).decode("utf-8", "replace").lstrip("/")
    if relative.endswith("/"):
        return None  # a file is no folder
    try:
        found = (folder / (relative or INDEX)).resolve()
        return found if found.is_relative_to(folder) and found.is_file() else None
    except (OSError, ValueError):
        return None  # a path that no file can have


def redirect(handler: BaseHandler, path: str) -> None:
    """Answer with the path at which it is, below the prefix that clients know; the query stays."""
    query = handler.request.query
    handler.set_header("Location", handler.downstream.prefix + path + (f"?{query}" if query else ""))
    handler.set_status(308)
    handler.finish()


class BasePathHandler(BaseHandler):
    """The base path without a slash behind it: below it what a page names would be looked for beside it."""

    is_public = True

    def get(self) -> None:
        redirect(self, "/")

    head = get


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
        troubles = {name: upstream.trouble for name, upstream in upstreams.items() if upstream.trouble}
        return {**troubles, **self.site.faults}

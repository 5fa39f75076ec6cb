"""What the admin listener answers, apart from ``/metrics``. Nobody is asked who they are: who reaches it may."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl

from gateway.config.file import ConfigError
from gateway.errors import GatewayError, Status
from gateway.http.admin.operations import Operations
from gateway.http.base import PROBLEM_TYPE, BaseHandler
from gateway.http.site import Site
from gateway.json.text import JSON, dump
from gateway.logged_paths import without_token

MOST_SESSIONS: Final = 1_000
"""Of a page. So many take 10 ms, in which nobody else is served."""
_DEFAULT_SESSIONS: Final = 100
_MAX_QUERY_CHARS: Final = 2_000
_UNPROCESSABLE: Final = 422
"""What was asked for is understood, and what it would act on is wrong (RFC 9110 section 15.5.21)."""


class AdminHandler(BaseHandler):
    """What they have in common: an answer is as of now."""

    operations: Operations

    def initialize(self, site: Site, operations: Operations) -> None:  # type: ignore[override]
        self.site = site
        self.operations = operations

    def prepare(self) -> None:
        super().prepare()
        self.set_header("Cache-Control", "no-store")


class SessionsHandler(AdminHandler):
    """``/admin/sessions``"""

    def get(self) -> None:
        asked = self._query(("after", "limit", "principal"))
        overview = self.operations.sessions
        limit = asked.get("limit", str(_DEFAULT_SESSIONS))
        if not (limit.isascii() and limit.isdigit() and len(limit) < 10 and 1 <= int(limit) <= MOST_SESSIONS):
            raise GatewayError(Status.INVALID_ARGUMENT, f"limit: expected a number from 1 to {MOST_SESSIONS}")
        try:
            page = overview.page(asked.get("after"), int(limit), asked.get("principal"))
        except ValueError as error:
            raise GatewayError(Status.INVALID_ARGUMENT, f"after: {error}") from None
        self.answer({"sessions": page.sessions, "next": page.after, "total": overview.count(asked.get("principal"))})

    head = get

    def _query(self, names: Sequence[str]) -> dict[str, str]:
        query = self.request.query
        try:
            pairs = parse_qsl(query[:_MAX_QUERY_CHARS], keep_blank_values=True, errors="strict", max_num_fields=10)
        except ValueError:
            pairs = [("", "")]
        unknown = [name for name, _ in pairs if name not in names]
        if unknown or len(query) > _MAX_QUERY_CHARS or len(dict(pairs)) < len(pairs):
            raise GatewayError(Status.INVALID_ARGUMENT, f"the query may have {', '.join(names)}, each once")
        return dict(pairs)


class ListedSessionHandler(AdminHandler):
    """``/admin/sessions/{session}``"""

    def initialize(self, site: Site, operations: Operations, id: str) -> None:  # type: ignore[override]
        super().initialize(site, operations)
        self._id = id
        self._is_known = False

    def logged_path(self) -> str:
        # An operator may have typed what only the client should know.
        path = super().logged_path()
        return path if self._is_known else without_token(path)

    def delete(self) -> None:
        self._is_known = self.operations.sessions.end(self._id, "an operator ended it")
        if not self._is_known:
            raise GatewayError(Status.NOT_FOUND, "there is no such session, or it has ended", reason="session")
        self.set_status(204)


class UpstreamsHandler(AdminHandler):
    """``/admin/upstreams``"""

    def get(self) -> None:
        states = self.operations.states
        told: list[JSON] = []
        for name, service in self.operations.served.catalogue.services.items():
            endpoints = list(service.upstream.endpoints)
            states.look(name, endpoints)
            for endpoint in endpoints:
                told.append(
                    {
                        "service": name,
                        "endpoint": endpoint.address,
                        "state": endpoint.state,
                        "trouble": endpoint.trouble,
                        "in_flight": endpoint.in_flight,
                        "since": _written(states.since(name, endpoint.address)),
                    }
                )
        self.answer({"upstreams": told})

    head = get


class ReloadHandler(AdminHandler):
    """``/admin/reload``"""

    async def post(self) -> None:
        began = time.perf_counter()
        try:
            await self.operations.reload()
        except ConfigError as error:
            self._refuse(error.complaints)
        else:
            self.set_header("Server-Timing", f"reload;dur={(time.perf_counter() - began) * 1000:.0f}")
            self.set_status(204)

    def _refuse(self, complaints: Sequence[str]) -> None:
        error = GatewayError(
            Status.FAILED_PRECONDITION,
            "the configuration cannot be used, the one before is served on: " + "; ".join(complaints),
            request_id=self.request_id,
            details={"complaints": list(complaints)},
        )
        self._problem_code = error.status.code
        self.set_status(_UNPROCESSABLE, "Unprocessable Content")
        self.set_header("Content-Type", PROBLEM_TYPE)
        problem = {**error.problem(), "title": "Unprocessable Content", "status": _UNPROCESSABLE}
        self.finish(dump(problem))


def _written(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

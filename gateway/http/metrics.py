"""``/metrics``: the registry's text in the format that is asked for; `gateway.http.metric_families` says what is in it.

Everything is read when somebody asks, in pieces, in between which others are served.
"""

from __future__ import annotations

import zlib
from typing import Final

from gateway.errors import GatewayError, Status
from gateway.http.base import BaseHandler
from gateway.metric_text import OPENMETRICS_TYPE, PLAIN_TYPE, metric_text, wants_openmetrics
from gateway.protocols.rest.representation import accepts_gzip

METRICS_ROLE: Final = "metrics"
"""Who may read them, where callers are asked who they are. They tell of all services, and how much each is used."""
_LEVEL: Final = 1
"""A scrape of ten thousand methods has 17 MB and takes 0.8 s to make; packed like this, a twentieth and 0.1 s more."""
_GZIP: Final = 31


class MetricsHandler(BaseHandler):
    """``/metrics``"""

    answers_any_address = True

    def check_existence(self) -> None:
        if self.site.asks_who and METRICS_ROLE not in self.principal.roles:
            status = Status.UNAUTHENTICATED if self.principal.name is None else Status.PERMISSION_DENIED
            raise GatewayError(status, f"the metrics are for callers with the role {METRICS_ROLE}")

    def get(self) -> None:
        is_openmetrics = wants_openmetrics(self.sent.get("Accept", ""))
        self.set_header("Content-Type", OPENMETRICS_TYPE if is_openmetrics else PLAIN_TYPE)
        self.set_header("Cache-Control", "no-store")
        self.add_header("Vary", "Accept, Accept-Encoding")
        packer = None
        if accepts_gzip(self.sent.get("Accept-Encoding", "")):
            self.set_header("Content-Encoding", "gzip")
            packer = zlib.compressobj(_LEVEL, wbits=_GZIP)
        pieces = metric_text(self.site.registry, is_openmetrics=is_openmetrics)
        made: list[bytes] = []

        def make_piece() -> bool:
            if self.is_lost:
                return False
            try:
                piece = next(pieces, None)
            except Exception as error:
                self.fail(error)
                return False
            if piece is None:
                self.finish(b"".join(made) + (b"" if packer is None else packer.flush()))
                return False
            made.append(piece if packer is None else packer.compress(piece))
            return True

        self.answers_later()
        self.site.turns.add(self.downstream.address, make_piece)

    head = get

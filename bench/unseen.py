"""The gateway without what it counts of calls and requests and without its log of requests: to see what these take."""

from __future__ import annotations

from gateway.call_counts import MethodCounts
from gateway.cli import main
from gateway.http.base import BaseHandler


def nothing(*_: object) -> None:
    """Count nothing, and log nothing."""


if __name__ == "__main__":
    MethodCounts.ended = MethodCounts.fail = nothing  # type: ignore[method-assign, assignment]
    BaseHandler.on_finish = nothing  # type: ignore[method-assign, assignment]
    main()

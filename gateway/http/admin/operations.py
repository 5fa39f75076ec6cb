"""What operators may look at and do, apart from how they ask for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.catalogue import Served
from gateway.http.admin.state_times import StateTimes
from gateway.sessions.overview import SessionOverview


@dataclass(frozen=True, kw_only=True)
class Operations:
    """What handlers of the admin listener need, beside what all handlers need.

    Attributes:
        states: since when services are as they are.
        reload: reads the configuration again; raises `gateway.config.file.ConfigError` if it cannot be used.
    """

    sessions: SessionOverview
    served: Served
    states: StateTimes
    reload: Callable[[], Awaitable[None]]

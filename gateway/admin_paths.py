"""The paths of the admin listener, beside ``/metrics``. ``{…}`` stands for one segment of a path."""

from __future__ import annotations

from typing import Final

SESSIONS: Final = "/admin/sessions"
SESSION: Final = "/admin/sessions/{session}"
UPSTREAMS: Final = "/admin/upstreams"
RELOAD: Final = "/admin/reload"

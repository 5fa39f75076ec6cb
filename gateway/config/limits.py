"""Every bound of the gateway in one frozen object, each with its reason. Who checks one says so in its error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

CALLBACK_MARGIN_S: Final = 5.0
"""What a client that comes back at the last moment has left to answer, at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds, all settable under ``[gateway.limits]``."""

    max_message_bytes: int = 1_048_576
    """One message or body, in and out; a whole one is in memory. nginx's default is 1 MiB too."""

    max_head_bytes: int = 65_536
    """Of a request's line and headers, which are read before anybody knows who asks. Cookies of a whole site fit."""

    max_head_lines: int = 200
    """Headers of a request. Browsers behind several proxies send some fifty; Apache permits 100."""

    max_depth: int = 64
    """Levels of arrays and objects, from the parameters' root. Cap'n Proto's own codec and reader stop there too."""

    max_values: int = 100_000
    """Elements and members of one message, in and out. To build and convert so many takes 50 ms, and nobody else is
    served meanwhile; a text of the permitted size could hold five times as many."""

    max_batch_messages: int = 1_000
    """Messages of one array before ``rpc.hello``, whose answers are kept until the last is there. A stream that said
    hello is answered one by one, so bytes alone bound its arrays."""

    max_query_parameters: int = 1_000
    """Names in a query, repeated ones too: a list of so many is better given in a body."""

    max_calls_per_session: int = 1_000
    """Calls in flight. Above it a client is not pipelining but flooding; the call is refused, the session lives on."""

    max_handles_per_session: int = 10_000
    """Each handle keeps an object alive in a service: a client that never releases must not fill it."""

    max_callbacks_per_session: int = 1_000
    """Each callback keeps an export at a service."""

    max_sessions: int = 10_000
    """A session costs memory before its opener has shown anything."""

    max_streams_per_session: int = 100
    """Tabs and processes of one user; each has a send buffer."""

    send_buffer_bytes: int = 8 * 1_048_576
    """Unsent and unacknowledged messages of one stream above which it is not asked for more and no call of it begins.

    A mark, not an end: enough to keep a fast line busy, and calls that had begun are answered all the same.
    """

    max_kept_bytes: int = 64 * 1_048_576
    """The same with the answers of calls that had begun; further ones are too large. As much as a page may ever use."""

    max_kept_bytes_over_all: int = 512 * 1_048_576
    """The same of all streams and listeners together: what slow clients may take of a small machine's memory."""

    slow_client_s: float = 30.0
    """A client above the mark that takes no byte and confirms nothing for so long is closed: a lift, not a tunnel."""

    default_call_timeout_s: float = 30.0
    """A call without a wish of its own; long enough for people, short enough for proxies (60 s)."""

    max_call_timeout_s: float = 300.0
    """A longer wish is cut: every call ends, and with it what it holds."""

    resume_window_s: float = 60.0
    """How long a stream without a socket waits to be resumed: a tunnel, a lift, a restarted proxy."""

    idle_session_s: float = 900.0
    """A session without a stream that REST has not used for this long ends."""

    max_log_bytes: int = 4 * 1_048_576
    """Log lines that wait for whoever reads stderr. What is beyond it is lost, counted and told: a reader that stops
    must stop nobody else."""

    @property
    def callback_timeout_s(self) -> float:
        """How long a client has to answer a call of its object: it may be away for the whole window first."""
        return self.resume_window_s + CALLBACK_MARGIN_S

    def public(self) -> dict[str, Any]:
        """What a client is told, so that it can keep the bounds by itself."""
        return {
            "max_message_bytes": self.max_message_bytes,
            "max_depth": self.max_depth,
            "max_values": self.max_values,
            "max_calls_per_session": self.max_calls_per_session,
            "max_handles_per_session": self.max_handles_per_session,
            "max_callbacks_per_session": self.max_callbacks_per_session,
            "send_buffer_bytes": self.send_buffer_bytes,
            "max_kept_bytes": self.max_kept_bytes,
            "callback_timeout_s": self.callback_timeout_s,
            "default_call_timeout_s": self.default_call_timeout_s,
            "max_call_timeout_s": self.max_call_timeout_s,
        }

"""Every bound of the gateway in one frozen object, each with its reason. Who checks one says so in its error."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

CALLBACK_MARGIN_S: Final = 5.0
"""What a client that comes back at the last moment has left to answer, at least."""


MOST_LEVELS: Final = 250
"""Of `Limits.max_depth`: JSON is written down to 254 levels, and an answer takes a few around its value. Deeper values
would be read, and called with, before anybody knew that nothing can be answered."""


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
    """Levels of arrays and objects, from the parameters' root. Cap'n Proto's own codec and reader stop there too.
    At most `MOST_LEVELS`."""

    max_values: int = 100_000
    """Elements and members of one message, in and out. To build and convert so many takes 50 ms, and nobody else is
    served meanwhile; a text of the permitted size could hold five times as many."""

    max_batch_messages: int = 1_000
    """Messages of one array before ``rpc.hello``, whose answers are kept until the last is there. A stream that said
    hello is answered one by one, so bytes alone bound its arrays."""

    max_remembered_answers: int = 1_000
    """Answers of a stream that its client has not confirmed and can call into; of more, the oldest are forgotten. A
    client confirms every 64th. Each is some objects, through which the garbage collector goes again and again."""

    max_query_parameters: int = 1_000
    """Names in a query, repeated ones too: a list of so many is better given in a body."""

    max_calls_per_session: int = 1_000
    """Calls in flight. Above it a client is not pipelining but flooding; the call is refused, the session lives on."""

    max_quick_calls: int = 64
    """Of one stream or batch, with services at once, but for those under way for 0.1 s: enough to keep a service busy.
    It answers one after the other, and a thousand calls of one client would stand before everybody else's."""

    max_handles_per_session: int = 10_000
    """Each handle keeps an object alive in a service: a client that never releases must not fill it."""

    max_callbacks_per_session: int = 1_000
    """Each callback keeps an export at a service."""

    max_sessions: int = 10_000
    """A session costs memory before its opener has shown anything. A quarter of them is for sockets alone, so that
    clients of REST that keep no cookies cannot shut pages out."""

    max_sessions_per_address: int = 2_000
    """An office behind one address fits in; a single client cannot take all places."""

    provisional_session_s: float = 60.0
    """So long a session that REST opened is safe although nobody came back to it; a script's second request comes
    sooner. Then it may go, but only if more than half of the places are taken."""

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
    max_connections: int = 10_000
    """Of all doors. Each costs a descriptor and some kilobytes; what the process may open bounds them, too."""

    max_connections_per_address: int = 1_000
    """As many as a large office has behind its address; one client alone cannot take all."""

    max_half_open: int = 1_000
    """Connections that have not completed a request yet. A client sends its request within a round trip, so these are
    few unless somebody means harm."""

    max_half_open_per_address: int = 250
    """A page of a browser opens six at once, a proxy as many as it has requests."""

    max_waiting_bytes: int = 256 * 1_048_576
    """Bodies and messages of which the rest is still to come, and answers over HTTP that nobody reads; what waits for
    WebSockets has bounds of its own."""

    max_waiting_bytes_per_address: int = 64 * 1_048_576
    """Sixty-four of the largest messages at once, from or for one address."""

    max_calls: int = 20_000
    """Calls under way of all clients. Each costs some kilobytes here, and work at a service."""

    max_calls_per_address: int = 5_000
    """Five sessions that have as many under way as they may."""

    head_s: float = 10.0
    """How long the head of a request may take from its first byte on, and how long a body need not come. A slow link
    does it in a second."""

    min_bytes_per_s: int = 500
    """What the rest of a body, or of an answer that is read slowly, must make on average; Apache's default, too."""

    slow_reader_s: float = 30.0
    """A client that does not read a byte of its answer for so long is gone or means harm."""

    idle_connection_s: float = 120.0
    """A connection on which no request comes; longer than the proxies' 60 s, so that they close first."""

    in_use_s: float = 5.0
    """A connection that had a request so lately does not go for a new one: who calls once a second is no idler."""

    reserved_descriptors: int = 64
    """What the process opens beside connections: files, logs, pipes of a compiler. Services have eight each on top."""

    def adopt(self, others: Limits) -> None:
        """Become equal to others.

        Only for those in force, when a configuration is read again: everybody who checks a bound has that one object,
        so that it holds for what lives already. All others stay as they were made.
        """
        for bound in fields(self):
            object.__setattr__(self, bound.name, getattr(others, bound.name))

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

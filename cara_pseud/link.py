"""When a client connects, greets, waits and gives up: the rule, without a socket, a loop or a clock.

    connecting ── handshake ──► connecting (greets) ── greeted, or 2 s of silence ──► up
        │  ▲                          │                                               │
        │  └───────── lost ───────────┴───────────────────── lost ────────────────────┘
        └── 250 ms after a loss, refused, or nobody of that name ──► down ── handshake ──► connecting (greets)

In *connecting* calls wait within their deadline, in *down* they fail at once. Whoever owns a `Link` tells it what
happened and at what time, does the steps whose time has come, and looks at `state` after each.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final

from cara_pseud.errors import RpcError, Unavailable
from cara_pseud.greeting import SILENCE_S

CONNECTING: Final = "connecting"
UP: Final = "up"
DOWN: Final = "down"

NOBODY: Final = "nobody listens at the endpoint"
ANOTHER_PLUGIN: Final = "the server expects another security plugin"
NO_HANDSHAKE: Final = (
    "ZeroMQ's handshake fails with what listens at the endpoint: it is no ZeroMQ server, or has other keys or security"
)
"""Why there is no connection, as far as ZeroMQ tells: `Link.trouble`."""
GRACE_S: Final = 0.25
"""After a loss calls wait this long for a new connection before they fail."""
HOLDER_GRACE_S: Final = 60.0
"""How long references of an authenticated user outlive a connection, at both ends."""
CONNECT_AGAIN_S: Final = (0.05, 0.1, 0.2, 0.4, 0.5)
"""After a loss and each attempt that failed; the last one for ever."""
AFTER_REFUSAL_S: Final = 1.0
"""Refused credentials are shown again after this time: they may have been mended at the server."""
MAX_FAILED_HANDSHAKES: Final = 5
"""A server that is busy with logins may hang up once or twice; who always does will not let us in."""
GREET_AGAIN_S: Final = 0.005
NOBODY_S: Final = 1.0
"""So long ZeroMQ may need after a handshake until it knows the server by its name."""
ASK_FOR_NAME_AGAIN_S: Final = 0.5


class Step(Enum):
    """What its owner is to do."""

    CONNECT = "make the connection anew"
    GREET = "send the greeting, and tell whether it could be sent"
    GO_BARE = "send what needs no answer to the greeting"
    GIVE_UP = "take note that state is down"
    FORGET = "free what the server held, and what it keeps no more"


class Link:
    """What is known of the connection to a server.

    Attributes:
        state: ``"connecting"``, ``"up"`` or ``"down"``.
        connected: whether there is a connection, greeted or not.
        refusal: why calls fail, other than that the server cannot be reached.
    """

    def __init__(self, spread: Callable[[float], float], why_nobody: Callable[[], str] = str) -> None:
        """Make one that is not started.

        Args:
            spread: varies a delay, so that not all clients come at once.
            why_nobody: why nobody listens at the endpoint, as `trouble` has it; empty if that is not known.
        """
        self._spread = spread
        self._why_nobody = why_nobody
        self._times: dict[Step, float] = {}
        self._attempts = 0
        self._nobody_at = 0.0
        self.state = CONNECTING
        self.connected = False
        self.refusal: RpcError | None = None
        self._asks_again = False
        self._failed_handshakes = 0
        self._trouble = "there is no endpoint to connect to"

    @property
    def trouble(self) -> str:
        """What is wrong, as the end of a sentence; empty while it is up and the greeting was answered."""
        return (self._why_nobody() or NOBODY) if self._trouble is NOBODY else self._trouble

    def failure(self) -> RpcError | None:
        """What a call fails with at once now; None if it may wait or be sent."""
        if self.refusal is not None:
            return self.refusal
        return Unavailable(f"the service cannot be reached: {self.trouble}") if self.state == DOWN else None

    def next_time(self) -> float | None:
        """When the next step is due, if any."""
        return min(self._times.values()) if self._times else None

    def due(self, now: float) -> list[Step]:
        """The steps whose time has come; each is told once."""
        steps = [step for step, time in self._times.items() if time <= now]
        for step in steps:
            del self._times[step]
        if Step.GIVE_UP in steps and self.state == CONNECTING and not self.connected:
            self.state = DOWN
        if Step.GO_BARE in steps:
            self.state, self.refusal = UP, None
        return steps

    def start(self, now: float, grace_s: float | None) -> None:
        """Begin; calls wait for the first connection ``grace_s`` seconds, or as long as their deadlines."""
        if grace_s is not None and self.state == CONNECTING and not self.connected:
            self._times[Step.GIVE_UP] = now + grace_s

    def connecting(self) -> None:
        """There is an endpoint now."""
        self._trouble = "the server does not answer at its endpoint"

    def on_connected(self, now: float) -> None:
        """The handshake succeeded: greet."""
        self.connected = True
        self._attempts = self._failed_handshakes = 0
        for step in (Step.CONNECT, Step.GIVE_UP, Step.GO_BARE):
            self._times.pop(step, None)
        self._times[Step.GREET] = now
        self._nobody_at = now + NOBODY_S
        self.refusal = None
        self._asks_again = False
        self._trouble = "the server does not answer the greeting"
        self.state = CONNECTING

    def on_greeting_sent(self, now: float, sent: bool) -> None:
        """The greeting was sent, or could not be because nobody there has the server's name."""
        if sent:
            self._times[Step.GO_BARE] = now + SILENCE_S
        elif now < self._nobody_at:
            self._times[Step.GREET] = now + GREET_AGAIN_S
        else:
            self._times[Step.GREET] = now + ASK_FOR_NAME_AGAIN_S
            self.refusal = Unavailable("connected, but the server there has another name than this client asks for")
            self.state = DOWN

    def on_another_process(self) -> None:
        """Another process than before answers the greeting; being silent it may have been held for up."""
        self.state = CONNECTING

    def on_greeted(self) -> None:
        """The greeting was answered."""
        self._times.pop(Step.GO_BARE, None)
        self._times.pop(Step.FORGET, None)
        self.refusal = None
        self._trouble = ""
        self.state = UP

    def on_login(self) -> None:
        """The server wants a login before it answers; how long that takes is its own affair."""
        self._times.pop(Step.GO_BARE, None)
        self._trouble = "the login is not answered"

    def greet_again(self, now: float, after_s: float) -> None:
        """Send the greeting once more, as the server could not answer it."""
        self._times.pop(Step.GO_BARE, None)
        if self.connected:
            self._times[Step.GREET] = now + after_s

    def on_greeting_refused(self, now: float, error: RpcError) -> None:
        """The server does not let us in, though it let the connection in."""
        self.greet_again(now, AFTER_REFUSAL_S)
        self.refusal = error
        self.state = DOWN
        self._asks_again = True

    def on_call(self, now: float) -> None:
        """A call is made: where the connection stands and only the greeting was refused, that is worth another try."""
        if self._asks_again and self.connected:
            self._asks_again = False
            self.refusal = None
            self.state = CONNECTING
            self.greet_again(now, 0)

    def on_lost(self, now: float, holds: bool) -> None:
        """The connection is lost; ``holds`` is whether the server keeps our references for a while."""
        self.connected = False
        self._times.pop(Step.GREET, None)
        self._times.pop(Step.GO_BARE, None)
        if holds:
            self._times[Step.FORGET] = now + HOLDER_GRACE_S
        self._trouble = "the connection was lost"
        self.refusal = None
        self.state = CONNECTING
        self._times[Step.GIVE_UP] = now + GRACE_S

    def on_failed(self, now: float, trouble: str | None = None) -> None:
        """An attempt to connect failed, or a connection ended: try again, later each time."""
        if trouble is not None:
            self._trouble, self.refusal, self._failed_handshakes = trouble, None, 0
        if not self.connected and Step.CONNECT not in self._times:
            delay_s = CONNECT_AGAIN_S[min(self._attempts, len(CONNECT_AGAIN_S) - 1)]
            self._times[Step.CONNECT] = now + self._spread(delay_s)
            self._attempts += 1

    def on_failed_handshake(self, now: float, trouble: str) -> None:
        """What listens there hung up, without a word why: when it always does, calls are told at once."""
        self._failed_handshakes += 1
        if self.refusal is None:
            self._trouble = trouble
            if self._failed_handshakes >= MAX_FAILED_HANDSHAKES:
                self.refusal = Unavailable(trouble)
                self.state = DOWN
        self.on_failed(now)

    def on_refused(self, now: float, error: RpcError) -> None:
        """The server refuses the connection: every call is told at once, until it lets us in."""
        self.connected = False
        self.refusal = error
        self.state = DOWN
        self._times.pop(Step.GIVE_UP, None)
        self._times[Step.CONNECT] = now + self._spread(AFTER_REFUSAL_S)

    def stop(self) -> None:
        """Do nothing any more."""
        self._times.clear()
        self.connected = False
        self._trouble = "the client was stopped"
        self.state = DOWN

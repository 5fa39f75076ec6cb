"""How an endpoint of several fares, and whether it is given calls: the rule, without a loop or a clock.

    well ── lost, silent, or unavailable for a second ──► ejected ── after its pause, a sign of life ──► on trial
     ▲                                                       ▲                                             │
     │                                                       └──── lost, silent, or unavailable again ─────┤
     └───────────────────────── one call went well, or has gone on for a second ───────────────────────────┘

Each ejection that follows another one soon lasts twice as long. The first after a loss takes no pause of its own: the
connection has to be made anew, which is pause and proof enough. Whoever owns a `Health` tells it what happened and
when, and has it come back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, TypeAlias

Fitness: TypeAlias = Literal["well", "ejected", "on trial"]

MAX_UNAVAILABLE: Final = 5
UNAVAILABLE_S: Final = 1.0
"""So many answers of ``unavailable`` over so long a time, and none that is not, are more than bad luck. A client can
have a service say so, by an object that says so itself; but not in place of the others who use the endpoint."""
PAUSES_S: Final = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""How long ejections last that follow each other; the last one for ever."""
FORGIVEN_S: Final = 30.0
"""Who has been well for so long begins with the first pause again."""
TRIAL_S: Final = 1.0
"""A call on trial that has not failed by then is only slow."""


def nobody() -> None:
    """Tell nobody."""


class Health:
    """One endpoint's.

    Args:
        changed: called when its fitness is another.

    Attributes:
        fitness: whether it is given calls as the others are.
        is_troubled: whether something went wrong since the last call that went well.
    """

    __slots__ = (
        "_changed", "_ejections", "_is_unavailable", "_tried_at", "_unavailable", "_unavailable_since", "_well_since",
        "fitness", "is_troubled",
    )  # fmt: skip

    def __init__(self, changed: Callable[[], None] = nobody) -> None:
        self.fitness: Fitness = "well"
        self._changed = changed
        self.is_troubled = False
        self._unavailable = 0
        self._unavailable_since = 0.0
        # Whether that is what it was ejected for.
        self._is_unavailable = False
        self._ejections = 0
        self._well_since = 0.0
        self._tried_at: float | None = None

    @property
    def pause_s(self) -> float:
        """How long the ejection lasts that has begun."""
        return PAUSES_S[min(max(self._ejections - 1, 0), len(PAUSES_S) - 1)]

    def good(self, now: float) -> None:
        """A call was answered, with whatever else than ``unavailable``."""
        self._unavailable = 0
        if self.fitness == "on trial":
            self._become_well(now)
        # What an ejected one still answers was asked before.
        self.is_troubled = self.fitness != "well"

    def unavailable(self, now: float) -> bool:
        """The service itself said that it is not available. Whether that ejects it."""
        if self.fitness == "ejected":
            return False
        if self.fitness == "on trial":
            if self._is_unavailable:
                return self._eject(now, least=2)
            # It was ejected for something else, which is over.
            self._become_well(now)
        self.is_troubled = True
        self._unavailable += 1
        if self._unavailable == 1:
            self._unavailable_since = now
        if self._unavailable < MAX_UNAVAILABLE or now - self._unavailable_since < UNAVAILABLE_S:
            return False
        self._is_unavailable = True
        # There is no connection to wait for, so that only time can help.
        return self._eject(now, least=2)

    def lost(self, now: float) -> bool:
        """The connection was lost with calls under way. Whether that ejects it, which the first of these calls does."""
        return self.fitness != "ejected" and self._eject(now, least=1)

    def silent(self, now: float) -> bool:
        """It gave no sign of life. Whether that ejects it."""
        return self.fitness != "ejected" and self._eject(now, least=2)

    def still_silent(self, now: float) -> None:
        """The pause is over, and it gave no sign of life: another one begins."""
        self._eject(now, least=2)

    def came_back(self) -> None:
        """The pause is over, and it gave a sign of life."""
        if self.fitness == "ejected":
            self.fitness, self._tried_at = "on trial", None
            self._changed()

    def takes(self, now: float) -> bool:
        """Whether it may be given a call now."""
        if self.fitness == "on trial" and self._tried_at is not None and now - self._tried_at >= TRIAL_S:
            self._become_well(now)
        return self.fitness == "well" or (self.fitness == "on trial" and self._tried_at is None)

    def given(self, now: float) -> None:
        """It was given a call; on trial that is the one."""
        if self.fitness == "on trial":
            self._tried_at = now

    def _become_well(self, now: float) -> None:
        self.fitness, self._well_since, self._unavailable = "well", now, 0
        self.is_troubled = self._is_unavailable = False
        self._changed()

    def _eject(self, now: float, least: int) -> bool:
        if self.fitness == "well" and now - self._well_since >= FORGIVEN_S:
            self._ejections = 0
        self._ejections = max(self._ejections + 1, least)
        is_new = self.fitness != "ejected"
        self.fitness, self.is_troubled, self._unavailable = "ejected", True, 0
        if is_new:
            self._changed()
        return True

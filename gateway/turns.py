"""Work that may take long, a piece in each turn of the event loop, in fairness by address.

What is small is done at once, as long as the turn has time for it (`Turns.has_time`). The rest waits in lanes, one for
each address, which take turns: whoever brings more waits longer himself, and calls of others pass in between.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Hashable
from typing import Final, TypeAlias

from cara_pseud.cork import Cork
from gateway.stalls import Stalls

_LOG: Final = logging.getLogger(__name__)

LARGE_BYTES: Final = 65_536
"""A message from here on waits for its lane's turn: a megabyte may take 50 ms, and one in a turn is enough."""
AT_ONCE_S: Final = 0.004
"""So long messages are acted on in the turn in which they came; what is left then goes into lanes."""
PIECES_S: Final = 0.003
"""So long pieces from lanes are done in one turn. A call of somebody else takes three turns, so it waits some 20 ms."""
SLICE_S: Final = 0.002
"""What one piece should take that can be cut anywhere."""
_HEAVY_S: Final = 0.01
_LONGEST_REST_S: Final = 0.05
"""After pieces that could not be cut the others have as long as these took, and at most this: a call of theirs needs
several turns, and a service's answer in between."""

Work: TypeAlias = "Callable[[], bool]"
"""One piece; whether there are more."""


class Turns:
    """The lanes of one loop.

    Args:
        stalls: knows when the turn began, and is told what pieces took.
        cork: is around each piece, so that what it has to say leaves in one.
        watched: whether `stalls` is told of the loop's turns. If not, every turn has time.
    """

    def __init__(self, stalls: Stalls | None = None, cork: Cork | None = None, *, watched: bool = False) -> None:
        self.stalls = Stalls() if stalls is None else stalls
        self._cork = Cork() if cork is None else cork
        self._watched = watched
        self._lanes: dict[Hashable, deque[Work]] = {}
        self._handle: asyncio.Handle | None = None

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def has_time(self) -> bool:
        """Whether something small may be done now."""
        if not self._watched:
            return True
        stalls = self.stalls
        clock = stalls.clock
        return clock() - stalls.began < AT_ONCE_S

    def add(self, lane: Hashable, work: Work) -> None:
        """Have work done piece by piece, until it says that there is no more. It must not raise."""
        self._lanes.setdefault(lane, deque()).append(work)
        if self._handle is None:
            self._handle = asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        clock = self.stalls.clock
        began = now = clock()
        while self._lanes and now - began < PIECES_S:
            lane = next(iter(self._lanes))
            queue = self._lanes.pop(lane)
            work = queue.popleft()
            if queue:  # behind the others
                self._lanes[lane] = queue
            if self._is_unfinished(work):
                self._lanes.setdefault(lane, deque()).append(work)
            now = clock()
        self._go_on(now - began)

    def _is_unfinished(self, work: Work) -> bool:
        try:
            with self._cork:
                return work()
        except Exception:
            _LOG.exception("a piece of work failed, and the rest of it is not done")
            return False

    def _go_on(self, spent_s: float) -> None:
        self._handle = None
        if not self._lanes:
            return
        loop = asyncio.get_running_loop()
        if spent_s < _HEAVY_S:
            self._handle = loop.call_soon(self._run)
        else:
            self._handle = loop.call_later(min(spent_s, _LONGEST_REST_S), self._run)

"""How much of something there is, over all and by whom. Every bound per address is this arithmetic."""

from __future__ import annotations


class Shares:
    """Amounts that owners have taken.

    An owner that is not known is "": such a one has no bound of its own, as all strangers would share it.

    Args:
        limit: how much there may be over all.
        limit_each: how much one owner may have.

    Attributes:
        total: how much is taken.
    """

    __slots__ = ("_each", "limit", "limit_each", "total")

    def __init__(self, limit: int, limit_each: int) -> None:
        self.limit = limit
        self.limit_each = limit_each
        self.total = 0
        self._each: dict[str, int] = {}

    def __len__(self) -> int:
        """How many owners have something."""
        return len(self._each)

    def rebound(self, limit: int, limit_each: int) -> None:
        """Permit so much from now on; what is taken already stays, and if that is more, nothing is added."""
        self.limit, self.limit_each = limit, limit_each

    def of(self, owner: str) -> int:
        """How much an owner has."""
        return self._each.get(owner, 0)

    def is_full(self, amount: int = 1) -> bool:
        """Whether so much more would be too much over all."""
        return self.total + amount > self.limit

    def is_full_for(self, owner: str, amount: int = 1) -> bool:
        """Whether so much more would be too much for this owner."""
        return owner != "" and self._each.get(owner, 0) + amount > self.limit_each

    def take(self, owner: str, amount: int = 1) -> None:
        """Count what an owner has taken; whether it may is asked before."""
        self.total += amount
        self._each[owner] = self._each.get(owner, 0) + amount

    def may_take(self, owner: str) -> bool:
        """Count one more if there may be one; whether there may be. In one step, as calls are counted this way."""
        each = self._each
        own = each.get(owner, 0)
        if self.total >= self.limit or (own >= self.limit_each and owner):
            return False
        self.total += 1
        each[owner] = own + 1
        return True

    def give(self, owner: str, amount: int = 1) -> None:
        """Count what an owner has no more."""
        self.total -= amount
        left = self._each.get(owner, 0) - amount
        if left > 0:
            self._each[owner] = left
        else:
            # Owners come and go; who has nothing is forgotten.
            self._each.pop(owner, None)

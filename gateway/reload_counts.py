"""What became of attempts to replace the configuration."""

from __future__ import annotations


class ReloadCounts:
    """How often it was tried.

    Attributes:
        succeeded: how often the new configuration was taken.
        failed: how often it could not be used, and the old one stayed.
        last_at: when the last one was taken, in seconds since 1970; 0 if none was yet.
        last_failed: whether the last attempt failed.
    """

    __slots__ = ("failed", "last_at", "last_failed", "succeeded")

    def __init__(self) -> None:
        self.succeeded = self.failed = 0
        self.last_at = 0.0
        self.last_failed = False

    def success(self, now: float) -> None:
        """Count one that was taken, at that time in seconds since 1970."""
        self.succeeded += 1
        self.last_at = now
        self.last_failed = False

    def failure(self) -> None:
        """Count one that was not."""
        self.failed += 1
        self.last_failed = True

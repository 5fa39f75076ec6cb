"""What carries the messages of a stream, as the stream's conversation sees it."""

from __future__ import annotations

from typing import Protocol, TypeVar

from gateway.protocols.jsonrpc.slow_client import Outlet

Carried_contra = TypeVar("Carried_contra", contravariant=True)


class Channel(Outlet, Protocol[Carried_contra]):
    """A socket, or what stands for one."""

    def close(self, code: int, reason: str) -> None:
        """Send what is under way, then close with a code of RFC 6455 or ours. Nothing more is taken from the client."""

    def cut(self, code: int, reason: str) -> None:
        """As `close`, but what is not under way yet is not sent."""

    def hold(self, holds: bool) -> None:
        """Stop reading what the client sends, or go on."""

    def carry(self, conversation: Carried_contra) -> None:
        """Give what comes from now on to that conversation."""

"""What peers bound, unless they are told otherwise, and why so far."""

from __future__ import annotations

from typing import Final

DEFAULT_MAX_MESSAGE_BYTES: Final = 16 * 2**20
"""Of one body, both ways: large enough for documents, small enough for memory."""
DEFAULT_MAX_CALLS: Final = 10_000
"""Under way at once per connection, in each direction."""
DEFAULT_MAX_EXPORTS: Final = 1_000_000
"""Objects that one holder may have at once."""
DEFAULT_MAX_BACKLOG_BYTES: Final = 64 * 2**20
"""Waiting for slow readers, all together."""
DEFAULT_MAX_VALUES: Final = 1_000_000
"""In one body: making so many takes some 50 ms, for which nobody else is served."""
DEFAULT_MAX_CAPABILITIES: Final = 10_000
"""In one body: each becomes an object with an entry in a table, a hundred times the price of a number."""

LONGEST_TIMEOUT_S: Final = 1e9
"""Thirty years: who names a longer time, infinity too, waits for as long as the answer takes."""

_LEAST: Final = {"max_message_bytes": 100, "max_values": 16, "max_calls": 1}
"""What the greeting takes: a peer that cannot read it is never up, and nobody would know why."""


def check(**bounds: int) -> None:
    """See that two peers with these bounds can still greet each other.

    Raises:
        ValueError: they cannot.
    """
    for name, value in bounds.items():
        if value < _LEAST[name]:
            raise ValueError(f"{name} must be at least {_LEAST[name]}, not {value!r}: peers could not even greet")

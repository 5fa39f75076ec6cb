"""What an answer tells of how many calls its caller may still make: ``RateLimit`` and ``RateLimit-Policy``.

By draft-ietf-httpapi-ratelimit-headers-11: of the policy its name, calls and seconds; of what is left the number of
calls, and the seconds within which there are no more than these.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.access.rates import Allowance


def rate_fields(allowance: Allowance) -> Iterator[tuple[str, str]]:
    """The fields of an answer, by their names."""
    yield "RateLimit-Policy", f'"{allowance.policy}";q={allowance.rate.calls};w={allowance.rate.period_s}'
    yield "RateLimit", f'"{allowance.policy}";r={allowance.left};t={allowance.next_s}'

"""What doors ask of authentication."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from gateway.access.credentials import Credentials
from gateway.access.principals import Principal

NOT_SHOWN: Final = "no_credentials"
"""The reason of a refusal (`GatewayError.reason`) where nothing was shown at all.

Only then may a door look for another proof: what was shown and is bad is nobody else's turn.
"""


class Gatekeeper(Protocol):
    """Finds out who calls."""

    @property
    def is_on(self) -> bool:
        """Whether it asks anybody: else everybody is anonymous, whatever is shown."""

    @property
    def is_required(self) -> bool:
        """Whether nobody may call without credentials."""

    def known(self, credentials: Credentials) -> Principal | None:
        """Who shows these credentials, as far as that is known without waiting.

        Returns:
            ANONYMOUS if nothing is shown and nothing is required; None if somebody must wait for `authenticate`.

        Raises:
            GatewayError: UNAUTHENTICATED, they are bad; with the reason NOT_SHOWN, there are none.
        """

    async def authenticate(self, credentials: Credentials) -> Principal:
        """Who shows these credentials; ANONYMOUS if nothing is shown and nothing is required.

        Raises:
            GatewayError: as `known`; UNAVAILABLE, it cannot be found out now; RESOURCE_EXHAUSTED, too many tries.
        """

    def challenge(self, headers: Mapping[str, str]) -> str:
        """What ``WWW-Authenticate`` says to whoever sent a request with these headers."""

    def on_removed(self, callback: Callable[[Principal], None]) -> object:
        """Have somebody told of each principal that a reload leaves out."""

"""The public keys of an issuer of tokens: fetched when they are needed, kept, and fetched again when they may be old.

However many ask, one fetch is under way. A key that is not known may be new, so it is worth one fetch and then a pause:
strangers can name as many keys as they like. Those whose key is known wait for nobody.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.config.jwk_set import JwkSet, VerificationKey, read_jwk_set
from gateway.errors import GatewayError, Status

FETCH_S: Final = 5.0
"""How long a fetch may take."""
MARGIN_S: Final = 1.0
"""How much longer it is waited for: whoever fetches says more of what went wrong than a broken wait."""
PAUSE_S: Final = 30.0
"""Between fetches for keys that are not known. Issuers publish a key well before they sign with it."""
FAILURE_PAUSE_S: Final = 5.0
"""After a fetch that failed, as nobody with a new token can be told who they are until one succeeds."""
MAX_AGE_S: Final = 3600.0
"""After which keys are fetched anew, so that one that was withdrawn is believed no longer. The old ones are used
meanwhile."""
MOST_AGE_S: Final = 86_400.0
"""After which old keys are not used any more."""
MOST_WAITING: Final = 1000
"""Who wait for a fetch. More would be strangers with keys that they made up."""

_LOG: Final = logging.getLogger(__name__)

Fetch = Callable[[], Awaitable[bytes]]
"""Gets the text of a key set; raises ValueError, whose text says why not."""


class IssuerKeys:
    """See the module. Belongs to the running loop.

    Args:
        fetch: None if the keys are given and never change.
        on_change: called when a fetch brought other keys than there were.
        clock: in seconds, never goes back.
    """

    def __init__(
        self,
        fetch: Fetch | None,
        keys: JwkSet | None = None,
        on_change: Callable[[JwkSet], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._keys = keys or JwkSet()
        self._on_change = on_change
        self._clock = clock
        self._fetching: asyncio.Task[None] | None = None
        self._waiting = 0
        self._fetched_at = -math.inf
        self._next_at = -math.inf
        self._failure: str | None = None

    def key_for(self, algorithm: str, id: str | None) -> VerificationKey | None:
        """The key of the issuer with which a token says that it is signed, as far as it is known."""
        self.refresh()
        return self._keys.key_for(algorithm, id)

    def refresh(self) -> None:
        """Fetch the keys in the background if they may be old."""
        if self._fetch is None:
            return
        now = self._clock()
        if now - self._fetched_at < MAX_AGE_S:
            return
        if now - self._fetched_at > MOST_AGE_S and self._keys.keys:
            _LOG.error("the issuer's keys are %g hours old and are not used any more", MOST_AGE_S / 3600)
            self._replace(JwkSet())
        if self._fetching is None and now >= self._next_at:
            self._start(self._fetch)

    async def key_after_fetch(self, algorithm: str, id: str | None) -> VerificationKey | None:
        """The same, of what the issuer publishes now; None if it has no such key.

        Raises:
            GatewayError: UNAVAILABLE, nobody can tell now.
        """
        if self._fetch is None:
            return self._keys.key_for(algorithm, id)
        if self._fetching is None and self._clock() >= self._next_at:
            self._start(self._fetch)
        if self._fetching is not None:
            await self._wait(self._fetching)
        found = self._keys.key_for(algorithm, id)
        if found is None and self._failure is not None:
            raise self._unavailable()
        return found

    def close(self) -> None:
        """Give up a fetch under way; who waits for it cannot be told who they are."""
        self._failure = "no keys are fetched any more"
        if self._fetching is not None:
            self._fetching.cancel()

    async def _wait(self, fetching: asyncio.Task[None]) -> None:
        if self._waiting >= MOST_WAITING:
            raise self._unavailable()
        self._waiting += 1
        try:
            # Who waits may be cancelled without the others.
            await asyncio.wait({fetching})
        finally:
            self._waiting -= 1

    def _unavailable(self) -> GatewayError:
        wait_s = min(FAILURE_PAUSE_S, max(1.0, self._next_at - self._clock()))
        detail = "the keys of the tokens' issuer cannot be had now, so nobody can tell whether this token is good"
        return GatewayError(Status.UNAVAILABLE, detail, retry_after=math.ceil(wait_s))

    def _start(self, fetch: Fetch) -> None:
        self._fetching = asyncio.get_running_loop().create_task(self._run(fetch))

    async def _run(self, fetch: Fetch) -> None:
        try:
            async with asyncio.timeout(FETCH_S + MARGIN_S):
                data = await fetch()
            keys = read_jwk_set(data)
        except TimeoutError:
            self._failed(f"it took more than {FETCH_S + MARGIN_S:g} s")
        except ValueError as error:
            self._failed(str(error))
        except Exception:
            _LOG.exception("the issuer's keys could not be fetched")
            self._failed("the gateway failed")
        else:
            self._next_at = self._clock() + PAUSE_S
            self._fetched_at = self._clock()
            if self._failure is not None:
                _LOG.info("the issuer's keys were fetched")
            self._failure = None
            if keys != self._keys:
                for reason in keys.left_out:
                    _LOG.warning("a key of the issuer is not used: %s", reason)
                self._replace(keys)
        finally:
            self._fetching = None

    def _failed(self, reason: str) -> None:
        self._next_at = self._clock() + FAILURE_PAUSE_S
        if reason != self._failure:
            _LOG.warning("the issuer's keys could not be fetched: %s", reason)
        self._failure = reason

    def _replace(self, keys: JwkSet) -> None:
        self._keys = keys
        self._on_change(keys)

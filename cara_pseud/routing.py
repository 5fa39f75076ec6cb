"""Which function answers a bare name, for whom: pseud's job routing.

A function is registered under a domain, and a predicate of that name, an adapter in zope's registry, says whether a
caller may use it. Functions of other domains than ``default`` go first; whom no predicate lets in finds no function.
Its arguments are what the security plugin's ``get_predicate_arguments`` gives for the caller's user.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import zope.component
import zope.interface

from cara_pseud import wire
from cara_pseud.capabilities import IncomingCall, WireHandler
from cara_pseud.stock import (
    DefaultPredicate,
    IPredicate,
    IRPCRoute,
    RPCCallable,
    ServiceNotFoundError,
    get_rpc_callable,
    register_rpc,
)

_LOG: Final = logging.getLogger(__name__)
_DEFAULT: Final = "default"
_ADAPTED: Final = (zope.interface.implementedBy(RPCCallable),)


class Routes:
    """The functions of one peer's registry, and pseud's predicates."""

    def __init__(self, registry: Any, predicate_arguments: Callable[[bytes], Mapping[str, Any]]) -> None:
        self._registry = registry
        self._look_up = registry.utilities.lookup
        self._predicate_arguments = predicate_arguments
        self._sites = zope.component.getGlobalSiteManager()
        self._seen: tuple[int, int] | None = None
        self._is_plain = False

    def register(self, function: Callable[..., Any], name: str, domain: str, with_identity: bool) -> None:
        """Register a function under another domain than the default one.

        Raises:
            ValueError: there is no predicate for the domain, so nobody could ever call it.
        """
        domains = dict(_predicates())
        if domain not in domains:
            raise ValueError(
                f"{name!r} cannot be registered under the domain {domain!r}, which has no predicate; permitted: "
                f"{', '.join(sorted(domains))}, and others once pseud.utils.register_predicate has got their predicates"
            )
        if name == wire.CALL or name.startswith("cara:"):
            raise ValueError(f"{name!r} cannot be registered under the domain {domain!r}: it belongs to the protocol")
        register_rpc(function, name=name, domain=domain, registry=self._registry, with_identity=with_identity)

    def restricted(self, name: str, user: bytes, among_default: bool) -> WireHandler | None:
        """The function of another domain than the default one that this user may call by a name.

        Args:
            among_default: whether something that is in no registry answers those who may call no such function.

        Raises:
            ServiceNotFoundError: it does, but the default domain's predicate, if that is not pseud's, forbids it.
        """
        if self._nothing_is_restricted():
            return None
        found, everybody = None, False
        for domain, predicate in _predicates():
            if domain == _DEFAULT:
                everybody = predicate is DefaultPredicate
            else:
                candidate = self._look_up((), IRPCRoute, f"{name}:{domain}")
                if candidate is not None:
                    found = [candidate] if found is None else [*found, candidate]
        if found is not None:
            if len(found) > 1:
                # pseud's order: the last one that was registered goes first.
                order = list(reversed(self._registry.getAllUtilitiesRegisteredFor(IRPCRoute)))
                found.sort(key=order.index)
            for candidate in found:
                if self._permits(candidate, user):
                    return raw_handler(candidate, candidate.with_identity)
        if among_default and not everybody and not self._permits(RPCCallable(None, name), user):
            raise ServiceNotFoundError(name)
        return None

    def _nothing_is_restricted(self) -> bool:
        """Whether everybody may call everything. Each call asks this, so it is worked out once for each change."""
        # zope's registries count their changes, and keep their own caches by that.
        seen = (self._registry.utilities._generation, self._sites.adapters._generation)
        if seen != self._seen:
            functions = self._registry.utilities.lookupAll((), IRPCRoute)
            self._is_plain = all(function.domain == _DEFAULT for _, function in functions) and all(
                predicate is DefaultPredicate for domain, predicate in _predicates() if domain == _DEFAULT
            )
            self._seen = seen
        return self._is_plain

    def default(self, name: str, user: bytes) -> WireHandler:
        """The function of the default domain in the registry, or one that was put there by other ways than pseud's.

        Raises:
            ServiceNotFoundError: there is none that this user may call.
        """
        found = self._look_up((), IRPCRoute, f"{name}:{_DEFAULT}")
        if found is not None and self._permits(found, user):
            return raw_handler(found, found.with_identity)
        try:
            found = get_rpc_callable(name, registry=self._registry, **self._predicate_arguments(user))
        except ServiceNotFoundError:
            raise
        except Exception:
            _LOG.exception("a predicate for %r failed; the caller finds no such function", name)
            raise ServiceNotFoundError(name) from None
        return raw_handler(found, found.with_identity)

    def _permits(self, candidate: Any, user: bytes) -> bool:
        try:
            return bool(candidate.test(**self._predicate_arguments(user)))
        except Exception:
            _LOG.exception("the predicate of the domain %r failed for %r", candidate.domain, candidate.name)
            return False


def _predicates() -> Any:
    """Pairs of domain and predicate, which may be added at any time."""
    return zope.component.getGlobalSiteManager().adapters.lookupAll(_ADAPTED, IPredicate)


def raw_handler(function: Callable[..., Any], with_identity: bool) -> WireHandler:
    """The handler that runs a function on plain values; ``with_identity`` gives it the caller's user first."""

    def handle(call: IncomingCall, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        args, kwargs = wire.with_tuples(args), wire.with_tuples(kwargs)
        return function(call.user, *args, **kwargs) if with_identity else function(*args, **kwargs)

    return handle

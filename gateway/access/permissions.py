"""Who may call what: asked once for each call, through whichever door it comes.

An answer is kept for a set of roles and a method. Both live on when something changes: a reload takes roles from a
principal by giving it another set, and puts another catalogue in the place of the one whose rules the answers are from.
"""

from __future__ import annotations

from typing import Final

from gateway.access.principals import Principal
from gateway.catalogue import Served, Service, ServiceMethod
from gateway.errors import GatewayError, Status, quote, shortened

_MAX_KEPT: Final = 100_000
"""Answers that are kept; some 15 MB. There are as many as methods for each set of roles that callers have."""


class Permissions:
    """What principals may call of what is served now.

    Args:
        served: whose rules hold, for objects of earlier catalogues as well.
    """

    def __init__(self, served: Served) -> None:
        self._served = served
        self._catalogue = served.catalogue
        self._known: dict[tuple[tuple[str, ...], ServiceMethod], bool] = {}

    def may_call(self, principal: Principal, method: ServiceMethod) -> bool:
        """Whether somebody may call a method now, whatever object it is called on."""
        if self._catalogue is not self._served.catalogue:
            self._catalogue = self._served.catalogue
            self._known.clear()
        key = (principal.role_names, method)
        known = self._known.get(key)
        return self._decide(key) if known is None else known

    def may_call_object(self, principal: Principal, service: Service, interface_id: int, method_id: int) -> bool:
        """Whether somebody may call a method of a service's object, by the ids that stand on the wire."""
        rules = self._served.catalogue.rules_of(service)
        return rules.required_by_ids(interface_id, method_id) <= principal.roles

    def authorise(self, principal: Principal, method: ServiceMethod) -> None:
        """Let a call pass, or not.

        Raises:
            GatewayError: UNAUTHENTICATED, who has not said who it is may not call this; PERMISSION_DENIED, the caller
                lacks a role.
        """
        # Of a call there is nothing else to be asked, so what is known is looked up here.
        if self._catalogue is self._served.catalogue and self._known.get((principal.role_names, method)):
            return
        if not self.may_call(principal, method):
            raise denied(principal, method.service_name, method.label)

    def _decide(self, key: tuple[tuple[str, ...], ServiceMethod]) -> bool:
        if len(self._known) >= _MAX_KEPT:
            self._known.clear()
        roles, method = key
        required = self._catalogue.rules_of(method.service).required(method.bound)
        permits = self._known[key] = required.issubset(roles)
        return permits


def denied(principal: Principal, service: str, method: str) -> GatewayError:
    """The error for a call that somebody may not make. It tells no roles, which are the operator's words.

    Of a service that the caller may not see at all it is the answer whatever method is named, so that nobody learns
    which there are.
    """
    called = quote(f"{service}.{method}")
    if principal.name is None:
        error = GatewayError(Status.UNAUTHENTICATED, f"{called} is not for callers without credentials")
    else:
        error = GatewayError(Status.PERMISSION_DENIED, f"the caller has not all roles that {called} requires")
    return error.at(service, shortened(method))

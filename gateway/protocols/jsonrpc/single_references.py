"""References in a call of a JSON-RPC request over HTTP: those of REST, and results of other calls of the request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cara_pseud.capabilities import Capability
from cara_pseud.schema.nodes import Type
from gateway.catalogue import ServiceMethod
from gateway.json.codec.objects import Where
from gateway.protocols.jsonrpc.events import Outcome, PromisedResults
from gateway.protocols.jsonrpc.messages import Id
from gateway.protocols.jsonrpc.pipeline import token_of_result
from gateway.protocols.rest.request_session import RequestSession
from gateway.protocols.rest.rest_references import HttpReferences


class SingleReferences(HttpReferences):
    """``results`` are the answers that the call's parameters refer to."""

    __slots__ = ("_results",)

    def __init__(
        self, method: ServiceMethod, owner: RequestSession, results: Mapping[Id, Outcome | PromisedResults] | None,
        *, discards: bool,
    ) -> None:
        super().__init__(method.service, owner, method, discards=discards)
        self._results = results

    def result_in(self, obj: Mapping[str, Any], interface: Type | None, where: Where) -> Capability:
        return self.handle_in(token_of_result(obj, self._results, where), interface, where)

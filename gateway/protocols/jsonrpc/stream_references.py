"""References in a call of a JSON-RPC stream: those of every client, and results of other calls of the stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cara_pseud.capabilities import Capability
from cara_pseud.schema.nodes import Type
from gateway.catalogue import Service, ServiceMethod
from gateway.errors import GatewayError
from gateway.json.codec.objects import Where
from gateway.protocols.jsonrpc.events import Outcome, PromisedResults
from gateway.protocols.jsonrpc.messages import Id
from gateway.protocols.jsonrpc.pipeline import token_of_result, way_in
from gateway.reference_form import RESULT
from gateway.sessions.holder_references import Holder, HolderReferences


class StreamReferences(HolderReferences):
    """``results`` are the answers that the call's parameters refer to."""

    __slots__ = ("_results",)

    def __init__(
        self,
        holder: Holder,
        service: Service,
        results: Mapping[Id, Outcome | PromisedResults] | None,
        method: ServiceMethod | None = None,
    ) -> None:
        HolderReferences.__init__(self, holder, service, method)
        self._results = results

    def result_in(self, obj: Mapping[str, Any], interface: Type | None, where: Where) -> Capability:
        promised = None if self._results is None else self._results.get(obj[RESULT])
        if isinstance(promised, PromisedResults):
            capability, declared = promised.objects[way_in(obj)]
            if interface is not None and all(
                ancestor.node_id != interface.node_id for ancestor in self._service.schema.ancestry(declared)
            ):
                expected, got = self._service.interface_name(interface), self._service.interface_name(declared)
                detail = f"expected an object with the interface {expected}, this one has {got}"
                raise GatewayError.invalid(detail, where())
            return capability
        return self.handle_in(token_of_result(obj, self._results, where), interface, where)

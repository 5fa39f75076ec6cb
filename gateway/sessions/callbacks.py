"""Objects that live in a client, as a service calls them.

A `Callback` stands in a message to a service for ``{"$callback": name}``. The service's calls become requests on the
client's stream, the client's answers become wire results. Knows no socket and no upstream protocol.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from cara_pseud.capabilities import IncomingCall, LocalCapability
from cara_pseud.errors import CODES, RpcError, Unavailable
from cara_pseud.schema.nodes import Type
from gateway.catalogue import Service
from gateway.errors import GatewayError, Status
from gateway.json.codec.objects import LiveObjects
from gateway.json.text import JSON

GONE: Final = "the client that passed this object is gone"


class RequestReferences(LiveObjects, Protocol):
    """References in a request to a client and in its answer."""

    def take_back(self) -> None:
        """The handles do not reach the client."""


class Client(Protocol):
    """A stream as the callbacks of its client see it."""

    def references(self, service: Service) -> RequestReferences:
        """What the client's stream knows about references in one message."""

    def call_callback(
        self, callback: Callback, method: str, params: list[JSON], call: IncomingCall, refs: RequestReferences
    ) -> asyncio.Future[JSON]:
        """Send a request to the client, now, so that requests keep their order; a future of the answer.

        Cancelling the future withdraws the request. ``refs`` knows the handles in it.
        """

    def callback_released(self, callback: Callback) -> None:
        """Learn that the service let go of an object."""

    @property
    def unboxes(self) -> bool:
        """Whether the client answers a single result as itself."""


class Callback:
    """One object of a client as one service knows it: a `cara_pseud.capabilities.Target`.

    Attributes:
        capability: what stands in messages to the service.
    """

    __slots__ = ("_client", "_interface", "capability", "name", "service")

    def __init__(self, client: Client, name: str, service: Service, interface: Type | None, stream_id: str) -> None:
        self._client: Client | None = client
        self._interface = interface
        self.name = name
        self.service = service
        self.capability = LocalCapability(self, ("callback", stream_id, name, service.name))

    def invoke(
        self, interface_id: int, method: int | str, args: Sequence[Any], kwargs: Mapping[str, Any], call: IncomingCall
    ) -> asyncio.Future[Any]:
        """Pass a call of the service on to the client.

        Raises:
            RpcError: the client is gone, or its object has no such method.
        """
        client = self._client
        if client is None:
            raise Unavailable(GONE)
        called = self.service.callback_method(self._interface, interface_id, method)
        refs = client.references(self.service)
        try:
            params = called.write_params(args, kwargs, refs)
            answer = client.call_callback(self, called.name, params, call, refs)
        except GatewayError as error:
            refs.take_back()
            raise as_rpc_error(error) from None
        except RpcError:
            refs.take_back()
            raise
        unbox = client.unboxes
        result: asyncio.Future[Any] = answer.get_loop().create_future()

        def pass_on(answer: asyncio.Future[JSON]) -> None:
            if result.done():
                return
            try:
                result.set_result(called.read_results(answer.result(), refs, unbox))
            except asyncio.CancelledError:
                result.set_exception(Unavailable(GONE))
            except GatewayError as error:
                result.set_exception(as_rpc_error(error))
            except Exception as error:
                result.set_exception(error)

        answer.add_done_callback(pass_on)
        result.add_done_callback(lambda given_up: answer.cancel() if given_up.cancelled() else None)
        return result

    def released(self) -> None:
        """The service let go; nobody calls this object any more."""
        client, self._client = self._client, None
        if client is not None:
            client.callback_released(self)

    def orphan(self) -> None:
        """The client is gone: later calls fail at once."""
        self._client = None


def as_rpc_error(error: GatewayError) -> RpcError:
    """What a service is told when a client could not or would not answer."""
    code = error.status.code if error.status.code in CODES else Status.UNKNOWN.code
    return RpcError(code, error.detail, error.details)

"""What somebody sees of what is served: the part that their roles let them call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.describe.documents import Document
from gateway.errors import NOTHING, GatewayError, Status
from gateway.routes import ServiceRoutes


@dataclass(frozen=True, slots=True)
class Seen:
    """The part of a catalogue that somebody may call, and hence see.

    Attributes:
        routes: of the services, by their names.
        whole: the services of which nothing is left out.
        documents: of that part, by their paths.
    """

    routes: Mapping[str, ServiceRoutes]
    whole: frozenset[str]
    documents: Mapping[str, Document]

    def service(self, name: str) -> ServiceRoutes:
        """The service of that name.

        Raises:
            GatewayError: NOT_FOUND; the same if there is one that is not seen.
        """
        found = self.routes.get(name)
        if found is None:
            raise GatewayError.unknown_service(name, self.routes.keys())
        return found

    def document(self, path: str) -> Document:
        """The document at that path.

        Raises:
            GatewayError: NOT_FOUND; the same for one of a service that is not seen.
        """
        found = self.documents.get(path)
        if found is None:
            raise GatewayError(Status.NOT_FOUND, NOTHING)
        return found

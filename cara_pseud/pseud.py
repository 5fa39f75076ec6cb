"""pseud's names for our peers: ``from cara_pseud import pseud`` and then ``pseud.Server``, ``pseud.Client``."""

from cara_pseud.client import Client
from cara_pseud.server import Server

__all__ = ["Client", "Server"]

"""What cara.cara_pseud had: interfaces over pseud."""

from cara_pseud import pseud, register_interface, setup_client, setup_server
from cara_pseud.any_pointer import Reference as RemoteInterfaceDescriptor
from cara_pseud.proxies import Remote as RemoteInterfaceClient

__all__ = [
    "RemoteInterfaceClient",
    "RemoteInterfaceDescriptor",
    "pseud",
    "register_interface",
    "setup_client",
    "setup_server",
]

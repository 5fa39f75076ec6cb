"""/capnp/rpc.capnp, loaded when it is imported."""

from cara.schemas import names_of

__all__ = names_of("rpc.capnp", globals())

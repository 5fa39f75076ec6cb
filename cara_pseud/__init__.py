"""Cap'n Proto interfaces over pseud: write services and clients in Python with schemas loaded at run time.

`load` a schema, serve its interfaces from a `Server`, call them through ``Interface(client)``. What is not named here
is internal.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cara_pseud import pseud
from cara_pseud.answering import current_call
from cara_pseud.any_pointer import Reference
from cara_pseud.binding import register_interface, setup_client, setup_server
from cara_pseud.blocking import connect
from cara_pseud.builtin_types import (
    AnyList,
    AnyPointer,
    AnyStruct,
    Bool,
    Capability,
    Data,
    Float32,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    Text,
    UInt8,
    Uint8,
    UInt16,
    Uint16,
    UInt32,
    Uint32,
    UInt64,
    Uint64,
    Void,
)
from cara_pseud.capabilities import CallOptions, IncomingCall
from cara_pseud.classes import Module
from cara_pseud.client import Client
from cara_pseud.enums import Enum
from cara_pseud.errors import (
    ArgumentError,
    DeadlineExceeded,
    Error,
    InvalidValue,
    NoMatch,
    OutcomeUnknown,
    ProtocolError,
    RegistrationError,
    RemoteError,
    ResourceExhausted,
    RpcError,
    SchemaError,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnknownField,
    UnknownMethod,
    WrongType,
)
from cara_pseud.interfaces import Interface
from cara_pseud.lists import List
from cara_pseud.loading import install_import_hook, load, remove_import_hook
from cara_pseud.proxies import release, unwrap, with_options
from cara_pseud.registry import GlobalTypeRegistry
from cara_pseud.running import run
from cara_pseud.server import Server
from cara_pseud.signatures import MethodResult
from cara_pseud.structs import Struct, which

if TYPE_CHECKING:
    from cara_pseud import gateway as gateway

__all__ = [
    "AnyList",
    "AnyPointer",
    "AnyStruct",
    "ArgumentError",
    "Bool",
    "CallOptions",
    "Capability",
    "Client",
    "Data",
    "DeadlineExceeded",
    "Enum",
    "Error",
    "Float32",
    "Float64",
    "GlobalTypeRegistry",
    "IncomingCall",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "Interface",
    "InvalidValue",
    "List",
    "MethodResult",
    "Module",
    "NoMatch",
    "OutcomeUnknown",
    "ProtocolError",
    "Reference",
    "RegistrationError",
    "RemoteError",
    "ResourceExhausted",
    "RpcError",
    "SchemaError",
    "Server",
    "Struct",
    "Text",
    "TooLarge",
    "UInt8",
    "UInt16",
    "UInt32",
    "UInt64",
    "Uint8",
    "Uint16",
    "Uint32",
    "Uint64",
    "Unauthenticated",
    "Unavailable",
    "UnknownField",
    "UnknownMethod",
    "Void",
    "WrongType",
    "connect",
    "current_call",
    "install_import_hook",
    "load",
    "pseud",
    "register_interface",
    "release",
    "remove_import_hook",
    "run",
    "setup_client",
    "setup_server",
    "unwrap",
    "which",
    "with_options",
]


def __getattr__(name: str) -> Any:
    # Loaded when it is first used: it takes a third as long as all the rest, and services need none of it.
    if name == "gateway":
        return import_module("cara_pseud.gateway")
    raise AttributeError(f"module 'cara_pseud' has no attribute {name!r}")

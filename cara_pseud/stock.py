"""What we use of pseud 1.0.1 itself, imported in one place: importing it warns (zmq.asyncio.install is deprecated)."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pseud
    from pseud.auth import NoOpAuthenticationBackendForClient as NoOpAuthentication
    from pseud.common import BaseRPC
    from pseud.heartbeat import NoOpHeartbeatBackendForClient, NoOpHeartbeatBackendForServer
    from pseud.interfaces import (
        IAuthenticationBackend,
        IClient,
        IHeartbeatBackend,
        IPredicate,
        IRPCRoute,
        IServer,
        ServiceNotFoundError,
    )
    from pseud.predicate import PassThrough as DefaultPredicate
    from pseud.utils import RPCCallable, get_rpc_callable, register_auth_backend, register_rpc

NoOpHeartbeats = (NoOpHeartbeatBackendForClient, NoOpHeartbeatBackendForServer)

StockClient = pseud.Client
StockServer = pseud.Server
StockSyncClient = pseud.SyncClient

__all__ = [
    "BaseRPC",
    "DefaultPredicate",
    "IAuthenticationBackend",
    "IClient",
    "IHeartbeatBackend",
    "IPredicate",
    "IRPCRoute",
    "IServer",
    "NoOpAuthentication",
    "NoOpHeartbeats",
    "RPCCallable",
    "ServiceNotFoundError",
    "StockClient",
    "StockServer",
    "StockSyncClient",
    "get_rpc_callable",
    "register_auth_backend",
    "register_rpc",
]

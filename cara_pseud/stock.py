"""What we use of pseud 1.0.1 itself, imported in one place: importing it warns (zmq.asyncio.install is deprecated)."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pseud
    from pseud.common import BaseRPC
    from pseud.interfaces import IAuthenticationBackend, IClient, IHeartbeatBackend, IServer, ServiceNotFoundError
    from pseud.utils import get_rpc_callable, register_auth_backend

StockClient = pseud.Client
StockServer = pseud.Server
StockSyncClient = pseud.SyncClient

__all__ = [
    "BaseRPC",
    "IAuthenticationBackend",
    "IClient",
    "IHeartbeatBackend",
    "IServer",
    "ServiceNotFoundError",
    "StockClient",
    "StockServer",
    "StockSyncClient",
    "get_rpc_callable",
    "register_auth_backend",
]

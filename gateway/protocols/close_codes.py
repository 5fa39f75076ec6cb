"""The codes with which the gateway closes a WebSocket: RFC 6455 §7.4.1, and from 4000 on ours (PROTOCOL.md)."""

from __future__ import annotations

from typing import Final

NORMAL: Final = 1000
SHUTDOWN: Final = 1001
PROTOCOL_ERROR: Final = 1002
UNSUPPORTED: Final = 1003
BAD_UTF8: Final = 1007
TOO_BIG: Final = 1009

BAD_MESSAGE: Final = 4000
"""The message is none of the protocol's, so that nobody knows any more what was counted."""
REPLACED: Final = 4001
"""Another socket goes on with the stream."""
SESSION_ENDED: Final = 4002
SLOW_READER: Final = 4003
"""More was waiting to be read than may."""
IDLE: Final = 4004
"""Nothing was asked for, and there is no room for connections that ask for nothing."""
UNAUTHENTICATED: Final = 4401
"""Nobody knows who this is, or not any more. A newer proof goes on with the stream."""

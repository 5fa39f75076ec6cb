"""Who is behind a connection where ZeroMQ uses a descriptor again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import cara_pseud.server


def test_what_a_lost_client_sent_last_takes_nobody_s_descriptor(
    serving: Any, raw_dealer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cara_pseud.server, "_PROBE_AFTER_S", (0.0,))

    async def main() -> None:
        async with serving() as server:
            dealer = raw_dealer(server.endpoint)
            dealer.send_multipart([b"", b"v1", b"", b"\x06", b""])
            while not server.connections:
                await asyncio.sleep(0.001)
            [living] = server.connections
            # It was told to be closed before, and the other one has got its descriptor.
            lost = server._connection_from(b"lost", None, living.descriptor)
            while lost in server.connections:
                await asyncio.sleep(0.001)
            assert server.connections == [living]
            dealer.close()
            while server.connections:
                await asyncio.sleep(0.001)

    asyncio.run(asyncio.wait_for(main(), 20))

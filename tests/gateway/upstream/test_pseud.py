"""What the configuration of a service makes of its connection; a service to reach is in tests/integration."""

from __future__ import annotations

import asyncio
import re

import pytest
import zmq

from gateway.config.connection import ConnectionConfig
from gateway.config.file import SERVICE_KEYS
from gateway.config.limits import Limits
from gateway.upstream.pseud import PseudUpstream


def securities() -> list[str]:
    """The words that the configuration takes."""
    with pytest.raises(ValueError, match="expected") as caught:
        SERVICE_KEYS["security"].read("?")
    return re.findall(r'"(\w+)"', str(caught.value).partition(", not ")[0])


async def connected(security: str) -> tuple[str, bool]:
    public_key, secret_key = (key.decode() for key in zmq.curve_keypair())
    config = ConnectionConfig(
        service="calculator", endpoint="tcp://127.0.0.1:1", security=security, user_id="gateway",
        password="x", server_public_key=public_key, public_key=public_key, secret_key=secret_key,
    )  # fmt: skip
    upstream = PseudUpstream(config, Limits())
    await upstream.start()
    state = upstream.state
    await upstream.stop()
    return state, upstream.stopped


@pytest.mark.parametrize("security", securities())
def test_every_security_that_can_be_configured_has_a_plugin(security: str) -> None:
    assert asyncio.run(connected(security)) == ("connecting", True)

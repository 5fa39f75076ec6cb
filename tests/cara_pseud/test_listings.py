"""The documentation's listings as users would run them: server and client in processes of their own, over TCP."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

LISTINGS = Path(__file__).parent / "listings"
CHECKOUT = Path(__file__).parents[2]
# The listings find calculator.capnp on the import path, as a user's own schema would be found.
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "schemas")])}


def free_endpoint() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize("listing", ["coroutine_style.py", "async_style.py"])
def test_the_listing_gives_seven(listing: str) -> None:
    command = [sys.executable, "-W", "error::ResourceWarning", str(LISTINGS / listing)]
    endpoint = free_endpoint()
    with subprocess.Popen([*command, "server", endpoint], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == "serving\n"
            client = subprocess.run(
                [*command, "client", endpoint], capture_output=True, text=True, timeout=30, check=True, env=ENVIRONMENT
            )
            assert client.stdout == "7\n"
        finally:
            server.kill()

"""Ten thousand objects of a native service, made, held and let go of by twenty clients, two of which are killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.integration.conftest import ROOT, Socket
from tests.integration.conftest import eventually as eventually
from tests.native.bridges import census, gateway_of, trials
from tests.native.services import NativeService

CLIENTS, KILLED, EACH = 20, 2, 500

KILLED_CLIENT = """
import sys, time
from tests.integration.conftest import Web
from tests.native.test_many_objects import held

with Web(int(sys.argv[1])).socket(max_size=None) as socket:
    held(socket, int(sys.argv[2]))
    print("holds", flush=True)
    time.sleep(60)
"""


def held(socket: Socket, count: int) -> list[str]:
    """Have so many objects made, and say that they are objects."""
    socket.result("rpc.hello", {"protocol": 1}, id=0)
    made = [socket.result("abacus.make", [count // 5], id=1 + turn)["values"] for turn in range(5)]
    handles = [value["$handle"] for values in made for value in values]
    assert socket.result(f"@{handles[-1]}.read", [], id=10) == {"number": count // 5 - 1}
    return handles


def test_nothing_stays_at_the_service(abacus: NativeService, eventually: Callable[..., None]) -> None:
    with TemporaryDirectory() as folder, gateway_of(Path(folder), trials("abacus", abacus), WINDOW) as (_, web, _):
        before = census(web)["values"]
        command = [sys.executable, "-c", KILLED_CLIENT, str(web.port), str(EACH)]
        killed = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(KILLED)]
        try:
            with ExitStack() as stack:
                for _ in range(CLIENTS - KILLED):
                    socket = stack.enter_context(web.socket(max_size=None))
                    for handle in held(socket, EACH)[: EACH // 2]:
                        release = {"jsonrpc": "2.0", "method": "rpc.release", "params": {"handle": handle, "count": 1}}
                        socket.send(release)
                for client in killed:
                    assert client.stdout is not None
                    assert client.stdout.readline() == "holds\n"
                half = (CLIENTS - KILLED) * EACH // 2
                eventually(lambda: census(web)["values"] == before + half + KILLED * EACH, 15)
            for client in killed:
                client.kill()
            eventually(lambda: census(web)["values"] == before, 15)
        finally:
            for client in killed:
                client.kill()
                client.wait()
                assert client.stdout is not None
                client.stdout.close()


WINDOW = """
[gateway.limits]
resume_window_s = 1.0
"""

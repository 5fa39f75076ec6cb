"""``cara-gateway bridge``: a native service for Python programs, and what is refused."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import zmq

import cara_pseud
from cara_pseud.errors import RpcError
from tests.integration.conftest import ROOT, Start
from tests.native.bridges import TRIALS, WAIT_S, loaded
from tests.native.services import NativeService

WHAT = ("--schema", str(TRIALS), "--interface", "Trials")


@pytest.fixture
def start() -> Iterator[Start]:
    with TemporaryDirectory() as folder, ExitStack() as stack:
        yield Start(Path(folder), stack)


@pytest.mark.parametrize("security", ["noop", "plain", "curve"])
def test_python_programs_call_a_native_service(abacus: NativeService, start: Start, security: str) -> None:
    folder, client_arguments = start.folder, {"security_plugin": "noop_auth_backend"}
    options: list[str] = []
    bind = f"ipc://{folder / 'bridge'}"
    if security == "plain":
        done = subprocess.run(
            [sys.executable, "-m", "gateway", "passwd", str(folder / "passwords"), "ann"],
            input="secret\n", text=True, check=True, cwd=ROOT,
        )  # fmt: skip
        assert done.returncode == 0
        bind, options = "tcp://127.0.0.1:*", ["--passwords", str(folder / "passwords")]
        client_arguments = {"security_plugin": "plain", "user_id": "ann", "password": "secret"}
    elif security == "curve":
        (server_public, server_secret), (public, secret) = zmq.curve_keypair(), zmq.curve_keypair()
        (folder / "secret").write_bytes(server_secret)
        (folder / "allowed.json").write_text(f'{{"{public.decode()}": "ann"}}', "utf-8")
        bind = "tcp://127.0.0.1:*"
        options = ["--public-key", server_public.decode(), "--secret-key-file", str(folder / "secret")]
        options += ["--allowed-keys", str(folder / "allowed.json")]
        client_arguments = {
            "security_plugin": "curve", "public_key": public, "secret_key": secret, "peer_public_key": server_public
        }  # type: ignore[dict-item]  # fmt: skip
    process = start.process(
        "-m", "gateway", "bridge", *WHAT, "--endpoint", abacus.endpoint, "--bind", bind.replace("*", "0"),
        "--security", security, *options,
    )  # fmt: skip
    endpoint = process.line().removeprefix("listening on ")

    async def run() -> None:
        client = cara_pseud.Client("server", timeout=WAIT_S, **client_arguments)
        client.connect(endpoint)
        async with client:
            trials = loaded(TRIALS)[1].Trials(client)
            assert await (await trials.number(2)).read() == 2
            if security == "noop":
                process.popen.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(process.popen.wait, WAIT_S) == 0
                with pytest.raises(RpcError):
                    await trials.number(3)

    asyncio.run(asyncio.wait_for(run(), 2 * WAIT_S))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--endpoint", "ipc://x", "--bind", "ipc://y"), "--endpoint: expected unix: or tcp://"),
        (("--endpoint", "unix:/x", "--bind", "unix:/y"), "--bind: expected ipc:// or tcp://"),
        (("--endpoint", "unix:/x", "--bind", "tcp://127.0.0.1:1"), "on TCP everybody could call"),
        (("--endpoint", "unix:/x", "--bind", "tcp://127.0.0.1:1", "--security", "plain"), "--passwords: is missing"),
        (("--endpoint", "unix:/x", "--bind", "ipc://y", "--passwords", "p"), "--passwords: belongs to --security"),
        (("--endpoint", "unix:/x", "--bind", "ipc://y", "--interface", "Nothing"), "there is no interface 'Nothing'"),
        (("--endpoint", "unix:/x", "--bind", "ipc://y", "--schema", "/none.capnp"), "no such file"),
    ],
)
def test_what_cannot_be_is_refused(options: tuple[str, ...], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "bridge", *WHAT, *options],
        capture_output=True, text=True, cwd=ROOT, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())

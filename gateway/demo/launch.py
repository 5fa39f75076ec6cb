"""Starting the example services beside a gateway, and what a newcomer may try with them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import shlex
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import unquote

from cara_pseud.schema.trees import schema_tree
from gateway.config.auth import AuthConfig
from gateway.config.exposure import reach
from gateway.config.file import GatewayConfig, ServiceConfig
from gateway.config.values import UNIX_URL, Listen, UnixListen
from gateway.host_names import ANY_HOST

_LOG: Final = logging.getLogger(__name__)

USER: Final = "gateway"
"""Who the gateway is at the services."""

_INTERFACES: Final = {"calculator": "Calculator", "addressbook": "AddressBook"}
_STOP_S: Final = 5.0


class DemoServices:
    """The services' process, as long as the ``with`` block lasts.

    It ends with its standard input, so it cannot outlive a gateway that is killed. The password goes the same way,
    where no list of processes shows it.
    """

    def __init__(self, database: Path | None = None) -> None:
        self._database = database
        self._password = secrets.token_urlsafe(24)
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "gateway.demo.services", "--owned"]
        if self._database is not None:
            command += ["--database", str(self._database)]
        # A session of its own: Ctrl-C in a terminal is for the gateway, which lets calls under way end first.
        self._process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, start_new_session=True
        )
        assert self._process.stdin is not None
        # If it ended already, that shows when it is asked where it is.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(self._password + "\n")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None
        return self._process.pid

    def config(self, listen: Listen | UnixListen) -> GatewayConfig:
        """The configuration of a gateway for the services; waits until they say where they are.

        Raises:
            RuntimeError: they ended instead; their stderr says why.
        """
        services = []
        for _ in _INTERFACES:
            name, _, endpoint = self._line().partition(" ")
            services.append(
                ServiceConfig(
                    name=name,
                    schema=schema_tree() / f"{name}.capnp",
                    interface=_INTERFACES[name],
                    endpoints=(endpoint,),
                    peer=name,
                    security="plain",
                    user_id=USER,
                    password=self._password,
                )
            )
        # Whoever shows the demo to other machines means everybody; that is said at the start all the same.
        is_for_others = reach(listen, (), ()) is not None
        return GatewayConfig(
            listen=listen,
            # By whatever name they know this machine.
            hosts=(ANY_HOST,) if is_for_others and isinstance(listen, Listen) else (),
            expose_errors=not is_for_others,
            auth=AuthConfig(required=False) if is_for_others else None,
            services=tuple(services),
        )

    def _line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the example services ended with status {self._process.wait()}")
        return line.rstrip("\n")

    def watch(self) -> None:
        """Log it if the services end before they are asked to. Belongs to the running loop."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        loop = asyncio.get_running_loop()
        descriptor = process.stdout.fileno()

        def ended() -> None:
            loop.remove_reader(descriptor)
            _LOG.error("the example services ended; calls are answered with unavailable now")

        loop.add_reader(descriptor, ended)


def curl_lines(url: str) -> list[tuple[str, str]]:
    """What a newcomer may paste into a shell: (what it does, the line)."""
    json_type = "-H 'Content-Type: application/json'"
    port = url.rpartition(":")[2]
    if url.startswith(UNIX_URL):
        port, url = "unix", f"--unix-socket {shlex.quote(unquote(url.removeprefix(UNIX_URL)))} http://localhost"
    jar = f"/tmp/cara-demo-{port}.cookies"  # noqa: S108
    find = f"curl -s -c {jar} {url}/api/addressbook/find {json_type} -d '{{\"name\":\"Ann\"}}'"
    handle = "sed 's/.*\"$handle\":\"\\([^\"]*\\)\".*/\\1/'"
    update = (
        f"xargs -I HANDLE curl -s -b {jar} {url}/api/handles/HANDLE/update {json_type} "
        "-d '{\"person\":{\"phoneNumber\":\"555-0100\"}}'"
    )
    return [
        ("add two numbers", f"curl -s {url}/api/calculator/add {json_type} -d '{{\"first\":2,\"second\":5}}'"),
        ("find Ann and change her number through the object that came with her", f"{find} | {handle} | {update}"),
    ]

"""The recipes of examples/deploy/proxies as they stand there, and the programs that they are for, each with a folder of
its own. docs/deploy.md shows them.

A recipe is changed in what a test machine has otherwise: its ports, and where the certificate is.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

NAME = "gateway.example.org"
PREFIX = "/gw"
RECIPES = Path(__file__).resolve().parent.parent.parent / "examples" / "deploy" / "proxies"
START_S = 15.0


@dataclass(frozen=True)
class Certificate:
    """A self-signed one of `NAME`; ``both`` is a file with the certificate and its key."""

    certificate: Path
    key: Path
    both: Path


def make_certificate(folder: Path) -> Certificate:
    made = Certificate(folder / "certificate.pem", folder / "key.pem", folder / "both.pem")
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}",
            "-keyout", str(made.key), "-out", str(made.certificate),
        ],
        check=True, capture_output=True, timeout=START_S,
    )  # fmt: skip
    made.both.write_text(made.certificate.read_text() + made.key.read_text())
    return made


def recipe(name: str) -> str:
    """The text of a recipe's file."""
    return (RECIPES / name).read_text("utf-8")


def changed(text: str, changes: dict[str, str]) -> str:
    """A recipe with each of the texts replaced that a test machine has otherwise; each has to be there."""
    for old, new in changes.items():
        assert text.count(old) >= 1, f"the recipe has no {old!r}"
        text = text.replace(old, new)
    return text


def free_port() -> int:
    with socket.socket() as asking:
        asking.bind(("127.0.0.1", 0))
        port: int = asking.getsockname()[1]
        return port


def found(program: str) -> str:
    """Where a program is; Debian has some where only root looks."""
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    assert path, f"{program} is not installed: apt-get install {program}, which `make test` does as root"
    return path


class Proxy:
    """A running proxy.

    Attributes:
        port: where it speaks TLS.
    """

    def __init__(self, name: str, folder: Path, gateway: dict[str, str], certificate: Certificate) -> None:
        """Start it and wait until it listens.

        Args:
            gateway: what is changed in the recipe so that it finds the gateway.
        """
        folder.mkdir()
        self.port = free_port()
        self.log = folder / "log.txt"
        start = {"nginx": _nginx, "haproxy": _haproxy, "caddy": _caddy}[name]
        command = start(folder, self.port, gateway, certificate)
        environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        with self.log.open("w") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment)
        until = time.monotonic() + START_S
        while not self._answers():
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, f"{name} does not listen: {self.log.read_text()}"
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _nginx(folder: Path, port: int, gateway: dict[str, str], certificate: Certificate) -> list[str]:
    changes = {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        **gateway,
        f"/etc/ssl/certs/{NAME}.pem": str(certificate.certificate),
        f"/etc/ssl/private/{NAME}.key": str(certificate.key),
    }
    (folder / "site.conf").write_text(changed(recipe("nginx.conf"), changes))
    # What Debian's own nginx.conf says around it, in this folder; files of others' owner could not be written.
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user}daemon off;\npid {folder}/nginx.pid;\nworker_processes 1;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{paths}include {folder}/site.conf;\n}}\n"
    )
    return [found("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]


def _haproxy(folder: Path, port: int, gateway: dict[str, str], certificate: Certificate) -> list[str]:
    changes = {
        "bind :443": f"bind 127.0.0.1:{port}",
        **gateway,
        f"/etc/haproxy/{NAME}.pem": str(certificate.both),
    }
    (folder / "haproxy.cfg").write_text(changed(recipe("haproxy.cfg"), changes))
    return [found("haproxy"), "-db", "-f", str(folder / "haproxy.cfg")]


def _caddy(folder: Path, port: int, gateway: dict[str, str], certificate: Certificate) -> list[str]:
    changes = {
        **gateway,
        f"/etc/caddy/{NAME}.pem": str(certificate.certificate),
        f"/etc/caddy/{NAME}.key": str(certificate.key),
    }
    ports = f"{{\n\tadmin off\n\thttps_port {port}\n\thttp_port {free_port()}\n\tdefault_bind 127.0.0.1\n}}\n"
    (folder / "Caddyfile").write_text(ports + changed(recipe("Caddyfile"), changes))
    return [found("caddy"), "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]

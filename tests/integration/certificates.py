"""Certificates made for a test by openssl, as an operator makes them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def _openssl(*arguments: str) -> None:
    found = shutil.which("openssl")
    assert found is not None
    subprocess.run([found, *arguments], check=True, capture_output=True)


def self_signed(folder: Path, name: str, common_name: str, names: str = "DNS:localhost,IP:127.0.0.1") -> None:
    """Make NAME.pem and NAME.key."""
    _openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", f"/CN={common_name}", "-addext", f"subjectAltName={names}",
        "-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem"),
    )  # fmt: skip


def signed(folder: Path, name: str, common_name: str, authority: str, names: str = "DNS:client.example") -> None:
    """Make NAME.pem and NAME.key, signed by what `self_signed` made under the authority's name."""
    request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
    extensions.write_text(f"subjectAltName={names}\n")
    _openssl(
        "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={common_name}",
        "-keyout", str(folder / f"{name}.key"), "-out", str(request),
    )  # fmt: skip
    _openssl(
        "x509", "-req", "-in", str(request), "-CA", str(folder / f"{authority}.pem"),
        "-CAkey", str(folder / f"{authority}.key"), "-CAcreateserial", "-days", "2", "-extfile", str(extensions),
        "-out", str(folder / f"{name}.pem"),
    )  # fmt: skip

"""A configuration as a file for `cara-gateway serve`, as far as `cara-gateway dev` makes one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from cara_pseud.running import ENDPOINT, VARIABLE
from gateway.config.file import GatewayConfig, ServiceConfig


def toml_of(config: GatewayConfig, folder: Path) -> str:
    """The text of a file that stands in ``folder``, from which its paths begin."""
    services = [line for service in config.services for line in _service(service, folder)]
    return "\n".join([*_gateway(config, folder), *services, ""])


def _gateway(config: GatewayConfig, folder: Path) -> Iterator[str]:
    elsewhere = {endpoint for service in config.services for endpoint in service.endpoints} - {ENDPOINT}
    run = f"Run the service with {VARIABLE}={elsewhere.pop()}" if len(elsewhere) == 1 else "Run the service"
    yield f"# What `cara-gateway dev` has used. {run}, and then: cara-gateway serve --config FILE"
    yield "[gateway]"
    yield f"listen = {_text(str(config.listen))}"
    if config.pages is not None:
        yield f"pages = {_path(config.pages, folder)}"
    if config.import_path:
        yield f"import_path = [{', '.join(_path(path, folder) for path in config.import_path)}]"
    if config.expose_errors:
        yield "expose_errors = true           # clients see the texts of exceptions; leave it out where others call"
    if config.auth is not None:
        yield ""
        yield "[gateway.auth]"
        yield f"required = {str(config.auth.required).lower()}              # everybody may call"


def _service(service: ServiceConfig, folder: Path) -> Iterator[str]:
    yield ""
    yield f"[services.{service.name}]"
    yield f"schema = {_path(service.schema, folder)}"
    yield f"interface = {_text(service.interface)}"
    yield f"endpoint = {_text(service.endpoints[0])}"
    yield f"peer = {_text(service.peer)}"
    yield f"security = {_text(service.security)}"
    if service.user_id is not None:
        yield f"user_id = {_text(service.user_id)}"
    if service.password is not None:
        yield f"password = {_text(service.password)}               # trusted_peer believes any"


def _path(path: Path, folder: Path) -> str:
    return _text(os.path.relpath(path, folder))


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # whose escapes are all of TOML's, too

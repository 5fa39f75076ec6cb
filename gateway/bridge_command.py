"""The command ``cara-gateway bridge``: a native Cap'n Proto service as a cara service, without a gateway."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, Final

import click
import zmq

from cara_pseud.errors import SchemaError
from gateway import logs
from gateway.bridge.process import compiled, serve_until
from gateway.bridge.service import Bridge, ServedAs
from gateway.config.limits import Limits
from gateway.config.values import ENDPOINTS
from gateway.loop import settle_collector
from gateway.stalls import Stalls

CONFIG_EXIT: Final = 2


@click.command()
@click.option(
    "--schema", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The service's .capnp file."
)
@click.option("--interface", required=True, metavar="NAME", help="The interface of its bootstrap object.")
@click.option("--endpoint", required=True, metavar="unix:PATH|tcp://HOST:PORT", help="Where the service listens.")
@click.option("--bind", required=True, metavar="tcp://HOST:PORT|ipc://PATH", help="Where peers of cara connect.")
@click.option(
    "--import-path", "-I", multiple=True, type=click.Path(path_type=Path), help="A folder for imports; may be repeated."
)
@click.option("--peer", default="server", show_default=True, help="The pseud identity of what is served.")
@click.option(
    "--security", type=click.Choice(["noop", "plain", "curve"]), default="noop", show_default=True,
    help="Who may call. On TCP it is plain or curve.",
)  # fmt: skip
@click.option("--passwords", type=click.Path(dir_okay=False, path_type=Path), help="plain: the file of passwd.")
@click.option("--public-key", help="curve: the public key, in Z85.")
@click.option(
    "--secret-key-file", type=click.Path(dir_okay=False, path_type=Path), help="curve: the file with the secret key."
)
@click.option(
    "--allowed-keys", type=click.Path(dir_okay=False, path_type=Path),
    help="curve: a JSON file of the clients' public keys and who they are.",
)  # fmt: skip
def bridge(
    schema: Path,
    interface: str,
    endpoint: str,
    bind: str,
    import_path: tuple[Path, ...],
    peer: str,
    security: str,
    passwords: Path | None,
    public_key: str | None,
    secret_key_file: Path | None,
    allowed_keys: Path | None,
) -> None:
    """Serve a service that speaks native Cap'n Proto RPC to cara's peers, Python programs and gateways.

    Prints where it listens once the service can be called; while it cannot, nobody listens there.
    """
    _check_endpoint("--endpoint", endpoint, "unix:", "tcp://")
    _check_endpoint("--bind", bind, "ipc://", "tcp://")
    if bind.startswith("tcp://") and security == "noop":
        raise click.BadParameter("on TCP everybody could call; it must be plain or curve", param_hint="--security")
    arguments = _security(security, passwords, public_key, secret_key_file, allowed_keys)
    try:
        made, type = compiled(str(schema), [str(folder) for folder in import_path], interface)
    except SchemaError as error:
        click.echo(str(error), err=True)
        sys.exit(CONFIG_EXIT)

    def announce(endpoint: str) -> None:
        click.echo(f"listening on {endpoint}")

    log = logs.set_up(Limits().max_log_bytes)
    try:
        served_as = ServedAs(bind=bind, peer=peer, security=arguments)
        asyncio.run(_run(Bridge(made, type, endpoint, served_as, announce)))
    except zmq.ZMQError as error:
        click.echo(f"cara-gateway: cannot listen at {bind}: {os.strerror(error.errno or 0).lower()}", err=True)
        sys.exit(1)
    finally:
        log.close()


async def _run(bridge: Bridge) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    settle_collector(Stalls())
    await serve_until(bridge, stopped)


def _check_endpoint(option: str, endpoint: str, *schemes: str) -> None:
    try:
        (read,) = ENDPOINTS.read(endpoint)
    except ValueError:
        read = ""
    if not read.startswith(schemes):
        raise click.BadParameter(f"expected {' or '.join(schemes)}…, not {endpoint!r}", param_hint=option)


def _security(
    security: str,
    passwords: Path | None,
    public_key: str | None,
    secret_key_file: Path | None,
    allowed_keys: Path | None,
) -> dict[str, Any]:
    """The arguments of the server that say who may call."""
    given: dict[str, dict[str, object]] = {
        "plain": {"--passwords": passwords},
        "curve": {"--public-key": public_key, "--secret-key-file": secret_key_file, "--allowed-keys": allowed_keys},
    }
    for kind, options in given.items():
        for option, value in options.items():
            if (value is not None) is not (kind == security):
                wrong = "belongs to" if value is not None else "is missing, it is needed by"
                wrong = f"{wrong} --security {kind}"
                raise click.BadParameter(wrong, param_hint=option)
    if security == "plain":
        return {"security_plugin": "plain", "passwords": passwords}
    if security == "curve":
        assert secret_key_file is not None  # looked at above
        assert allowed_keys is not None
        try:
            keys = json.loads(allowed_keys.read_text("utf-8"))
            secret = secret_key_file.read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            raise click.BadParameter(str(error), param_hint="--allowed-keys, --secret-key-file") from None
        return {
            "security_plugin": "curve", "public_key": public_key, "secret_key": secret, "allowed_keys": keys
        }  # fmt: skip
    return {}

"""The commands of operators, which ask the admin listener of a gateway that runs: sessions, upstreams, reload."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NoReturn, TypeVar
from urllib.parse import quote

import click

from gateway import admin_paths
from gateway.errors import GatewayError
from gateway.http.gateway_url import read_url
from gateway.http.rest_client import Reply, RestClient
from gateway.json.text import dump

_RELOAD_S: Final = 120.0
"""Many schemas are compiled anew."""
_PAGE: Final = 500
_Command = TypeVar("_Command", bound=Callable[..., Any])

_admin_option = click.option(
    "--admin", default="127.0.0.1:9090", show_default=True, envvar="CARA_GATEWAY_ADMIN", metavar="HOST:PORT|unix:PATH",
    help="The admin listener, as the configuration names it.",
)  # fmt: skip
_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line, as the gateway told it.")


@click.command()
@_admin_option
@_json_option
@click.option("--principal", metavar="NAME", help="Those of one principal alone, such as key:alice.")
@click.option("--end", "ended", metavar="ID", help="End that session, and list nothing.")
def sessions(admin: str, as_json: bool, principal: str | None, ended: str | None) -> None:
    """List the sessions of a running gateway, or end one; who uses it is told that it has ended."""
    client = _client(admin)
    if ended is not None:
        _ask(client, "DELETE", f"{admin_paths.SESSIONS}/{quote(ended, safe='')}")
        return
    found = _all_sessions(client, principal)
    if as_json:
        for session in found:
            click.echo(json.dumps(session))
        return
    names = ("id", "principal", "address", "age_s", "idle_s", "streams", "handles", "callbacks", "calls", "kept_bytes")
    _table(names, ([session[name] for name in names] for session in found))


def _all_sessions(client: RestClient, principal: str | None) -> Iterator[dict[str, Any]]:
    after = ""
    while True:
        query = f"?limit={_PAGE}" + (f"&after={after}" if after else "")
        if principal is not None:
            query += f"&principal={quote(principal, safe='')}"
        page = _ask(client, "GET", admin_paths.SESSIONS + query).json()
        yield from page["sessions"]
        if page["next"] is None:
            return
        after = page["next"]


@click.command()
@_admin_option
@_json_option
def upstreams(admin: str, as_json: bool) -> None:
    """List the endpoints of a running gateway's services, with their state."""
    found = _ask(_client(admin), "GET", admin_paths.UPSTREAMS).json()["upstreams"]
    if as_json:
        for endpoint in found:
            click.echo(json.dumps(endpoint))
        return
    names = ("service", "endpoint", "state", "in_flight", "since", "trouble")
    _table(names, ([endpoint[name] for name in names] for endpoint in found))


@click.command()
@_admin_option
def reload(admin: str) -> None:
    """Have a running gateway read its configuration and schemas again.

    If they cannot be used, it serves on as before; what is wrong goes to stderr, a line each, and the exit code is 1.
    """
    client = _client(admin)
    try:
        reply = client.request("POST", admin_paths.RELOAD, timeout_s=_RELOAD_S)
        complaints = [] if reply.succeeded else reply.json().get("details", {}).get("complaints", [])
    except GatewayError as error:
        _fail(error)
    if complaints:
        click.echo("\n".join(map(str, complaints)), err=True)
        sys.exit(1)
    if not reply.succeeded:
        _fail(reply)


def _client(admin: str) -> RestClient:
    try:
        return RestClient(read_url(admin))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--admin") from None


def _ask(client: RestClient, method: str, path: str) -> Reply:
    try:
        reply = client.request(method, path)
    except GatewayError as error:
        _fail(error)
    if not reply.succeeded:
        _fail(reply)
    return reply


def _fail(error: GatewayError | Reply) -> NoReturn:
    """Print a problem on stderr and end with 1."""
    click.echo(dump(error.problem()).decode() if isinstance(error, GatewayError) else error.text, err=True)
    # The admin listener has all paths that are asked here, and asks nobody who they are.
    if isinstance(error, Reply) and (error.status == 401 or (error.status == 404 and '"reason"' not in error.text)):
        click.echo("cara-gateway: that is not the admin listener; --admin takes the address that admin has", err=True)
    sys.exit(1)


def _table(names: Sequence[str], rows: Iterator[list[Any]]) -> None:
    lines = [list(names), *([_shown(value) for value in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(names))]
    for line in lines:
        click.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def _shown(value: object) -> str:
    if value is None or value == "":
        return "-"
    text = f"{value:.0f}" if isinstance(value, float) else str(value)
    # A name may come from anywhere, and a terminal obeys control characters.
    return "".join(char if char.isprintable() else "\ufffd" for char in text)

"""The commands that ask a running gateway: list, describe, call."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Set
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar
from urllib.parse import quote

import click

from gateway.config.file import KEY_VARIABLE, TOKEN_VARIABLE
from gateway.describe.description_text import interface_text, symbol_text
from gateway.errors import GatewayError
from gateway.http.gateway_url import read_url
from gateway.http.rest_client import CONNECT_TIMEOUT_S, DEFAULT_TIMEOUT_S, MARGIN_S, Reply, RestClient, TlsFiles
from gateway.json.text import dump
from gateway.reference_form import HANDLE

_SESSION: Final = "Session-Id"
_SECONDS: Final = click.FloatRange(min=0, min_open=True)
_FILE: Final = click.Path(dir_okay=False, path_type=Path)
_Command = TypeVar("_Command", bound=Callable[..., Any])


def _asking(command: _Command) -> _Command:
    """The options that say which gateway is asked, and as whom."""
    for option in reversed((
        click.option(
            "--url", default="127.0.0.1:8080", show_default=True, envvar="CARA_GATEWAY_URL", metavar="HOST:PORT|URL",
            help="The gateway: HOST:PORT, http(s)://HOST:PORT with or without a path, or unix:/PATH.",
        ),
        click.option(
            "-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'",
            help="A header of every request, such as 'Authorization: Bearer …'. May be given several times.",
        ),
        click.option(
            "--token-file", type=_FILE, envvar="CARA_GATEWAY_TOKEN_FILE", metavar="FILE",
            help="Our key or token is in FILE; else the variable CARA_GATEWAY_KEY or CARA_GATEWAY_TOKEN has it.",
        ),
        click.option("--cacert", type=_FILE, help="Trust the certificates in this file instead of the system's."),
        click.option("--cert", type=_FILE, help="Our own certificate, for gateways that ask for one."),
        click.option("--key", type=_FILE, help="The key of --cert, if it is in a file of its own."),
        click.option("--insecure", is_flag=True, help="Do not check who the gateway is."),
        click.option(
            "--connect-timeout", type=_SECONDS, default=CONNECT_TIMEOUT_S,
            show_default=True, metavar="SECONDS", help="How long a connection may take.",
        ),
        click.option("--session", metavar="ID", help="The session whose objects are meant."),
    )):  # fmt: skip
        command = option(command)
    return command


def _client(
    url: str,
    headers: tuple[str, ...],
    token_file: Path | None,
    cacert: Path | None,
    cert: Path | None,
    key: Path | None,
    insecure: bool,
    connect_timeout: float,
    session: str | None,
) -> tuple[RestClient, bool]:
    """The client of those options, and whether they name a session."""
    sent: dict[str, str] = {}
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon or not name.strip() or not header.isprintable():
            raise click.BadParameter(f"expected 'Name: value', not {header!r}", param_hint="-H")
        if name.strip().lower() in {each.lower() for each in sent}:
            raise click.BadParameter(f"{name.strip()} is given twice", param_hint="-H")
        sent[name.strip()] = value.strip()
    sent |= _credentials({name.lower() for name in sent}, token_file, os.environ)
    if session is not None:
        sent[_SESSION] = session
    files = TlsFiles(cacert, cert, key, insecure)
    try:
        place = read_url(url, tls=files.is_given)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--url") from None
    try:
        client = RestClient(place, sent, files, connect_timeout)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--cacert, --cert, --key") from None
    return client, _SESSION.lower() in {name.lower() for name in sent}


def _credentials(given: Set[str], token_file: Path | None, environment: Mapping[str, str]) -> dict[str, str]:
    """The header that says who we are; none if a given one does.

    There is no option for the key itself: everybody at this machine sees the arguments of everybody's commands.
    """
    says_who = not given.isdisjoint({"authorization", "x-api-key"})
    if token_file is not None:
        if says_who:
            raise click.UsageError("it is said twice who we are: by -H and by --token-file")
        try:
            secret = token_file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = (getattr(error, "strerror", None) or "is not UTF-8 text").lower()
            raise click.BadParameter(f"{token_file}: {reason}", param_hint="--token-file") from None
        return {"Authorization": f"Bearer {_checked(secret, '--token-file')}"}
    if says_who:
        return {}
    key, token = environment.get(KEY_VARIABLE), environment.get(TOKEN_VARIABLE)
    if key and token:
        raise click.UsageError(f"both {KEY_VARIABLE} and {TOKEN_VARIABLE} are set")
    if key:
        return {"X-API-Key": _checked(key, KEY_VARIABLE)}
    return {"Authorization": f"Bearer {_checked(token, TOKEN_VARIABLE)}"} if token else {}


def _checked(secret: str, place: str) -> str:
    if not secret or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise click.UsageError(f"{place} has no key and no token: expected one line of printable characters")
    return secret


def _fail(error: GatewayError | Reply) -> NoReturn:
    """Print a problem on stderr and end with 1."""
    click.echo(dump(error.problem()).decode() if isinstance(error, GatewayError) else error.text, err=True)
    sys.exit(1)


def _get(client: RestClient, path: str) -> Any:
    try:
        reply = client.request("GET", path)
        value = reply.json()
    except GatewayError as error:
        _fail(error)
    if not reply.succeeded:
        _fail(reply)
    return value


@click.command("list")
@_asking
@click.argument("service", required=False)
def list_names(service: str | None, **options: Any) -> None:
    """List the services of a running gateway, or the methods of SERVICE."""
    client, _ = _client(**options)
    if service is None:
        for each in _get(client, "/api")["services"]:
            click.echo(each["name"])
        return
    for method in _get(client, f"/api/{quote(service, safe='')}")["methods"]:
        click.echo(f"{service}.{method['name']}")


@click.command()
@_asking
@click.option("--json", "as_json", is_flag=True, help="Print what the gateway answers, as JSON.")
@click.argument("symbol", required=False, metavar="[SYMBOL]")
def describe(symbol: str | None, as_json: bool, **options: Any) -> None:
    """Describe what a running gateway serves.

    SYMBOL is a SERVICE, one of its methods, SERVICE.METHOD, a type that its methods lead to, SERVICE.TYPE, or with
    --session an object, @HANDLE. Without it all services are described.
    """
    client, _ = _client(**options)
    names = [symbol] if symbol else [each["name"] for each in _get(client, "/api")["services"]]
    for index, name in enumerate(names):
        owner, _, member = name.partition(".")
        place = f"handles/{quote(owner[1:], safe='')}" if owner.startswith("@") else quote(owner, safe="")
        described = _get(client, f"/api/{place}")
        if as_json:
            click.echo(json.dumps(described, indent=2, ensure_ascii=False))
            continue
        if index:
            click.echo()
        try:
            click.echo(symbol_text(described, member) if member else _headed(owner, described))
        except GatewayError as error:
            _fail(error)


def _headed(owner: str, described: Mapping[str, Any]) -> str:
    what = "object" if owner.startswith("@") else "service"
    return f"# The {what} {owner}.\n{interface_text(described)}"


@click.command()
@_asking
@click.option("-d", "--data", metavar="JSON|@FILE|@-", help="PARAMS, from a file or standard input if need be.")
@click.option("--timeout", type=_SECONDS, metavar="SECONDS", help="What the call may take.")
@click.option("--as", "interface", metavar="INTERFACE", help="Take the object for one with this interface.")
@click.option("--keep-session", is_flag=True, help="Keep the session of the answer's objects, and print its id.")
@click.argument("target", metavar="SERVICE.METHOD")
@click.argument("params", default="")
def call(
    target: str,
    params: str,
    data: str | None,
    timeout: float | None,
    interface: str | None,
    keep_session: bool,
    **options: Any,
) -> None:
    """Call a method of a running gateway.

    PARAMS is a JSON object of parameters by name or an array by position; "-" reads it from standard input. With
    --session TARGET may be @HANDLE.METHOD. The result goes to stdout; if the call fails, the problem object goes to
    stderr and the exit code is 1.

    With --as the object is taken for one with another interface of its service's schema, and METHOD is one of that.
    @HANDLE without a method prints the handle that it has as such.

    An answer with objects opens a session, which ends with this command. With --keep-session it lives on until it is
    idle for 15 minutes, and "session: ID" goes to stderr.
    """
    owner, dot, method = target.partition(".")
    if interface is not None and not owner.startswith("@"):
        raise click.UsageError("--as needs @HANDLE or @HANDLE.METHOD: a service is what it is")
    if (not dot or not owner or not method) and (dot or interface is None):
        raise click.BadParameter(f"expected SERVICE.METHOD or @HANDLE.METHOD, not {target!r}", param_hint="TARGET")
    client, has_session = _client(**options)
    if owner.startswith("@") and not has_session:
        raise click.UsageError("@HANDLE.METHOD needs --session: a handle means something in its session only")
    if interface is not None:
        cast = _cast(client, owner[1:], interface)
        if not method:
            click.echo(cast.text)
            return
        owner = "@" + cast.json()[HANDLE]
    body = _body(params, data)
    headers = {} if timeout is None else {"Request-Timeout": f"{timeout:g}"}
    wait_s = DEFAULT_TIMEOUT_S if timeout is None else timeout + MARGIN_S
    place = f"handles/{quote(owner[1:], safe='')}" if owner.startswith("@") else quote(owner, safe="")
    try:
        reply = client.request("POST", f"/api/{place}/{quote(method, safe='')}", body, headers, wait_s)
        reply.json()
    except GatewayError as error:
        _fail(error)
    opened = None if has_session else reply.headers.get(_SESSION.lower())
    click.echo(reply.text, err=not reply.succeeded)
    if opened is not None:
        _settle_session(client, opened, keep_session)
    sys.exit(0 if reply.succeeded else 1)


def _cast(client: RestClient, token: str, interface: str) -> Reply:
    try:
        reply = client.request("POST", f"/api/handles/{quote(token, safe='')}", dump({"interface": interface}))
        reply.json()
    except GatewayError as error:
        _fail(error)
    if not reply.succeeded:
        _fail(reply)
    return reply


def _body(params: str, data: str | None) -> bytes:
    if data is not None and params:
        raise click.UsageError("the parameters are given twice: as PARAMS and by --data")
    text = params if data is None else data
    if text == ("-" if data is None else "@-"):
        return sys.stdin.buffer.read()
    if data is not None and data.startswith("@"):
        try:
            return Path(data[1:]).read_bytes()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise click.BadParameter(f"{data[1:]} cannot be read: {reason}", param_hint="--data") from None
    return text.encode("utf-8", "surrogateescape")


def _settle_session(client: RestClient, id: str, keep: bool) -> None:
    """Say which session the answer opened, or end it."""
    if keep:
        click.echo(f"session: {id}", err=True)
        return
    click.echo("The session of these objects ends with this command; --keep-session keeps it.", err=True)
    try:
        client.request("DELETE", "/api/session", headers={_SESSION: id})
    except GatewayError as error:
        click.echo(f"The session could not be ended: {error.detail}", err=True)

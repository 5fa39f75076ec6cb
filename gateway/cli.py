"""The command ``cara-gateway``: demo, serve, check, routes, openapi, types, passwd; the others stand elsewhere.

Exit codes: 0 done or stopped by a signal, 2 the configuration or the command line cannot be used, 1 everything else.
stdout is for what was asked for; logs go to stderr.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final, NoReturn

import click

from cara_pseud.errors import SchemaError
from cara_pseud.password_entries import PasswordFileError
from cara_pseud.passwords import fault_of_role, fault_of_user, set_password
from cara_pseud.running import ENDPOINT
from cara_pseud.schema.loader import compile_schema
from cara_pseud.stubs import stubs as stubs_of
from gateway.access.authentication import Authentication
from gateway.access.outside import AuthOutside
from gateway.admin_commands import reload, sessions, upstreams
from gateway.app import Gateway
from gateway.bridge_command import bridge
from gateway.catalogue_loading import check_against, load_routes
from gateway.config.exposure import exposures
from gateway.config.file import DEFAULT_LISTEN, ENVIRONMENT_PREFIX, ConfigError, GatewayConfig, load, without_file
from gateway.config.values import LISTEN, Listen, UnixListen
from gateway.credential_commands import key
from gateway.demo.launch import DemoServices, curl_lines
from gateway.describe.openapi import openapi_document, security_of
from gateway.describe.typescript import PACKAGE, typescript_module
from gateway.development.development import Development, Wishes
from gateway.development.toml import toml_of
from gateway.http.page_changes import PageChanges
from gateway.http.path_table import default_routes
from gateway.http.tls import Tls
from gateway.life import StartError, run, stop_quietly
from gateway.remote_commands import call, describe, list_names

CONFIG_EXIT: Final = 2
_SERVICES_S: Final = 1.0
"""How long the first line waits for services that may come up; `serve` also starts without them."""
_BRIDGES_S: Final = 5.0
"""The same where bridges have to start first."""
_DEMO_S: Final = 20.0

_config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    default=Path("gateway.toml"),
    show_default=True,
    envvar="CARA_GATEWAY_CONFIG",
    help="The TOML file.",
)
_listen_option = click.option(
    "--listen", metavar="HOST:PORT", help="Where to accept connections; port 0 picks one, unix:PATH is a socket."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cara-gateway")
def main() -> None:
    """Cap'n Proto services for browsers, scripts and curl, as JSON."""


@main.command()
@_config_option
@_listen_option
@click.option("--reload", is_flag=True, help="Read everything again when the file, a schema or a key file changes.")
@click.option("--schema", type=click.Path(path_type=Path), help="Serve one native service, without a file: its schema.")
@click.option("--interface", metavar="NAME", help="The interface of its bootstrap object.")
@click.option("--endpoint", metavar="unix:PATH|tcp://HOST:PORT", help="Where it listens.")
@click.option("--service", metavar="NAME", help="Its name in URLs; by default the interface's, with a small letter.")
@click.option(
    "--import-path", "-I", multiple=True, type=click.Path(path_type=Path), help="A folder for imports; may be repeated."
)
def serve(
    config_path: Path,
    listen: str | None,
    reload: bool,
    schema: Path | None,
    interface: str | None,
    endpoint: str | None,
    service: str | None,
    import_path: tuple[Path, ...],
) -> None:
    """Run the gateway. SIGHUP has it read its configuration and the schemas again.

    With --schema, --interface and --endpoint it serves one service that speaks native Cap'n Proto RPC, and needs no
    file.
    """
    stop_quietly()
    flags = {} if listen is None else {"listen": listen}
    source = partial(load, config_path, os.environ, flags)
    one = {"schema": schema and str(schema), "interface": interface, "endpoint": endpoint}
    if any(value is not None for value in one.values()):
        missing = [f"--{name}" for name, value in one.items() if value is None]
        if missing:
            raise click.UsageError(f"{' and '.join(missing)} is missing: a service without a file needs all three")
        assert interface is not None  # or it would be missing
        if import_path:
            flags["import_path"] = ",".join(map(str, import_path))
        name = service or interface[:1].lower() + interface[1:].replace(".", "_")
        source = partial(without_file, one | {"protocol": "capnp"}, name, os.environ, flags)
    elif service is not None or import_path:
        raise click.UsageError("--service and --import-path belong to --schema, --interface and --endpoint")
    try:
        config = source()
    except ConfigError as error:
        _refuse(error)
    _run(config, _announced, source, watches=reload)


async def _announced(gateway: Gateway) -> None:
    is_bridged = any(service.protocol == "capnp" for service in gateway.config.services)
    await gateway.services_up(_BRIDGES_S if is_bridged else _SERVICES_S)
    click.echo(f"listening on {gateway.url}")


@main.command()
@_listen_option
@click.option(
    "--database", type=click.Path(dir_okay=False, path_type=Path), help="Keep the address book in this SQLite file."
)
def demo(listen: str | None, database: Path | None) -> None:
    """Run the example services and a gateway in front of them."""
    stop_quietly()
    wanted = _wanted_listen(listen)
    with DemoServices(database) as services:

        async def announce(gateway: Gateway) -> None:
            if not await gateway.services_up(_DEMO_S):
                raise StartError("the example services did not start")
            services.watch()
            click.echo(f"listening on {gateway.url}")
            click.echo()
            if gateway.port is not None:
                click.echo(f"The console: {gateway.url}/")
                click.echo()
            for comment, line in curl_lines(gateway.url):
                click.echo(f"# {comment}\n{line}\n")

        try:
            config = services.config(wanted)
        except RuntimeError as error:
            click.echo(f"cara-gateway: {error}", err=True)
            sys.exit(1)
        _run(config, announce)


@main.command()
@click.argument("schema", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("service", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("arguments", nargs=-1)
@_listen_option
@click.option("--pages", type=click.Path(path_type=Path), help="The folder of pages; public beside SERVICE otherwise.")
@click.option(
    "--import-path", "-I", multiple=True, type=click.Path(path_type=Path), help="A folder for imports; may be repeated."
)
@click.option(
    "--write", "written", type=click.Path(dir_okay=False, path_type=Path), help="Write what is used to this TOML file."
)
def dev(
    schema: Path,
    service: Path,
    arguments: tuple[str, ...],
    listen: str | None,
    pages: Path | None,
    import_path: tuple[Path, ...],
    written: Path | None,
) -> None:
    """Run SERVICE, a Python program that serves interfaces of SCHEMA, and a gateway in front of it; follow their files.

    When the program, the schema or a page changes, what runs becomes what the files say, and browsers stay connected.
    ARGUMENTS are the program's own; those that begin with a dash stand behind --.
    """
    stop_quietly()
    if written is not None and written.exists():
        raise click.BadParameter(f"{written} is there already; name another file", param_hint="--write")
    if schema.suffix == ".py":
        raise click.BadParameter(f"{schema} is a program; the schema stands before the service", param_hint="SCHEMA")
    if pages is not None and not pages.is_dir():
        click.echo(f"cara-gateway: there is no folder {pages} yet; its pages are served when it is there", err=True)
    wishes = Wishes(
        script=service,
        arguments=arguments,
        schema=schema,
        import_path=import_path,
        pages=service.parent / "public" if pages is None else pages,
        listen=_wanted_listen(listen),
        # Where it is found when it runs by itself, as the file is for then.
        endpoint=None if written is None else ENDPOINT,
    )

    def used(config: GatewayConfig) -> None:
        if written is not None:
            written.write_text(toml_of(config, written.parent), "utf-8")

    development = Development(wishes, lambda text: click.echo(f"cara-gateway: {text}", err=True), used)

    async def announce(gateway: Gateway) -> None:
        await development.begin(gateway)
        click.echo(f"listening on {gateway.url}")
        if gateway.port is not None:
            click.echo(f"the console: {gateway.url}/console/")

    try:
        _run(development.source(), announce, development.source, page_changes=development.page_changes)
    finally:
        development.end()


@main.command()
@_config_option
@click.option(
    "--against", "old_schema", type=click.Path(path_type=Path), help="An earlier version of a schema to compare with."
)
def check(config_path: Path, old_schema: Path | None) -> None:
    """Check the configuration and every schema without starting anything.

    With --against, say which changes since an earlier version of a schema break those who still have it.
    """
    config = _load(config_path, {})
    try:
        routes, _ = load_routes(config)
        if old_schema is not None:
            check_against(old_schema, routes, config.import_path)
        Authentication(config.auth, AuthOutside())
        if config.tls is not None:
            Tls(config.tls)
    except ConfigError as error:
        _refuse(error)
    for exposure in exposures(config.listen, config.hosts, config.trusted_proxies, config.auth, config.admin):
        click.echo(f"{config_path}: warning: {exposure}", err=True)
    click.echo(f"{config_path}: fine, {len(config.services)} service{'s' if len(config.services) != 1 else ''}")


@main.command()
@click.argument("schemas", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), default=Path(), help="The folder for the stubs.")
@click.option(
    "--import-path", "-I", multiple=True, type=click.Path(path_type=Path), help="A folder for imports; may be repeated."
)
@click.option("--check", "only_checks", is_flag=True, help="Write nothing; end with 1 if a stub is missing or old.")
def stubs(schemas: tuple[Path, ...], output: Path, import_path: tuple[Path, ...], only_checks: bool) -> None:
    """Write type stubs of SCHEMAS and of what they import, for mypy and pyright: calculator_capnp.pyi."""
    texts: dict[Path, str] = {}
    try:
        for path in schemas:
            for module, text in stubs_of(compile_schema([path], import_path)).items():
                texts[output.joinpath(*module.split(".")).with_suffix(".pyi")] = text
    except SchemaError as error:
        _refuse(ConfigError(str(error)))
    if only_checks:
        old = [path for path, text in texts.items() if not path.is_file() or path.read_text("utf-8") != text]
        for path in old:
            word = "old" if path.exists() else "missing"
            click.echo(f"{path}: is {word}; write it with `cara-gateway stubs`", err=True)
        sys.exit(1 if old else 0)
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        click.echo(path)


@main.command()
@_config_option
def openapi(config_path: Path) -> None:
    """Print the OpenAPI document of all services, as /openapi.json serves it."""
    config = _load(config_path, {})
    try:
        services, _ = load_routes(config)
    except ConfigError as error:
        _refuse(error)
    document = openapi_document(
        services, config.codec, version("cara-gateway"), config.base_path, config.limits, security_of(config.auth)
    )
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


@main.command()
@_config_option
@click.option("--client", default=PACKAGE, show_default=True, help="What the types import the client's own from.")
@click.argument("service", required=False)
def types(config_path: Path, client: str, service: str | None) -> None:
    """Print the TypeScript types of SERVICE, as /types/SERVICE.d.ts serves them; without SERVICE, those of all.

    They import the client by its package's name, as a project of one's own does.
    """
    config = _load(config_path, {})
    try:
        services, _ = load_routes(config)
    except ConfigError as error:
        _refuse(error)
    wanted = [routes for routes in services if service in (None, routes.name)]
    if not wanted:
        names = [routes.name for routes in services]
        raise click.BadParameter(f"there is no service {service!r}; there are {', '.join(names)}", param_hint="SERVICE")
    click.echo(typescript_module(wanted, config.codec, client), nl=False)


@main.command()
@_config_option
def routes(config_path: Path) -> None:
    """Print the REST routes of all methods."""
    config = _load(config_path, {})
    try:
        services, http_routes = load_routes(config)
    except ConfigError as error:
        _refuse(error)
    rows = [*default_routes(services)]
    rows += [(verb, path, f"{service}.{method}") for verb, path, service, method in http_routes.rows()]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for verbs, path, target in rows:
        click.echo(f"{verbs:<{widths[0]}}  {path:<{widths[1]}}  {target}")


main.add_command(bridge)
main.add_command(list_names)
main.add_command(describe)
main.add_command(call)
main.add_command(key)
main.add_command(sessions)
main.add_command(upstreams)
main.add_command(reload)


# Running.


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("user")
@click.option(
    "--role",
    "roles",
    multiple=True,
    metavar="ROLE",
    help="A role of USER at a gateway, in place of those so far. May be given several times.",
)
def passwd(file: Path, user: str, roles: tuple[str, ...]) -> None:
    """Set USER's password in FILE, for gateways and servers with passwords = "FILE". Only a scrypt hash is kept.

    Asks for the password twice; from a pipe it is the first line.
    """
    if fault := fault_of_user(user):
        raise click.BadParameter(fault, param_hint="USER")
    for role in roles:
        if fault := fault_of_role(role):
            raise click.BadParameter(fault, param_hint="--role")
    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise click.UsageError("the password must not be empty")
    try:
        set_password(file, user, password, roles or None)
    except (OSError, PasswordFileError) as error:
        raise click.ClickException(str(error)) from None


def _wanted_listen(option: str | None) -> Listen | UnixListen:
    text = option or os.environ.get(f"{ENVIRONMENT_PREFIX}LISTEN") or str(DEFAULT_LISTEN)
    try:
        wanted: Listen | UnixListen = LISTEN.read(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--listen") from None
    return wanted


def _load(path: Path, flags: dict[str, str]) -> GatewayConfig:
    try:
        return load(path, os.environ, flags)
    except ConfigError as error:
        _refuse(error)


def _refuse(error: ConfigError) -> NoReturn:
    click.echo("\n".join(error.complaints), err=True)
    sys.exit(CONFIG_EXIT)


def _run(
    config: GatewayConfig,
    announce: Callable[[Gateway], Awaitable[None]],
    source: Callable[[], GatewayConfig] | None = None,
    *,
    watches: bool = False,
    page_changes: PageChanges | None = None,
) -> None:
    try:
        run(config, announce, source, watches=watches, page_changes=page_changes)
    except ConfigError as error:
        _refuse(error)
    except StartError as error:
        click.echo(f"cara-gateway: {error}", err=True)
        sys.exit(1)

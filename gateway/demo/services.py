"""The process of the example services: ``python -m gateway.demo.services``.

Says on stdout where each one is, ``calculator tcp://…`` and ``addressbook tcp://…``, and serves until SIGTERM, SIGINT,
or, if told so, until its standard input ends, which also happens when the process that started it is killed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any, Final

import click

import cara_pseud
from gateway.demo.addressbook import address_book_service
from gateway.demo.calculator import calculator_service
from gateway.demo.launch import USER
from gateway.demo.people import People

PASSWORD_VARIABLE: Final = "CARA_DEMO_PASSWORD"  # noqa: S105


@click.command()
@click.option("--calculator", default="tcp://127.0.0.1:*", show_default=True, help="Where to serve; * picks a port.")
@click.option("--addressbook", default="tcp://127.0.0.1:*", show_default=True, help="Where to serve; * picks a port.")
@click.option("--database", type=click.Path(dir_okay=False, path_type=Path), help="The address book's SQLite file.")
@click.option("--password-file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--owned", is_flag=True, help="Read the password from standard input, and end when that ends.")
def main(calculator: str, addressbook: str, database: Path | None, password_file: Path | None, owned: bool) -> None:
    """Serve the calculator and the address book to a gateway.

    The gateway logs in as "gateway" with the password in CARA_DEMO_PASSWORD or in --password-file.
    """
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="services: %(levelname)s: %(message)s")
    if owned:
        password = sys.stdin.readline().rstrip("\n")
    elif password_file is not None:
        password = password_file.read_text("utf-8").rstrip("\r\n")
    else:
        password = os.environ.get(PASSWORD_VARIABLE, "")
    if not password:
        raise click.UsageError(f"no password: set {PASSWORD_VARIABLE} or give --password-file")
    asyncio.run(_serve({"calculator": calculator, "addressbook": addressbook}, People(database), password, owned))


async def _serve(endpoints: dict[str, str], people: People, password: str, owned: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    implementations = {"calculator": calculator_service(), "addressbook": address_book_service(people)}
    servers = []
    for name, (interface, implementation) in implementations.items():
        server = cara_pseud.Server(name, security_plugin="plain", passwords={USER: password}, gateways=[USER])
        cara_pseud.setup_server(server)
        cara_pseud.register_interface(server, interface, implementation)
        server.bind(endpoints[name])
        await server.start()
        servers.append(server)
        click.echo(f"{name} {server.endpoint}")
    if owned:
        await _watch_stdin(stop)
    await stop.wait()
    for server in servers:
        await server.stop(grace=2)
    people.close()


async def _watch_stdin(stop: asyncio.Event) -> None:
    class Watch(asyncio.Protocol):
        def connection_lost(self, exc: Any) -> None:
            stop.set()

    await asyncio.get_running_loop().connect_read_pipe(Watch, sys.stdin)


if __name__ == "__main__":
    main()

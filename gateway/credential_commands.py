"""The command that makes credentials for a gateway's clients: key."""

from __future__ import annotations

import fcntl
import os
import secrets
import sys
from pathlib import Path

import click

from gateway.config.key_file import (
    KEY_BYTES,
    KeyEntry,
    digest_of,
    fault_of_name,
    fault_of_role,
    key_of,
    names_in,
    read_keys,
    with_entry,
)


@click.command()
@click.argument("name")
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="A role of the key. May be given several times.")
@click.option(
    "--file",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("keys.txt"),
    show_default=True,
    help="The file of keys, as [gateway.auth] names it.",
)
@click.option("--replace", is_flag=True, help="Make a new key for a NAME that has one; the old one is void then.")
def key(name: str, roles: tuple[str, ...], path: Path, replace: bool) -> None:
    """Make a key for NAME, print it, and write its hash into the file of keys.

    The key is shown this once: the file has only its hash. A gateway that runs knows it when it has reloaded.
    """
    if fault := fault_of_name(name):
        raise click.BadParameter(f"{name!r}: {fault}", param_hint="NAME")
    for role in roles:
        if fault := fault_of_role(role):
            raise click.BadParameter(f"{role!r}: {fault}", param_hint="--role")
    made = key_of(secrets.token_bytes(KEY_BYTES))
    entry = KeyEntry(name, frozenset(roles), digest_of(made))
    try:
        _write(path, entry, replace)
    except OSError as error:
        raise click.ClickException(f"{path}: {(error.strerror or str(error)).lower()}") from None
    shown = ", ".join(sorted(entry.roles)) or "none"
    click.echo(f"The key of {name} (roles: {shown}), shown this once; {path} has its hash:", err=True)
    click.echo(made)


def _write(path: Path, entry: KeyEntry, replace: bool) -> None:
    """Write in place, so that whoever may read the file still may; one command at a time.

    Raises:
        OSError: the file cannot be read or written.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with open(descriptor, "r+", encoding="utf-8", newline="\n") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            text = file.read()
        except UnicodeDecodeError:
            raise click.ClickException(f"{path}: is not UTF-8 text") from None
        entries, faults = read_keys(text)
        if faults:
            click.echo("\n".join(f"{path}:{line}: {fault}" for line, fault in faults), err=True)
            sys.exit(2)
        if entry.name in names_in(entries) and not replace:
            raise click.UsageError(f"{entry.name} has a key in {path} already; --replace makes a new one in its place")
        if entry.name in names_in(entries):
            file.seek(0)
            file.write(with_entry(text, entry))
            file.truncate()
        else:
            # Only appended to, so that a gateway that reads it meanwhile sees whole lines.
            file.write(("" if not text or text.endswith("\n") else "\n") + entry.line() + "\n")

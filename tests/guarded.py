"""The example services behind a real gateway that asks who calls: alice, of the staff, and bob by keys; carol by a
password. The address book is for the staff.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from cara_pseud.passwords import set_password
from gateway.config.key_file import KeyEntry, digest_of, key_of
from tests.integration.conftest import ROOT, Start, Web

PASSWORD: Final = "a pässword: 1"
_SERVICES_PASSWORD: Final = "between services"
_CONFIG: Final = """
[gateway]
{extra}
[gateway.auth]
keys = "keys.txt"
passwords = "passwd.txt"
[services.calculator]
schema = "{schemas}/calculator.capnp"
interface = "Calculator"
endpoint = "{calculator}"
peer = "calculator"
security = "plain"
user_id = "gateway"
password = "{password}"
[services.addressbook]
schema = "{schemas}/addressbook.capnp"
interface = "AddressBook"
endpoint = "{addressbook}"
peer = "addressbook"
security = "plain"
user_id = "gateway"
password = "{password}"
roles = ["staff"]
"""


@dataclass(frozen=True)
class Guarded:
    """The gateway, and what its callers show.

    Attributes:
        alice, bob: keys.
    """

    web: Web
    process: Any
    alice: str
    bob: str


def guarded_gateway(start: Start, extra: str = "") -> Guarded:
    """Start it; ``extra`` are lines of the table ``[gateway]``."""
    services = start.process("-m", "gateway.demo.services", environment={"CARA_DEMO_PASSWORD": _SERVICES_PASSWORD})
    endpoints = dict(services.line().split(" ", 1) for _ in range(2))
    keys = {name: key_of(name.encode().ljust(32, b"-")) for name in ("alice", "bob")}
    roles = {"alice": frozenset({"staff"}), "bob": frozenset[str]()}
    lines = [KeyEntry(name, roles[name], digest_of(key)).line() for name, key in keys.items()]
    (start.folder / "keys.txt").write_text("\n".join(lines) + "\n")
    (start.folder / "keys.txt").chmod(0o600)
    set_password(start.folder / "passwd.txt", "carol", PASSWORD, ["staff"])
    schemas = ROOT / "schemas"
    config = _CONFIG.format(schemas=schemas, password=_SERVICES_PASSWORD, extra=extra, **endpoints)
    process, web = start.gateway(config)
    return Guarded(web, process, keys["alice"], keys["bob"])

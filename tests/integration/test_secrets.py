"""What the schema calls a secret stands in no log."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.integration.conftest import Start

SCHEMA = """@0xd5c3b2a190817263;
using Gateway = import "/gateway.capnp";
interface Vault {
  open @0 (user :Text, pin :Text $Gateway.sensitive) -> () $Gateway.http(path = "/vaults/{user}/{pin}");
  count @1 (pins :List(UInt8) $Gateway.sensitive) -> ();
}
"""


def test_a_secret_is_in_no_log(start: Start) -> None:
    schema = start.folder / "vault.capnp"
    schema.write_text(SCHEMA, "utf-8")
    process, web = start.gateway(f"""
        [services.vault]
        schema = "{schema}"
        interface = "Vault"
        endpoint = "tcp://127.0.0.1:1"
    """)
    assert web.post("/vaults/ann/topsecret1").code == "unavailable"
    assert web.post("/api/vault/open", {"user": "ann", "pin": "topsecret2"}).code == "unavailable"
    assert web.post("/api/vault/open", {"user": "ann", "pin": ["topsecret3"]}).code == "invalid_argument"
    assert web.post("/api/vault/count", {"pins": ["topsecret4"]}).code == "invalid_argument"
    assert web.get("/vaults/ann?pin=topsecret5").status == 404
    process.stop()
    log = process.log.read_text("utf-8")
    assert "/vaults/ann/…" in log
    assert "topsecret" not in log

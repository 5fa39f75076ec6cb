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
    # Secrets that miss their method: a wrong verb, a slash too many, a body that is too large.
    assert web.get("/vaults/ann/topsecret6").status == 405
    assert web.get("/vaults/ann/topsecret7/").status == 404
    assert web.request("POST", "/vaults/ann/topsecret8", b"1" * 2_000_000).status == 413
    assert web.request("POST", "/vaults/ann/topsecret9", b"1", {"Content-Type": "text/plain"}).status == 415
    process.stop()
    log = process.log.read_text("utf-8")
    assert "/vaults/ann/…" in log
    assert "topsecret" not in log

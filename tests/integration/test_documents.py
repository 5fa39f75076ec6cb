"""Types and schemas as the gateway serves them and as the command prints them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.integration.conftest import HERE, ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Web

CONFIG = f"""
[services.counting]
schema = "{HERE}/counting.capnp"
interface = "Counting"
endpoint = "tcp://127.0.0.1:1"

[services.calculator]
schema = "{ROOT}/schemas/calculator.capnp"
interface = "Calculator"
endpoint = "tcp://127.0.0.1:1"
"""


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    config = folder / "gateway.toml"
    config.write_text(CONFIG, "utf-8")
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments, "--config", str(config)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_types_are_served_and_tagged(web: Web) -> None:
    answer = web.get("/types/calculator.d.ts")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "export interface Calculator {" in answer.text
    assert web.get("/types/calculator.d.ts", **{"If-None-Match": answer.headers["etag"]}).status == 304
    for path in ("/types/calculater.d.ts", "/types/calculator", "/types"):
        assert web.get(path).code == "not_found"


def test_the_command_prints_the_types_that_are_served(web: Web, tmp_path: Path) -> None:
    printed = command(tmp_path, "types", "--client", "../client/index.js", "calculator")
    assert printed.stdout == web.get("/types/calculator.d.ts").text
    everything = command(tmp_path, "types").stdout
    assert 'from "cara-gateway-client"' in everything
    assert "export declare namespace counting {" in everything
    refused = command(tmp_path, "types", "calculater")
    assert refused.returncode == 2
    assert "there is no service 'calculater'; there are counting, calculator" in refused.stderr


def test_the_schema_is_served_as_it_was_written(web: Web) -> None:
    answer = web.get("/schema/calculator")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == (ROOT / "schemas" / "calculator.capnp").read_text("utf-8")
    assert web.get("/schema/calculator", **{"If-None-Match": answer.headers["etag"]}).status == 304
    assert web.get("/schema/nothing").code == "not_found"


def test_the_schema_s_files_and_ids_come_as_json(web: Web) -> None:
    answer = web.get("/schema/addressbook", Accept="application/json")
    assert "Accept" in answer.headers["vary"]
    described = answer.json
    assert described["interface"]["name"] == "AddressBook"
    own, *imported = described["files"]
    assert (own["name"], own["id"]) == ("addressbook.capnp", "@0xeb8712a9987ef944")
    assert own["declarations"]["AddressBook"] == described["interface"]["id"]
    assert {"AddressBook.Listener", "Change", "Person", "Person.Updater"} <= own["declarations"].keys()
    assert [file["name"] for file in imported] == ["gateway.capnp"]
    assert str(ROOT) not in answer.text

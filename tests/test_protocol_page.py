"""PROTOCOL.md and the browser client have the codes, the control methods and the close codes that the gateway has."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.errors import INVALID_REQUEST, Status
from gateway.protocols import close_codes

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "PROTOCOL.md").read_text("utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of the tables below a heading, without their heads."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_page_has_every_status_with_its_numbers() -> None:
    written: dict[str, tuple[int, bool]] = {}
    for codes, http, jsonrpc, _ in rows("Errors"):
        numbers = [int(number) for number in re.findall(r"\d+", http)]
        for code, number in zip(re.findall(r"`(\w+)`", codes), numbers, strict=True):
            status = Status.of(code)
            written[code] = (number, str(status.jsonrpc) in jsonrpc or status.jsonrpc == INVALID_REQUEST)
    assert written == {status.code: (status.http, True) for status in Status}


def test_the_browser_client_knows_every_code_of_json_rpc() -> None:
    text = (ROOT / "static" / "client" / "errors.js").read_text("utf-8")
    table = text.partition("JSONRPC_CODES = Object.freeze({")[2].partition("})")[0]
    known = {code: int(number) for code, number in re.findall(r"(\w+): (-\d+)", table)}
    assert known == {status.code: status.jsonrpc for status in Status if status.jsonrpc != INVALID_REQUEST}


def test_the_page_names_every_method_of_the_gateway_itself() -> None:
    source = (ROOT / "gateway" / "protocols" / "jsonrpc" / "control.py").read_text("utf-8")
    methods = re.findall(r'^ +"(rpc\.\w+)": _', source, re.MULTILINE)
    assert "rpc.hello" in methods
    assert [method for method in methods if not re.search(rf"\b{re.escape(method)}\b", PAGE)] == []


def test_the_page_has_every_close_code() -> None:
    written = {int(code) for cells in rows("Limits and close codes") for code in re.findall(r"\d{4}", cells[0])}
    codes = {value for name, value in vars(close_codes).items() if name.isupper()}
    assert codes
    assert codes - written == set()

"""A field of the console's form for every kind of type, as a real gateway describes it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

ROOT = Path(__file__).resolve().parent.parent.parent
VECTOR = json.loads((ROOT / "tests" / "vectors" / "kinds.json").read_text("utf-8"))
CONFIG = """
[gateway]
listen = "127.0.0.1:0"
[services.kinds]
schema = "kinds.capnp"
interface = "Kinds"
endpoint = "ipc://nobody"
"""

CONTROLS = """
() => Object.fromEntries([...document.querySelectorAll('main .field')].map((field) => {
  const control = field.querySelector(':scope > :is(input, select, textarea, output)');
  const told = { tag: control.localName };
  for (const name of ['type', 'inputmode', 'min', 'max', 'placeholder']) {
    if (control.hasAttribute(name)) told[name] = control.getAttribute(name);
  }
  if (control.options) told.options = [...control.options].map((option) => option.textContent);
  return [field.querySelector('label').firstChild.textContent, told];
}))
"""


@pytest.fixture(scope="module")
def form(window: Page, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The form of a method that takes every kind; its service is not there, which a form does not mind."""
    folder = tmp_path_factory.mktemp("kinds")
    (folder / "kinds.capnp").write_text("\n".join(VECTOR["schema"]), "utf-8")
    (folder / "gateway.toml").write_text(CONFIG, "utf-8")
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(folder / "gateway.toml")]
    with (folder / "log").open("w") as log, subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True
    ) as gateway:
        try:
            assert gateway.stdout is not None
            words, _, url = gateway.stdout.readline().strip().rpartition(" ")
            assert words == "listening on", (folder / "log").read_text()
            window.goto(f"{url}/#kinds.every")
            expect(window.get_by_role("button", name="Call", exact=True)).to_be_visible()
            yield window
        finally:
            gateway.terminate()


def test_every_kind_has_the_field_that_suits_it(form: Page) -> None:
    controls: dict[str, Any] = form.evaluate(CONTROLS)
    assert controls == {kind["field"]: kind["control"] for kind in VECTOR["kinds"]}

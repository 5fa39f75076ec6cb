"""The browser client before a native service in C++: everything that a page does with any other service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.test_pages import open_blank
from tests.integration.conftest import Web
from tests.native.bridges import census, gateway_of, trials
from tests.native.services import NativeService

PAGE = """
async () => {
  const { connect } = await import('/client/index.js');
  const gateway = await connect();
  const abacus = gateway.service('abacus');
  const done = {};

  done.divided = await abacus.divide('17', '5');

  const one = await abacus.number(1.5);
  const two = await one.plus(1);
  done.sum = await one.add(two).read();
  const statement = await abacus.statement('t', [{ label: 'a', value: one }, { label: 'b', value: two, weight: 2 }]);
  done.total = await statement.total.value.read();
  done.entries = await Promise.all(statement.entries.map((entry) => entry.value.read()));

  const rows = [];
  done.count = await abacus.tabulate({ call: (numbers) => numbers[0] ** 2 }, 1, 9, {
    row(x, y) { rows.push([x, y]); return rows.length < 3; },
  });
  done.rows = rows;

  const news = new Promise((told) => { done.listener = { announced(text) { told(text); } }; });
  const subscription = await abacus.watch(done.listener);
  delete done.listener;
  await abacus.announce('later', 20);
  done.news = await news;
  await subscription.cancel();

  const before = await abacus.census();
  done.chain = await abacus.later(1, 50).plus(2).plus(3).read();
  const after = await abacus.census();
  done.roundTrips = after.roundTrips - before.roundTrips;
  done.pipelined = after.pipelined - before.pipelined;

  const tape = await abacus.record(0);
  for (let turn = 0; turn < 20; turn++) {
    await Promise.all(Array.from({ length: 500 }, () => tape.write('0123456789')));
  }
  done.tape = await tape.end();

  const controller = new AbortController();
  const waiting = abacus.$call('wait', { milliseconds: 60000 }, { signal: controller.signal });
  setTimeout(() => controller.abort(), 100);
  done.aborted = await waiting.then(() => 'answered', (error) => error.code ?? error.name);
  done.late = await abacus.$call('wait', { milliseconds: 60000 }, { timeout: 100 }).catch((error) => error.code);
  done.failed = await abacus.divide('1', '0').catch((error) => error.code);
  done.refused = await abacus.echoAny(5).catch((error) => [error.code, error.path]);
  for (const object of [one, two, tape, subscription]) object.$release();
  gateway.close();
  return JSON.parse(JSON.stringify(done, (key, value) => typeof value === 'bigint' ? Number(value) : value));
}
"""


@pytest.fixture(scope="module")
def gateway() -> Iterator[Web]:
    with TemporaryDirectory() as folder:
        service = NativeService(Path(folder))
        service.start()
        try:
            with gateway_of(Path(folder), trials("abacus", service)) as (_, web, _):
                yield web
        finally:
            service.kill()


def test_a_page_uses_a_native_service(window: Page, gateway: Web) -> None:
    open_blank(window, gateway.url)
    before = census(gateway)
    done: dict[str, Any] = window.evaluate(PAGE)
    assert done == {
        "divided": {"quotient": "3", "remainder": "2"},
        "sum": 4, "total": 6.5, "entries": [1.5, 2.5],
        "count": 3, "rows": [[1, 1], [2, 4], [3, 9]],
        "news": "later",
        "chain": 6, "roundTrips": 2, "pipelined": 3,
        "tape": {"lines": "10000", "characters": "100000"},
        "aborted": "cancelled", "late": "deadline_exceeded", "failed": "unknown",
        "refused": ["invalid_argument", "$.any"],
    }  # fmt: skip
    assert census(gateway)["cancelled"] == before["cancelled"] + 2

"""A page in Chromium and a service in C++: what a page does with cara services, it does here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import browser as browser
from tests.browser.conftest import window as window
from tests.integration.conftest import Web
from tests.integration.conftest import eventually as eventually
from tests.native.bridges import census, gateway_of, trials
from tests.native.services import NativeService

BEGIN = """
const { connect } = await import('/client/index.js');
const gateway = await connect();
const abacus = gateway.service('abacus');
"""


@pytest.fixture(scope="module")
def web(abacus: NativeService) -> Iterator[Web]:
    with TemporaryDirectory() as folder, gateway_of(Path(folder), trials("abacus", abacus)) as (_, web, _):
        yield web


@pytest.fixture(scope="module")
def page(web: Web, window: Page) -> Page:
    window.goto(f"{web.url}/")
    return window


def run(page: Page, script: str) -> Any:
    """What a script of a page gives, which is connected to the gateway while it runs."""
    return page.evaluate(f"async () => {{ {BEGIN} try {{ {script} }} finally {{ gateway.close(); }} }}")


def test_objects_come_back_go_along_and_lie_in_structs_in_lists(page: Page) -> None:
    result = run(
        page,
        """
        const [two, three] = [await abacus.number(2), await abacus.number(3)];
        const sum = await two.add(three);
        const entries = [{ label: 'two', value: two }, { label: 'sum', value: sum, weight: 2 }];
        const statement = await abacus.statement('t', entries);
        return [await sum.read(), await statement.total.value.read(), await statement.entries[0].value.describe()];
        """,
    )
    assert result == [5, 12, "the number 2"]


def test_callbacks_are_called_during_the_call_and_later(page: Page) -> None:
    result = run(
        page,
        """
        const rows = [];
        const count = await abacus.tabulate((numbers) => numbers[0] ** 2, 1, 9, (x, y) => rows.push([x, y]) < 3);
        const told = new Promise((resolve) => { globalThis.told = resolve; });
        const subscription = await abacus.watch({ announced(text) { globalThis.told(text); } });
        const listeners = await abacus.announce('news', 20);
        const text = await told;
        await subscription.cancel();
        return [count, rows, listeners, text, await abacus.announce('news', 0)];
        """,
    )
    assert result == [3, [[1, 1], [2, 4], [3, 9]], 1, "news", 0]


def test_a_chain_is_one_round_trip_to_the_service(page: Page, web: Web) -> None:
    before = census(web)
    assert run(page, "return await abacus.later(1, 30).plus(2).plus(3).read();") == 6
    after = census(web)
    assert after["roundTrips"] - before["roundTrips"] == 2, "one for the chain, one for the second census"
    assert after["pipelined"] - before["pipelined"] == 3


def test_ten_thousand_messages_of_a_stream(page: Page) -> None:
    result = run(
        page,
        """
        const tape = await abacus.record(0);
        const written = [];
        for (let line = 0; line < 10000; line += 1) written.push(tape.write(`line ${line}`));
        await Promise.all(written);
        return await tape.end();
        """,
    )
    assert result == {"lines": "10000", "characters": "88890"}


def test_a_call_is_cancelled_and_has_a_deadline(page: Page, web: Web, eventually: Callable[..., None]) -> None:
    before = census(web)["cancelled"]
    result = run(
        page,
        """
        const controller = new AbortController();
        const code = (call) => call.then(() => 'done', (error) => error.code ?? error.name);
        const cancelled = code(abacus.$call('wait', [60000], { signal: controller.signal }));
        setTimeout(() => controller.abort(), 50);
        return [await cancelled, await code(abacus.$call('wait', [60000], { timeout: 100 }))];
        """,
    )
    assert result[1] == "deadline_exceeded"
    assert result[0] in ("cancelled", "AbortError")
    eventually(lambda: census(web)["cancelled"] == before + 2, 5)

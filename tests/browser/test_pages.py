"""Pages that are loaded anew, doubled, cut off and forgetful: each gets its own answers, and hears of what is lost.

RELOADS says how often one is loaded anew.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.network import Network
from tests.integration.conftest import HERE, Start

RELOADS = int(os.environ.get("RELOADS", "60"))
AWAY_S = 8.0
# Ten seconds of the page's are one of everybody else's.
HASTY_CLOCK = """{
  now: () => Date.now() * 10,
  setTimeout: (action, delay) => setTimeout(action, delay / 10),
  clearTimeout: (timer) => clearTimeout(timer),
}"""

LOADED = """
async (page) => {
  const { connect } = await import('/client/index.js');
  const seen = JSON.parse(localStorage.getItem('seen') ?? '{"answers": 0, "wrong": [], "resets": 0, "errors": []}');
  const remember = () => localStorage.setItem('seen', JSON.stringify(seen));
  // What was written down is as old as the page before chose.
  const resume = JSON.parse(sessionStorage.getItem('resumption') ?? 'null');
  const gateway = await connect(undefined, { resume });
  gateway.on('reset', () => {
    seen.resets++;
    remember();
  });
  const writeDown = () => sessionStorage.setItem('resumption', JSON.stringify(gateway.resumption));
  writeDown();
  if (page % 3) {
    addEventListener('pagehide', writeDown);
  }
  const service = gateway.service('counting');
  const call = () =>
    service.anything(String(page)).then(
      (answer) => {
        seen.answers++;
        if (answer !== String(page)) {
          seen.wrong.push([page, answer]);
        }
        remember();
      },
      (error) => {
        seen.errors.push(String(error));
        remember();
      },
    );
  await Promise.race(Array.from({ length: 20 }, call));
  for (let more = 0; more < 20; more++) {
    void call();
  }
}
"""

OPENED = """
async (resume) => {
  const { connect } = await import('/client/index.js');
  window.gateway = await connect(undefined, { resume });
  window.told = [];
  gateway.on('reset', ({ sameSession }) => told.push(`reset ${sameSession}`));
  gateway.on('state', (state, { resumed }) => told.push(state === 'open' ? `open ${resumed}` : state));
  return gateway.resumption;
}
"""


# A page that holds an object and a callback, and what of these there is.
HOLDS = """
async () => {
  const { connect } = await import('/client/index.js');
  const resume = JSON.parse(sessionStorage.getItem('resumption') ?? 'null');
  const gateway = await connect(undefined, { resume });
  const service = gateway.service('counting');
  const before = await service.sum();
  window.object = await service.object();
  const heard = new Promise((resolve) => service.listen({ added: resolve }));
  await service.add(1);
  await heard;
  let sum;
  do {
    sum = await service.sum();
  } while (sum.heard === before.heard);
  const session = await fetch('/api/session', { headers: { 'Session-Id': gateway.session } });
  const { handles, callbacks } = await session.json();
  addEventListener('pagehide', () => sessionStorage.setItem('resumption', JSON.stringify(gateway.resumption)));
  return {
    heard: sum.heard,
    adders: sum.objects,
    released: await service.released(),
    handles: handles.length,
    callbacks: callbacks.length,
  };
}
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:
        yield Start(tmp_path, stack)


@pytest.fixture
def network(start: Start) -> Iterator[Network]:
    """The way to a gateway with the service that counts."""
    _, endpoint = start.counting()
    _, web = start.gateway(f"""
        [services.counting]
        schema = "{HERE / 'counting.capnp'}"
        interface = "Counting"
        endpoint = "{endpoint}"
        peer = "counting"
    """)
    network = Network(web.port)
    yield network
    network.stop()


def open_blank(page: Page, url: str) -> None:
    """Go to a page of the gateway's origin that does nothing by itself."""
    blank = "<!doctype html><title>blank</title>"
    page.route("**/blank.html", lambda route: route.fulfill(body=blank, content_type="text/html"))
    page.goto(f"{url}/blank.html")


def until(page: Page, condition: str) -> None:
    page.wait_for_function(condition, timeout=30_000)


def test_a_page_that_is_loaded_anew_never_gets_the_answers_of_the_page_before(window: Page, network: Network) -> None:
    url = f"http://127.0.0.1:{network.port}"
    open_blank(window, url)
    window.evaluate("localStorage.clear(); sessionStorage.clear()")
    for page in range(RELOADS):
        window.goto(f"{url}/blank.html")
        window.evaluate(LOADED, page)
    until(window, f"JSON.parse(localStorage.getItem('seen')).answers >= {RELOADS}")
    seen: Any = window.evaluate("JSON.parse(localStorage.getItem('seen'))")
    assert seen["wrong"] == []
    assert seen["errors"] == []
    assert seen["answers"] >= RELOADS


def test_a_doubled_tab_goes_on_and_the_other_gets_a_stream_of_its_own(window: Page, network: Network) -> None:
    url = f"http://127.0.0.1:{network.port}"
    open_blank(window, url)
    resumption = window.evaluate(OPENED, None)
    other = window.context.new_page()
    try:
        open_blank(other, url)
        taken = other.evaluate(OPENED, resumption)
        assert taken["stream"] == resumption["stream"]
        until(window, "told.length === 3")
        assert window.evaluate("told") == ["reconnecting", "reset true", "open false"]
        assert window.evaluate("gateway.session") == other.evaluate("gateway.session") == resumption["session"]
        assert window.evaluate("gateway.resumption.stream") != resumption["stream"]
        assert window.evaluate("gateway.service('counting').anything('first')") == "first"
        assert other.evaluate("gateway.service('counting').anything('second')") == "second"
        assert other.evaluate("told") == []
    finally:
        other.close()


def test_what_a_page_held_is_let_go_when_the_next_goes_on_with_its_stream(window: Page, network: Network) -> None:
    url = f"http://127.0.0.1:{network.port}"
    open_blank(window, url)
    window.evaluate("sessionStorage.clear()")
    for page in range(4):
        window.goto(f"{url}/blank.html")
        held = window.evaluate(HOLDS)
        # One object and one callback: this page's.
        assert held == {"heard": page + 1, "adders": 1, "released": page, "handles": 1, "callbacks": 1}


def test_packets_that_vanish_are_noticed_and_every_call_is_answered_once(window: Page, network: Network) -> None:
    open_blank(window, f"http://127.0.0.1:{network.port}")
    window.evaluate(f"""
        async () => {{
          const {{ connect }} = await import('/client/index.js');
          window.gateway = await connect(undefined, {{ clock: {HASTY_CLOCK} }});
          window.service = gateway.service('counting');
          window.told = [];
          gateway.on('state', (state, {{ resumed }}) => told.push([state, resumed ?? null, performance.now()]));
          window.calls = [];
          await service.add(1);
        }}
    """)
    network.swallow(True)
    began = window.evaluate("""
        () => {
          for (let number = 0; number < 50; number++) {
            calls.push(service.add(1));
          }
          return performance.now();
        }
    """)
    until(window, "told.length > 0")
    network.swallow(False)
    answers = window.evaluate("Promise.all(calls)")
    told = window.evaluate("told")
    assert (told[0][0], told[-1][:2]) == ("reconnecting", ["open", True])
    # A tenth of twenty seconds.
    assert told[0][2] - began < 2_000
    assert sorted(answers) == list(range(2, 52))
    assert window.evaluate("service.sum().then(({ calls }) => calls)") == 51
    window.evaluate("gateway.close()")


def test_a_callback_that_is_awaited_while_the_page_is_away_answers(window: Page, network: Network) -> None:
    open_blank(window, f"http://127.0.0.1:{network.port}")
    window.evaluate("""
        async () => {
          const { connect } = await import('/client/index.js');
          window.gateway = await connect();
          window.service = gateway.service('counting');
          window.running = new Promise((resolve) => {
            const added = () => {
              resolve();
              return new Promise((answer) => (window.answer = answer));
            };
            void service.listen({ added });
          });
          await service.add(1);
          await running;
        }
    """)
    network.switch(False)
    # As long as it is away.
    time.sleep(AWAY_S)
    window.evaluate("answer()")
    network.switch(True)
    assert window.evaluate("""
        async () => {
          for (;;) {
            const { heard, objects } = await service.sum();
            if (heard > 0 || objects === 0) {
              gateway.close();
              return [heard, objects];
            }
          }
        }
    """) == [1, 1]


def test_a_listener_whose_subscription_nobody_keeps_lives_on(window: Page, gateway_url: str) -> None:
    open_blank(window, gateway_url)
    heard = window.evaluate("""
        async () => {
          const { connect } = await import('/client/index.js');
          const gateway = await connect();
          const book = gateway.service('addressbook');
          const heard = [];
          await book.watch({ changed(person, change) { heard.push([person.name, change]); } });
          for (let round = 0; round < 20; round++) {
            gc();
            await new Promise((resolve) => setTimeout(resolve, 10));
            // The gateway has heard of what was let go of before.
            await book.list('');
          }
          const kept = await book.add({ name: 'Kept' });
          await kept.updater.delete();
          gateway.close();
          return heard;
        }
    """)
    assert heard == [["Kept", "added"], ["Kept", "deleted"]]


def test_what_a_callback_throws_is_an_error_of_the_page(window: Page, gateway_url: str) -> None:
    open_blank(window, gateway_url)
    with window.expect_event("pageerror") as error:
        code = window.evaluate("""
            async () => {
              const { connect } = await import('/client/index.js');
              const gateway = await connect();
              const mapping = gateway.service('calculator').map([1], () => misspelt);
              const code = await mapping.catch(({ code }) => code);
              gateway.close();
              return code;
            }
        """)
    assert code == "unknown"
    assert "misspelt is not defined" in str(error.value)


WORKER = """
const { connect } = await import(`${location.origin}/client/index.js`);
try {
  const gateway = await connect();
  const mapped = await gateway.service('calculator').map([1, 2], (value) => value * 2);
  gateway.close();
  postMessage(mapped);
} catch (error) {
  postMessage(String(error));
}
"""


def test_the_client_runs_in_a_web_worker(window: Page, gateway_url: str) -> None:
    open_blank(window, gateway_url)
    told = """
        (source) => new Promise((resolve) => {
          const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
          const worker = new Worker(url, { type: 'module' });
          worker.onmessage = ({ data }) => resolve(data);
          worker.onerror = ({ message }) => resolve(message ?? 'error');
        })
    """
    assert window.evaluate(told, WORKER) == [2, 4]


def test_a_component_that_is_mounted_twice_has_one_connection(window: Page, gateway_url: str) -> None:
    open_blank(window, gateway_url)
    assert window.evaluate("""
        async () => {
          const { connect } = await import('/client/index.js');
          const made = [];
          class Counted extends WebSocket {
            constructor(url) {
              super(url);
              this.closed = new Promise((resolve) => this.addEventListener('close', resolve));
              made.push(this);
            }
          }
          const outcomes = [];
          const mount = () => {
            const abort = new AbortController();
            const connecting = connect(undefined, { WebSocket: Counted, signal: abort.signal });
            connecting.then(() => outcomes.push('open'), ({ code }) => outcomes.push(code));
            return {
              connecting,
              unmount() {
                abort.abort();
                connecting.then((gateway) => gateway.close(), () => {});
              },
            };
          };
          mount().unmount();
          const { connecting } = mount();
          const gateway = await connecting;
          const sum = await gateway.service('calculator').add(2, 5);
          await made[0].closed;
          const open = made.filter(({ readyState }) => readyState === WebSocket.OPEN).length;
          gateway.close();
          return [sum, open, outcomes];
        }
    """) == [7, 1, ["cancelled", "open"]]

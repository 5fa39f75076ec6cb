"""A page whose network is switched off and on: nothing is lost and nothing happens twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.network import Network
from tests.integration.conftest import HERE, Start

CALLS = 2_000
TIMES_OFF = 6

CALLING = """
async (calls) => {
  const { connect } = await import('/client/index.js');
  const gateway = await connect();
  const seen = { states: [], answers: [], heard: [], errors: [] };
  gateway.on('state', (state, { resumed }) => seen.states.push(state === 'open' ? `open ${resumed}` : state));
  const service = gateway.service('counting');
  await service.listen({ added: (number) => void seen.heard.push(number) });
  let next = 0;
  const worker = async () => {
    while (next < calls || !window.done) {
      try {
        seen.answers.push(await service.add(next++));
      } catch (error) {
        seen.errors.push(String(error));
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  window.seen = seen;
  window.working = Promise.all(Array.from({ length: 16 }, worker)).then(async () => {
    let counted;
    do {
      counted = await service.sum();
    } while (counted.heard < next);
    gateway.close();
    return { made: next, counted: { ...counted } };
  });
}
"""


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    """The way to a gateway with the service that counts."""
    with ExitStack() as stack:
        start = Start(tmp_path, stack)
        _, endpoint = start.counting()
        _, web = start.gateway(f"""
            [services.counting]
            schema = "{HERE / 'counting.capnp'}"
            interface = "Counting"
            endpoint = "{endpoint}"
            peer = "counting"
        """)
        network = Network(web.port)
        stack.callback(network.stop)
        yield network


def test_calls_and_callbacks_go_on_when_the_network_comes_back(window: Page, network: Network) -> None:
    window.goto(f"http://127.0.0.1:{network.port}/")
    window.evaluate(CALLING, CALLS)
    for _ in range(TIMES_OFF):
        # Calls go on while the network is there, and pile up while it is away.
        time.sleep(0.3)
        network.switch(False)
        window.context.set_offline(True)
        # As long as it is away.
        time.sleep(0.3)
        network.switch(True)
        window.context.set_offline(False)
    window.evaluate("window.done = true")
    ended = window.evaluate("window.working")
    seen = window.evaluate("window.seen")
    made = ended["made"]
    assert made >= CALLS
    assert seen["errors"] == []
    assert ended["counted"] == {"calls": made, "sum": str(made * (made - 1) // 2), "heard": made, "objects": 1}
    assert len(seen["answers"]) == len(set(seen["answers"])) == made
    assert sorted(seen["heard"]) == list(range(made))
    assert seen["states"].count("reconnecting") >= TIMES_OFF
    assert "open false" not in seen["states"]

"""Pages that go on with a stream that another one began: reloaded, duplicated, or with counters of long ago."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.http.conftest import Edge
from tests.gateway.http.raw import RawSocket

pytestmark = pytest.mark.gen_test


class Page:
    """A page with a socket, and what it saves for the next one."""

    def __init__(self, socket: RawSocket, prefix: str) -> None:
        self.socket = socket
        self.prefix = prefix
        self.saved: dict[str, Any] = {}

    @classmethod
    async def open(cls, edge: Edge, prefix: str, saved: dict[str, Any] | None = None) -> Page:
        page = cls(await edge.socket(), prefix)
        page.socket.say("rpc.hello", {"protocol": 1, **(saved or {})}, id=0)
        page.answer = await page.socket.hear()
        result = page.answer.get("result", {})
        page.saved = {name: result.get(name) for name in ("session", "stream")}
        page.saved["received"] = (saved or {}).get("received", 0)
        return page

    answer: dict[str, Any]

    @property
    def refused(self) -> tuple[str, str]:
        data = self.answer["error"]["data"]
        return data["code"], data["reason"]

    def asks(self, number: int) -> None:
        self.socket.say("calculator.add", [number, 0], id=f"{self.prefix}-{number}")

    async def hears(self) -> Any:
        self.saved["received"] += 1
        return await self.socket.hear()


async def test_a_reloaded_page_gets_answers_of_its_own_and_what_was_owed_under_the_old_ids(
    edge: Edge, root: Any
) -> None:
    first = await Page.open(edge, "a")
    first.asks(1)
    old_call = await root.next_call()
    # The browser closes the old page's socket only later, or says nothing at all.
    second = await Page.open(edge, "b", first.saved)
    assert second.answer["result"]["resumed"] is True
    assert second.answer["result"]["received"] == 1
    second.asks(1)
    new_call = await root.next_call()
    new_call.reply(22)
    old_call.reply(11)
    heard = [await second.hears() for _ in range(2)]
    assert [(message["id"], message["result"]["result"]) for message in heard] == [("b-1", 22), ("a-1", 11)]
    assert (await first.socket.closed())[0] == 4001


async def test_of_a_duplicated_tab_the_second_goes_on_and_the_first_opens_a_stream_beside_it(
    edge: Edge, root: Any
) -> None:
    first = await Page.open(edge, "a")
    first.asks(1)
    (await root.next_call()).reply(1)
    assert (await first.hears())["id"] == "a-1"
    second = await Page.open(edge, "b", first.saved)
    assert second.answer["result"]["resumed"] is True
    assert (await first.socket.closed())[0] == 4001
    third = await Page.open(edge, "c", {"session": first.saved["session"]})
    assert third.answer["result"]["resumed"] is False
    assert third.saved["session"] == second.saved["session"]
    assert third.saved["stream"] != second.saved["stream"]
    for page in (second, third):
        page.asks(1)
        (await root.next_call()).reply(7)
        assert (await page.hears())["id"] == f"{page.prefix}-1"
    assert (await edge.metrics())["streams"] == 2


async def test_counters_of_long_ago_take_nothing_from_the_page_that_has_the_stream(edge: Edge, root: Any) -> None:
    page = await Page.open(edge, "a")
    stale = dict(page.saved)
    for number in (1, 2):
        page.asks(number)
        (await root.next_call()).reply(number)
        await page.hears()
    page.socket.notify("rpc.ack", {"received": 2})
    assert await edge.is_open(page.socket)
    assert (await Page.open(edge, "b", stale)).refused == ("not_found", "received")
    ahead = {**page.saved, "received": 3}
    assert (await Page.open(edge, "b", ahead)).refused == ("not_found", "received")
    assert (await Page.open(edge, "b", {**page.saved, "stream": "other"})).refused == ("not_found", "stream")
    assert (await Page.open(edge, "b", {**page.saved, "session": "other"})).refused == ("not_found", "session")
    page.asks(3)
    (await root.next_call()).reply(3)
    assert (await page.hears())["id"] == "a-3"
    assert (await edge.metrics())["streams"] == 1


@pytest.mark.parametrize("half", [{"stream": "x", "received": 0}, {"stream": "x", "session": "y"}])
async def test_half_of_what_was_saved_opens_nothing(edge: Edge, half: dict[str, Any]) -> None:
    refused = await Page.open(edge, "a", half)
    assert refused.answer["error"]["data"]["code"] == "invalid_argument"
    assert (await edge.metrics())["sessions"] == 0
    refused.socket.say("rpc.hello", {"protocol": 1}, id=0)
    assert (await refused.socket.hear())["result"]["resumed"] is False


async def test_a_refused_page_may_say_hello_again_for_a_stream_of_its_own(edge: Edge) -> None:
    page = await Page.open(edge, "a")
    other = await Page.open(edge, "b", {**page.saved, "received": 9})
    assert other.refused == ("not_found", "received")
    other.socket.say("rpc.hello", {"protocol": 1, "session": page.saved["session"]}, id=0)
    answer = await other.socket.hear()
    assert answer["result"]["resumed"] is False
    assert answer["result"]["stream"] != page.saved["stream"]

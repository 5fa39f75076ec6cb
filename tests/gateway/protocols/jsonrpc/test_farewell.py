"""How a stream is sent away: what was taken is answered, and what was not taken is said to be not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.catalogue import Service
from gateway.protocols.jsonrpc.farewell import without_calls
from tests.gateway.protocols.jsonrpc.test_conversation import code
from tests.gateway.protocols.jsonrpc.test_slow_client import fill


def text(**members: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", **members}


CALL = text(id=1, method="calculator.add", params=[1, 2])
NOTIFICATION = text(method="calculator.add", params=[1, 2])
DESCRIBE = text(id=2, method="rpc.describe", params={"service": "calculator"})
ACK = text(method="rpc.ack", params={"received": 3})
PING = text(id=3, method="rpc.ping")
CANCEL = text(method="rpc.cancel", params={"id": 1})
RELEASE = text(method="rpc.release", params={"handle": "t", "count": 1})
ANSWER = text(id="g:1", result={"result": 3})


@pytest.mark.parametrize("kept", [ACK, PING, CANCEL, RELEASE, ANSWER, [ACK, ANSWER], 7])
def test_what_is_no_call_is_acted_on(kept: Any) -> None:
    data = json.dumps(kept).encode()
    assert without_calls(data) == data


@pytest.mark.parametrize("dropped", [CALL, NOTIFICATION, DESCRIBE, [CALL], [CALL, DESCRIBE]])
def test_of_calls_alone_nothing_is_left(dropped: Any) -> None:
    assert without_calls(json.dumps(dropped).encode()) is None


def test_calls_are_taken_out_of_an_array() -> None:
    left = without_calls(json.dumps([CALL, ANSWER, DESCRIBE, ACK]).encode())
    assert left is not None
    assert json.loads(left) == [ANSWER, ACK]


@pytest.mark.parametrize("number", ["9007199254740993.0", "123456789012345678901234567890"])
def test_a_number_that_no_double_holds_is_not_made_another_beside_calls(number: str) -> None:
    answer = json.dumps(ANSWER).replace("3}", number + "}")
    left = without_calls(f"[{json.dumps(CALL)},{answer}]".encode())
    assert left is not None
    (kept,) = json.loads(left)
    assert kept["id"] == ANSWER["id"]
    assert isinstance(kept["result"]["result"], str)


def test_what_is_no_json_is_left_to_the_stream() -> None:
    assert without_calls(b"{") == b"{"


def test_calls_behind_the_last_acknowledgement_are_not_taken(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello()
        play.says("calculator.add", [1, 2], id=1)
        play.conversation.drain()
        (last,) = await play.hears()
        assert last == text(method="rpc.ack", params={"received": 1, "last": True})
        play.says("calculator.add", [3, 4], id=2)
        play.says("rpc.ping", {}, id=3)
        play.calls[0].reply(3)
        assert [message["id"] for message in await play.hears()] == [3, 1]
        assert len(play.calls) == 1
        assert not play.conversation.is_busy
        play.conversation.shut_down()
        assert play.channel.closed == (1001, "the gateway shuts down")
        play.sessions.end_all("done")

    fakes.run(main())


def test_the_last_acknowledgement_is_said_although_the_client_knows_it_and_no_other_follows(
    calculator: Service, fakes: Any
) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello()
        play.conversation.drain()
        for id in range(200):
            play.says("rpc.ping", {}, id=id)
        await fakes.pass_time(5)
        acks = [message for message in await play.hears() if message.get("method") == "rpc.ack"]
        assert acks == [text(method="rpc.ack", params={"received": 0, "last": True})]
        play.conversation.shut_down()
        play.sessions.end_all("done")

    fakes.run(main())


def test_what_is_under_way_when_the_time_is_over_has_an_unknown_outcome(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello()
        play.says("calculator.add", [1, 2], id=1)
        play.conversation.drain()
        assert play.conversation.is_busy
        play.conversation.shut_down()
        failed = [message for message in await play.hears() if message.get("id") == 1]
        assert code(failed[0]) == "outcome_unknown"
        assert play.channel.closed == (1001, "the gateway shuts down")
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_client_that_has_not_read_everything_is_not_sent_away_yet(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello()
        play.channel.is_full = True
        await fill(play)
        play.conversation.drain()
        assert play.conversation.is_busy
        play.channel.is_full = False
        play.conversation.drained()
        assert not play.conversation.is_busy
        play.conversation.shut_down()
        play.sessions.end_all("done")

    fakes.run(main())


def test_who_says_hello_to_a_gateway_that_ends_is_told_so(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        play.conversation.drain()
        play.says("rpc.hello", {"protocol": 1}, id=0)
        (refused,) = await play.hears()
        assert code(refused) == "unavailable"
        play.conversation.shut_down()
        assert play.channel.closed == (1001, "the gateway shuts down")
        play.sessions.end_all("done")

    fakes.run(main())

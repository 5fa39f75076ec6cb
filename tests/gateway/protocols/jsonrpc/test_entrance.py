"""What happens to a client, its session and its stream while it is found out who says hello."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway.access.principals import Principal
from gateway.calls import Calls
from gateway.catalogue import Service
from gateway.protocols.admission import Admission, Admissions
from gateway.protocols.jsonrpc.conversation import Conversation
from gateway.turns import LARGE_BYTES
from tests.gatekeeper import FakeGatekeeper


class Door:
    """Sockets of strangers, before one set of sessions."""

    def __init__(self, play: Any) -> None:
        self.play = play
        self.gatekeeper = FakeGatekeeper({"a": Principal("key:alice"), "slow": Principal("key:alice")})
        self.gatekeeper.slow["slow"] = asyncio.get_running_loop().create_future()
        self._admissions = Admissions(self.gatekeeper, play.sessions.now)

    def socket(self, token: str, **params: Any) -> tuple[Conversation, Any]:
        """One that has said hello; the conversation and its channel."""
        play = self.play
        channel = type(play.channel)()
        conversation = Conversation(
            play.served, Calls(play.limits), play.sessions, play.limits, channel,
            Admission(self._admissions, None), turns=play.turns,
        )  # fmt: skip
        channel.conversation = conversation
        hello = {"jsonrpc": "2.0", "id": 0, "method": "rpc.hello", "params": {"protocol": 1, "token": token, **params}}
        conversation.receive(json.dumps(hello))
        return conversation, channel

    async def is_known(self) -> None:
        self.gatekeeper.slow["slow"].set_result(None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds: on a busy machine a text waits for its turn."""
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0)


@pytest.mark.parametrize("how", ["channel_closed", "channel_failed"])
def test_a_client_that_has_left_opens_nothing(fakes: Any, calculator: Service, how: str) -> None:
    async def main() -> None:
        door = Door(fakes.Play(calculator))
        conversation, channel = door.socket("slow")
        assert channel.held
        getattr(conversation, how)(channel)
        await door.is_known()
        assert (len(door.play.sessions), channel.sent) == (0, [])

    fakes.run(main())


def test_what_comes_behind_hello_is_looked_at_afterwards_and_nothing_before(fakes: Any, calculator: Service) -> None:
    async def main() -> None:
        door = Door(fakes.Play(calculator))
        conversation, channel = door.socket("slow")
        for id in (1, 2):
            conversation.receive(json.dumps({"jsonrpc": "2.0", "id": id, "method": "calculator.add", "params": [1, 2]}))
        # Whatever else lets a stream go on, a client that has read all, must not let this one.
        conversation.drained()
        await fakes.settle()
        assert (door.play.calls, channel.sent) == ([], [])
        await door.is_known()
        await until(lambda: len(door.play.calls) == 2)
        assert [call.options.principal for call in door.play.calls] == ["key:alice"] * 2
        assert not channel.held
        conversation.end()
        door.play.sessions.end_all("done")

    fakes.run(main())


def test_a_stream_that_ended_meanwhile_is_not_gone_on_with(fakes: Any, calculator: Service) -> None:
    async def main() -> None:
        door = Door(fakes.Play(calculator))
        first, channel = door.socket("a")
        (hello,) = channel.sent
        there = {"session": hello["result"]["session"], "stream": hello["result"]["stream"], "received": 0}
        second, other = door.socket("slow", **there)
        first.end()
        await door.is_known()
        await fakes.settle()
        assert other.sent[0]["error"]["data"]["code"] == "not_found"
        assert len(door.play.sessions) == 0
        second.end()
        door.play.sessions.end_all("done")

    fakes.run(main())


def test_a_stream_goes_on_over_the_socket_whose_token_took_its_time(fakes: Any, calculator: Service) -> None:
    async def main() -> None:
        door = Door(fakes.Play(calculator))
        first, channel = door.socket("a")
        (hello,) = channel.sent
        there = {"session": hello["result"]["session"], "stream": hello["result"]["stream"], "received": 0}
        _, other = door.socket("slow", **there)
        await door.is_known()
        await fakes.settle()
        assert other.sent[0]["result"]["resumed"]
        assert (other.conversation, channel.closed[0]) == (first, 4001)
        assert first.principal is door.gatekeeper.principals["slow"]
        # The credential of the first socket puts nobody out any more.
        door._admissions.withdraw(door.gatekeeper.principals["a"])
        assert other.closed is None
        door._admissions.withdraw(first.principal)
        assert other.closed[0] == 4401
        door.play.sessions.end_all("done")

    fakes.run(main())


def test_when_the_proof_ends_nothing_more_is_delivered_or_looked_at(fakes: Any, calculator: Service) -> None:
    async def main() -> None:
        door = Door(fakes.Play(calculator))
        conversation, channel = door.socket("a")
        hello = channel.sent.pop()["result"]
        call = {"jsonrpc": "2.0", "id": 1, "method": "calculator.add", "params": [1, 2]}
        conversation.receive(json.dumps(call))
        await until(lambda: len(door.play.calls) == 1)
        door.play.calls[0].reply(3)
        await until(lambda: [message["id"] for message in channel.sent] == [1])
        # So large that it waits for its turn.
        conversation.receive(json.dumps({**call, "id": 2, "ignored": "x" * LARGE_BYTES}))
        door._admissions.withdraw(conversation.principal, "it is over")
        # The fake forgets what the network had not taken, as the real one does.
        assert (channel.sent, channel.closed) == ([], (4401, "it is over"))
        await fakes.settle()
        assert len(door.play.calls) == 1
        _, other = door.socket("slow", session=hello["session"], stream=hello["stream"], received=0)
        await door.is_known()
        await fakes.settle()
        await until(lambda: len(other.sent) == 2)
        resumed, answer = other.sent
        assert (resumed["result"]["resumed"], resumed["result"]["received"]) == (True, 1)
        assert (answer["id"], answer["result"]) == (1, {"result": 3})
        door.play.sessions.end_all("done")

    fakes.run(main())

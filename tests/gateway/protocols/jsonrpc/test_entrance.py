"""What happens to a client, its session and its stream while it is found out who says hello."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from gateway.access.principals import Principal
from gateway.calls import Calls
from gateway.catalogue import Service
from gateway.protocols.admission import Admission, Admissions
from gateway.protocols.jsonrpc.conversation import Conversation
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
        await fakes.settle()
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

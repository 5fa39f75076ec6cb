"""Sessions of a busy gateway written down, read again, and gone on with; and objects that several sessions share."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from gateway.sessions.record import SessionRecord
from tests.integration.running_gateway import running


async def call(socket: Any, id: Any, method: str, params: Any = None) -> None:
    await socket.write_message(json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params or {}}))


async def hear(socket: Any) -> Any:
    text = await asyncio.wait_for(socket.read_message(), 5)
    return None if text is None else json.loads(text)


def test_an_object_that_two_sessions_share_lives_as_long_as_one_of_them_holds_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as lobby:
            first, second = [await lobby.post("/api/lobby/room") for _ in range(2)]
            sessions = [answer.headers["Session-Id"] for answer in (first, second)]
            handles = [json.loads(answer.body)["room"]["$handle"] for answer in (first, second)]
            assert await lobby.delete(f"/api/handles/{handles[0]}", sessions[0]) == 204
            for _ in range(3):
                answer = await lobby.post(f"/api/handles/{handles[1]}/name", session=sessions[1])
                assert json.loads(answer.body) == {"name": "the room"}
            assert lobby.released == 0
            assert await lobby.delete(f"/api/handles/{handles[1]}", sessions[1]) == 204
            await asyncio.wait_for(lobby.let_go.wait(), 5)
            assert lobby.released == 1

    asyncio.run(main())


def test_a_busy_gateway_goes_on_from_copies_of_its_sessions(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as lobby:
            # REST with handles, streams with handles, calls under way, callbacks, a listener of events.
            answers = [await lobby.post("/api/lobby/room") for _ in range(20)]
            held = [(a.headers["Session-Id"], json.loads(a.body)["room"]["$handle"]) for a in answers]
            streams = []
            for number in range(10):
                socket = await lobby.socket()
                await call(socket, 0, "rpc.hello", {"protocol": 1})
                hello = (await hear(socket))["result"]
                await call(socket, 1, "lobby.room")
                token = (await hear(socket))["result"]["room"]["$handle"]
                await call(socket, "slow", "lobby.slow")
                await call(socket, "greet", "lobby.greet", {"greeter": {"$callback": f"g{number}"}})
                assert (await hear(socket))["method"] == f"!g{number}.greet"
                streams.append((socket, hello, token))
            sessions = lobby.gateway._sessions
            assert len(sessions) == 30

            written = [json.dumps(sessions.suspend(session).to_json()).encode() for session in sessions]
            assert len(written) == 30
            assert not any("slow" in json.dumps(json.loads(data)["handles"]) for data in written)
            for data in written:
                sessions.adopt(SessionRecord.from_json(json.loads(data)))

            # Nothing was given back, and every handle works: over REST …
            assert lobby.released == 0
            for session, handle in held:
                answer = await lobby.post(f"/api/handles/{handle}/name", session=session)
                assert json.loads(answer.body) == {"name": "the room"}
            # … and in the streams, which go on where they were: what was under way is told to be lost.
            for number, (old, hello, token) in enumerate(streams):
                while await hear(old) is not None:
                    """Its last messages, which it may not have read."""
                assert old.close_code == 1001
                old.close()
                socket = await lobby.socket()
                again = {"protocol": 1, "session": hello["session"], "stream": hello["stream"], "received": 2}
                await call(socket, 0, "rpc.hello", again)
                assert (await hear(socket))["result"]["resumed"]
                codes, gone = {}, set()
                while len(codes) < 2 or not gone:
                    message = await hear(socket)
                    if "error" in message:
                        codes[message["id"]] = message["error"]["data"]["code"]
                    elif message.get("method") == "rpc.released":
                        gone.add(message["params"]["callback"])
                assert codes == {"slow": "outcome_unknown", "greet": "outcome_unknown"}
                assert gone == {f"g{number}"}
                await call(socket, 2, f"@{token}.name")
                assert (await hear(socket))["result"] == {"name": "the room"}
                socket.close()
                assert await hear(socket) is None
            # The counts went along, too: the service's object is let go with its last holder, and not before.
            for session, handle in held:
                assert lobby.released == 0
                assert await lobby.delete(f"/api/handles/{handle}", session) == 204
            for _, hello, token in streams:
                assert await lobby.delete(f"/api/handles/{token}", hello["session"]) == 204
            await asyncio.wait_for(lobby.let_go.wait(), 5)
            assert lobby.released == 1

    asyncio.run(main())

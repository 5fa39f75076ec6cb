"""Another catalogue under load: no call is lost, and handles keep the service that they came from."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from gateway.config.file import ConfigError
from tests.integration.running_gateway import SCHEMA, running

GROWN = SCHEMA.replace("room @0 () -> (room :Room);", "room @0 () -> (room :Room);\n  more @3 () -> ();")


def test_calls_go_on_while_the_catalogue_is_replaced_again_and_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as lobby:
            made = await lobby.post("/api/lobby/room")
            session, handle = made.headers["Session-Id"], json.loads(made.body)["room"]["$handle"]
            slow = asyncio.create_task(lobby.post("/api/lobby/slow", {}, session))
            done = 0
            over = False

            async def calls() -> None:
                nonlocal done
                while not over:
                    answer = await lobby.post(f"/api/handles/{handle}/name", session=session)
                    assert json.loads(answer.body) == {"name": "the room"}
                    done += 1

            callers = [asyncio.create_task(calls()) for _ in range(8)]
            for number in range(6):
                lobby.schema_file.write_text(GROWN if number % 2 == 0 else SCHEMA, "utf-8")
                catalogue = await asyncio.to_thread(lobby.gateway.catalogue, lobby.config())
                before = done
                await lobby.gateway.replace(catalogue)
                status = (await lobby.post("/api/lobby/more")).code
                assert status == (501 if number % 2 == 0 else 404)
                async with asyncio.timeout(10):
                    while done < before + 50:
                        await asyncio.sleep(0.01)
            over = True
            await asyncio.gather(*callers)
            assert not slow.done()
            slow.cancel()
            assert lobby.released == 0

    asyncio.run(main())


def test_a_handle_of_a_service_that_is_gone_from_the_catalogue_works_until_it_is_released(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as lobby:
            made = await lobby.post("/api/lobby/room")
            session, handle = made.headers["Session-Id"], json.loads(made.body)["room"]["$handle"]
            (upstream,) = lobby.gateway._pool.running
            await lobby.gateway.replace(lobby.gateway.catalogue(lobby.config(name="hall")))
            assert (await lobby.post("/api/lobby/room")).code == 404
            assert (await lobby.post("/api/hall/room")).code == 200
            answer = await lobby.post(f"/api/handles/{handle}/name", session=session)
            assert json.loads(answer.body) == {"name": "the room"}
            assert not upstream.stopped
            assert await lobby.delete(f"/api/handles/{handle}", session) == 204
            # It ends with the client's own stop, which is told as a change of its state.
            is_down = asyncio.Event()
            upstream.on_state(lambda state: is_down.set() if state == "down" else None)
            if not upstream.stopped:
                await asyncio.wait_for(is_down.wait(), 10)
            assert upstream.stopped
            assert (await lobby.post("/api/hall/room")).code == 200

    asyncio.run(main())


def test_a_connection_that_a_new_catalogue_needs_is_not_ended_before_it_is_served(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as lobby:
            made = await lobby.post("/api/lobby/room")
            session, handle = made.headers["Session-Id"], json.loads(made.body)["room"]["$handle"]
            (upstream,) = lobby.gateway._pool.running
            await lobby.gateway.replace(lobby.gateway.catalogue(lobby.config(name="hall")))
            again = lobby.gateway.catalogue(lobby.config())
            assert await lobby.delete(f"/api/handles/{handle}", session) == 204
            await asyncio.wait_for(lobby.let_go.wait(), 5)
            await lobby.looked_for_unused()
            assert not upstream.is_used
            assert not upstream.stopped
            await lobby.gateway.replace(again)
            assert (await lobby.post("/api/lobby/room")).code == 200

    asyncio.run(main())


def test_a_configuration_that_cannot_be_used_changes_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as lobby:
            lobby.schema_file.write_text("this is no schema", "utf-8")
            with pytest.raises(ConfigError):
                lobby.gateway.catalogue(lobby.config())
            assert (await lobby.post("/api/lobby/room")).code == 200

    asyncio.run(main())


def test_the_counts_of_methods_outlive_their_catalogue(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as lobby:
            for _ in range(2):
                await lobby.post("/api/lobby/room")
                service = lobby.gateway._served.catalogue.services["lobby"]
                service.codec._conversions.needless.add("a reader of the test's own")
                await lobby.gateway.replace(lobby.gateway.catalogue(lobby.config()))
            service = lobby.gateway._served.catalogue.services["lobby"]
            assert service.method("room").counts.calls == 2
            assert service.codec.needless_refusals == 2

    asyncio.run(main())

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
            (upstream,) = lobby.gateway._running
            renamed = lobby.config(name="hall").services[0]
            config = lobby.config()
            elsewhere = type(config)(listen=config.listen, services=(type(renamed)(
                name="hall", schema=renamed.schema, interface="Lobby", endpoint=renamed.endpoint, peer="lobby",
                security="plain", user_id="gateway", password="secret",
            ),))  # fmt: skip
            await lobby.gateway.replace(lobby.gateway.catalogue(elsewhere))
            assert (await lobby.post("/api/lobby/room")).code == 404
            assert (await lobby.post("/api/hall/room")).code == 200
            answer = await lobby.post(f"/api/handles/{handle}/name", session=session)
            assert json.loads(answer.body) == {"name": "the room"}
            assert not upstream.stopped
            assert await lobby.delete(f"/api/handles/{handle}", session) == 204
            async with asyncio.timeout(10):
                while not upstream.stopped:
                    await asyncio.sleep(0.05)
            assert (await lobby.post("/api/hall/room")).code == 200

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
                await lobby.gateway.replace(lobby.gateway.catalogue(lobby.config()))
            method = lobby.gateway._served.catalogue.services["lobby"].method("room")
            assert method.counts.calls == 2

    asyncio.run(main())

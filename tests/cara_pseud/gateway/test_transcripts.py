"""The transcripts that all three sides of the protocol play (tests/vectors/session): here the client in Python."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.cara_pseud.gateway.play import Play

FOLDER = Path(__file__).resolve().parents[2] / "vectors" / "session"
TRANSCRIPTS = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}
PLAYED = [name for name, transcript in TRANSCRIPTS.items() if transcript.get("only") != "gateway"]


def test_most_transcripts_are_for_the_client() -> None:
    assert len(PLAYED) >= 55


@pytest.mark.parametrize("name", PLAYED)
def test_a_transcript_is_played_as_it_is_written(name: str) -> None:
    async def play() -> None:
        await Play(TRANSCRIPTS[name]).play()

    asyncio.run(play())

"""Calls recorded from the original software: its arguments are understood, and its answers are given to the byte.

Only what is in the bodies; frames, references and connections are the peers' tests.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from pathlib import Path
from typing import Any

import msgpack
import pytest

import cara_pseud
from cara_pseud.capabilities import IncomingCall
from cara_pseud.interfaces import implement
from cara_pseud.wire import ERROR, OK, error_triple

HERE = Path(__file__).parent
RECORDED = json.loads((HERE.parent / "vectors" / "wire_cases.json").read_text("utf-8"))
vectors: Any = cara_pseud.load(HERE / "schemas" / "vectors.capnp")


def calls() -> list[tuple[str, bytes, bytes, bytes]]:
    """The name, call body, answer type and answer body of each recorded call without references."""
    found = []
    for case in RECORDED["vectors"]:
        sent = [message["hex"] for message in case["messages"] if message["dir"] == "send"]
        # 2**31 for an Int32 is answered by the original and refused by us.
        if case["compare"] != "bytes" or len(sent) != 2 or case["name"] == "negative_and_big_ints":
            continue
        body, answer_type, answer = (bytes.fromhex(text) for text in (sent[0][-1], sent[1][-2], sent[1][-1]))
        work = msgpack.unpackb(body, use_list=False, strict_map_key=False) if case["name"] != "heartbeat" else None
        if isinstance(work, tuple) and len(work) == 3 and work[0] in HANDLERS:
            found.append((case["name"], body, answer_type, answer))
    return found


def handlers() -> dict[str, Any]:
    source: dict[str, Any] = {"V": vectors, "asyncio": asyncio}
    exec(RECORDED["server"], source)
    return implement(source["DerivedImpl"]()).handlers() | implement(source["Impl"]()).handlers()


HANDLERS = handlers()
CALLS = calls()


def test_there_are_recorded_calls() -> None:
    assert len(CALLS) > 25


@pytest.mark.parametrize(("name", "body", "answer_type", "answer"), CALLS, ids=[call[0] for call in CALLS])
def test_a_recorded_call_gets_the_recorded_answer(name: str, body: bytes, answer_type: bytes, answer: bytes) -> None:
    method, args, kwargs = msgpack.unpackb(body, use_list=False, strict_map_key=False)
    ours: list[Any] = []
    try:
        result = HANDLERS[method](IncomingCall(b""), args, kwargs)
        assert not inspect.isawaitable(result)
        ours = [OK, msgpack.packb(result)]
    except Exception as error:
        ours = [ERROR, *error_triple(error)[:2]]
    recorded = msgpack.unpackb(answer)[:2] if answer_type == ERROR else [answer]
    assert ours == [answer_type, *recorded]

"""A service in a unit test: what it gets and gives is what it would be over the wire."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import cara_pseud
from cara_pseud.errors import DeadlineExceeded, InvalidValue, RegistrationError, RemoteError, RpcError
from cara_pseud.testing import local_proxy, serving

schema: Any = cara_pseud.load(Path(__file__).parents[1] / "integration" / "counting.capnp")


class Counting(schema.Counting):  # type: ignore[misc, name-defined]
    def count(self) -> Any:
        return {"calls": 1, "processId": 2}

    async def slow(self, milliseconds: int) -> bool:
        # As slow as it is told to be.
        await asyncio.sleep(milliseconds / 1000)
        return True

    def crash(self) -> None:
        raise ValueError("a fault")

    def big(self, size: int) -> str:
        call = cara_pseud.current_call()
        return f"{call.principal} {call.roles}"

    def object(self) -> Any:
        class Object(schema.Counting.Object):  # type: ignore[misc, name-defined]
            def name(self) -> str:
                return "an object"

        return Object()

    def short(self, milliseconds: int) -> None:
        raise RpcError("not_found", "nothing is that short", {"milliseconds": milliseconds})

    async def flood(self, listener: Any, calls: int, size: int) -> int:
        for _ in range(calls):
            await listener.told("x" * size)
        return 0


def test_calls_are_those_of_the_wire() -> None:
    async def main() -> None:
        counting = local_proxy(Counting())
        assert (await counting.count()).processId == 2
        assert await counting.slow(milliseconds=1) is True
        assert await (await counting.object()).name() == "an object"
        told: list[str] = []
        assert await counting.flood(told.append, 3, 2) == 0
        assert told == ["xx"] * 3
        with pytest.raises(InvalidValue, match="is no UInt32"):
            await counting.slow("x")

    asyncio.run(main())


def test_objects_in_answers_are_called_before_they_are_there() -> None:
    class Node(schema.Counting.Object):  # type: ignore[misc, name-defined]
        def name(self) -> str:
            return "a node"

    class Owner(Counting):
        def object(self) -> Any:
            return Node()

        def big(self, size: int) -> str:
            return str(cara_pseud.current_call().deadline is not None)

    async def main() -> None:
        owner = local_proxy(Owner())
        assert await owner.object().name() == "a node"
        assert await owner.object().object.name() == "a node"
        assert await owner.big(1) == "True"

    asyncio.run(main())


def test_errors_are_what_callers_get() -> None:
    async def main() -> None:
        counting = local_proxy(Counting())
        with pytest.raises(RemoteError) as fault:
            await counting.crash()
        assert (fault.value.exception_class, fault.value.code) == ("ValueError", "unknown")
        with pytest.raises(RpcError) as chosen:
            await counting.short(5)
        assert (chosen.value.code, chosen.value.details) == ("not_found", {"milliseconds": 5})
        with pytest.raises(RpcError) as missing:
            await counting.released()
        assert missing.value.code == "unimplemented"

    asyncio.run(main())


def test_a_call_says_who_calls() -> None:
    async def main() -> None:
        assert await local_proxy(Counting(), principal="key:ann", roles=("staff",)).big(1) == "key:ann ('staff',)"
        assert await local_proxy(Counting()).big(1) == "None ()"

    asyncio.run(main())


def test_a_call_has_a_deadline() -> None:
    async def main() -> None:
        with pytest.raises(DeadlineExceeded, match="no answer within the deadline"):
            await local_proxy(Counting(), timeout=0.01).slow(10_000)

    asyncio.run(main())


def test_what_is_served_may_be_anything_that_can_be_registered() -> None:
    async def main() -> None:
        assert await local_proxy({"name": lambda: "a dict"}, schema.Counting.Object).name() == "a dict"
        told: list[str] = []
        await local_proxy(told.append, schema.Counting.Listener).told("a function")
        assert told == ["a function"]
        with pytest.raises(RegistrationError):
            local_proxy(5)

    asyncio.run(main())


def test_an_object_is_served_for_the_length_of_a_statement() -> None:
    class Object(schema.Counting.Object):  # type: ignore[misc, name-defined]
        ended = False

        def name(self) -> str:
            return "served"

        def __released__(self) -> None:
            type(self).ended = True

    async def main() -> None:
        async with serving(schema.Counting.Object, Object()) as obj:
            assert await obj.name() == "served"
        with serving(None, Object(), timeout=1.0) as obj:
            assert await obj.name() == "served"
        with pytest.raises(RegistrationError):
            serving(schema.Counting.Object, object())

    asyncio.run(main())

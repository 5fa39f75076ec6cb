"""Objects at a peer: which call goes over which connection, when they are gone, and what is given back."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from cara_pseud.capabilities import NO_ARGUMENTS, NO_OPTIONS, CallOptions, Pending
from cara_pseud.errors import RpcError
from cara_pseud.remote import Origin, RemoteCapability, RootCapability
from cara_pseud.schema.nodes import BoundMethod


class Way(Origin):
    """A connection whose requests are kept."""

    def __init__(self, owner: str = "peer") -> None:
        self.owner = owner
        self.lost = False
        self.ended = 0
        self.other: Way | None = None
        self.asked: list[tuple[str, tuple[Any, ...], CallOptions]] = []
        self.given_back: list[tuple[int, int]] = []

    @property
    def epoch(self) -> int:
        return self.ended

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def heir(self) -> Way | None:
        return self.other

    def request(
        self,
        name: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Any = None,
    ) -> Pending:
        self.asked.append((name, tuple(args), options))
        return Pending(loop=self.loop)

    def dropped(self, id: int, count: int) -> None:
        self.given_back.append((id, count))


def test_a_call_names_object_interface_and_method() -> None:
    async def main() -> None:
        way, options = Way(), CallOptions(timeout=3)
        RemoteCapability(way, 77).call(9, "add", (1, 2), {"x": 3}, options)
        assert way.asked == [("call", (77, 9, "add", (1, 2), {"x": 3}), options)]

    asyncio.run(main())


def test_over_a_lost_connection_the_call_goes_to_the_heir() -> None:
    async def main() -> None:
        way, heir = Way(), Way()
        thing = RemoteCapability(way, 77)
        way.lost, way.other = True, heir
        assert thing.alive
        thing.call(9, 0)
        assert (len(way.asked), len(heir.asked)) == (0, 1)
        way.other = None
        assert not thing.alive
        # It is the lost connection that says why.
        thing.call(9, 0)
        assert len(way.asked) == 1

    asyncio.run(main())


def test_when_the_references_ended_a_call_says_so_without_being_sent() -> None:
    async def main() -> None:
        way = Way()
        thing = RemoteCapability(way, 77)
        way.ended += 1
        assert not thing.alive
        with pytest.raises(RpcError, match="the object ended with the connection to its peer") as caught:
            await thing.call(9, 0)
        assert (caught.value.code, way.asked) == ("not_found", [])

    asyncio.run(main())


def test_all_references_are_given_back_once() -> None:
    way = Way()
    thing = RemoteCapability(way, 77)
    thing.count = 3
    thing.release()
    thing.release()
    assert way.given_back == [(77, 3)]
    assert not thing.alive
    del thing
    gc.collect()
    assert way.given_back == [(77, 3)]


def received(way: Way, id: int, count: int) -> RemoteCapability:
    made = RemoteCapability(way, id)
    made.count = count
    return made


def test_each_of_those_who_share_an_object_gives_back_what_it_got() -> None:
    way = Way()
    shared = received(way, 7, 5)
    shared.give_back(2)
    assert (way.given_back, shared.released_) == ([(7, 2)], False)
    shared.give_back(3)
    shared.give_back(1)
    assert (way.given_back, shared.released_) == ([(7, 2), (7, 3)], True)


def test_who_disowns_references_does_not_give_them_back() -> None:
    way = Way()
    left = received(way, 7, 3)
    left.disown(2)
    left.give_back(1)
    other = received(way, 8, 2)
    other.disown(2)
    del other
    gc.collect()
    assert way.given_back == [(7, 1)]


@pytest.mark.parametrize("let_go", ["release", "give_back"])
def test_an_object_that_another_peer_has_through_us_is_given_back_when_that_lets_go(let_go: str) -> None:
    way = Way()
    lent = received(way, 7, 2)
    lent.lend()
    lent.lend()
    if let_go == "release":
        lent.release()
    else:
        lent.give_back(2)
    lent.returned()
    assert way.given_back == []
    assert lent.alive
    lent.returned()
    lent.returned()  # once more than it was lent
    assert way.given_back == [(7, 2)]
    assert not lent.alive


def test_an_object_that_nobody_let_go_of_is_kept_when_it_returns() -> None:
    way = Way()
    lent = received(way, 7, 1)
    lent.lend()
    lent.returned()
    assert (way.given_back, lent.alive) == ([], True)
    lent.release()
    assert way.given_back == [(7, 1)]


def test_the_collector_gives_back_what_was_forgotten() -> None:
    way = Way()
    thing = RemoteCapability(way, 77)
    thing.count = 2
    del thing
    gc.collect()
    assert way.given_back == [(77, 2)]


def test_nothing_is_given_back_of_references_that_ended() -> None:
    way = Way()
    thing = RemoteCapability(way, 77)
    way.ended += 1
    thing.release()
    assert way.given_back == []


def test_an_object_is_told_by_its_owner_its_epoch_and_its_id() -> None:
    way = Way()
    key = RemoteCapability(way, 77).key
    assert key == RemoteCapability(Way(), 77).key
    assert key != RemoteCapability(way, 78).key
    assert key != RemoteCapability(Way("another"), 77).key
    way.ended += 1
    assert key != RemoteCapability(way, 77).key


def test_the_root_s_methods_are_called_by_their_bare_names() -> None:
    async def main() -> None:
        way = Way()
        root = RootCapability(way)
        root.call(9, "add", (1, 2))
        assert way.asked == [("add", (1, 2), NO_OPTIONS)]
        with pytest.raises(TypeError, match="called by name"):
            root.call(9, 0)
        way.lost = True
        assert not root.alive
        assert root.key == RootCapability(way).key != RootCapability(Way()).key

    asyncio.run(main())


def test_a_method_of_the_schema_is_called_by_id_on_an_object_and_by_name_on_the_root() -> None:
    class Named:
        node_id, id, name = 9, 4, "add"

    async def main() -> None:
        way: Way = Way()
        bound: Any = BoundMethod(interface=Named, method=Named)  # type: ignore[arg-type]
        RemoteCapability(way, 77).invoke(bound, (1,))
        RootCapability(way).invoke(bound, (1,))
        assert [asked[:2] for asked in way.asked] == [("call", (77, 9, 4, (1,), {})), ("add", (1,))]

    asyncio.run(main())

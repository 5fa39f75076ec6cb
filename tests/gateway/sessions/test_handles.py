from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from cara_pseud.capabilities import Capability
from cara_pseud.errors import RpcError
from cara_pseud.schema.nodes import Kind, Schema, Type
from gateway.errors import GatewayError, Status
from gateway.sessions.handles import REST, Handles
from gateway.sessions.record import HandleRecord
from gateway.upstream.base import ObjectName

SCHEMA = "interface Base { a @0 () -> (); } interface Derived extends(Base) { b @0 () -> (); } interface Other {}"


class Thing(Capability):
    __slots__ = ("releases",)

    def __init__(self, key: str) -> None:
        self.key = key
        self.releases = 0

    def release(self) -> None:
        self.releases += 1


class CountedThing(Thing):
    """An object that knows how many references were given back, and how many were left to somebody else."""

    __slots__ = ("disowned", "given_back")

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.given_back = self.disowned = 0

    def give_back(self, count: int) -> None:
        self.given_back += count

    def disown(self, count: int) -> None:
        self.disowned += count


class NoUpstream:
    """Its objects have no names, and it finds none by a name."""

    def name_of(self, capability: Capability) -> None:
        return None

    def adopt(self, name: ObjectName, references: int) -> Capability:
        raise RpcError("not_found", f"there is no object {name.id}")


class Finder(NoUpstream):
    """Finds every object by its name."""

    def adopt(self, name: ObjectName, references: int) -> Capability:
        return CountedThing(str(name.id))


def service(schema: Schema, name: str = "svc") -> Any:
    return SimpleNamespace(name=name, schema=schema, upstream=NoUpstream())


@pytest.fixture
def schema(compile_text: Callable[[str], Schema]) -> Schema:
    return compile_text(SCHEMA)


@pytest.fixture
def handles(tokens: Callable[[], str]) -> Handles:
    return Handles({}, 3, tokens)


def test_an_object_gets_a_token_and_keeps_it(schema: Schema, handles: Handles) -> None:
    first, again = Thing("a"), Thing("a")
    assert handles.put("s1", service(schema), None, first).token == "t1"
    assert handles.put("s1", service(schema), None, again).token == "t1"
    assert handles.put("s1", service(schema, "other"), None, Thing("a")).token == "t2"
    assert handles.get("t1").counts == {"s1": 2}
    assert (first.releases, again.releases) == (0, 1)  # the second reference to a known object is not needed
    assert len(handles) == 2


def test_a_handle_dies_when_all_counts_of_all_holders_are_given_back(schema: Schema, handles: Handles) -> None:
    thing = Thing("a")
    for holder in ("s1", "s1", "s2", REST):
        handles.put(holder, service(schema), None, thing)
    assert handles.release("s1", "t1", 2) is None
    assert handles.release("s2", "t1") is None
    assert thing.releases == 0
    dead = handles.release(REST, "t1")
    assert dead is not None
    assert dead.token == "t1"
    assert thing.releases == 1
    assert len(handles) == 0


def test_one_reference_is_taken_back_at_a_time(schema: Schema, handles: Handles) -> None:
    for _ in range(2):
        handles.put("s1", service(schema), None, Thing("a"))
    assert handles.release("s1", "t1") is None
    assert handles.get("t1").counts == {"s1": 1}
    assert handles.release("s1", "t1") is not None


def test_releasing_too_much_or_what_is_unknown_is_no_error(schema: Schema, handles: Handles) -> None:
    thing = Thing("a")
    handles.put("s1", service(schema), None, thing)
    assert handles.release("s1", "nothing") is None
    assert handles.release("s2", "t1") is None
    assert handles.release("s1", "t1", 1000) is not None
    assert handles.release("s1", "t1") is None
    assert thing.releases == 1


def test_one_holder_cannot_give_back_what_another_holds(schema: Schema, handles: Handles) -> None:
    handles.put("s1", service(schema), None, Thing("a"))
    handles.put("s2", service(schema), None, Thing("a"))
    handles.release("s1", "t1", 50)
    assert handles.get("t1").counts == {"s2": 1}


def test_a_stream_that_ends_gives_everything_back(schema: Schema, handles: Handles) -> None:
    only, shared = Thing("only"), Thing("shared")
    handles.put("s1", service(schema), None, only)
    handles.put("s1", service(schema), None, shared)
    handles.put(REST, service(schema), None, shared)
    assert [handle.token for handle in handles.drop_holder("s1")] == ["t1"]
    assert (only.releases, shared.releases) == (1, 0)
    assert [handle.token for handle in handles] == ["t2"]


def test_a_deleted_handle_is_gone_for_every_holder(schema: Schema, handles: Handles) -> None:
    thing = Thing("a")
    for holder in ("s1", REST):
        handles.put(holder, service(schema), None, thing)
    assert handles.drop("t1") is not None
    assert handles.drop("t1") is None
    assert thing.releases == 1
    assert handles.put("s1", service(schema), None, Thing("a")).token == "t2"


def test_an_object_that_is_gone_takes_its_handle_with_it(schema: Schema, handles: Handles) -> None:
    handles.put("s1", service(schema), None, Thing("a"))
    dead = handles.drop("t1")
    assert dead is not None
    assert dead.token == "t1"
    assert handles.drop("t1") is None


def test_the_limit_refuses_new_objects_and_releases_them(schema: Schema, handles: Handles) -> None:
    for key in "abc":
        handles.put("s1", service(schema), None, Thing(key))
    extra = Thing("d")
    with pytest.raises(GatewayError, match="the session holds 3 handles already; release some first") as raised:
        handles.put("s1", service(schema), None, extra)
    assert raised.value.status is Status.RESOURCE_EXHAUSTED
    assert extra.releases == 1
    assert handles.put("s1", service(schema), None, Thing("a")).token == "t1"


def test_an_unknown_token_is_not_found(handles: Handles) -> None:
    with pytest.raises(GatewayError) as raised:
        handles.get("nope", lambda: "$.to")
    assert raised.value.detail == '$.to: there is no handle "nope" in this session, or it was released'
    assert raised.value.jsonrpc_error()["code"] == -32005
    with pytest.raises(GatewayError, match=r"^there is no handle"):
        handles.get("nope")


def test_a_handle_knows_the_narrowest_interface_that_was_seen(
    schema: Schema, handles: Handles, struct_type: Callable[[Schema, str], Type]
) -> None:
    base, derived, other = (struct_type(schema, name) for name in ("Base", "Derived", "Other"))
    for seen, known in [(None, None), (base, base), (derived, derived), (base, derived), (other, derived)]:
        assert handles.put("s1", service(schema), seen, Thing("a")).interface == known


def test_clearing_releases_every_object(schema: Schema, handles: Handles) -> None:
    things = [Thing("a"), Thing("b")]
    for thing in things:
        handles.put("s1", service(schema), None, thing)
    assert len(handles.clear()) == 2
    assert [thing.releases for thing in things] == [1, 1]
    assert len(handles) == 0


@pytest.mark.parametrize(
    ("known", "expected", "fits"),
    [
        ("Base", "Base", True),
        ("Derived", "Base", True),
        ("Base", "Derived", False),
        ("Other", "Base", False),
        ("Other", None, True),
        (None, "Base", True),
        (None, None, True),
    ],
)
def test_an_object_fits_where_its_interface_or_one_that_it_extends_is_expected(
    schema: Schema,
    handles: Handles,
    struct_type: Callable[[Schema, str], Type],
    known: str | None,
    expected: str | None,
    fits: bool,
) -> None:
    def type_of(name: str | None) -> Type | None:
        return None if name is None else struct_type(schema, name)

    assert handles.put("s1", service(schema), type_of(known), Thing("a")).fits(type_of(expected)) is fits


def test_every_reference_is_given_back_once(schema: Schema, handles: Handles) -> None:
    first, again, extra = CountedThing("a"), CountedThing("a"), CountedThing("d")
    for thing in (first, again, first):
        handle = handles.put("s1", service(schema), None, thing)
    # The second object was another reference's, which the table has no use for.
    assert (first.given_back, again.given_back) == (0, 1)
    assert (handle.record.references, handle.counts) == (2, {"s1": 3})
    for key in "bc":
        handles.put("s1", service(schema), None, CountedThing(key))
    with pytest.raises(GatewayError):
        handles.put("s1", service(schema), None, extra)
    assert extra.given_back == 1
    dead = handles.release("s1", handle.token, 3)
    assert dead is handle
    assert (first.given_back, again.given_back, handle.counts) == (2, 1, {})


def test_what_is_left_to_others_is_not_given_back(schema: Schema, tokens: Callable[[], str]) -> None:
    records: dict[str, HandleRecord] = {}
    handles = Handles(records, 3, tokens)
    thing = CountedThing("a")
    for _ in range(2):
        handles.put("s1", service(schema), None, thing)
    handles.leave()
    assert (thing.given_back, thing.disowned) == (0, 2)
    assert records["t1"].counts == {"s1": 2}
    assert len(handles) == 0
    assert handles.put("s1", service(schema), None, thing).token == "t2"


def adopting(schema: Schema, upstream: NoUpstream, interface: Type | None, name: ObjectName | None) -> Handles:
    handles = Handles({"t": HandleRecord("svc", interface, name, 2, {"s1": 2})}, 3, lambda: pytest.fail("no token"))
    taken = service(schema)
    taken.upstream = upstream
    handles.adopt("t", taken)
    return handles


@pytest.mark.parametrize("interface", [None, "Base"])
def test_a_handle_goes_on_with_its_counts(
    schema: Schema, struct_type: Callable[[Schema, str], Type], interface: str | None
) -> None:
    type = None if interface is None else struct_type(schema, interface)
    handles = adopting(schema, Finder(), type, ObjectName("00", 7))
    handle = handles.get("t")
    assert (handle.interface, handle.counts, handle.capability.key) == (type, {"s1": 2}, "7")
    again = CountedThing("7")
    assert handles.put("s2", handle.service, None, again) is handle
    assert again.given_back == 1
    assert handles.release("s2", "t") is None
    assert handles.release("s1", "t", 2) is handle
    thing = handle.capability
    assert isinstance(thing, CountedThing)
    assert thing.given_back == 2


@pytest.mark.parametrize(
    ("interface", "upstream", "name", "detail"),
    [
        (None, Finder(), None, "the object was bound to the process that got it"),
        (Type(Kind.INTERFACE, 5), Finder(), ObjectName("00", 7), "svc has no such interface any more"),
        (None, NoUpstream(), ObjectName("00", 7), "there is no object 7"),
    ],
)
def test_a_handle_that_cannot_go_on(
    schema: Schema, interface: Type | None, upstream: NoUpstream, name: ObjectName | None, detail: str
) -> None:
    with pytest.raises(GatewayError) as raised:
        adopting(schema, upstream, interface, name)
    assert (raised.value.status, raised.value.detail) == (Status.NOT_FOUND, detail)


# Casts.


@pytest.fixture
def types(schema: Schema) -> dict[str, Type]:
    found = {name: schema.find(name) for name in ("Base", "Derived", "Other")}
    return {name: Type(Kind.INTERFACE, node.id) for name, node in found.items() if node is not None}


def test_a_cast_is_a_handle_of_its_own_once_for_each_interface(
    schema: Schema, handles: Handles, types: dict[str, Type]
) -> None:
    main = handles.put("s1", service(schema), None, CountedThing("a"))
    derived = handles.cast("s1", main, types["Derived"])
    assert (derived.token, derived.interface, derived.capability) == ("t2", types["Derived"], main.capability)
    assert handles.cast("s2", derived, types["Derived"]) is derived
    assert handles.cast("s1", derived, types["Other"]).token == "t3"
    assert (main.interface, main.counts, derived.counts) == (None, {"s1": 1}, {"s1": 1, "s2": 1})
    with pytest.raises(GatewayError) as raised:
        handles.cast("s1", main, types["Base"])
    assert raised.value.status is Status.RESOURCE_EXHAUSTED


def test_a_cast_to_what_a_handle_is_counts_that_handle(
    schema: Schema, handles: Handles, types: dict[str, Type]
) -> None:
    main = handles.put("s1", service(schema), types["Base"], CountedThing("a"))
    derived = handles.cast("s1", main, types["Derived"])
    assert handles.cast("s1", derived, types["Base"]) is main
    assert main.counts == {"s1": 2}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (0, 2, 1)])
def test_the_last_handle_of_an_object_gives_back_what_the_service_sent(
    schema: Schema, handles: Handles, types: dict[str, Type], order: tuple[int, ...]
) -> None:
    thing = CountedThing("a")
    main = handles.put("s1", service(schema), None, thing)
    handles.put("s1", service(schema), None, thing)
    both = [handles.cast("s1", main, types[name]) for name in ("Derived", "Other")]
    tokens = [main.token, *(each.token for each in both)]
    for at in order[:2]:
        assert handles.release("s1", tokens[at], 2) is not None
        assert thing.given_back == 0
    assert handles.release("s1", tokens[order[2]], 2) is not None
    assert (thing.given_back, len(handles)) == (2, 0)


def test_an_object_that_comes_again_after_its_first_handle_ended_has_a_new_one_beside_its_casts(
    schema: Schema, handles: Handles, types: dict[str, Type]
) -> None:
    thing, again = CountedThing("a"), CountedThing("a")
    main = handles.put("s1", service(schema), None, thing)
    derived = handles.cast("s1", main, types["Derived"])
    handles.release("s1", main.token)
    second = handles.put("s1", service(schema), types["Other"], again)
    assert (second.token, second.interface, second.capability, again.given_back) == ("t3", types["Other"], thing, 1)
    assert handles.drop_holder("s1") == [derived, second]
    assert thing.given_back == 1


def test_casts_go_along_to_another_process(schema: Schema, tokens: Callable[[], str], types: dict[str, Type]) -> None:
    class Named(Finder):
        def name_of(self, capability: Capability) -> Any:
            return ObjectName("aa", 7)

    records: dict[str, HandleRecord] = {}
    here = Handles(records, 9, tokens)
    home = SimpleNamespace(name="svc", schema=schema, upstream=Named())
    main = here.put("s1", home, None, CountedThing("7"))  # type: ignore[arg-type]
    cast = here.cast("s1", main, types["Derived"])
    here.release("s1", main.token)
    again = here.put("s1", home, None, CountedThing("7"))  # type: ignore[arg-type]
    here.leave()
    assert main.capability.disowned == 1  # type: ignore[attr-defined]
    there = Handles(records, 9, tokens)
    for token in list(records):
        there.adopt(token, home)  # type: ignore[arg-type]
    assert (there.get(cast.token).interface, there.get(cast.token).record.is_cast) == (types["Derived"], True)
    assert there.cast("s1", there.get(again.token), types["Derived"]).token == cast.token

"""Proxies and references: what a call sends, what comes back, who is who. An object here plays the other side."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import tornado.gen
import tornado.ioloop

import cara_pseud
from cara_pseud import ArgumentError, InvalidValue, Reference, WrongType, release, unwrap, with_options
from cara_pseud.capabilities import NO_ARGUMENTS, NO_OPTIONS, CallOptions, Capability, RootedPeer, WireValue
from cara_pseud.local import LocalCapability

SCHEMAS = Path(__file__).parent / "schemas"
calls: Any = cara_pseud.load(SCHEMAS / "calls.capnp")
Methods, Counter, Listener = calls.Methods, calls.Counter, calls.Listener


class Elsewhere(Capability):
    """Writes down what is called and gives prepared answers."""

    def __init__(self, *answers: Any, key: str = "elsewhere") -> None:
        self.key = key
        self.answers = list(answers)
        self.calls: list[tuple[int, int | str, list[Any], dict[str, Any], CallOptions]] = []
        self.was_released = False

    def call(
        self,
        interface_id: int,
        method: int | str,
        args: Sequence[WireValue] = (),
        kwargs: Mapping[str, WireValue] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Callable[[WireValue], Any] | None = None,
    ) -> asyncio.Future[Any]:
        self.calls.append((interface_id, method, list(args), dict(kwargs), options))
        future = asyncio.get_running_loop().create_future()
        try:
            answer = self.answers.pop(0)
            future.set_result(answer if convert is None else convert(answer))
        except Exception as error:
            future.set_exception(error)
        return future

    def release(self) -> None:
        self.was_released = True


class OtherSide(RootedPeer):
    def __init__(self, root: Capability) -> None:
        self._root = root

    @property
    def root(self) -> Capability:
        return self._root


def run(main: Any) -> None:
    asyncio.run(main)


def test_a_call_sends_wire_values_and_gives_a_checked_result() -> None:
    async def main() -> None:
        elsewhere = Elsewhere(7, 7, 7, {1: "a"}, {"r": 2, "q": 3}, None)
        methods = Methods(OtherSide(elsewhere))
        assert await methods.add(2, 5) == 7
        assert await methods.add(2, second=5) == 7
        assert await methods["add"](first=2, second=5) == 7
        found = await methods.find(None)
        assert (type(found).__name__, found.name) == ("Item", "a")
        result = await methods.divMod(17, 5)
        assert (result.q, result["r"]) == (3, 2)
        assert await methods.nothing() is None
        assert [(name, args, kwargs) for _, name, args, kwargs, _ in elsewhere.calls] == [
            (1, [2, 5], {}), (1, [2], {"second": 5}), (1, [], {"first": 2, "second": 5}), (6, [None], {}),
            (2, [17, 5], {}), (0, [], {}),
        ]  # fmt: skip
        assert {call[0] for call in elsewhere.calls} == {Methods.__id__}

    run(main())


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("add", "x"), ("add", None), ("add", 2**31),
        ("find", 5), ("find", {1: 5}), ("find", {"nosuch": "x"}),
        ("divMod", "5"), ("divMod", {"q": "5"}),
    ],
)
def test_an_answer_that_does_not_fit_is_an_error_never_a_raw_value(name: str, answer: Any) -> None:
    async def main() -> None:
        methods = Methods(OtherSide(Elsewhere(answer)))
        with pytest.raises((InvalidValue, cara_pseud.UnknownField)):
            await (methods.find("a") if name == "find" else methods[name](1, 2))

    run(main())


def test_wrong_arguments_are_not_sent() -> None:
    elsewhere = Elsewhere()
    methods = Methods(OtherSide(elsewhere))
    for wrong in (
        lambda: methods.add(1, 2, 3),
        lambda: methods.add(1, third=2),
        lambda: methods.nothing(1),
    ):
        with pytest.raises(ArgumentError):
            wrong()
    with pytest.raises(WrongType, match=r"^\$\.second: 'x' is no Int32"):
        methods.add(1, "x")
    with pytest.raises(AttributeError, match="Methods has no method 'nope'; its methods are nothing, add"):
        _ = methods.nope
    assert elsewhere.calls == []


def test_calls_can_be_yielded_in_tornado_s_style() -> None:
    @tornado.gen.coroutine
    def main() -> Any:
        result = yield Methods(OtherSide(Elsewhere(7))).add(2, 5)
        both = yield [Methods(OtherSide(Elsewhere(1))).add(0, 1), Methods(OtherSide(Elsewhere(2))).add(1, 1)]
        return result, both

    async def start() -> Any:
        return await main()

    assert asyncio.run(start()) == (7, [1, 2])


def test_a_method_can_decorate_its_callback_which_may_be_a_generator(tmp_path: Path) -> None:
    path = tmp_path / "loop.capnp"
    path.write_text(
        "@0xd4c9b2a1f0e3d6d2; interface Loop { interface Back { back @0 (inner :Back) -> (text :Text); }"
        " callMeMaybe @0 (back :Back) -> (text :Text); }"
    )
    Loop: Any = cara_pseud.load(path).Loop

    class Server(Loop):  # type: ignore[misc]
        async def callMeMaybe(self, back: Any) -> Any:
            return "heard " + await back(lambda inner: "internal callback")

    async def main() -> None:
        loop = Loop(Loop.__conversion__.send(Server()))

        @loop.callMeMaybe
        def answer(inner: Any) -> Any:
            text = yield inner(None)
            return text.upper()

        assert await answer == "heard INTERNAL CALLBACK"

    run(main())


def test_methods_of_the_schema_win_over_ours(tmp_path: Path) -> None:
    path = tmp_path / "names.capnp"
    names = ["stop", "timeout", "packer", "release", "cast", "call", "key", "invoke", "mro", "register"]
    methods = " ".join(f"{name} @{index} () -> (n :Int32);" for index, name in enumerate(names))
    path.write_text(f"@0xd4c9b2a1f0e3d6d1; interface Names {{ {methods} }}")
    Names: Any = cara_pseud.load(path).Names

    async def main() -> None:
        elsewhere = Elsewhere(*range(len(names)))
        remote = Names(OtherSide(elsewhere))
        assert [await getattr(remote, name)() for name in names] == list(range(len(names)))
        local = Names({name: lambda: 5 for name in names})
        assert [getattr(local, name)() for name in names] == [5] * len(names)

    run(main())


def test_inherited_and_hidden_methods_name_their_declaring_interface() -> None:
    async def main() -> None:
        elsewhere = Elsewhere("a", "c", "a", "e")
        proxy = calls.E(OtherSide(elsewhere))
        await proxy.a()
        await proxy.shared()
        await proxy[(calls.A.__id__, 1)]()
        await proxy[0]()
        assert [call[:2] for call in elsewhere.calls] == [
            (calls.A.__id__, 0), (calls.C.__id__, 1), (calls.A.__id__, 1), (calls.E.__id__, 0),
        ]  # fmt: skip

    run(main())


def test_generic_methods_of_a_proxy() -> None:
    async def main() -> None:
        elsewhere = Elsewhere({0: "a", 1: {0: 5}}, {0: "a"}, "x")
        factory = calls.Factory[cara_pseud.Text](OtherSide(elsewhere))
        Item = calls.UsesBoxes.__fields__["items"].type.__fields__["value"].type
        kept = await factory.keep[Item]("a", {"qty": 5})
        assert type(kept.second) is Item
        assert (await factory.keep("a", None)).first == "a"
        assert await factory.box[cara_pseud.Text](value="x") == "x"
        assert [call[2] for call in elsewhere.calls] == [["a", {0: 5}], ["a", None], [{0: "x"}]]
        with pytest.raises(WrongType):
            factory.keep[Item]("a", {"qty": "x"})

    run(main())


def test_a_reference_in_an_interface_slot_is_a_proxy() -> None:
    async def main() -> None:
        there = Elsewhere(15, key="there")
        counter = await Methods(OtherSide(Elsewhere(there))).make(10)
        assert isinstance(counter, Counter)
        assert repr(counter) == "<remote Counter>"
        assert await counter.increment(5) == 15
        assert there.calls[0][:3] == (Counter.__id__, 0, [5])

    run(main())


def test_a_reference_in_an_any_pointer_slot_can_be_cast_and_passed_on() -> None:
    async def main() -> None:
        there = Elsewhere(1, 2, key="there")
        elsewhere = Elsewhere({"deep": [there]}, None)
        methods = Methods(OtherSide(elsewhere))
        reference = (await methods.any(None))["deep"][0]
        assert isinstance(reference, Reference)
        assert await reference.cast(Counter).increment(1) == 1
        assert await Counter(reference).increment(1) == 2
        await methods.any({"back": [reference, Counter(reference)]})
        assert elsewhere.calls[1][2] == [{"back": [there, there]}]
        assert reference == Reference(Elsewhere(key="there"))
        assert hash(reference) == hash(Reference(Elsewhere(key="there")))
        assert reference != Reference(Elsewhere(key="other"))
        assert Counter.__conversion__.enter(reference) == Counter(reference)

    run(main())


def test_a_proxy_passed_on_is_the_reference_it_came_from() -> None:
    async def main() -> None:
        there = Elsewhere(key="there")
        elsewhere = Elsewhere(5)
        await Methods(OtherSide(elsewhere)).count(Counter(there))
        assert elsewhere.calls[0][2] == [there]

    run(main())


def test_objects_of_ours_can_be_called_where_they_are_passed() -> None:
    async def main() -> None:
        elsewhere = Elsewhere(5)
        await Methods(OtherSide(elsewhere)).count({"increment": lambda by: by * 100})
        passed = elsewhere.calls[0][2][0]
        assert isinstance(passed, LocalCapability)
        assert await passed.call(Counter.__id__, 0, (7,)) == 700

    run(main())


def test_an_object_that_comes_home_is_awaited_like_any_other_and_stays_in_the_process() -> None:
    class MyCounter(Counter):  # type: ignore[misc]
        value = 10

        def increment(self, by: int) -> int:
            self.value += by
            return self.value

    async def use(counter: Any, by: int) -> Any:
        return await counter.increment(by)

    async def main() -> None:
        mine = MyCounter()
        functions = {"increment": lambda by: by}
        home = Counter.__conversion__.enter(Counter.__conversion__.send(mine))
        assert await use(home, 5) == 15
        assert unwrap(home) is mine
        assert unwrap(Counter.__conversion__.enter(Counter.__conversion__.send(functions))) is functions
        assert Counter.__conversion__.send(home).key == Counter.__conversion__.send(mine).key
        assert unwrap(Counter(Elsewhere())) is None
        assert unwrap(mine) is None
        with pytest.raises(cara_pseud.RpcError, match="'x' is no Int32"):
            await Counter.__conversion__.send(mine).call(Counter.__id__, 0, ("x",))

    run(main())


def test_options_make_a_view_of_a_proxy() -> None:
    async def main() -> None:
        elsewhere = Elsewhere(1, 2, 3)
        counter = Counter(elsewhere)
        hurried = with_options(counter, timeout=2.5)
        named = with_options(hurried, request_id="r", principal="p", traceparent="t", idempotency_key="i")
        for view in (counter, hurried, named):
            await view.increment(1)
        assert [call[4] for call in elsewhere.calls] == [
            NO_OPTIONS, CallOptions(timeout=2.5), CallOptions(2.5, "r", "p", "t", "i"),
        ]  # fmt: skip
        assert with_options(named, timeout=None).__options__.timeout is None
        assert Counter(named).__options__ == named.__options__
        assert named == counter

    run(main())
    with pytest.raises(TypeError, match="a Counter is no proxy of a remote object"):
        with_options(Counter({"increment": print}), timeout=1)


def test_release_lets_go() -> None:
    for make in (Counter, Reference):
        elsewhere = Elsewhere()
        release(make(elsewhere))
        assert elsewhere.was_released
    with pytest.raises(TypeError, match="is no proxy"):
        release({})


def test_proxies_of_one_object_are_equal() -> None:
    first, second, other = Counter(Elsewhere()), calls.Marker(Elsewhere()), Counter(Elsewhere(key="other"))
    assert first == second
    assert hash(first) == hash(second)
    assert first != other
    assert first != 5
    assert {first: 1}[second] == 1


def test_proxies_are_copied_as_references_and_not_pickled() -> None:
    proxy = Counter(Elsewhere())
    assert copy.deepcopy(proxy) is copy.copy(proxy) is proxy
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(proxy)


def test_a_proxy_can_be_cast_to_another_interface() -> None:
    async def main() -> None:
        there = Elsewhere("a")
        assert await calls.A(calls.Marker(there)).a() == "a"
        with pytest.raises(WrongType, match="a Marker is no Counter"):
            Counter.__conversion__.enter(calls.Marker(there))
        derived = calls.E(there)
        assert calls.A.__conversion__.enter(derived) is derived

    run(main())


def test_a_proxy_serves_as_an_implementation() -> None:
    async def main() -> None:
        there = Elsewhere(8)
        forwarding = cara_pseud.interfaces.implement(Counter(there))
        assert await forwarding.invoke(Counter.__id__, 0, (3,), {}, None) == 8  # type: ignore[arg-type]
        assert there.calls[0][2] == [3]

    run(main())


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"timeout": "x"}, "timeout: 'x' is no Float64"),
        ({"timeout": True}, "timeout: True is no Float64"),
        ({"timeout": float("nan")}, "timeout: nan is no number of seconds"),
        ({"roles": "staff"}, "roles: 'staff' is no sequence of roles"),
        ({"roles": ("a", 5)}, "roles: 5 is no Text"),
        ({"request_id": 5}, "request_id: 5 is no Text"),
        ({"principal": "\ud800"}, r"principal: '\ud800' holds the lone surrogate U+D800, which is no character"),
        ({"idempotency_key": b"k"}, "idempotency_key: b'k' is no Text"),
        ({"traceparent": object()}, "traceparent: an object is no Text"),
    ],
)
def test_options_that_cannot_travel_are_refused_where_they_are_said(options: dict[str, Any], complaint: str) -> None:
    methods = Methods(OtherSide(Elsewhere()))
    with pytest.raises(InvalidValue) as refused:
        cara_pseud.with_options(methods, **options)
    assert str(refused.value) == complaint
    kept = cara_pseud.with_options(methods, timeout=2, roles=["a"], request_id=None).__options__
    assert (kept.timeout, kept.roles, kept.request_id) == (2.0, ("a",), None)

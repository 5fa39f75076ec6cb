"""One side of a call has a newer schema than the other: every change that Cap'n Proto calls compatible is one here.

The caller is a Python program, or the gateway, over REST and over a WebSocket. What is expected is what the schema
language's page says: what one side does not know it leaves alone, and what it does not get has its default.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import cara_pseud
from cara_pseud.enums import UnknownEnumerant

if TYPE_CHECKING:
    from tests.integration.conftest import Web

HERE = Path(__file__).parent
OLD, NEW = HERE / "old.capnp", HERE / "new.capnp"
NONE: Any = object()
"""No member of a union."""

CONFIG = """
[services.{name}]
schema = "{schema}"
interface = "Evolving"
endpoint = "{endpoint}"
peer = "evolving"
"""

# The method, what is passed, what comes back.
NEWER_SERVICE: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("field", {"job": {"id": 1, "name": "a"}}, {"job": {"id": 1, "name": "a"}}),
    ("jobs", {"jobs": [{"id": 1}, {"id": 2}]}, {"jobs": [{"id": 1}, {"id": 2}]}),
    ("enumerant", {"task": {"state": "busy"}}, {"task": {"state": 2, "states": ["busy", 2]}}),
    ("state", {"state": "busy"}, {"state": 2}),
    ("member", {"shape": {"none": None}}, {"shape": NONE}),
    ("member", {"shape": {"circle": 1.5}}, {"shape": {"circle": 1.5}}),
    ("named", {"box": {"color": 1}}, {"box": {"color": 1, "content": NONE}}),
    ("named", {"box": {"content": {"text": "x"}}}, {"box": {"content": {"text": "x"}}}),
    (
        "group", {"place": {"name": "a", "street": "s", "number": 4, "tags": ["t"]}},
        {"place": {"name": "a", "street": "s", "number": 4, "tags": ["t"]}},
    ),
    ("group", {"place": {"name": "a"}}, {"place": {"name": "a", "street": "", "number": 0, "tags": []}}),
    ("union", {"chosen": {"name": "a", "number": 5}}, {"chosen": {"name": "a", "number": 5}}),
    ("union", {"chosen": {"name": "text"}}, {"chosen": {"name": "text", "number": 0}}),
    ("lists", {"row": {"numbers": [1, 2], "texts": ["a"]}}, {"row": {"numbers": [1, 2], "texts": ["a"]}}),
    ("parameter", {"first": 5}, {"sum": 6}),
    ("result", {"number": 5}, {"number": 5}),
    ("results", {"number": 5}, {"number": 5, "twice": 10}),
    ("nothing", {}, {}),
    ("generic", {"pair": {"first": "a", "second": "b"}}, {"pair": {"first": "a", "second": "b"}}),
    ("renamed", {"old": {"text": "x"}}, {"old": {"text": "x"}}),
    ("tone", {"tone": "low", "tones": ["high"]}, {"tone": "high"}),
    ("whole", {"id": 1, "name": "a"}, {"id": 1, "name": "a"}),
]
NEWER_CALLER: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "field", {"job": {"id": 1, "note": "n", "extra": {"size": 4}}},
        {"job": {"id": 1, "note": "n", "extra": {"size": 4}}},
    ),
    ("jobs", {"jobs": [{"id": 1, "note": "n"}]}, {"jobs": [{"id": 1, "note": "n", "extra": {"size": 0}}]}),
    (
        "enumerant", {"task": {"state": "failed", "states": ["failed"]}},
        {"task": {"state": "failed", "states": ["failed"]}},
    ),
    ("state", {"state": "failed"}, {"state": "failed"}),
    ("member", {"shape": {"square": 2.0}}, {"shape": {"square": 2.0}}),
    ("named", {"box": {"content": {"number": 5}}}, {"box": {"content": {"number": 5}}}),
    (
        "group", {"place": {"at": {"street": "s", "town": "Oslo"}, "of": {"number": 4}, "marks": {"tags": ["t"]}}},
        {"place": {"at": {"street": "s"}, "of": {"number": 4}, "marks": {"tags": ["t"]}}},
    ),
    ("union", {"chosen": {"by": {"number": 5}}}, {"chosen": {"by": {"number": 5}}}),
    (
        "lists", {"row": {"numbers": [{"value": 1, "unit": "m"}], "texts": [{"value": "a"}, {}]}},
        {"row": {"numbers": [{"value": 1, "unit": ""}], "texts": [{"value": "a"}, {"value": ""}]}},
    ),
    ("parameter", {"first": 5, "second": 7, "text": "new"}, {"sum": 5}),
    ("result", {"number": 5}, {"number": 5, "text": ""}),
    ("results", {"number": 5}, {"number": 5, "twice": 10, "thrice": 0}),
    ("nothing", {}, {"text": ""}),
    ("generic", {"pair": {"first": "a", "second": "b"}}, {"pair": {"first": "a", "second": "b"}}),
    ("renamed", {"new": {"words": "x"}}, {"new": {"words": "x"}}),
    ("tone", {"tone": "low", "tones": ["high"]}, {"tone": "high"}),
    ("whole", {"id": 1, "note": "n"}, {"id": 1, "note": "n"}),
]
EVERY = [("newer service", *row) for row in NEWER_SERVICE] + [("newer caller", *row) for row in NEWER_CALLER]
UNIMPLEMENTED = ["later", "added"]

Call = Callable[[str, str, dict[str, Any]], Any]


class Versions:
    """Two services, and a gateway that has the other one's schema for each."""

    def __init__(self, web: Web, endpoints: Mapping[str, str]) -> None:
        self.web = web
        self.endpoints = endpoints

    def over_rest(self, versions: str, method: str, params: dict[str, Any]) -> Any:
        answer = self.web.post(f"/api/{versions.replace(' ', '_')}/{method}", params)
        assert answer.status == 200, answer.text
        return answer.json

    def over_websocket(self, versions: str, method: str, params: dict[str, Any]) -> Any:
        with self.web.socket() as socket:
            return socket.result(f"{versions.replace(' ', '_')}.{method}", params)

    def from_python(self, versions: str, method: str, params: dict[str, Any], by_name: bool = False) -> Any:
        schema = cara_pseud.load(OLD if versions == "newer service" else NEW)
        client = cara_pseud.Client(b"evolving")
        client.connect(self.endpoints[versions])

        async def call() -> Any:
            async with client, asyncio.timeout(10):
                proxy = schema.Evolving(client)
                is_whole = method == "whole"
                args = [params] if is_whole else list(params.values())
                made = proxy[method](**params) if by_name and not is_whole else proxy[method](*args)
                result = await made
                names = list(schema.Evolving.__methods__[method].results) if not is_whole else []
                return {names[0]: result} if len(names) == 1 else result or {}

        return asyncio.run(call())

    def by_name_from_python(self, versions: str, method: str, params: dict[str, Any]) -> Any:
        return self.from_python(versions, method, params, by_name=True)


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Versions]:
    # Not at the top: what is collected first would import the folder's conftest under another name.
    from tests.integration.conftest import Start

    with ExitStack() as stack:
        start = Start(tmp_path_factory.mktemp("evolution"), stack)
        newer, older = [start.process(str(HERE / "evolving_service.py"), str(path)).line() for path in (NEW, OLD)]
        config = CONFIG.format(name="newer_service", schema=OLD, endpoint=newer)
        config += CONFIG.format(name="newer_caller", schema=NEW, endpoint=older)
        _, web = start.gateway(config)
        yield Versions(web, {"newer service": newer, "newer caller": older})


def check(shown: Any, expected: Any, place: str = "") -> None:
    """Compare what came back with what is expected of it, in JSON or as Python's structs."""
    if expected is NONE:
        members = [name for name in ("none", "circle", "empty", "text", "number") if name in shown]
        assert members == [], place
        assert not isinstance(shown, cara_pseud.Struct) or cara_pseud.which(shown) == "", place
    elif isinstance(expected, dict):
        for name, value in expected.items():
            # JSON leaves out a pointer that is absent, and says null where it is a result.
            is_left_out = value in ("", []) and isinstance(shown, dict) and not isinstance(shown, cara_pseud.Struct)
            if is_left_out and shown.get(name) is None:
                continue
            check(shown[name], value, f"{place}.{name}")
    elif isinstance(expected, list):
        assert len(shown) == len(expected), place
        for index, value in enumerate(expected):
            check(shown[index], value, f"{place}[{index}]")
    elif isinstance(expected, str) and isinstance(shown, cara_pseud.Enum):
        assert shown.name == expected, place
    else:
        assert shown == expected, place


@pytest.mark.parametrize("door", ["over_rest", "over_websocket", "from_python", "by_name_from_python"])
@pytest.mark.parametrize(("which", "method", "params", "expected"), EVERY)
def test_either_side_may_be_newer(
    versions: Versions, door: str, which: str, method: str, params: dict[str, Any], expected: dict[str, Any]
) -> None:
    check(getattr(versions, door)(which, method, params), expected)


@pytest.mark.parametrize("method", UNIMPLEMENTED)
def test_a_method_that_the_service_does_not_have_yet_is_unimplemented(versions: Versions, method: str) -> None:
    assert versions.web.post(f"/api/newer_caller/{method}").code == "unimplemented"
    with pytest.raises(cara_pseud.RpcError) as caught:
        versions.from_python("newer caller", method, {})
    assert caught.value.code == "unimplemented"


def test_an_older_service_is_not_told_of_defaults_that_nobody_asked_for(versions: Versions) -> None:
    newer = cara_pseud.load(NEW).Evolving
    endpoint = versions.endpoints["newer caller"]

    async def ask() -> list[int]:
        async with cara_pseud.Client(b"evolving") as client, asyncio.timeout(10):
            client.connect(endpoint)
            # One of them waits for the greeting.
            calls = [newer(client).parameter(5), newer(client).parameter(first=5)]
            return [*[await call for call in calls], await newer(client).parameter(5)]

    assert asyncio.run(ask()) == [5, 5, 5]
    with cara_pseud.connect(endpoint, newer, peer=b"evolving") as evolving:
        assert evolving.parameter(5) == 5


def test_a_first_result_that_an_older_service_does_not_have_reads_as_zero(versions: Versions) -> None:
    newer = cara_pseud.load(NEW).Evolving
    assert versions.from_python("newer caller", "count", {}) == {"count": 0}
    with cara_pseud.connect(versions.endpoints["newer caller"], newer, peer=b"evolving") as evolving:
        assert evolving.count() == 0


@pytest.mark.parametrize(("which", "schema"), [("newer service", NEW), ("newer caller", OLD)])
def test_a_client_of_a_gateway_may_have_another_version_than_the_gateway(
    versions: Versions, which: str, schema: Path
) -> None:
    heard: list[Any] = []
    with cara_pseud.gateway.connect(versions.web.url) as gateway:
        evolving = gateway.service(which.replace(" ", "_"), cara_pseud.load(schema).Evolving)
        if schema is NEW:
            assert evolving.parameter(5) == 6
            result, results = evolving.result(5), evolving.results(5)
            assert (result.number, result.text) == (5, "")
            assert (results.number, results.twice, results.thrice) == (5, 10, 0)
            assert evolving.nothing() == ""
            assert evolving.count() == 0
            assert evolving.note().text() == "a note"
            # A callback gets the default; what it answers is the caller's JSON.
            with pytest.raises(cara_pseud.RpcError, match="expected Int32, got an object"):
                evolving.tell(lambda *told: heard.append(told) or (4, ""))
            assert heard == [("news", 0)]
        else:
            assert evolving.parameter(5) == 5
            assert evolving.result(5) == 5
            assert evolving.results(5) == {"number": 5, "twice": 10}
            assert evolving.nothing() is None
        assert evolving.field({"id": 1}).id == 1


def test_an_unknown_enumerant_is_its_number_in_python(versions: Versions) -> None:
    state = versions.from_python("newer service", "state", {"state": "idle"})["state"]
    assert (type(state), state, repr(state)) == (UnknownEnumerant, 2, "<State: 2>")
    assert versions.from_python("newer service", "state", {"state": state})["state"] == 2


def test_objects_in_fields_that_nobody_knows_are_let_go(versions: Versions) -> None:
    # Each answer has a new object in a field that the caller does not know; a service permits so many objects.
    for _ in range(30):
        versions.over_rest("newer service", "jobs", {"jobs": [{}] * 1000})
    assert versions.over_rest("newer service", "field", {"job": {"id": 1}})["job"]["id"] == 1


@pytest.mark.parametrize("which", ["newer service", "newer caller"])
def test_objects_have_the_methods_that_both_sides_know(versions: Versions, which: str) -> None:
    service = which.replace(" ", "_")
    with versions.web.socket() as socket:
        note = socket.result(f"{service}.note", {})["note"]["$handle"]
        assert socket.result(f"@{note}.text") == {"text": "a note"}
        if which == "newer caller":
            for method in ("length", "name"):  # a newer method, and that of a newer superclass
                assert socket.call(f"@{note}.{method}")["error"]["data"]["code"] == "unimplemented"


@pytest.mark.parametrize(("which", "interface"), [("newer service", "Keeper"), ("newer caller", "Keeper(Text)")])
def test_objects_whose_interface_became_generic_in_another_file_are_called(
    versions: Versions, which: str, interface: str
) -> None:
    service = which.replace(" ", "_")
    with versions.web.socket() as socket:
        keeper = socket.result(f"{service}.keeper", {})["keeper"]
        assert keeper["interface"] == interface
        assert socket.result(f"@{keeper['$handle']}.keep", {"text": "x"}) == {"text": "x"}
    answer = versions.web.post(f"/api/{service}/keeper", {})
    handle, session = answer.json["keeper"]["$handle"], {"Session-Id": answer.headers["session-id"]}
    assert versions.web.post(f"/api/handles/{handle}/keep", {"text": "y"}, session).json == {"text": "y"}
    schema = cara_pseud.load(OLD if which == "newer service" else NEW)

    async def keep() -> Any:
        client = cara_pseud.Client(b"evolving")
        client.connect(versions.endpoints[which])
        async with client, asyncio.timeout(10):
            keeper = await schema.Evolving(client).keeper()
            return await keeper.keep("z")

    assert asyncio.run(keep()) == "z"


@pytest.mark.parametrize("which", ["newer service", "newer caller"])
def test_callbacks_get_what_they_know_and_answer_what_they_have(versions: Versions, which: str) -> None:
    with versions.web.socket() as socket:
        params = {"listener": {"$callback": "l"}}
        socket.send({"jsonrpc": "2.0", "id": 1, "method": f"{which.replace(' ', '_')}.tell", "params": params})
        asked = socket.receive()
        assert asked["params"] == (["news"] if which == "newer service" else ["news", 0])
        result = {"count": 4} if which == "newer service" else {"count": 4, "was": "old"}
        socket.send({"jsonrpc": "2.0", "id": asked["id"], "result": result})
        assert socket.receive()["result"] == {"count": 4}


def test_a_copy_has_what_its_maker_does_not_know() -> None:
    old, new = cara_pseud.load(OLD), cara_pseud.load(NEW)
    conversion = old.Job.__conversion__
    known = conversion.received(new.Job.__conversion__.send({"id": 1, "note": "n"}))
    copies = [known, old.Job(known), known.copy(), copy.copy(known), copy.deepcopy(known)]
    for one in copies:
        assert one == known
        assert conversion.send(one) == {0: 1, 2: "n"}
    assert old.Job(id=1) != known

"""Parameters and results of methods, from callers and from callbacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cara_pseud.schema.nodes import BoundMethod, Schema, Type
from gateway.errors import GatewayError, Status
from tests.codecs import Codec

SCHEMA = """
using Json = import "/capnp/compat/json.capnp";
interface Calculator extends(Base) {
  add @0 (first :Int32, second :Int32 = 5) -> (result :Int32);
  divide @1 (dividend :Int32, divisor :Int32) -> (quotient :Int32, remainder :Text);
  nothing @2 () -> ();
  greet @3 Person -> Person;
  many @4 (text :Text, list :List(Int8), person :Person, data :Data = 0x"01", on :Listener, any :AnyPointer,
           b :Bool = true)
      -> (text :Text, person :Person, flag :Bool);
  photo @5 (photo :Photo, kind :Text) -> (photo :Photo);
  upload @6 Photo -> Photo;
  whatever @7 () -> (value :AnyPointer);
  raw @8 (value :Json.Value) -> (value :Json.Value);
  generic @9 [T] (value :T) -> (value :T);
  renamed @10 () -> () $Json.name("re-named");
}
interface Base { inherited @0 (n :UInt8) -> (n :UInt8); }
interface Listener {
  changed @0 (person :Person, change :Text, on :Listener) -> (accepted :Bool, note :Text = "none");
  done @1 () -> ();
  one @2 (n :Int8) -> (n :Int8 = 3); blob @3 () -> (data :Data); whole @4 Person -> Person; }
interface Store(T) { put @0 (item :T) -> (item :T); }
interface People extends(Store(Person)) { }
struct Photo { image @0 :Data $Json.base64; who @1 :Person $Json.flatten(prefix = "p_"); }
struct Person { name @0 :Text; age @1 :UInt8; }
"""


@pytest.fixture(scope="module")
def schema(compile_text: Callable[[str], Schema]) -> Schema:
    return compile_text(SCHEMA)


@pytest.fixture
def method(schema: Schema, struct_type: Callable[[Schema, str], Type]) -> Callable[[str], BoundMethod]:
    def method(name: str) -> BoundMethod:
        interface, _, name = name.rpartition(".")
        found = schema.methods(struct_type(schema, interface or "Calculator"))
        return next(bound for bound in found if bound.method.name == name)

    return method


PARAMS: list[tuple[str, Any, list[Any]]] = [
    ("add", {"first": 2, "second": 3}, [2, 3]),
    ("add", {"first": 2}, [2, 5]),
    ("add", {}, [0, 5]),
    ("add", None, [0, 5]),
    ("add", [2, 3], [2, 3]),
    ("add", [2], [2, 5]),
    ("add", [], [0, 5]),
    ("nothing", {}, []),
    ("nothing", [], []),
    ("greet", {"name": "Ann"}, [{0: "Ann"}]),
    ("greet", {}, [{}]),
    ("greet", [{"name": "Ann"}], [{0: "Ann"}]),
    ("many", {}, ["", [], {}, b"\x01", None, None, True]),
    ("many", {"text": None, "list": None, "person": None, "on": None, "any": None},
     ["", [], {}, b"\1", None, None, True]),
    ("many", ["x", [1], {"name": "Ann"}, [2], None, {"a": 1}, False],
     ["x", [1], {0: "Ann"}, b"\2", None, {"a": 1}, False]),
    ("many", [None, None, None, None], ["", [], {}, b"\1", None, None, True]),
    ("photo", {"photo": {"image": "YQ==", "p_age": 3}, "kind": "x"}, [{0: b"a", 1: {1: 3}}, "x"]),
    ("photo", [{"image": "YQ=="}, "x"], [{0: b"a"}, "x"]),
    ("upload", {"image": "YQ==", "p_age": 3}, [{0: b"a", 1: {1: 3}}]),
    ("upload", [{"image": "YQ==", "p_age": 3}], [{0: b"a", 1: {1: 3}}]),
    ("raw", {"value": None}, [{0: None}]),
    ("raw", [None], [{0: None}]),
    ("raw", {}, [{}]),
    ("generic", {"value": {"a": 1}}, [{"a": 1}]),
    ("inherited", {"n": 1}, [1]),
    ("People.put", {"item": {"age": 5}}, [{1: 5}]),
]


@pytest.mark.parametrize(("name", "params", "args"), PARAMS)
def test_parameters_become_positional_arguments(
    schema: Schema, method: Callable[[str], BoundMethod], name: str, params: Any, args: list[Any]
) -> None:
    assert Codec(schema).params(method(name)).read(params) == args


REFUSED: list[tuple[str, Any, str]] = [
    ("add", [1, 2, 3], "$: add(first :Int32, second :Int32) takes 2 parameters, got 3"),
    ("nothing", [1], "$: nothing() takes 0 parameters, got 1"),
    ("greet", [], "$: greet(Person) takes 1 parameter, got 0"),
    ("greet", [{}, {}], "$: greet(Person) takes 1 parameter, got 2"),
    ("greet", [5], "$[0]: expected an object (Person), got 5"),
    ("greet", {"age": -1}, "$.age: -1 is out of range for UInt8 (0 … 255)"),
    ("add", [1, "x"], '$[1]: expected Int32, got "x"'),
    ("add", [None], "$[0]: expected Int32, got null"),
    ("add", {"first": "x"}, '$.first: expected Int32, got "x"'),
    ("add", {"fist": 1}, '$.fist: unknown member; did you mean "first"?'),
    ("add", "x", '$: expected an object or array of parameters, add(first :Int32, second :Int32), got "x"'),
    ("photo", {"type": "x"}, "$.type: unknown member; known: kind, photo"),
    ("photo", [{"image": [1]}], "$[0].image: expected base64 text, got an array"),
    ("upload", {"p_nam": 1}, '$.p_nam: unknown member; did you mean "p_name"?'),
    ("many", ["x", [1, 200]], "$[1][1]: 200 is out of range for Int8 (-128 … 127)"),
    ("many", ["x", [1], {"nam": 1}], '$[2].nam: unknown member; did you mean "name"?'),
    ("many", {"on": {"$callback": "c"}}, "$.on: a reference cannot be given here"),
    ("many", ["", [], {}, [], {"$callback": "c"}], "$[4]: a reference cannot be given here"),
    ("People.put", {"item": "x"}, '$.item: expected an object (Person), got "x"'),
    ("renamed", [1], "$: re-named() takes 0 parameters, got 1"),
]


@pytest.mark.parametrize(("name", "params", "detail"), REFUSED)
def test_parameters_that_do_not_fit_are_refused(
    schema: Schema, method: Callable[[str], BoundMethod], name: str, params: Any, detail: str
) -> None:
    with pytest.raises(GatewayError) as raised:
        Codec(schema).params(method(name)).read(params)
    assert raised.value.detail == detail
    assert raised.value.path == detail.partition(": ")[0]


def test_defaults_are_fresh_each_time(schema: Schema, method: Callable[[str], BoundMethod]) -> None:
    params = Codec(schema).params(method("many"))
    params.read({})[1].append(1)
    assert params.read({})[1] == []


RESULTS: list[tuple[str, Any, Any, Any]] = [
    ("add", 7, {"result": 7}, 7),
    ("add", {"result": 7}, {"result": 7}, 7),
    ("divide", {"quotient": 3, "remainder": "r"}, {"quotient": 3, "remainder": "r"}, ...),
    ("divide", {"quotient": 3, "newer": 1}, {"quotient": 3, "remainder": None}, ...),
    ("divide", (3, "r"), {"quotient": 3, "remainder": "r"}, ...),
    ("divide", {}, {"quotient": 0, "remainder": None}, ...),
    ("nothing", None, {}, {}),
    ("nothing", 5, {}, {}),
    ("greet", {0: "Ann"}, {"name": "Ann", "age": 0}, ...),
    ("greet", None, {"age": 0}, ...),
    ("many", {"person": {1: 5}}, {"text": None, "person": {"age": 5}, "flag": False}, ...),
    ("photo", {0: b"a", 1: {}}, {"photo": {"image": "YQ==", "p_age": 0}}, {"image": "YQ==", "p_age": 0}),
    ("photo", None, {"photo": None}, None),
    ("upload", {0: b"a"}, {"image": "YQ=="}, ...),
    ("whatever", {"value": 1}, {"value": {"value": 1}}, {"value": 1}),
    ("whatever", None, {"value": None}, None),
    ("raw", {3: "s"}, {"value": "s"}, "s"),
    ("inherited", 5, {"n": 5}, 5),
    ("People.put", {0: "Ann"}, {"item": {"name": "Ann", "age": 0}}, {"name": "Ann", "age": 0}),
]


@pytest.mark.parametrize(("name", "wire", "boxed", "unboxed"), RESULTS)
def test_results_become_an_object_with_every_declared_name(
    schema: Schema, method: Callable[[str], BoundMethod], name: str, wire: Any, boxed: Any, unboxed: Any
) -> None:
    results = Codec(schema).results(method(name))
    assert results.boxed(wire) == boxed
    assert results.write(wire, unbox=True) == (boxed if unboxed is ... else unboxed)


UNFIT: list[tuple[str, Any, str]] = [
    ("add", None, "$.result: expected Int32, got null"),
    ("add", "7", '$.result: expected Int32, got "7"'),
    ("divide", "5", '$.quotient: expected Int32, got "5"'),
    ("divide", {1: 2}, "$: expected the results quotient, remainder, got a map with the key 1"),
    ("divide", (1, 2, 3), "$.quotient: expected Int32, got an array"),
    ("divide", {"quotient": "x"}, '$.quotient: expected Int32, got "x"'),
    ("greet", 5, "$: expected Person, got 5"),
]


@pytest.mark.parametrize(("name", "wire", "reason"), UNFIT)
def test_results_that_do_not_fit_are_internal_errors(
    schema: Schema, method: Callable[[str], BoundMethod], name: str, wire: Any, reason: str
) -> None:
    with pytest.raises(GatewayError) as raised:
        Codec(schema).results(method(name)).boxed(wire)
    assert raised.value.status is Status.INTERNAL
    assert raised.value.detail == f"what the service sent does not fit its schema: {reason}"


CALLBACK_PARAMS: list[tuple[str, list[Any], dict[str, Any], list[Any]]] = [
    ("Listener.changed", [{0: "Ann"}, "added"], {}, [{"name": "Ann", "age": 0}, "added", None]),
    ("Listener.changed", [None], {"change": "added"}, [None, "added", None]),
    ("Listener.changed", [], {}, [None, None, None]),
    ("Listener.done", [], {}, []),
    ("Listener.one", [5], {}, [5]),
    ("Listener.one", [], {}, [0]),
    # A service with a newer schema has more parameters.
    ("Listener.one", [5, "new"], {}, [5]),
    ("Listener.whole", [{0: "Ann"}], {}, [{"name": "Ann", "age": 0}]),
    ("Listener.whole", [], {"name": "Ann"}, [{"name": "Ann", "age": 0}]),
    ("upload", [{0: b"a"}], {}, [{"image": "YQ=="}]),
    ("photo", [{0: b"a"}], {}, [{"image": "YQ=="}, None]),
]


@pytest.mark.parametrize(("name", "args", "kwargs", "array"), CALLBACK_PARAMS)
def test_a_callback_gets_every_parameter_by_position(
    schema: Schema, method: Callable[[str], BoundMethod], name: str, args: Any, kwargs: Any, array: list[Any]
) -> None:
    assert Codec(schema).callback_params(method(name))(args, kwargs) == array


def test_a_callback_is_not_called_with_what_does_not_fit(
    schema: Schema, method: Callable[[str], BoundMethod]
) -> None:
    write = Codec(schema).callback_params(method("Listener.one"))
    with pytest.raises(GatewayError, match=r"\$.n: 200 is out of range for Int8"):
        write([200])


CALLBACK_RESULTS: list[tuple[str, Any, bool, Any]] = [
    ("Listener.changed", {"accepted": True}, False, {"accepted": True, "note": "none"}),
    ("Listener.changed", None, False, {"accepted": False, "note": "none"}),
    ("Listener.changed", {"note": "x"}, True, {"accepted": False, "note": "x"}),
    ("Listener.done", None, False, None),
    ("Listener.done", {}, False, None),
    ("Listener.done", 5, True, None),
    ("Listener.one", {"n": 5}, False, 5),
    ("Listener.one", {}, False, 3),
    ("Listener.one", 5, True, 5),
    ("Listener.one", None, True, 3),
    ("Listener.blob", {"data": "YQ=="}, False, b"a"),
    ("Listener.blob", "YQ==", True, b"a"),
    ("Listener.whole", {"name": "Ann"}, False, {0: "Ann"}),
    ("Listener.whole", {"name": "Ann"}, True, {0: "Ann"}),
    ("Listener.whole", None, True, {}),
]


@pytest.mark.parametrize(("name", "answer", "unbox", "wire"), CALLBACK_RESULTS)
def test_the_answer_of_a_callback_becomes_a_wire_result(
    schema: Schema, method: Callable[[str], BoundMethod], name: str, answer: Any, unbox: bool, wire: Any
) -> None:
    assert Codec(schema).callback_results(method(name))(answer, unbox=unbox) == wire


CALLBACK_REFUSED: list[tuple[str, Any, bool, str]] = [
    ("Listener.changed", {"accepted": "yes"}, False, '$.accepted: expected Bool, got "yes"'),
    ("Listener.changed", {"acepted": True}, False, '$.acepted: unknown member; did you mean "accepted"?'),
    ("Listener.changed", True, True, "$: expected an object of results, got true"),
    ("Listener.one", 5, False, "$: expected an object of results, got 5"),
    ("Listener.one", 200, True, "$: 200 is out of range for Int8 (-128 … 127)"),
    ("Listener.done", {"x": 1}, False, "$.x: unknown member"),
    ("Listener.done", 5, False, "$: expected an object of results, got 5"),
]


@pytest.mark.parametrize(("name", "answer", "unbox", "detail"), CALLBACK_REFUSED)
def test_an_answer_that_does_not_fit_is_refused(
    schema: Schema, method: Callable[[str], BoundMethod], name: str, answer: Any, unbox: bool, detail: str
) -> None:
    with pytest.raises(GatewayError) as raised:
        Codec(schema).callback_results(method(name))(answer, unbox=unbox)
    assert raised.value.detail == detail


def test_methods_say_whether_they_can_hold_references(
    schema: Schema, method: Callable[[str], BoundMethod]
) -> None:
    codec = Codec(schema)
    names = ("add", "many", "greet", "generic", "People.put")
    assert [codec.params(method(name)).has_references for name in names] == [False, True, False, True, False]
    results = [codec.results(method(name)).has_references for name in ("add", "whatever", "photo")]
    assert results == [False, True, False]


def test_what_a_method_takes_can_be_asked(schema: Schema, method: Callable[[str], BoundMethod]) -> None:
    codec = Codec(schema)
    assert codec.params(method("nothing")).is_empty
    assert not codec.params(method("greet")).is_empty
    assert codec.params(method("upload")).names == ("image", "who")
    assert codec.params(method("photo")).names == ("photo", "kind")

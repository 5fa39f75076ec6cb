"""References in a call of a stream to the results of other calls."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.catalogue import Service
from gateway.config.limits import Limits
from gateway.errors import GatewayError, Status
from gateway.json.codec.objects import Where
from gateway.protocols.jsonrpc.events import Outcome
from gateway.protocols.jsonrpc.pipeline import NOT_THERE
from gateway.protocols.jsonrpc.stream_references import StreamReferences
from gateway.sessions.record import SessionRecord
from gateway.sessions.session import Session


def at(path: str) -> Where:
    return lambda: path


class OneSession:
    """A holder with a session: a `gateway.sessions.holder_references.Holder` that passes no callbacks."""

    id = "s1"
    callbacks: Any = None

    def __init__(self, session: Session) -> None:
        self._session = session

    def live_session(self) -> Session:
        return self._session


@pytest.fixture
def holder(tokens: Any) -> OneSession:
    return OneSession(Session(SessionRecord("secret"), Limits(), tokens))


def test_a_result_is_the_object_behind_its_handle(calculator: Service, fakes: Any, holder: OneSession) -> None:
    thing = fakes.Object()
    token = holder.live_session().handles.put("s1", calculator, None, thing).token
    results = {
        "direct": Outcome({"$handle": token}),
        7: Outcome({"people": [{"tool": {"$handle": token}}]}),
    }
    references = StreamReferences(holder, calculator, results)
    assert references.result_in({"$result": "direct"}, None, at("$.a")) is thing
    assert references.result_in({"$result": 7, "path": ["people", 0, "tool"]}, None, at("$.a")) is thing
    assert references.handle_in(token, None, at("$.a")) is thing


@pytest.mark.parametrize("results", [None, {}, {"2": Outcome(1)}])
@pytest.mark.parametrize(
    ("id", "shown"),
    [(2, "2"), ("two", '"two"'), ("x" * 100_000, '"' + "x" * 39 + '…"')],
    ids=["number", "text", "long"],
)
def test_a_result_that_is_not_there(
    calculator: Service, holder: OneSession, results: Any, id: int | str, shown: str
) -> None:
    with pytest.raises(GatewayError) as raised:
        StreamReferences(holder, calculator, results).result_in({"$result": id}, None, at("$.tool"))
    error = raised.value
    assert (error.status, error.reason, error.path) == (Status.FAILED_PRECONDITION, "result", "$.tool")
    assert error.detail == f"$.tool: {shown}: {NOT_THERE}"


@pytest.mark.parametrize(
    ("outcome", "path", "status", "detail"),
    [
        (Outcome(None, GatewayError(Status.ABORTED, "no")), None, Status.ABORTED,
         "$.tool: the call that it refers to failed: no"),
        (Outcome({"n": 5}), ["n"], Status.INVALID_ARGUMENT,
         '$.tool: at "n" in the answer is no object that could be called'),
        (Outcome(5), None, Status.INVALID_ARGUMENT, "$.tool: the answer itself is no object that could be called"),
        (Outcome({"$handle": "invented"}), [], Status.NOT_FOUND,
         '$.tool: there is no handle "invented" in this session, or it was released'),
    ],
)  # fmt: skip
def test_a_result_with_no_object_is_an_error_with_its_place(
    calculator: Service, holder: OneSession, outcome: Outcome, path: Any, status: Status, detail: str
) -> None:
    reference = {"$result": "a"} | ({} if path is None else {"path": path})
    with pytest.raises(GatewayError) as raised:
        StreamReferences(holder, calculator, {"a": outcome}).result_in(reference, None, at("$.tool"))
    assert (raised.value.status, raised.value.path, raised.value.detail) == (status, "$.tool", detail)


def test_a_result_must_have_the_interface_that_is_expected(
    calculator: Service, fakes: Any, struct_type: Any, holder: OneSession
) -> None:
    own, other = (struct_type(calculator.schema, f"Calculator.{name}") for name in ("Accumulator", "Transform"))
    token = holder.live_session().handles.put("s1", calculator, own, fakes.Object()).token
    references = StreamReferences(holder, calculator, {"a": Outcome({"$handle": token})})
    with pytest.raises(GatewayError, match=r"expected an object with the interface Calculator\.Transform"):
        references.result_in({"$result": "a"}, other, at("$.a"))
    references.result_in({"$result": "a"}, own, at("$.a"))

"""Calls: what reaches a service, what comes back, and what is told when it fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from cara_pseud.capabilities import CallOptions
from cara_pseud.errors import (
    DeadlineExceeded,
    OutcomeUnknown,
    RemoteError,
    RpcError,
    Unauthenticated,
    Unavailable,
)
from cara_pseud.schema.nodes import Schema
from gateway.access.principals import Principal
from gateway.access.refusals import Refusals
from gateway.calls import Calls
from gateway.catalogue import Service, ServiceMethod
from gateway.config.limits import Limits
from gateway.errors import GatewayError, Status
from gateway.protocols.rest.rest_references import RestReferences
from gateway.redaction import WHOLE
from gateway.sessions.sessions import Sessions

LIMITS = Limits(default_call_timeout_s=30, max_call_timeout_s=100)


def test_a_call_goes_out_by_position_and_its_result_comes_back_by_name(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        root = calculator.upstream.root
        future = fakes.Begun(Calls(LIMITS), calculator.method("add"), root, {"second": 5, "first": 2})
        (call,) = root.calls
        assert (call.method, call.args) == ("add", [2, 5])
        call.reply(7)
        assert await future == {"result": 7}

    fakes.run(main())


def test_a_single_result_can_stand_for_itself(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        root = calculator.upstream.root
        future = fakes.Begun(Calls(LIMITS), calculator.method("add"), root, [2, 5], unbox=True)
        root.calls[0].reply(7)
        assert await future == 7

    fakes.run(main())


def test_bad_parameters_are_refused_before_anything_is_sent(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        root = calculator.upstream.root
        begun = fakes.Begun(Calls(LIMITS), calculator.method("add"), root, {"first": "x"})
        with pytest.raises(GatewayError) as raised:
            await begun
        assert raised.value.status is Status.INVALID_ARGUMENT
        assert root.calls == []

    fakes.run(main())


def test_what_a_caller_says_about_a_call_goes_along(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        root = calculator.upstream.root
        said = CallOptions(5.0, "request-1", "ann", "00-trace", "key")
        fakes.Begun(Calls(LIMITS), calculator.method("add"), root, [], options=said)
        options = root.calls[0].options
        assert (options.timeout, options.request_id, options.principal) == (5.0, "request-1", "ann")
        assert (options.traceparent, options.idempotency_key) == ("00-trace", "key")

    fakes.run(main())


@pytest.mark.parametrize(("wished", "expected"), [(None, 30.0), (0.5, 0.5), (100.0, 100.0), (1e9, 100.0)])
def test_every_call_has_a_deadline(calculator: Service, fakes: Any, wished: float | None, expected: float) -> None:
    async def main() -> None:
        root = calculator.upstream.root
        fakes.Begun(Calls(LIMITS), calculator.method("add"), root, [], options=CallOptions(wished))
        assert root.calls[0].options.timeout == expected

    fakes.run(main())


def test_who_may_not_call_is_refused_first(calculator: Service, fakes: Any) -> None:
    def refuse(principal: Principal, method: ServiceMethod) -> None:
        raise GatewayError(Status.PERMISSION_DENIED, f"{principal.name} may not call {method.name}")

    async def main() -> None:
        with pytest.raises(GatewayError, match="ann may not call add"):
            await fakes.Begun(
                Calls(LIMITS, authorise=refuse),
                calculator.method("add"),
                calculator.upstream.root,
                "nonsense",
                principal=Principal("ann"),
            )
        assert calculator.upstream.root.calls == []

    fakes.run(main())


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (Unavailable(), Status.UNAVAILABLE, "the service cannot be reached"),
        (OutcomeUnknown(), Status.OUTCOME_UNKNOWN, "the connection was lost before the answer came"),
        (DeadlineExceeded(), Status.DEADLINE_EXCEEDED, "no answer within the deadline"),
        (RpcError("not_found", "no such person"), Status.NOT_FOUND, "no such person"),
        (RemoteError("ValueError", "secret"), Status.UNKNOWN, "the service raised ValueError"),
        (
            RemoteError("ServiceNotFoundError", "add", "unimplemented"),
            Status.UNIMPLEMENTED,
            "the schema has this method, but the service does not",
        ),
        (Unauthenticated("wrong key"), Status.UNAVAILABLE, "the service does not let the gateway in: wrong key"),
        (ZeroDivisionError("secret"), Status.INTERNAL, "the gateway failed to make this call"),
        (asyncio.CancelledError(), Status.CANCELLED, "the call was cancelled"),
        (GatewayError(Status.INTERNAL, "the answer does not fit"), Status.INTERNAL, "the answer does not fit"),
    ],
)
def test_a_failure_is_told_with_its_place(
    calculator: Service, error: BaseException, status: Status, detail: str
) -> None:
    told = Calls(LIMITS).failure(error, calculator.method("add"), "request-1")
    assert (told.status, told.detail) == (status, detail)
    assert (told.service, told.method, told.request_id) == ("calculator", "add", "request-1")


def test_details_of_a_service_are_passed_on(calculator: Service) -> None:
    error = RpcError("aborted", "again", {"after_s": 1})
    assert Calls(LIMITS).failure(error, calculator.method("add"), None).details == {"after_s": 1}


def test_the_text_of_an_exception_is_shown_only_where_the_operator_says_so(
    calculator: Service, caplog: pytest.LogCaptureFixture
) -> None:
    error, method = RemoteError("ValueError", "secret"), calculator.method("add")
    with caplog.at_level(logging.WARNING):
        assert "secret" not in Calls(LIMITS).failure(error, method, "request-1").detail
    assert "secret" in caplog.text
    assert "request-1" in caplog.text
    assert "secret" in Calls(LIMITS, expose_errors=True).failure(error, method, None).detail


def test_what_else_a_caller_says_stays_when_its_deadline_is_another(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        root = calculator.upstream.root
        said = CallOptions(None, "request-1", "ann", "00-trace", "key")
        fakes.Begun(Calls(LIMITS), calculator.method("add"), root, [], options=said)
        assert root.calls[0].options == CallOptions(30.0, "request-1", "ann", "00-trace", "key")

    fakes.run(main())


def test_calls_under_way_are_counted_where_they_belong(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        root, method = calculator.upstream.root, calculator.method("add")
        calls, sessions = Calls(LIMITS), Sessions(LIMITS)
        session = sessions.open()

        def counts() -> tuple[int, int]:
            return calls.without_session, session.calls_in_flight

        assert counts() == (0, 0)
        alone = [fakes.Begun(calls, method, root, []) for _ in range(2)]
        within = fakes.Begun(calls, method, root, [], session=session)
        fakes.Begun(calls, method, root, {"first": "x"})
        fakes.Begun(calls, method, root, {"first": "x"}, session=session)
        assert counts() == (2, 1)
        root.calls[0].reply(1)
        root.calls[2].reply(1)
        await alone[0]
        await within
        assert counts() == (1, 0)
        alone[1].cancel()
        root.error = Unavailable()
        fakes.Begun(calls, method, root, [], session=session)
        assert counts() == (1, 1)  # its caller is told in the next turn
        await fakes.settle()
        assert counts() == (0, 0)
        assert method.counts.calls == 6
        assert method.counts.failures == {"invalid_argument": 2, "cancelled": 1, "unavailable": 1}
        sessions.end_all("done")

    fakes.run(main())


def test_there_are_bounds_of_calls_per_address_and_over_all(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        root, method, refusals = calculator.upstream.root, calculator.method("add"), Refusals()
        calls = Calls(Limits(max_calls=4, max_calls_per_address=3), refusals=refusals)
        mine = [fakes.Begun(calls, method, root, [], address="mine") for _ in range(3)]
        with pytest.raises(GatewayError, match="3 calls are under way already, as many as max_calls_per") as raised:
            await fakes.Begun(calls, method, root, [], address="mine")
        assert (raised.value.status, raised.value.retry_after) == (Status.RESOURCE_EXHAUSTED, 1)
        theirs = fakes.Begun(calls, method, root, [], address="theirs")
        with pytest.raises(GatewayError, match="4 calls are under way already, as many as max_calls permits") as raised:
            await fakes.Begun(calls, method, root, [], address="theirs")
        assert raised.value.status is Status.UNAVAILABLE
        assert len(root.calls) == 4
        root.calls[0].reply(1)
        mine[1].cancel()
        for begun in mine[:1]:
            await begun
        await fakes.settle()
        assert calls.under_way.of("mine") == 1
        fakes.Begun(calls, method, root, {"first": "x"}, address="mine")  # which never begins
        root.error = Unavailable()
        fakes.Begun(calls, method, root, [], address="mine")
        await fakes.settle()
        assert (calls.under_way.of("mine"), calls.under_way.total) == (1, 2)
        assert not theirs.done()
        assert refusals.counts == {"max_calls_per_address": 1, "max_calls": 1}

    fakes.run(main())


SECRETS = """using Gateway = import "/gateway.capnp";
interface Vault { open @0 (key :Text $Gateway.sensitive) -> (); }
"""


@pytest.mark.parametrize(
    ("error", "logged"),
    [
        (RpcError("not_found", "no such person"), None),
        (Unavailable(), None),
        (GatewayError.invalid("it is no text", "$.key"), None),
        (OutcomeUnknown("lost"), "outcome_unknown: lost"),
        (Unauthenticated("wrong key"), "unavailable: wrong key"),
        (GatewayError(Status.INTERNAL, "$.done: 5 is no text", path="$.done"), "internal: $.done: 5 is no text"),
        (GatewayError(Status.INTERNAL, "what happened"), "internal: what happened"),
        (ZeroDivisionError("by zero"), "internal: by zero"),
    ],
)
def test_only_what_the_caller_cannot_mend_is_logged(
    calculator: Service, caplog: pytest.LogCaptureFixture, error: Exception, logged: str | None
) -> None:
    Calls(LIMITS).failure(error, calculator.method("add"), "request-1")
    assert caplog.messages == ([] if logged is None else [f"calculator.add: {logged} [request-1]"])
    has_traceback = [record.exc_info is not None for record in caplog.records]
    assert has_traceback == ([] if logged is None else [isinstance(error, ZeroDivisionError)])


@pytest.mark.parametrize(
    ("error", "logged"),
    [
        (GatewayError(Status.INTERNAL, "$.key: hunter2 is no text", path="$.key"),
         "internal: $.key: what stands there does not fit, and may be a secret"),
        (GatewayError(Status.INTERNAL, "what happened"), "internal: what happened"),
        (OutcomeUnknown("lost"), "outcome_unknown: lost"),
    ],
)  # fmt: skip
def test_a_value_that_may_be_a_secret_is_not_logged(
    compile_text: Callable[[str], Schema],
    service_of: Callable[..., Service],
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    logged: str,
) -> None:
    vault = service_of("vault", compile_text(SECRETS), "Vault")
    Calls(LIMITS).failure(error, vault.method("open"), None)
    assert caplog.messages == [f"vault.open: {logged} [None]"]


VAULT = """using Gateway = import "/gateway.capnp";
interface Vault {
  open @0 (key :Text $Gateway.sensitive, login :Login) -> ();
  make @1 (name :Text) -> (key :Text $Gateway.sensitive);
}
struct Login { name @0 :Text; pin @1 :UInt32 $Gateway.sensitive; }
"""


@pytest.mark.parametrize(
    ("name", "params", "error", "logged", "told"),
    [
        ("open", {"key": "hunter2-blue", "login": {"name": "ann", "pin": 987654}},
         RemoteError("ValueError", "ann: hunter2-blue with 987654 is wrong"),
         "unknown: ValueError: ann: … with … is wrong", "ann: hunter2-blue with 987654 is wrong"),
        ("open", {"key": "hunter2-blue"}, RemoteError("ValueError", "not HUNTER2"), "unknown: ValueError: not …",
         "not HUNTER2"),
        ("open", {"key": "hunter2-blue"}, RemoteError("hunter2", "x"), "unknown: …: x", "hunter2: x"),
        ("open", {"key": "hunter2-blue"}, RpcError("unknown", "'hunter2-blue'"), "unknown: '…'", "'hunter2-blue'"),
        ("make", {"name": "ann"}, RemoteError("ValueError", "the key s3cr3t is taken"),
         f"unknown: ValueError: {WHOLE}", "the key s3cr3t is taken"),
    ],
)  # fmt: skip
def test_a_service_s_text_is_logged_without_the_call_s_secrets_and_told_with_them(
    compile_text: Callable[[str], Schema],
    service_of: Callable[..., Service],
    fakes: Any,
    caplog: pytest.LogCaptureFixture,
    name: str,
    params: Any,
    error: Exception,
    logged: str,
    told: str,
) -> None:
    async def main() -> None:
        vault = service_of("vault", compile_text(VAULT), "Vault")
        root = vault.upstream.root
        options = CallOptions(request_id="r")
        begun = fakes.Begun(Calls(LIMITS, expose_errors=True), vault.method(name), root, params, options=options)
        root.calls[0].set_exception(error)
        with pytest.raises(GatewayError) as raised:
            await begun
        assert told in raised.value.detail
        assert caplog.messages == [f"vault.{name}: {logged} [r]"]

    fakes.run(main())


def test_a_fault_of_the_gateway_s_own_is_logged_without_its_text_where_that_may_hold_a_secret(
    compile_text: Callable[[str], Schema], service_of: Callable[..., Service], caplog: pytest.LogCaptureFixture
) -> None:
    vault = service_of("vault", compile_text(VAULT), "Vault")
    try:
        raise ZeroDivisionError("hunter2-blue")
    except ZeroDivisionError as error:
        Calls(LIMITS).failure(error, vault.method("open"), "r")
    assert "hunter2" not in caplog.text
    assert "ZeroDivisionError in test_a_fault_of_the_gateway" in caplog.text


def begin_idempotent(service: Service, fakes: Any, **more: Any) -> Any:
    return fakes.Begun(Calls(LIMITS), service.method("divide"), service.upstream.root, [7, 2], **more)


def test_an_idempotent_call_is_repeated_once_when_the_connection_is_back(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        upstream: Any = calculator.upstream
        future = begin_idempotent(calculator, fakes)
        await fakes.pass_time(10)
        upstream.become("connecting")
        upstream.root.calls[0].set_exception(OutcomeUnknown())
        await fakes.settle()
        assert len(upstream.root.calls) == 1
        await fakes.pass_time(5)
        upstream.become("up")
        await fakes.settle()
        again = upstream.root.calls[1]
        assert again.options.timeout == pytest.approx(15, abs=1)
        again.reply({"quotient": 3, "remainder": 1})
        assert await future == {"quotient": 3, "remainder": 1}

    fakes.run(main())


def test_a_second_loss_is_told(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        future = begin_idempotent(calculator, fakes)
        for number in range(2):
            calculator.upstream.root.calls[number].set_exception(OutcomeUnknown())
            await fakes.settle()
        with pytest.raises(GatewayError, match="the connection was lost"):
            await future
        assert len(calculator.upstream.root.calls) == 2

    fakes.run(main())


def test_a_loss_is_told_at_the_deadline_if_the_connection_does_not_come_back(
    calculator: Service, fakes: Any
) -> None:
    async def main() -> None:
        upstream: Any = calculator.upstream
        future = begin_idempotent(calculator, fakes)
        await fakes.settle()
        upstream.become("down")
        upstream.root.calls[0].set_exception(OutcomeUnknown())
        await fakes.settle()
        assert not future.done()
        await fakes.pass_time(31)
        with pytest.raises(GatewayError, match="the connection was lost"):
            await future

    fakes.run(main())


def test_a_repetition_says_what_the_call_said_and_keeps_a_moment(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        upstream: Any = calculator.upstream
        said = CallOptions(20.0, "request-1", "ann", "00-trace", "key")
        future = fakes.Begun(Calls(LIMITS), calculator.method("divide"), upstream.root, [7, 2], options=said)
        await fakes.pass_time(21)  # the service answers as late as that
        upstream.root.calls[0].set_exception(OutcomeUnknown())
        await fakes.settle()
        again = upstream.root.calls[1]
        assert again.options == CallOptions(0.001, "request-1", "ann", "00-trace", "key")
        assert upstream._listeners == []
        again.reply({"quotient": 3, "remainder": 1})
        await future

    fakes.run(main())


def test_only_a_connection_that_is_up_is_used_again(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        upstream: Any = calculator.upstream
        future = begin_idempotent(calculator, fakes)
        await fakes.settle()
        upstream.become("down")
        upstream.root.calls[0].set_exception(OutcomeUnknown())
        await fakes.settle()
        for state in ("connecting", "down", "connecting"):
            upstream.become(state)
            await fakes.settle()
        assert len(upstream.root.calls) == 1
        for _ in range(2):  # in one turn of the loop
            upstream.become("up")
        await fakes.settle()
        assert len(upstream.root.calls) == 2
        assert upstream._listeners == []
        future.cancel()
        await fakes.settle()

    fakes.run(main())


def test_a_loss_by_our_own_stop_is_told_at_once(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        future = begin_idempotent(calculator, fakes)
        await fakes.settle()
        await calculator.upstream.stop()
        calculator.upstream.root.calls[0].set_exception(OutcomeUnknown())
        await fakes.settle()
        assert future.done()
        with pytest.raises(GatewayError, match="the gateway shut down before the answer came"):
            await future

    fakes.run(main())


class FakeReferences:
    """References of a call that passed a callback, which may have died."""

    coming_home = None

    def __init__(self, may_be_sent_again: bool) -> None:
        self.may_be_sent_again = may_be_sent_again

    def make_room(self) -> None: ...
    def take_back(self) -> None: ...
    def hold(self) -> None: ...
    def settled(self) -> None: ...


@pytest.mark.parametrize("is_alive", [True, False])
def test_a_call_is_not_repeated_with_a_callback_that_died_with_the_connection(
    calculator: Service, fakes: Any, is_alive: bool
) -> None:
    async def main() -> None:
        upstream: Any = calculator.upstream
        future = begin_idempotent(calculator, fakes, refs=FakeReferences(is_alive))
        upstream.become("connecting")
        upstream.root.calls[0].set_exception(OutcomeUnknown())
        await fakes.settle()
        upstream.become("up")
        await fakes.settle()
        assert len(upstream.root.calls) == 1 + is_alive
        if is_alive:
            upstream.root.calls[1].reply({"quotient": 3, "remainder": 1})
            assert await future == {"quotient": 3, "remainder": 1}
        else:
            with pytest.raises(GatewayError) as raised:
                await future
            assert raised.value.status is Status.OUTCOME_UNKNOWN

    fakes.run(main())


def test_other_calls_are_never_repeated(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        root = calculator.upstream.root
        future = fakes.Begun(Calls(LIMITS), calculator.method("add"), root, [])
        root.calls[0].set_exception(OutcomeUnknown())
        with pytest.raises(GatewayError, match="the connection was lost"):
            await future
        assert len(root.calls) == 1

    fakes.run(main())


def test_cancelling_an_idempotent_call_cancels_it_at_the_service(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        future = begin_idempotent(calculator, fakes)
        await fakes.settle()
        future.cancel()
        await fakes.settle()
        assert calculator.upstream.root.calls[0].cancelled()

    fakes.run(main())


ALARMS = """using Gateway = import "/gateway.capnp";
interface Alarms {
  watch @0 (bell :Bell) -> () $Gateway.idempotent;
  set @1 (bell :Bell, hour :Int32) -> (alarm :Alarms);
  three @2 (first :Bell, second :Bell, third :Bell) -> ();
  interface Bell { ring @0 () -> (); }
}
"""


def test_a_callback_of_an_idempotent_call_that_was_never_sent_is_let_go(
    compile_text: Callable[[str], Schema], service_of: Callable[..., Service], fakes: Any
) -> None:
    async def main() -> None:
        play = fakes.Play(service_of("alarms", compile_text(ALARMS), "Alarms"))
        await play.hello()
        play.roots[0].error = Unavailable()
        play.says("alarms.watch", [{"$callback": "bell"}], id=2)
        heard = await play.hears()
        assert [message["error"]["data"]["code"] for message in heard if "error" in message] == ["unavailable"]
        assert len(play.conversation.callbacks) == 0
        play.sessions.end_all("done")

    fakes.run(main())


def test_what_a_refused_call_took_goes_back(
    compile_text: Callable[[str], Schema], service_of: Callable[..., Service], fakes: Any
) -> None:
    async def main() -> None:
        alarms = service_of("alarms", compile_text(ALARMS), "Alarms")
        play = fakes.Play(alarms)
        await play.hello()
        assert fakes.LIMITS.max_callbacks_per_session == 2
        play.says("alarms.three", [{"$callback": name} for name in ("a", "b", "c")], id=2)
        *released, refused = await play.hears()
        assert refused["error"]["data"]["code"] == "resource_exhausted"
        assert sorted(message["params"]["callback"] for message in released) == ["a", "b"]
        assert len(play.conversation.callbacks) == 0
        play.sessions.end_all("done")

        sessions = Sessions(Limits(max_sessions=1))
        refs = RestReferences(alarms, None, sessions)
        with pytest.raises(GatewayError):
            await fakes.Begun(Calls(LIMITS), alarms.method("set"), alarms.upstream.root, [None, "noon"], refs=refs)
        sessions.open()  # in the place that was kept for the answer
        sessions.end_all("done")

    fakes.run(main())


def test_a_call_that_may_give_an_object_is_not_sent_when_there_is_no_room_for_one(
    calculator: Service, fakes: Any
) -> None:
    async def main() -> None:
        root = calculator.upstream.root
        sessions = Sessions(Limits(max_sessions=1))
        calls, method = Calls(LIMITS), calculator.method("accumulator")
        first = RestReferences(calculator, None, sessions)
        pending = fakes.Begun(calls, method, root, {}, refs=first)
        second = RestReferences(calculator, None, sessions)
        with pytest.raises(GatewayError, match="there are 1 sessions already, as many as max_sessions permits"):
            await fakes.Begun(calls, method, root, {}, refs=second)
        assert len(root.calls) == 1
        root.calls[0].reply(fakes.Object())
        assert "$handle" in (await pending)["accumulator"]
        assert first.opened
        sessions.end_all("done")

    fakes.run(main())


def test_a_place_for_a_session_is_given_back_by_a_call_that_needs_none(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        root = calculator.upstream.root
        sessions = Sessions(Limits(max_sessions=1))
        for error in (Unavailable(), OutcomeUnknown(), RpcError("aborted", "no")):
            root.error = error
            refs = RestReferences(calculator, None, sessions)
            with pytest.raises(GatewayError):
                await fakes.Begun(Calls(LIMITS), calculator.method("accumulator"), root, {}, refs=refs)
        sessions.open()
        sessions.end_all("done")

    fakes.run(main())


def test_whoever_admits_is_told_who_calls_and_from_where(calculator: Service, fakes: Any) -> None:
    def refuse(principal: Principal, address: str) -> None:
        raise GatewayError(Status.RESOURCE_EXHAUSTED, f"{principal.name} calls too often from {address}")

    async def main() -> None:
        calls = Calls(LIMITS, admit=refuse)
        with pytest.raises(GatewayError, match=r"ann calls too often from 192\.0\.2\.1"):
            await fakes.Begun(
                calls,
                calculator.method("add"),
                calculator.upstream.root,
                [],
                principal=Principal("ann"),
                address="192.0.2.1",
            )
        assert calculator.upstream.root.calls == []
        assert calls.under_way.total == 0

    fakes.run(main())


def test_a_call_that_may_not_be_made_counts_as_well(calculator: Service, fakes: Any) -> None:
    def denies(principal: Principal, method: ServiceMethod) -> None:
        raise GatewayError(Status.PERMISSION_DENIED, "no")

    async def main() -> None:
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        calls = Calls(LIMITS, admit=lambda principal, address: told, authorise=denies)
        with pytest.raises(GatewayError, match="no"):
            await fakes.Begun(calls, calculator.method("add"), calculator.upstream.root, [2, 5])
        assert told.cancelled()

    fakes.run(main())


def test_calls_that_wait_to_be_admitted_begin_in_their_order(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        root, loop = calculator.upstream.root, asyncio.get_running_loop()
        told = [loop.create_future() for _ in range(3)]
        waits = iter(told)
        calls = Calls(LIMITS, admit=lambda principal, address: next(waits))
        begun = [fakes.Begun(calls, calculator.method("add"), root, [number, 1]) for number in range(3)]
        await asyncio.sleep(0)
        assert root.calls == []
        for each in told:
            each.set_result(None)
        arrived = [await root.next_call() for _ in begun]
        assert [list(call.args) for call in arrived] == [[0, 1], [1, 1], [2, 1]]
        for call in arrived:
            call.reply(7)
        assert [await each for each in begun] == [{"result": 7}] * 3
        assert calls.under_way.total == 0

    fakes.run(main())


def test_a_call_whose_parameters_do_not_fit_waits_for_nobody(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        told = asyncio.get_running_loop().create_future()
        calls = Calls(LIMITS, admit=lambda principal, address: told)
        with pytest.raises(GatewayError, match="expected"):
            await fakes.Begun(calls, calculator.method("add"), calculator.upstream.root, ["two", 1])
        assert told.cancelled()

    fakes.run(main())


def test_the_objects_behind_one_that_is_refused_are_let_go_at_once(make_service: Any, fakes: Any) -> None:
    async def main() -> None:
        service = make_service("workshop", "Workshop")
        sessions = Sessions(Limits(max_handles_per_session=1))
        session = sessions.open(rest=True)
        refs = RestReferences(service, session, sessions)
        begun = fakes.Begun(
            Calls(LIMITS), service.method("tools"), service.upstream.root, {}, refs=refs, session=session
        )
        tools = [fakes.Object(number) for number in range(4)]
        service.upstream.root.calls[0].reply(tools)
        with pytest.raises(GatewayError, match="the session holds 1 handles already"):
            await begun
        assert [tool.released for tool in tools] == [1, 1, 1, 1]
        sessions.end_all("done")

    fakes.run(main())

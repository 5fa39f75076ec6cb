"""Errors as bodies and back; frames and values are tested by the recorded exchanges."""

from __future__ import annotations

import builtins
import json
from typing import Any

import pytest

from cara_pseud.errors import DeadlineExceeded, RemoteError, RpcError
from cara_pseud.wire import DETAILS_PREFIX, MAX_NAME_CHARS, error_triple, parse_error, sent_name


class Service(Exception):
    pass


class Stopped(StopIteration):
    pass


class Leaving(SystemExit):
    pass


@pytest.mark.parametrize(
    ("error", "triple"),
    [
        (ValueError("text"), ("ValueError", "text", "")),
        (Service("text"), ("Service", "text", "")),
        (Stopped("text"), ("Stopped", "text", "")),
        (StopIteration("text"), ("Exception", "text", "")),
        (StopAsyncIteration(), ("Exception", "the handler raised StopAsyncIteration", "")),
        (UnicodeDecodeError("a", b"b", 0, 1, "c"),
         ("UnicodeError", "'a' codec can't decode byte 0x62 in position 0: c", "")),
        (ExceptionGroup("text", [ValueError()]), ("Exception", "text (1 sub-exception)", "")),
        (SystemExit(), ("Exception", "the handler raised SystemExit", "")),
        (Leaving(3), ("Exception", "3", "")),
        (type("exit", (KeyError,), {})("a"), ("KeyError", "'a'", "")),
        (type("_", (Service,), {})("a"), ("Service", "a", "")),
        (type("X" * 101, (OSError,), {})("a"), ("OSError", "a", "")),
        (type("TimeoutError", (Exception,), {})("a"), ("TimeoutError", "a", "")),
        (RpcError("not_found", "text", {"a": 1}),
         ("RpcError", "text", 'cara-error:{"code": "not_found", "details": {"a": 1}}')),
        (RpcError("not_found", "text", {"a": object()}),
         ("RpcError", "text", 'cara-error:{"code": "not_found", "details": null}')),
        (RemoteError("Service", "text"), ("Service", "text", "")),
        (RemoteError("SystemExit", "text"), ("Exception", "text", "")),
        (RemoteError("TypeError", "text", code="internal"), ("TypeError", "text", "")),
    ],
)  # fmt: skip
def test_an_error_is_sent_as_three_texts(error: BaseException, triple: tuple[str, str, str]) -> None:
    assert error_triple(error) == triple


@pytest.mark.parametrize("name", [*dir(builtins), "exit", "quit", "help", "license", "credits", "copyright"])
def test_no_name_is_sent_that_is_no_exception_of_one_text(name: str) -> None:
    sent = sent_name(name)
    made = getattr(builtins, sent)("text")
    assert isinstance(made, Exception)
    assert not isinstance(made, StopIteration | StopAsyncIteration)


@pytest.mark.parametrize("name", ["", "a b", "os.system", "x" * 101, "_", "__import__", "get_ipython"])
def test_other_names_from_elsewhere_are_not_passed_on(name: str) -> None:
    assert sent_name(name) == "Exception"


@pytest.mark.parametrize("name", ["", "a b", "x\n", "x" * (MAX_NAME_CHARS + 1), "os.system"])
def test_a_name_that_is_none_is_not_read(name: str) -> None:
    error = parse_error((name, "text", ""))
    assert isinstance(error, RemoteError)
    assert (error.exception_class, error.message) == ("Exception", "text")


@pytest.mark.parametrize("name", ["TypeError", "Service"])
def test_the_status_of_an_exception_travels_between_our_own_peers(name: str) -> None:
    sent = error_triple(RemoteError(name, "text", code="internal"), "Traceback", with_status=True)
    assert sent[:2] == (name, "text")
    error = parse_error(sent)
    assert isinstance(error, RemoteError)
    assert (error.exception_class, error.message, error.code) == (name, "text", "internal")
    assert isinstance(error, TypeError) == (name == "TypeError")
    assert error_triple(RemoteError(name, "text"), "Traceback", with_status=True) == (name, "text", "Traceback")


@pytest.mark.parametrize("status", [{"code": "odd"}, {"code": 5}, [], "x", {"code": "internal", "details": 5}])
def test_a_status_that_is_none_is_not_believed(status: Any) -> None:
    error = parse_error(("ValueError", "text", DETAILS_PREFIX + json.dumps(status)))
    assert (type(error).__mro__[1], error.code) == (RemoteError, "unknown")


def test_a_deadline_that_passed_elsewhere_is_one_here() -> None:
    assert isinstance(parse_error(error_triple(DeadlineExceeded("late"))), DeadlineExceeded)

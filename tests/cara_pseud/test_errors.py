"""Errors: what they are caught as, what they say, where they say it is, and that they survive a process's border."""

from __future__ import annotations

import pickle

import pytest

from cara_pseud import errors


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.Unavailable(), "unavailable"),
        (errors.OutcomeUnknown(), "outcome_unknown"),
        (errors.DeadlineExceeded(), "deadline_exceeded"),
        (errors.ResourceExhausted("full"), "resource_exhausted"),
        (errors.TooLarge("large"), "too_large"),
        (errors.Unauthenticated(), "unauthenticated"),
        (errors.RemoteError("KeyError", "x"), "unknown"),
        (errors.RemoteError("KeyError", "x", code="unimplemented"), "unimplemented"),
    ],
)
def test_each_error_of_a_call_has_its_code(error: errors.RpcError, code: str) -> None:
    assert error.code == code
    assert code in errors.CODES
    assert isinstance(error, errors.RpcError)
    assert isinstance(error, errors.Error)


@pytest.mark.parametrize(
    ("kind", "caught_as"),
    [
        (errors.InvalidValue, ValueError),
        (errors.WrongType, (errors.InvalidValue, TypeError)),
        (errors.UnknownField, (KeyError, AttributeError)),
        (errors.UnknownMethod, (KeyError, AttributeError)),
        (errors.NoMatch, LookupError),
        (errors.ArgumentError, TypeError),
        (errors.RegistrationError, TypeError),
        (errors.DeadlineExceeded, TimeoutError),
    ],
)
def test_who_catches_python_s_own_errors_catches_ours(
    kind: type[Exception], caught_as: type[Exception] | tuple[type[Exception], ...]
) -> None:
    for base in caught_as if isinstance(caught_as, tuple) else (caught_as,):
        assert issubclass(kind, base)


def test_a_path_grows_outwards() -> None:
    error = errors.InvalidValue("is wrong").within("[3]").within(".items")
    assert (error.path, error.reason) == ("$.items[3]", "is wrong")
    assert str(error) == "$.items[3]: is wrong"


@pytest.mark.parametrize("kind", [errors.UnknownField, errors.UnknownMethod])
def test_a_text_is_not_shown_as_a_key_would_be(kind: type[Exception]) -> None:
    assert "has no field" in str(kind("it has no field 'x'"))
    assert not str(kind("it has no field 'x'")).startswith('"')


@pytest.mark.parametrize(
    "error",
    [
        errors.RpcError("not_found", "no such person", {"name": "Ann"}),
        errors.Unavailable("gone"),
        errors.DeadlineExceeded("late"),
        errors.RemoteError("KeyError", "x", code="unimplemented"),
        errors.InvalidValue("is wrong").within(".items"),
        errors.RemoteError("KeyError", ""),
        errors.SchemaError("expected ;", "a.capnp", 3),
        errors.ProtocolError("no such type"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_the_same_behind_a_pickle(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    for name in ("code", "details", "path", "exception_class", "reason", "file", "line"):
        assert getattr(again, name, None) == getattr(error, name, None)

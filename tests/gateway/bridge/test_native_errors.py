"""Exceptions of native services: which status they are, and that nothing of theirs leaks."""

from __future__ import annotations

import pytest

from cara_pseud.errors import DeadlineExceeded, OutcomeUnknown, RemoteError, RpcError, Unavailable
from gateway.bridge.native_errors import MAX_CHARS, error_of, exception_of, readable
from gateway.bridge.rpc_messages import NativeFault

TRACEBACK = '''Traceback (most recent call last):
  File "/srv/service/app.py", line 12, in divide
    return first / second
           ~~~~~~^~~~~~~~
ZeroDivisionError: division by zero
'''
CHAINED = TRACEBACK + "\nDuring handling of the above exception, another exception occurred:\n\n" + '''\
Traceback (most recent call last):
  File "/srv/service/app.py", line 20, in divide
    raise app.errors.Wrong("no\\nway")
app.errors.Wrong: no
way
'''


@pytest.mark.parametrize(
    ("reason", "name", "text"),
    [
        ("out of beans", "NativeError", "out of beans"),
        ("remote exception: out of beans", "NativeError", "out of beans"),
        ("src/beans.c++:17: failed: expected count > 0; no beans", "NativeError", "expected count > 0; no beans"),
        ("no beans; stack: 7f3a2b 7f3a2c /usr/lib/libc.so.6", "NativeError", "no beans"),
        ("cannot open /srv/secret/beans.txt: no such file", "NativeError", "cannot open …/beans.txt: no such file"),
        (r"cannot open C:\Users\ann\beans.txt", "NativeError", "cannot open …/beans.txt"),
        ("see https://example.org/a/b for more", "NativeError", "see https://example.org/a/b for more"),
        ("1/2/3 is no date", "NativeError", "1/2/3 is no date"),
        (TRACEBACK, "ZeroDivisionError", "division by zero"),
        (CHAINED, "Wrong", "no\nway"),
        ("Traceback (most recent call last):\nKeyboardInterrupt\n", "KeyboardInterrupt", ""),
        ("<class 'ValueError'>:bad", "ValueError", "bad"),
        ("x" * 5000, "NativeError", "x" * (MAX_CHARS - 1) + "…"),
        ("", "NativeError", ""),
    ],
)  # fmt: skip
def test_what_is_readable_of_an_exception(reason: str, name: str, text: str) -> None:
    assert readable(reason) == (name, text)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (NativeFault.FAILED, "unknown"),
        (NativeFault.OVERLOADED, "resource_exhausted"),
        (NativeFault.DISCONNECTED, "outcome_unknown"),
        (NativeFault.UNIMPLEMENTED, "unimplemented"),
        (77, "unknown"),
    ],
)
def test_each_kind_of_exception_has_its_status(fault: int, code: str) -> None:
    error = error_of("because", fault, "Beans.count")
    assert error.code == code
    assert isinstance(error, RemoteError) is (code == "unknown")


@pytest.mark.parametrize(
    ("error", "reason", "fault"),
    [
        (RpcError("not_found", "no such bean"), "not_found: no such bean", NativeFault.FAILED),
        (RpcError("unimplemented"), "unimplemented", NativeFault.UNIMPLEMENTED),
        (Unavailable("gone"), "unavailable: gone", NativeFault.DISCONNECTED),
        (OutcomeUnknown(), "outcome_unknown: the connection was lost before the answer came", NativeFault.DISCONNECTED),
        (DeadlineExceeded("late"), "deadline_exceeded: late", NativeFault.FAILED),
        (ValueError("/etc/secret"), "internal: ValueError", NativeFault.FAILED),
    ],
)
def test_what_a_service_is_told_of_errors_here(error: Exception, reason: str, fault: int) -> None:
    assert exception_of(error) == (reason, fault)

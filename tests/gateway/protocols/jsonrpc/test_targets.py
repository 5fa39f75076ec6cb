"""Whom a method addresses: the first dot separates, and behind `#id` the last one too."""

from __future__ import annotations

import pytest

from gateway.errors import GatewayError
from gateway.protocols.jsonrpc.events import HandleTarget, ResultTarget, ServiceTarget
from gateway.protocols.jsonrpc.targets import ids_meant, read_target

LONG = "x" * 200

TARGETS: list[tuple[str, ServiceTarget | HandleTarget | ResultTarget, str]] = [
    ("calculator.add", ServiceTarget("calculator"), "add"),
    ("calculator.a.b", ServiceTarget("calculator"), "a.b"),
    (f"{LONG}.add", ServiceTarget(LONG), "add"),
    (f"calculator.{LONG}", ServiceTarget("calculator"), LONG),
    ("@t1.add", HandleTarget("t1"), "add"),
    ("@t1.a.b", HandleTarget("t1"), "a.b"),
    ("#7.add", ResultTarget("7", ()), "add"),
    ("#7.a.b.add", ResultTarget("7", ("a", "b")), "add"),
    ("#7.a%2Eb.add%2Eup", ResultTarget("7", ("a.b",)), "add.up"),
    (f"#{'x' * 64}.add", ResultTarget("x" * 64, ()), "add"),
]


@pytest.mark.parametrize(("method", "target", "name"), TARGETS)
def test_an_object_and_its_method_are_told_apart(
    method: str, target: ServiceTarget | HandleTarget | ResultTarget, name: str
) -> None:
    assert read_target(method) == (target, name)
    assert read_target(method) == (target, name)  # the second time it may be remembered


NO_METHOD = "a method is service.method, @handle.method or #id.method"
REFUSALS = [
    ("", f'there is no method ""; {NO_METHOD}'),
    ("add", f'there is no method "add"; {NO_METHOD}'),
    (".add", f'there is no method ".add"; {NO_METHOD}'),
    ("calculator.", f'there is no method "calculator."; {NO_METHOD}'),
    (LONG, f'there is no method "{"x" * 39}…"; {NO_METHOD}'),
    ("@t1", f'there is no method "@t1"; {NO_METHOD}'),
    ("#7.", f'there is no method "#7."; {NO_METHOD}'),
    ("#7.a.", '"#7.a." names no method'),
    ("#.add", 'there is no call "#"; an id here is 1 to 64 characters of A-Z a-z 0-9 _ -'),
    ("#a b.add", 'there is no call "#a b"; an id here is 1 to 64 characters of A-Z a-z 0-9 _ -'),
    ("#²5.add", 'there is no call "#²5"; an id here is 1 to 64 characters of A-Z a-z 0-9 _ -'),
    (f"#{'x' * 65}.add",
     f'there is no call "#{"x" * 38}…"; an id here is 1 to 64 characters of A-Z a-z 0-9 _ -'),
    ("!f.add", '"!f.add": callbacks are the client\'s own'),
]  # fmt: skip


@pytest.mark.parametrize(("method", "detail"), REFUSALS)
def test_what_addresses_nothing_is_not_found(method: str, detail: str) -> None:
    error = read_target(method)
    assert isinstance(error, GatewayError)
    assert error.detail == detail
    assert error.jsonrpc_error()["code"] == -32601
    assert error.status.http == 404


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("7", (7,)),
        ("007", (7,)),
        ("a", ("a",)),
        ("7a", ("7a",)),
        ("-5", (-5, "-5")),
        ("-", ("-",)),
        ("-a", ("-a",)),
        ("5-", ("5-",)),
        ("_", ("_",)),
    ],
)
def test_digits_mean_an_integer_and_the_rest_a_text(text: str, ids: tuple[int | str, ...]) -> None:
    assert ids_meant(text) == ids

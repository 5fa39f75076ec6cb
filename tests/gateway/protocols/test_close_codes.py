"""The close codes are a contract with clients of any make: a changed number breaks them."""

from __future__ import annotations

from gateway.protocols import close_codes


def test_the_numbers_are_those_of_the_rfc_and_of_the_protocol() -> None:
    assert {name: value for name, value in vars(close_codes).items() if name.isupper()} == {
        "NORMAL": 1000,
        "SHUTDOWN": 1001,
        "PROTOCOL_ERROR": 1002,
        "UNSUPPORTED": 1003,
        "BAD_UTF8": 1007,
        "TOO_BIG": 1009,
        "BAD_MESSAGE": 4000,
        "REPLACED": 4001,
        "SESSION_ENDED": 4002,
        "SLOW_READER": 4003,
        "IDLE": 4004,
        "UNAUTHENTICATED": 4401,
    }

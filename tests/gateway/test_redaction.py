"""Texts without secrets, however they are written, and without parts of them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from gateway.redaction import LEFT_OUT, WHOLE, redacted

SECRET = "hunter2-Grün!"
KEY = bytes(range(32, 64))


@pytest.mark.parametrize(
    ("text", "secrets", "shown"),
    [
        ("the password hunter2-Grün! is wrong", [SECRET], "the password … is wrong"),
        ("the password HUNTER2-GRÜN! is wrong", [SECRET], "the password … is wrong"),
        ("it begins with hunter2", [SECRET], "it begins with …"),
        ("got 'hunter2-Gr\\xfcn!'", [SECRET], "got '…'"),
        ('got "hunter2-Gr\\u00fcn!"', [SECRET], 'got "…"'),
        ("at /login/hunter2-Gr%C3%BCn%21", [SECRET], "at /login/…"),
        ("nothing of it", [SECRET], "nothing of it"),
        ("a pin of 12345678 digits", [12345678], "a pin of … digits"),
        ("a pin of 12,345,678", [12345678], "a pin of …"),
        ("it ends with 5678", [12345678], "it ends with …"),
        ("0xbc614e", [12345678], "0x…"),
        ("the code 123 is used", [123], "the code … is used"),
        ("1234 is none", [123], "1234 is none"),
        ("5 of 7", [5], "5 of 7"),
        ("true", [True, None], "true"),
        ("-2.75e+18", [-2.75e18], "…"),
        ("a pin of abc, not of abcd", ["abc"], "a pin of …, not of abcd"),
        ("plain", [], "plain"),
        ("plain", [""], "plain"),
        ("two: first-one, second-one", ["first-one", "second-one"], "two: …, …"),
    ],
)
def test_secrets_are_left_out(text: str, secrets: list[Any], shown: str) -> None:
    assert redacted(text, secrets) == shown


@pytest.mark.parametrize(
    "spelled",
    [
        KEY.hex(), KEY.hex().upper(), base64.b64encode(KEY).decode(), base64.urlsafe_b64encode(KEY).decode(),
        str(KEY), str(list(KEY)), KEY.decode(),
    ],
)  # fmt: skip
def test_bytes_are_left_out_however_they_are_written(spelled: str) -> None:
    shown = redacted(f"the key {spelled} is unknown", [KEY])
    assert shown.startswith("the key ")
    assert shown.endswith(" is unknown")
    assert len(shown) < 40
    assert LEFT_OUT in shown


@pytest.mark.parametrize("before", ["", "a", "an", "ann", "ann:"])
@pytest.mark.parametrize("after", ["", "z", "zz"])
def test_a_secret_in_base64_is_found_among_other_bytes(before: str, after: str) -> None:
    sent = base64.b64encode(f"{before}{SECRET}{after}".encode()).decode().rstrip("=")
    shown = redacted(f"Basic {sent}", [SECRET])
    assert shown.startswith("Basic ")
    # The ends are shared with what is around it.
    assert len(shown.replace(LEFT_OUT, "")) <= len("Basic ") + 4 + len(before) * 2 + len(after) * 2


def test_a_text_is_left_out_as_a_whole_where_the_secret_is_too_long_to_be_looked_for() -> None:
    assert redacted("something", ["x" * 100_000]) == WHOLE


def test_no_more_is_shown_of_a_text_than_a_log_needs() -> None:
    assert len(redacted("y" * 100_000, [SECRET])) <= 2_000


def test_many_parts_cost_little() -> None:
    shown = redacted("hunter2-" * 250, [SECRET])
    assert "hunt" not in shown

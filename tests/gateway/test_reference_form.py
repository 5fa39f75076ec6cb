"""How references look: which objects are some, and what is wrong with those that are nearly."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.reference_form import CALLBACK, HANDLE, REFERENCE_FORM, RESULT, handle

TOKEN_RULE = "must be 1 to 64 characters of A-Z a-z 0-9 _ -"
ID_RULE = "$result must be the id of a call, a string or an integer"
PATH_RULE = "path must be an array of names and of indexes from 0"

# (what is given, its kind, what is wrong with it)
FORMS: list[tuple[Any, str | None, str | None]] = [
    ({"$handle": "h-1_Z"}, HANDLE, None),
    ({"$handle": "h", "interface": "Updater"}, HANDLE, None),
    ({"$handle": "h", "interface": None}, HANDLE, None),
    ({"$handle": "h", "interface": 5}, HANDLE, "interface must be a name or null"),
    ({"$handle": "h", "interface": False}, HANDLE, "interface must be a name or null"),
    ({"$handle": ""}, HANDLE, f"$handle {TOKEN_RULE}"),
    ({"$handle": "x" * 64}, HANDLE, None),
    ({"$handle": "x" * 65}, HANDLE, f"$handle {TOKEN_RULE}"),
    ({"$handle": "h\n"}, HANDLE, f"$handle {TOKEN_RULE}"),
    ({"$handle": 5}, HANDLE, f"$handle {TOKEN_RULE}"),
    ({"$handle": None}, HANDLE, f"$handle {TOKEN_RULE}"),
    ({"$handle": "h", "other": 1}, None, None),
    ({"$handle": "h", "interface": None, "other": 1}, None, None),
    ({"$handle": "h", "$callback": "c"}, None, None),
    ({"$callback": "c"}, CALLBACK, None),
    ({"$callback": "a.b"}, CALLBACK, f"$callback {TOKEN_RULE}"),
    ({"$callback": "c", "interface": "X"}, None, None),
    ({"$result": 1}, RESULT, None),
    ({"$result": "id"}, RESULT, None),
    ({"$result": 1, "path": ["a", 0]}, RESULT, None),
    ({"$result": 1, "path": None}, RESULT, None),
    ({"$result": True}, RESULT, ID_RULE),
    ({"$result": 1.5}, RESULT, ID_RULE),
    ({"$result": 1, "path": ["a", -1]}, RESULT, PATH_RULE),
    ({"$result": 1, "path": "a"}, RESULT, PATH_RULE),
    ({"$result": 1, "x": 2}, None, None),
    ({}, None, None),
    ([], None, None),
    ("$handle", None, None),
    (None, None, None),
]


@pytest.mark.parametrize(("obj", "kind", "fault"), FORMS)
def test_a_reference_is_known_by_its_members_and_judged_by_their_values(
    obj: Any, kind: str | None, fault: str | None
) -> None:
    assert REFERENCE_FORM.recognise(obj) == kind
    assert (None if kind is None else REFERENCE_FORM.fault(kind, obj)) == fault


@pytest.mark.parametrize(("obj", "kind", "fault"), FORMS)
def test_the_quick_question_has_the_same_answer(obj: Any, kind: str | None, fault: str | None) -> None:
    assert REFERENCE_FORM.faultless(obj) == (kind if fault is None else None)


def test_what_is_given_out_can_be_given_back() -> None:
    for interface in ("Updater", None):
        assert REFERENCE_FORM.faultless(handle("token", interface)) == HANDLE

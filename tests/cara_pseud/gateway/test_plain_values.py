"""Values of programs that load no schema, as they are written."""

from __future__ import annotations

from typing import Any

import pytest

from cara_pseud.errors import InvalidValue, RpcError
from cara_pseud.gateway.failures import to_answer
from cara_pseud.gateway.plain_values import written


class NoReferences:
    values = 0

    def reference(self, value: object, holder: Any, key: str | int, path: str) -> Any:
        return None

    def own(self, value: object) -> Any:
        raise AssertionError(value)


@pytest.mark.parametrize(
    ("params", "path"),
    [
        (["a\ud800"], "$[0]"),
        ({"a": [1, {"b": "\udfff"}]}, "$.a[1].b"),
        ({"a": {"\ud800": 1}}, "$.a"),
        ([2**64], "$[0]"),
        ([{"a": -(2**63) - 1}], "$[0].a"),
    ],
)
def test_what_json_cannot_say_is_refused_with_its_place(params: Any, path: str) -> None:
    with pytest.raises(InvalidValue, match=r"lone surrogate U|more than 64 bits") as refused:
        written(params, NoReferences())
    assert refused.value.path == path
    str(refused.value).encode()


def test_what_json_can_say_is_written() -> None:
    assert written(["\U0001f600", 2**64 - 1, {"ä": -(2**63)}], NoReferences()) == ["😀", 2**64 - 1, {"ä": -(2**63)}]


@pytest.mark.parametrize("error", [ValueError("a\ud800"), RpcError("not_found", "a\ud800")])
def test_the_error_of_a_callback_is_told_whatever_its_text(error: Exception) -> None:
    assert to_answer(error)["message"] == to_answer(error)["data"]["detail"] == "a?"

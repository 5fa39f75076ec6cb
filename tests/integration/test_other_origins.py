"""Pages of other origins: nothing for them by default, and what CORS needs for those that are configured."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import HERE, Start

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.integration.conftest import Web

ADD = "/api/calculator/add"
APP = "https://app.example.org"
CONFIG = f"""
[gateway]
origins = ["{APP}"]

[services.counting]
schema = "{HERE}/counting.capnp"
interface = "Counting"
endpoint = "{{endpoint}}"
peer = "counting"
"""
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type, session-id",
}


@pytest.fixture(scope="module")
def open_web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A gateway that pages of one other origin may use."""
    with ExitStack() as stack:
        start = Start(tmp_path_factory.mktemp("open"), stack)
        _, endpoint = start.counting()
        yield start.gateway(CONFIG.format(endpoint=endpoint))[1]


def sharing_of(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("access-control")}


def test_no_other_page_passes_a_preflight_by_default(web: Web) -> None:
    answer = web.request("OPTIONS", ADD, headers={"Origin": APP, **PREFLIGHT})
    assert (answer.status, answer.code) == (403, "permission_denied")
    assert APP in answer.json["detail"]
    assert not sharing_of(answer.headers)


def test_no_other_page_may_read_an_answer_by_default(web: Web) -> None:
    answer = web.get("/api/calculator/divide?dividend=7&divisor=2", Origin=APP)
    assert answer.status == 200
    assert not sharing_of(answer.headers)


def test_a_configured_page_passes_its_preflight(open_web: Web) -> None:
    answer = open_web.request("OPTIONS", "/api/counting/slow", headers={"Origin": APP, **PREFLIGHT})
    assert answer.status == 204
    assert sharing_of(answer.headers) == {
        "access-control-allow-origin": APP,
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": "content-type, session-id",
        "access-control-max-age": "600",
        "access-control-expose-headers": (
            "Session-Id, X-Request-Id, Allow, ETag, Retry-After, RateLimit, RateLimit-Policy"
        ),
    }
    assert answer.headers["vary"] == "Origin"


def test_a_configured_page_reads_answers_and_errors(open_web: Web) -> None:
    for body, status in (([0], 200), (["x"], 400)):
        answer = open_web.post("/api/counting/slow", body, {"Origin": APP})
        assert answer.status == status
        assert answer.headers["access-control-allow-origin"] == APP
        assert "access-control-allow-credentials" not in answer.headers


def test_other_pages_stay_out_beside_a_configured_one(open_web: Web) -> None:
    for origin in ("https://evil.example", "https://app.example.org.evil.example", "http://app.example.org", "null"):
        refused = open_web.request("OPTIONS", "/api/counting/slow", headers={"Origin": origin, **PREFLIGHT})
        assert (refused.status, refused.code) == (403, "permission_denied")
        assert not sharing_of(refused.headers)
        assert open_web.post("/api/counting/slow", [0], {"Origin": origin}).code == "permission_denied"

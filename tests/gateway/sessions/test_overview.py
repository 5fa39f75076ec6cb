"""Sessions as operators see them: pages, ids, and that they stay quick where there are many."""

from __future__ import annotations

import time
from typing import Any

import pytest

from gateway.access.principals import Principal
from gateway.config.limits import Limits
from gateway.sessions.overview import SessionOverview
from gateway.sessions.sessions import Sessions

MANY = 10_000


def ids(page: Any) -> list[str]:
    return [session["id"] for session in page.sessions]


def test_ten_thousand_sessions_are_gone_through_page_by_page(fakes: Any) -> None:
    async def main() -> None:
        sessions = Sessions(Limits(max_sessions=2 * MANY, max_sessions_per_address=2 * MANY))
        for _ in range(MANY):
            sessions.open()
        overview = SessionOverview(sessions, "e")
        assert overview.count() == MANY
        after, seen, slowest_s, pages = None, set[str](), 0.0, 0
        while True:
            pages += 1
            began = time.perf_counter()
            page = overview.page(after, 1000)
            slowest_s = max(slowest_s, time.perf_counter() - began)
            seen.update(ids(page))
            if page.after is None:
                break
            after = page.after
        assert (len(seen), pages) == (MANY, MANY // 1000)
        # 15 ms where nobody else is at work; a second would be a stall.
        assert slowest_s < 1
        sessions.end_all("done")

    fakes.run(main())


def test_whose_sessions_they_are_can_be_asked(fakes: Any) -> None:
    async def main() -> None:
        sessions = Sessions(Limits())
        for name in ("key:alice", "key:bob", "key:alice", None):
            sessions.open(Principal(name))
        overview = SessionOverview(sessions, "e")
        assert ids(overview.page(None, 10, "key:alice")) == ["e-1", "e-3"]
        assert ids(overview.page(None, 1, "key:alice")) == ["e-1"]
        assert overview.page(None, 1, "key:alice").after == "e-1"
        assert ids(overview.page("e-1", 1, "key:alice")) == ["e-3"]
        sessions.end_all("done")

    fakes.run(main())


@pytest.mark.parametrize("id", ["", "e", "e-", "1", "f-1", "e-1 ", "e-٣", "e--1", "e-" + "f" * 17])
def test_what_is_no_id_ends_nothing(fakes: Any, id: str) -> None:
    async def main() -> None:
        sessions = Sessions(Limits())
        session = sessions.open()
        overview = SessionOverview(sessions, "e")
        assert not overview.end(id, "why not")
        with pytest.raises(ValueError, match="no id of a session"):
            overview.page(id, 10)
        assert not session.ended
        sessions.end_all("done")

    fakes.run(main())


def test_an_id_is_that_of_one_session_for_ever(fakes: Any) -> None:
    async def main() -> None:
        sessions = Sessions(Limits())
        first = sessions.open()
        overview = SessionOverview(sessions, "e")
        (id,) = ids(overview.page(None, 10))
        assert overview.end(id, "gone")
        assert first.ended
        sessions.open()
        assert not overview.end(id, "gone")
        assert ids(overview.page(None, 10)) == ["e-2"]
        sessions.end_all("done")

    fakes.run(main())


def test_a_private_session_is_shown_until_it_ends(fakes: Any) -> None:
    async def main() -> None:
        sessions = Sessions(Limits())
        session = sessions.private(Principal("key:alice"))
        overview = SessionOverview(sessions, "e")
        assert ids(overview.page(None, 10)) == ["e-1"]
        sessions.end(session, "its socket went")
        assert (overview.count(), ids(overview.page(None, 10))) == (0, [])

    fakes.run(main())

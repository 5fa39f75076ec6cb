"""Every handler there is passes the one place where hosts, origins and authentication are checked."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tornado.web

from gateway.app import Gateway
from gateway.config.file import GatewayConfig, ServiceConfig
from gateway.config.values import Listen
from gateway.errors import GatewayError, Status
from gateway.http.base import BaseHandler
from gateway.logs import LogWriter

SCHEMAS = Path(__file__).resolve().parent.parent.parent.parent / "schemas"
ABSTRACT = {"ApiHandler", "CallingHandler"}
PLACES = [
    "/", "/client/index.js", "/nothing", "/ws", "/healthz", "/readyz", "/api", "/api/session", "/api/handles/abc",
    "/api/handles/abc/name", "/api/addressbook", "/api/addressbook/find", "/people", "/api/nothing",
    "/api/events", "/api/callbacks/g:1", "/metrics", "/openapi.json", "/types/addressbook.d.ts",
    "/schema/addressbook",
]  # fmt: skip


def subclasses(handler: type[Any]) -> set[type[Any]]:
    found = set(handler.__subclasses__())
    return found.union(*map(subclasses, found))


def test_there_is_no_handler_beside_ours() -> None:
    ours = [handler for handler in subclasses(tornado.web.RequestHandler) if handler.__module__.startswith("gateway.")]
    assert [handler for handler in ours if not issubclass(handler, BaseHandler)] == []
    assert len(ours) > 10


Outcome = tuple[set[str], list[tuple[str, str, int, str | None]]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[BaseHandler], None]], Outcome]:
    """Start a gateway whose service is not there and ask it for every place in every way.

    Gives the names of the handlers that were reached, and (method, place, status, media type) of each answer.
    """

    def ask(authenticate: Callable[[BaseHandler], None]) -> Outcome:
        reached: set[str] = set()

        def note(handler: BaseHandler) -> None:
            reached.add(type(handler).__name__)
            authenticate(handler)

        monkeypatch.setattr(BaseHandler, "authenticate", note)
        statuses: list[tuple[str, str, int, str | None]] = []

        async def main() -> None:
            service = ServiceConfig(
                name="addressbook",
                schema=SCHEMAS / "addressbook.capnp",
                interface="AddressBook",
                endpoint="tcp://127.0.0.1:1",
            )
            config = GatewayConfig(listen=Listen("127.0.0.1", 0), services=(service,))
            running = Gateway(config, LogWriter(io.StringIO(), as_json=True))
            await running.start()
            await asyncio.to_thread(request_all, running.port)
            await running.stop()

        def request_all(port: int) -> None:
            for place in PLACES:
                for method in ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"):
                    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                    connection.request(method, place)
                    answer = connection.getresponse()
                    answer.read()
                    statuses.append((method, place, answer.status, answer.headers["Content-Type"]))
                    connection.close()

        asyncio.run(main())
        return reached, statuses

    return ask


def test_every_handler_asks_who_it_is(asked: Callable[..., Outcome]) -> None:
    def refuse(handler: BaseHandler) -> None:
        raise GatewayError(Status.UNAUTHENTICATED, "who are you?")

    reached, answers = asked(refuse)
    assert reached == {handler.__name__ for handler in subclasses(BaseHandler)} - ABSTRACT
    assert {status for _, _, status, _ in answers} == {401}
    assert {media_type for _, _, _, media_type in answers} == {"application/problem+json"}


def test_nothing_is_answered_with_a_page_of_tornado_s_own(asked: Callable[..., Outcome]) -> None:
    _, answers = asked(lambda handler: None)
    for method, place, status, media_type in answers:
        assert status != 500, (method, place)
        if status >= 400:
            assert media_type == "application/problem+json", (method, place, status)


def test_an_answer_begins_with_all_that_tornado_begins_it_with() -> None:
    # BaseHandler.clear sets what Tornado's own method sets; this notices a release that sets more.
    class Both(BaseHandler):
        def __init__(self) -> None:
            """Nothing: only `clear` is asked."""

    ours, theirs = Both(), Both()
    ours.clear()
    tornado.web.RequestHandler.clear(theirs)
    assert vars(ours).keys() == vars(theirs).keys()
    assert dict(ours._headers).keys() == dict(theirs._headers).keys()
    assert (ours._status_code, ours._reason) == (theirs._status_code, theirs._reason)


@pytest.mark.parametrize(
    ("size", "accepts", "secret", "coding", "vary"),
    [
        (1023, "gzip", False, None, None),
        (1024, "gzip", False, "gzip", "Accept-Encoding"),
        (1024, "br", False, None, "Accept-Encoding"),
        (1024, "", False, None, "Accept-Encoding"),
        (100_000, "gzip", True, None, None),
    ],
)
def test_an_answer_of_a_kibibyte_is_compressed_unless_it_holds_handles(
    size: int, accepts: str, secret: bool, coding: str | None, vary: str | None
) -> None:
    # Without a connection; no class of its own, which would count as a handler that there is.
    handler: Any = BaseHandler.__new__(BaseHandler)
    handler.sent, finished = {"Accept-Encoding": accepts}, []
    handler.finish = finished.append
    handler.clear()
    handler.answer_bytes(b"x" * size, 201, secret=secret)
    (data,) = finished
    assert (handler._headers.get("Content-Encoding"), handler._headers.get("Vary")) == (coding, vary)
    assert (gzip.decompress(data) if coding else data) == b"x" * size
    assert handler.get_status() == 201

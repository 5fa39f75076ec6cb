"""A service with two endpoints, each a process: who gets which call, and what becomes of it when one is killed."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.integration.test_restarted_services import answer, hello, releases, requests
from tests.integration.test_services import SCHEMA, count

if TYPE_CHECKING:
    from tests.integration.conftest import Process, Start, Web

Eventually = Callable[..., None]
CALLERS = 12


def config(*endpoints: str, more: str = "") -> str:
    return (
        f'[services.counting]\nschema = "{SCHEMA}"\ninterface = "Counting"\nendpoint = {list(endpoints)}\n'
        f'peer = "counting"\n{more}'
    )


def two(start: Start, **environment: str) -> tuple[list[Process], list[str], Web]:
    """Two processes of the service, the second with that environment, and a gateway."""
    first, at_first = start.counting()
    second, at_second = start.counting(environment=environment)
    _, web = start.gateway(config(at_first, at_second))
    return [first, second], [at_first, at_second], web


def servers(web: Web, calls: int = 40) -> Counter[int]:
    """By which processes so many calls after each other are answered."""
    return Counter(web.post("/api/counting/count").json["processId"] for _ in range(calls))


class Load:
    """What callers were told: the codes of the answers, counted."""

    def __init__(self) -> None:
        self.told: Counter[str] = Counter()

    @property
    def good(self) -> int:
        return self.told["ok"]


@contextmanager
def load(web: Web, method: str = "slow", milliseconds: int = 20) -> Iterator[Load]:
    """Several callers, each of which calls again as soon as it is answered."""
    seen, over = Load(), threading.Event()

    def call() -> None:
        while not over.is_set():
            answer = web.post(f"/api/counting/{method}", {"milliseconds": milliseconds})
            seen.told["ok" if answer.status == 200 else answer.code] += 1

    with ThreadPoolExecutor(CALLERS) as pool:
        callers = [pool.submit(call) for _ in range(CALLERS)]
        try:
            yield seen
        finally:
            over.set()
        for caller in callers:
            caller.result(10)


def test_a_killed_endpoint_costs_only_the_calls_under_way_there_and_comes_back(
    start: Start, eventually: Eventually
) -> None:
    processes, endpoints, web = two(start)
    assert servers(web).keys() == {process.pid for process in processes}
    with load(web) as seen:
        eventually(lambda: seen.good >= 200, within_s=20)
        processes[0].stop(signal.SIGKILL)
        killed_at = seen.good
        eventually(lambda: seen.good >= killed_at + 200, within_s=20)
        lost = Counter(seen.told)
        ready = web.get("/readyz")
        assert (ready.status, ready.json["services"]) == (200, {"counting": "up"})
        eventually(lambda: web.get("/readyz").json["endpoints"] == {"counting": ["down", "up"]}, within_s=5)
        assert servers(web, 5).keys() == {processes[1].pid}
        again, _ = start.counting(endpoints[0])
        eventually(lambda: again.pid in servers(web, 4), within_s=3)
        back_at = seen.good
        eventually(lambda: seen.good >= back_at + 200, within_s=20)
        eventually(lambda: web.get("/readyz").json["endpoints"] == {"counting": ["up", "up"]}, within_s=5)
    assert seen.told.keys() <= {"ok", "outcome_unknown"}
    # At the most as many as were under way, and none when it came back.
    assert 1 <= lost["outcome_unknown"] <= CALLERS
    assert seen.told["outcome_unknown"] == lost["outcome_unknown"]
    # Each ran once, and of those nobody knows of at most once.
    assert seen.good <= count(web) <= seen.good + seen.told["outcome_unknown"]


def test_idempotent_calls_of_a_killed_endpoint_are_repeated_at_the_other(start: Start, eventually: Eventually) -> None:
    processes, _, web = two(start)
    with load(web, "again") as seen:
        eventually(lambda: seen.good >= 100, within_s=20)
        processes[0].stop(signal.SIGKILL)
        killed_at = seen.good
        eventually(lambda: seen.good >= killed_at + 100, within_s=20)
    assert seen.told.keys() == {"ok"}
    assert seen.good <= count(web) <= seen.good + CALLERS


def test_a_stopped_endpoint_gets_no_calls_until_it_goes_on(start: Start, eventually: Eventually) -> None:
    processes, _, web = two(start)
    with load(web) as seen:
        eventually(lambda: seen.good >= 50, within_s=20)
        processes[0].popen.send_signal(signal.SIGSTOP)
        eventually(lambda: seen.told["outcome_unknown"] > 0, within_s=5)
        lost_at = seen.good
        eventually(lambda: seen.good >= lost_at + 100, within_s=20)
        assert servers(web, 5).keys() == {processes[1].pid}
        processes[0].popen.send_signal(signal.SIGCONT)
        eventually(lambda: processes[0].pid in servers(web, 4), within_s=5)
    assert seen.told.keys() == {"ok", "outcome_unknown"}
    assert seen.told["outcome_unknown"] <= CALLERS


def test_a_slow_endpoint_gets_fewer_calls(start: Start, eventually: Eventually) -> None:
    processes, _, web = two(start, COUNTING_SLOWER="8")
    with load(web, milliseconds=25) as seen:
        eventually(lambda: seen.good >= 300, within_s=30)
        by = servers(web, 100)
    assert by[processes[0].pid] > 0
    assert seen.told.keys() == {"ok"}
    # Callers wait 25 ms at the one and 200 ms at the other, where with turns each would have half of the calls and 12
    # callers about 107 a second.
    began = time.monotonic()
    with load(web, milliseconds=25) as seen:
        eventually(lambda: seen.good >= 300, within_s=30)
    assert time.monotonic() - began < 2.2


def test_objects_stay_at_their_endpoint_and_end_with_it(start: Start, eventually: Eventually) -> None:
    processes, endpoints, web = two(start)
    with web.socket() as socket:
        hello(socket)
        handles = [answer(socket, "counting.object")["result"]["object"]["$handle"] for _ in range(100)]

        def homes(of: list[str]) -> dict[str, int]:
            return {token: answer(socket, f"@{token}.processId")["result"]["processId"] for token in of}

        home = homes(handles)
        assert set(home.values()) == {process.pid for process in processes}
        with load(web):
            for _ in range(3):
                assert homes(handles) == home
        killed, other = processes
        killed.stop(signal.SIGKILL)
        lost = {token for token in handles if home[token] == killed.pid}
        assert releases(socket, len(lost)) == dict.fromkeys(lost, "unavailable")
        start.counting(endpoints[0])
        kept = [token for token in handles if home[token] == other.pid]
        assert homes(kept) == dict.fromkeys(kept, other.pid)
        assert answer(socket, f"@{lost.pop()}.name")["error"]["data"]["code"] == "not_found"


def test_a_callback_lives_as_long_as_one_endpoint_holds_it(start: Start, eventually: Eventually) -> None:
    processes, _, web = two(start)
    with web.socket() as socket:
        hello(socket)
        # Two that do nothing take turns.
        for _ in range(2):
            answer(socket, "counting.listen", [{"$callback": "adder"}])
        assert [web.post("/api/counting/sum").json["objects"] for _ in range(2)] == [1, 1]
        processes[0].stop(signal.SIGKILL)
        eventually(lambda: servers(web, 2).keys() == {processes[1].pid}, within_s=5)
        assert web.post("/api/counting/add", {"number": 7}).status == 200
        assert requests(socket, 1) == [("!adder.added", [7])]
        processes[1].stop(signal.SIGKILL)
        assert releases(socket, 1) == {"adder": "unavailable"}


def test_endpoints_come_and_go_by_a_reload_and_no_call_fails(start: Start, eventually: Eventually) -> None:
    first, at_first = start.counting()
    second, at_second = start.counting()
    gateway, web = start.gateway(config(at_first))
    file = start.folder / "gateway.toml"

    def reload(*endpoints: str) -> None:
        file.write_text(config(*endpoints), "utf-8")
        gateway.popen.send_signal(signal.SIGHUP)

    with web.socket() as socket, load(web) as seen:
        hello(socket)
        handle = answer(socket, "counting.object")["result"]["object"]["$handle"]

        def home() -> int:
            home: int = answer(socket, f"@{handle}.processId")["result"]["processId"]
            return home

        assert home() == first.pid
        reload(at_first, at_second)
        eventually(lambda: servers(web, 4).keys() == {first.pid, second.pid}, within_s=5)
        assert home() == first.pid
        reload(at_second)
        eventually(lambda: servers(web, 4).keys() == {second.pid}, within_s=5)
        # The handle is used still, and with it the connection to where it lives.
        changed_at = seen.good
        eventually(lambda: seen.good >= changed_at + 200, within_s=20)
        assert home() == first.pid
        assert servers(web, 4).keys() == {second.pid}
    assert seen.told.keys() == {"ok"}


def test_all_endpoints_down_is_told_at_once(start: Start, eventually: Eventually) -> None:
    processes, endpoints, web = two(start)
    for process in processes:
        process.stop(signal.SIGKILL)
    eventually(lambda: web.get("/readyz").status == 503, within_s=5)
    eventually(lambda: web.get("/readyz").json["services"] == {"counting": "down"}, within_s=5)
    began = time.monotonic()
    answers: list[Any] = [web.post("/api/counting/count") for _ in range(10)]
    assert time.monotonic() - began < 2
    assert {(answer.status, answer.code) for answer in answers} == {(503, "unavailable")}
    assert not any("127.0.0.1" in answer.text for answer in answers)
    start.counting(endpoints[1])
    eventually(lambda: web.post("/api/counting/count").status == 200, within_s=3)
    assert web.get("/readyz").status == 200

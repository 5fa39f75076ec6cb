"""Clients for programs without a loop: calls wait, objects and callbacks work, and Ctrl-C ends a call and no more."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tornado.gen
import tornado.ioloop

import cara_pseud
from cara_pseud.errors import RpcError, Unavailable, WrongType

COUNTING = Path(__file__).parents[1] / "integration" / "counting.capnp"
SERVICE = COUNTING.with_name("counting_service.py")
schema: Any = cara_pseud.load(COUNTING)


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[str]:
    arguments = [sys.executable, str(SERVICE), "tcp://127.0.0.1:*", str(tmp_path / "count")]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as service:
        assert service.stdout is not None
        yield service.stdout.readline().strip()
        service.kill()


@pytest.fixture
def counting(endpoint: str) -> Iterator[Any]:
    with cara_pseud.connect(endpoint, schema.Counting, peer="counting", timeout=20) as counting:
        yield counting


def test_a_call_gives_its_result(counting: Any) -> None:
    assert counting.add(3) == 1
    assert counting.sum().sum == 3
    assert counting["add"](number=4) == 2


def test_an_error_is_raised(counting: Any) -> None:
    with pytest.raises(RpcError) as caught:
        counting.crash()
    assert caught.value.code == "unknown"
    with pytest.raises(cara_pseud.InvalidValue, match="is no UInt32"):
        counting.add("x")
    assert counting.add(1) == 1


def test_objects_have_calls_that_wait_and_are_let_go(counting: Any) -> None:
    with counting.object() as obj:
        assert obj.name() == "object"
        assert obj != counting
    until = time.monotonic() + 10
    while counting.released() < 1 and time.monotonic() < until:
        time.sleep(0.01)
    assert counting.released() == 1


def test_callbacks_run_in_order_and_in_a_thread_beside(counting: Any) -> None:
    told: list[tuple[str, bool]] = []

    def listener(text: str) -> None:
        told.append((text, threading.current_thread() is threading.main_thread()))

    assert counting.flood(listener, 50, 3) == 0
    assert told == [("xxx", False)] * 50


def test_a_callback_may_call_the_service_that_calls_it(counting: Any) -> None:
    class Adder(schema.Counting.Adder):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.sums: list[int] = []

        def added(self, number: int) -> None:
            self.sums.append(counting.sum().sum)

    adder = Adder()
    counting.listen(adder)
    counting.add(5)
    counting.add(6)
    until = time.monotonic() + 10
    while len(adder.sums) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    assert (len(adder.sums), adder.sums[-1]) == (2, 11)


def test_an_async_callback_runs_in_the_connections_loop(counting: Any) -> None:
    told: list[str] = []

    async def listener(text: str) -> None:
        await asyncio.sleep(0)
        told.append(text)

    assert counting.flood(listener, 3, 2) == 0
    assert told == ["xx"] * 3


def test_a_blocking_call_in_an_async_callback_is_an_error_that_says_what_to_do(counting: Any) -> None:
    said: list[str] = []

    async def listener(text: str) -> None:
        try:
            counting.sum()
        except RuntimeError as error:
            said.append(str(error))

    assert counting.flood(listener, 1, 1) == 0
    assert len(said) == 1
    assert "make the callback a plain function" in said[0]


def test_it_does_not_matter_whether_a_loop_runs(counting: Any) -> None:
    async def main() -> int:
        first: int = counting.add(1)
        return first + await asyncio.to_thread(counting.add, 1)

    assert asyncio.run(main()) == 3

    @tornado.gen.coroutine  # type: ignore[untyped-decorator]
    def coroutine() -> Any:
        yield tornado.gen.sleep(0)
        return counting.add(1)

    assert tornado.ioloop.IOLoop(make_current=False).run_sync(coroutine) == 3


def test_threads_share_a_connection(counting: Any) -> None:
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(counting.add(1))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == list(range(1, 21))


def test_ctrl_c_gives_up_the_call_and_nothing_else(counting: Any) -> None:
    obj = counting.object()
    before = counting.cancelled()
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        counting.slow(60_000)
    assert obj.name() == "object"
    until = time.monotonic() + 10
    while counting.cancelled() == before and time.monotonic() < until:
        time.sleep(0.01)
    assert counting.cancelled() == before + 1


def test_a_closed_connection_says_so(endpoint: str) -> None:
    with cara_pseud.connect(endpoint, schema.Counting, peer="counting") as counting:
        obj = counting.object()
        assert counting.add(1) == 1
    for call in (counting.add, lambda _: obj.name()):
        with pytest.raises(RuntimeError, match="the connection is closed"):
            call(1)
    cara_pseud.release(obj)
    cara_pseud.release(counting)
    assert not [thread for thread in threading.enumerate() if thread.name == "cara_pseud connection"]


def test_a_service_that_is_not_there_is_unavailable() -> None:
    counting = cara_pseud.connect("tcp://127.0.0.1:9", schema.Counting, timeout=0.3)
    with counting, pytest.raises(Unavailable):
        counting.add(1)


def test_what_cannot_be_connected_leaves_no_thread(endpoint: str) -> None:
    with pytest.raises(WrongType, match="is no interface class"):
        cara_pseud.connect(endpoint, 5)
    with pytest.raises(ValueError, match="inproc"):
        cara_pseud.connect("inproc://x", schema.Counting)
    with pytest.raises(TypeError, match="nosuch"):
        cara_pseud.connect(endpoint, schema.Counting, nosuch=1)
    assert not [thread for thread in threading.enumerate() if thread.name == "cara_pseud connection"]


SCRIPT = """
import sys, cara_pseud
schema = cara_pseud.load(sys.argv[2])
counting = cara_pseud.connect(sys.argv[1], schema.Counting, peer="counting")
print(counting.add(5), counting.object().name())
"""


def test_a_script_that_lets_go_of_nothing_ends(endpoint: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, endpoint, str(COUNTING)],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 object\n", "")


def test_an_object_of_ours_that_comes_home_is_known(endpoint: str) -> None:
    with cara_pseud.connect(endpoint, schema.Counting, peer="counting") as counting:

        def halver(number: float) -> float:
            return number / 2

        assert counting.floats([3.0], "t", {"half": halver}).half == 1.5
        home = counting.anything(halver_object := schema.Counting.Halver({"half": halver}))
        proxy = schema.Counting.Halver(home)
        assert proxy.half(5.0) == 2.5
        assert cara_pseud.unwrap(proxy) is vars(halver_object)["__wrapped__"]

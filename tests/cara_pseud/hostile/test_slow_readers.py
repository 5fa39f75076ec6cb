"""Clients that do not read, that vanish, or that use one uuid again and again: nobody else pays for it."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack

import pytest

from tests.cara_pseud.hostile import children, zmtp
from tests.cara_pseud.hostile.children import compares_waits

GONE = int(os.environ.get("HOSTILE_CLIENTS", "200"))
SLOW_CALLS = 30_000
MAX_CALLS = 10_000


@compares_waits
def test_a_client_that_does_not_read_costs_nobody_else_anything() -> None:
    with children.server() as (server, endpoint):
        before = server.ask()["rss"]
        afterwards: list[int] = []
        with children.undisturbed(endpoint):
            for _ in range(3):
                with zmtp.connect(endpoint) as raw:
                    for _ in range(400):
                        raw.send_some(zmtp.work("big", 500_000), 5)
                    children.eventually(lambda: "backlog full" in server.ask()["dropped"])
                    # A quarter of 64 MiB for one peer, and what ZeroMQ has under way to it.
                    assert server.ask()["rss"] < before + 150 * 2**20
                children.eventually(lambda: server.ask()["connections"] == 1)
                afterwards.append(server.ask()["rss"])
        # The allocator keeps some, but no more each time.
        children.eventually(lambda: server.ask()["rss"] < afterwards[0] + 30 * 2**20)


@compares_waits
def test_clients_that_are_gone_are_forgotten_while_one_does_not_read() -> None:
    with children.server() as (server, endpoint), zmtp.connect(endpoint) as stuck, children.undisturbed(endpoint):
        for _ in range(200):
            stuck.send_some(zmtp.work("big", 500_000), 5)
        children.eventually(lambda: "backlog full" in server.ask()["dropped"])
        with ExitStack() as clients:
            many = [clients.enter_context(zmtp.connect(endpoint)) for _ in range(GONE)]
            for raw in many:
                assert raw.call("echo", 1) == 1
            assert server.ask()["connections"] == GONE + 2
            for number, raw in enumerate(many):
                if number % 2:
                    raw.reset()
        children.eventually(lambda: server.ask()["connections"] == 2)


@compares_waits
def test_clients_that_go_while_their_answers_wait_are_forgotten() -> None:
    with children.server() as (server, endpoint), children.undisturbed(endpoint):
        for number in range(50):
            raw = zmtp.connect(endpoint)
            raw.connection.sendall(b"".join(zmtp.work("big", 500_000) for _ in range(8)))
            raw.reset() if number % 2 else raw.connection.close()
        children.eventually(lambda: server.ask()["connections"] == 1, 20)


@pytest.mark.parametrize("security", ["noop_auth_backend", "plain"])
def test_of_a_hundred_listeners_half_of_which_were_killed_the_others_are_told(security: str) -> None:
    """Some are found out by the first call, before anything else told of it."""
    login = None if security == "noop_auth_backend" else (b"ann", b"nna")
    with children.server(security) as (_, endpoint), zmtp.connect(endpoint, login) as asking:
        assert asking.call("echo", 1) == 1
        with ExitStack() as open_ones:
            listeners = [open_ones.enter_context(zmtp.connect(endpoint, login)) for _ in range(100)]
            for number, listener in enumerate(listeners):
                listener.greet(incarnation=number.to_bytes(16, "big"))
                payload = b"\x92" + bytes([number]) + (b"\xa3ann" if login else b"\xa0")
                assert listener.call("keep", zmtp.capability(payload)) == number + 1
            uid = b"a" * 16
            for listener in listeners[::2]:
                listener.reset()
            asking.connection.sendall(zmtp.work("tell_all", uid=uid))
            for listener in listeners[1::2]:
                listener.answer_next_call("heard")
            kind, outcomes = asking.answer_to(uid)
            assert kind == b"\x01"
            assert set(outcomes[1::2]) == {"str"}
            assert set(outcomes[::2]) <= {"Unavailable", "OutcomeUnknown"}, outcomes[::2]
            # The same once more, when it is known that they are gone.
            asking.connection.sendall(zmtp.work("tell_all", uid=uid))
            for listener in listeners[1::2]:
                listener.answer_next_call("heard")
            _, outcomes = asking.answer_to(uid)
            assert (set(outcomes[1::2]), set(outcomes[::2])) == ({"str"}, {"Unavailable"})


@compares_waits
def test_clients_that_vanish_in_the_middle_of_calls_delay_nobody() -> None:
    with children.server() as (server, endpoint), children.undisturbed(endpoint):
        for _ in range(5):
            with ExitStack() as clients:
                victims = [clients.enter_context(children.child("good", endpoint)) for _ in range(4)]
                for victim in victims:
                    assert victim.line() == "started"
                for victim in victims:
                    victim.process.send_signal(signal.SIGKILL)
        children.eventually(lambda: server.ask()["connections"] == 1)


@compares_waits
def test_one_uuid_for_many_slow_calls_is_one_call() -> None:
    with children.server() as (server, endpoint), zmtp.connect(endpoint) as raw, children.undisturbed(endpoint):
        before = server.ask()["rss"]
        raw.greet()
        raw.read_and_forget()
        raw.connection.sendall(b"".join(zmtp.work("slow", 600, uid=b"u" * 16) for _ in range(SLOW_CALLS // 2)))
        inner = [(b"u" * 16, b"\x03", zmtp.body("slow", 600)) for _ in range(250)]
        raw.connection.sendall(b"".join(zmtp.batch(*inner) for _ in range(SLOW_CALLS // 2 // 250)))
        refused = {"malformed or refused call": SLOW_CALLS - 1}
        children.eventually(lambda: server.ask()["dropped"] == refused, 20)
        said = server.ask()
        assert said["running"] == 1
        assert said["rss"] < before + 64 * 2**20


@compares_waits
def test_slow_calls_of_one_client_have_a_bound() -> None:
    with children.server() as (server, endpoint), children.undisturbed(endpoint):
        with zmtp.connect(endpoint) as raw:
            raw.connection.sendall(b"".join(zmtp.work("slow", 600) for _ in range(MAX_CALLS + 500)))
            for _ in range(500):
                assert raw.receive()[3] == b"\x10"
            assert server.ask()["running"] == MAX_CALLS
        children.eventually(lambda: server.ask()["connections"] == 1)

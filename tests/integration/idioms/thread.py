"""A program whose calls are made by a thread beside the main one, which alone learns of Ctrl-C."""

from __future__ import annotations

import sys
import threading
from typing import Any

import cara_pseud

endpoint, url, path = sys.argv[1:]
schema: Any = cara_pseud.load(path)
failures: list[BaseException] = []


def use(counting: Any, interrupted: threading.Event, ended: threading.Event) -> None:
    try:
        told: list[str] = []
        obj = counting.object()
        assert counting.flood(told.append, 3, 2) == 0
        print("waiting", flush=True)
        # It goes on while the main thread is interrupted.
        assert interrupted.wait(30)
        assert counting.slow(1)
        assert obj.name() == "object"
        assert told == ["xx"] * 3
    except BaseException as error:
        failures.append(error)
    finally:
        ended.set()


def in_a_thread(counting: Any) -> None:
    interrupted, ended = threading.Event(), threading.Event()
    threading.Thread(target=use, args=(counting, interrupted, ended)).start()
    # Not by `join`: Python 3.11 takes a thread for ended whose join was interrupted.
    try:
        ended.wait()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        interrupted.set()
        ended.wait()


with cara_pseud.connect(endpoint, schema.Counting, peer="counting", timeout=30) as counting:
    in_a_thread(counting)
with cara_pseud.gateway.connect(url) as gateway:
    in_a_thread(gateway.service("counting", schema.Counting))
if failures:
    raise failures[0]
print("done")

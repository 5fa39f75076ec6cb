"""Somebody with work: a script without a loop of its own, whose object is told how it goes."""

import os
import threading
from pathlib import Path

import cara_pseud

ENDPOINT = os.environ.get("CARA_ENDPOINT", "tcp://127.0.0.1:5555")
schema = cara_pseud.load(Path(__file__).with_name("jobs.capnp"))
POEM = ["The woods are lovely,", "dark and deep,", "but I have promises to keep"]


class Watcher(schema.Queue.Watcher):
    def __init__(self):
        self.is_done = threading.Event()

    def progress(self, percent):
        print(f"{percent} %")

    def done(self, words):
        print(f"{words} words")
        self.is_done.set()


with cara_pseud.connect(ENDPOINT, schema.Queue) as queue:
    watcher = Watcher()
    job = queue.submit(POEM, watcher)
    watcher.is_done.wait(30)

"""A client of the protocol in a hundred lines, written from PROTOCOL.md alone: it imports nothing of the project.

One socket at a time, and no threads: it reads while it waits for something. `cut` loses the connection the hard way.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import websockets.sync.client


class ResumingClient:
    def __init__(self, url: str, wait_s: float = 20) -> None:
        self.url, self.wait_s = url, wait_s
        self.callbacks: dict[str, Callable[..., Any]] = {}
        self.answers: dict[int, Any] = {}
        self.released: list[Any] = []
        self.hello: dict[str, Any] = {}
        self.received = self.acknowledged = self.sent = self.confirmed = self.last_id = 0
        self.kept: list[str] = []
        self.connect()

    def connect(self) -> None:
        """Open a socket and say hello; go on with the stream if there is one."""
        self.socket = websockets.sync.client.connect(self.url, close_timeout=1).__enter__()
        params: dict[str, Any] = {"protocol": 1}
        if self.hello:
            params |= {"session": self.hello["session"], "stream": self.hello["stream"], "received": self.received}
        self.socket.send(json.dumps({"jsonrpc": "2.0", "id": 0, "method": "rpc.hello", "params": params}))
        answer = json.loads(self.socket.recv(self.wait_s))
        if "error" in answer:
            raise ConnectionError(answer["error"]["data"]["reason"])
        self.hello = answer["result"]
        if self.hello["resumed"]:
            self.confirm(self.hello["received"])
            for text in self.kept:
                self.socket.send(text)

    def cut(self) -> None:
        """Lose the connection, and whatever is on its way."""
        self.socket.socket.shutdown(socket.SHUT_RDWR)

    def post(self, message: dict[str, Any]) -> None:
        """Send a counted message now, or after the next connect."""
        self.sent += 1
        self.kept.append(json.dumps({"jsonrpc": "2.0", **message}))
        try:
            self.socket.send(self.kept[-1])
        except (OSError, websockets.exceptions.ConnectionClosed):
            self.connect()

    def begin(self, method: str, params: Any = ()) -> int:
        """Start a call; its id."""
        self.last_id += 1
        self.post({"id": self.last_id, "method": method, "params": params})
        return self.last_id

    def result(self, id: int) -> Any:
        """Wait for the answer to a call."""
        while id not in self.answers:
            self.read()
        answer = self.answers.pop(id)
        if "error" in answer:
            raise RuntimeError(answer["error"]["data"]["code"])
        return answer["result"]

    def call(self, method: str, *params: Any) -> Any:
        return self.result(self.begin(method, params))

    def read(self) -> None:
        """Take one frame; connect again if there is none because the connection is lost."""
        try:
            frame = json.loads(self.socket.recv(self.wait_s))
        except (OSError, websockets.exceptions.ConnectionClosed):
            self.connect()
            return
        for message in frame if isinstance(frame, list) else [frame]:
            self.take(message)
        if self.received - self.acknowledged >= 50:
            self.acknowledged = self.received
            self.socket.send(json.dumps({"jsonrpc": "2.0", "method": "rpc.ack", "params": {"received": self.received}}))

    def take(self, message: dict[str, Any]) -> None:
        method = message.get("method", "")
        if method == "rpc.ack":
            self.confirm(message["params"]["received"])
            return
        self.received += 1
        if method.startswith("!"):
            name, _, member = method[1:].partition(".")
            self.post({"id": message["id"], "result": self.callbacks[name](member, *message["params"]) or {}})
        elif method == "rpc.released":
            self.released.append(message["params"])
        elif not method:
            self.answers[message["id"]] = message

    def confirm(self, received: int) -> None:
        del self.kept[: received - self.confirmed]
        self.confirmed = received

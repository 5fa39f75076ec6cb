"""A collector of OpenTelemetry for tests: takes spans over HTTP, as a real one does, and keeps them."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


@dataclass
class TakenSpan:
    """One span as it arrived; ids in hexadecimal digits, ``parent`` "" for the first one of a trace."""

    name: str
    kind: int
    trace: str
    id: str
    parent: str
    state: str
    attributes: dict[str, Any]
    is_failed: bool
    began_ns: int
    ended_ns: int

    SERVER = 2
    CLIENT = 3


@dataclass
class Receiver:
    """What arrived.

    Attributes:
        url: its address, without a path.
        resources: what senders said of themselves.
        paths: of the requests.
        raw: their bodies.
    """

    url: str
    spans: list[TakenSpan] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)

    def take(self, path: str, data: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(data)
        self.paths.append(path)
        self.raw.append(data)
        for of_resource in request.resource_spans:
            self.resources.append(_attributes(of_resource.resource.attributes))
            for of_scope in of_resource.scope_spans:
                self.spans += map(_span, of_scope.spans)


def _attributes(found: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in found}


def _span(span: Any) -> TakenSpan:
    return TakenSpan(
        span.name, span.kind, span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(), span.trace_state,
        _attributes(span.attributes), span.status.code == 2, span.start_time_unix_nano, span.end_time_unix_nano,
    )  # fmt: skip


@contextmanager
def receiving(*, hangs: bool = False, status: int = 200) -> Iterator[Receiver]:
    """Run a collector; one that hangs takes requests and never answers before the end."""
    is_over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                data = gzip.decompress(data)
            receiver.take(self.path, data)
            if hangs:
                is_over.wait()
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing to say."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        is_over.set()
        server.shutdown()
        server.server_close()
        thread.join()

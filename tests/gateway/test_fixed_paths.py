"""No service and no route of a schema can take a fixed path, and the OpenAPI document has them all."""

from __future__ import annotations

from gateway import fixed_paths
from gateway.catalogue import Service
from gateway.describe.openapi import openapi_document
from gateway.json.codec.options import CodecOptions
from gateway.routes import FIXED_ROUTES, RESERVED_SERVICE_NAMES

PATHS = [path for name, path in vars(fixed_paths).items() if name.isupper()]
# A WebSocket is no operation, and the methods stand there under the names of their services and interfaces.
NO_OPERATIONS = {fixed_paths.WEBSOCKET, fixed_paths.METHOD, fixed_paths.OBJECT_METHOD}


def test_no_route_of_a_schema_begins_like_a_fixed_path() -> None:
    assert {path.split("/")[1] for path in PATHS} - FIXED_ROUTES == set()


def test_no_service_has_the_name_of_what_stands_beside_services() -> None:
    beside = {path.split("/")[2] for path in PATHS if path.startswith("/api/")} - {"{service}"}
    assert beside - RESERVED_SERVICE_NAMES == set()


def test_every_fixed_path_is_in_the_openapi_document(calculator: Service) -> None:
    document = openapi_document([calculator.routes], CodecOptions(), "1.2.3")
    assert set(PATHS) - NO_OPERATIONS - set(document["paths"]) == set()
    words = {"handle": "{handle}", "service": "calculator", "interface": "Calculator.Accumulator", "method": "add"}
    assert fixed_paths.filled(fixed_paths.OBJECT_METHOD, **words) in document["paths"]


def test_segments_are_put_in() -> None:
    assert fixed_paths.filled(fixed_paths.METHOD, service="a", method="b") == "/api/a/b"

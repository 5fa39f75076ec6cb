"""Which paths every method has."""

from __future__ import annotations

from gateway.catalogue import Service
from gateway.http.path_table import default_routes


def test_the_routes_that_every_method_has(calculator: Service) -> None:
    assert list(default_routes([calculator.routes])) == [
        ("POST", "/api/calculator/add", "calculator.add"),
        ("GET, POST", "/api/calculator/divide", "calculator.divide"),
        ("POST", "/api/calculator/accumulator", "calculator.accumulator"),
        ("POST", "/api/calculator/map", "calculator.map"),
    ]

"""What grows with a schema and what does not: loading two thousand methods, and finding one among them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from cara_pseud.schema.loader import compile_schema
from cara_pseud.schema.nodes import Kind, Schema, Type
from gateway.json.codec import Codec
from gateway.reference_form import REFERENCE_FORM
from gateway.routes import HttpRoutes, ServiceRoutes

INTERFACES = 200
METHODS_EACH = 10
FEW = 10
LOOK_UPS = 2_000
PAIRS = 25


def schema_text(interfaces: int, methods_each: int) -> str:
    """A schema of so many interfaces, the last of which has all their methods; half of them with routes."""
    lines = ["@0xb8c1d2e3f4a59687;", 'using Gateway = import "/gateway.capnp";']
    for number in range(interfaces):
        methods = [
            f'  m{number}x{method} @{method} (first :Int32, second :Text) -> (result :Int32)'
            + (f' $Gateway.http(verb = "get", path = "/i{number}/m{method}/{{first}}")' if method % 2 else "")
            + ";"
            for method in range(methods_each)
        ]
        lines += [f"interface I{number} {{", *methods, "}"]
    lines.append(f"interface All extends({', '.join(f'I{number}' for number in range(interfaces))}) {{}}")
    return "\n".join(lines)


def loaded(folder: Path, interfaces: int, methods_each: int) -> tuple[ServiceRoutes, HttpRoutes, float]:
    """The routes of such a schema, and the seconds that making them took, codec and all."""
    path = folder / f"scale{interfaces}.capnp"
    path.write_text(schema_text(interfaces, methods_each), "utf-8")
    began = time.perf_counter()
    schema: Schema = compile_schema([path])
    node = schema.find("All")
    assert node is not None
    service = ServiceRoutes("scale", schema, Type(Kind.INTERFACE, node.id))
    codec = Codec(schema, form=REFERENCE_FORM)
    codec.check()
    for bound in service.methods.values():
        codec.params(bound)
        codec.results(bound)
    routes = HttpRoutes([service])
    return service, routes, time.perf_counter() - began


def seconds_each(look_up: Callable[[], Any]) -> float:
    began = time.process_time()
    for _ in range(LOOK_UPS):
        look_up()
    return (time.process_time() - began) / LOOK_UPS


def change(few: Callable[[], Any], many: Callable[[], Any]) -> float:
    """How much more a look-up costs among many: the median of pairs; 0 = the same."""
    ratios = []
    for _ in range(PAIRS):
        first = seconds_each(few)
        ratios.append(seconds_each(many) / first)
    return median(ratios) - 1


def lines() -> list[str]:
    """Measure, and say what was found."""
    with tempfile.TemporaryDirectory() as name:
        few, few_http, _ = loaded(Path(name), 1, FEW)
        many, many_http, load_s = loaded(Path(name), INTERFACES, METHODS_EACH)
    count = INTERFACES * METHODS_EACH
    name, path = f"m{INTERFACES - 1}x9", f"/i{INTERFACES - 1}/m9/5"
    by_name = change(lambda: few.method("m0x9"), lambda: many.method(name))
    by_path = change(lambda: few_http.match("GET", "/i0/m9/5"), lambda: many_http.match("GET", path))
    return [
        f"a schema of {INTERFACES} interfaces with {count:,} methods, compiled, with routes and codec: {load_s:.2f} s",
        f"finding a method by name among {count:,} instead of {FEW}: {by_name:+.1%}; by an $http path: {by_path:+.1%}",
    ]

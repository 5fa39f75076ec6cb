"""What of a method is a raw body, by its schema."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cara_pseud.schema.nodes import InterfaceNode, Kind, Schema, Type
from gateway.errors import GatewayError, Status
from gateway.json.codec import Codec
from gateway.raw_bodies import RawBody, RawResults, misused, raw_body
from gateway.reference_form import REFERENCE_FORM

USING = 'using Gateway = import "/gateway.capnp";\nstruct S { d @0 :Data; }\n'
TAKES = 'm @0 (a :Data) -> () $Gateway.body("a/b")'
Compile = Callable[[str], Schema]


def method_of(schema: Schema) -> tuple[Schema, RawBody | None]:
    node = schema.find("I")
    assert isinstance(node, InterfaceNode)
    return schema, raw_body(schema, node.methods[0])


@pytest.mark.parametrize(
    ("method", "raw"),
    [
        ('m @0 () -> (image :Data) $Gateway.body("image/png")', RawBody("image/png", None, -1, "image")),
        ('m @0 (name :Text, file :Data) -> () $Gateway.body("a/b")', RawBody("a/b", "file", 1, None)),
        ('m @0 (file :Data) -> (id :Text) $Gateway.body("a/b")', RawBody("a/b", "file", 0, None)),
        ('m @0 (file :Data) -> (a :Data, b :Text) $Gateway.body("a/b")', RawBody("a/b", "file", 0, None)),
        ('m @0 (in :Data) -> (out :Data) $Gateway.body("a/b; c=d")', RawBody("a/b; c=d", "in", 0, "out")),
        (
            'm @0 (n :Text, f :Data) -> () $Gateway.body("a/b") '
            '$Gateway.http(verb = "put", path = "/x/{n}", body = "f")',
            RawBody("a/b", "f", 1, None),
        ),
        ("m @0 () -> (image :Data)", None),
    ],
)
def test_the_one_data_of_a_method_is_its_body(compile_text: Compile, method: str, raw: RawBody | None) -> None:
    schema, found = method_of(compile_text(f"{USING}interface I {{ {method}; }}"))
    assert found == raw
    assert list(misused(schema)) == []


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ('m @0 () -> (a :Data) $Gateway.body("png")', "expected a type like \"image/png\", not 'png'"),
        ('m @0 () -> (a :Data) $Gateway.body("")', "expected a type like \"image/png\", not ''"),
        ('m @0 () -> (a :Data) $Gateway.body("a/b\\r\\nX: y")', "expected a type like"),
        ('m @0 () -> (a :Data) $Gateway.body("application/json")', "application/json is what bodies are without it"),
        ('m @0 (a :Text) -> (b :Text) $Gateway.body("a/b")', "it has neither a parameter of the type Data nor one"),
        ('m @0 S -> S $Gateway.body("a/b")', "it has neither"),
        ('m @0 () -> (a :Data, b :Data) $Gateway.body("a/b")', "it has neither"),
        ('m @0 (a :Data, b :Data) -> () $Gateway.body("a/b")', "a and b are both Data, and there is one body"),
        (
            'm @0 (a :Data, b :Text) -> () $Gateway.body("a/b") $Gateway.http(path = "/x", body = "*")',
            "the body is a, but $Gateway.http says '*'",
        ),
        (f'{TAKES} $Gateway.http(verb = "get", path = "/x")', "a GET has no body for a"),
        (f'{TAKES} $Gateway.http(path = "/{{a}}")', "a is the body and stands in the path"),
    ],
)
def test_what_can_be_none_is_refused_with_its_place(compile_text: Compile, method: str, reason: str) -> None:
    (error,) = misused(compile_text(f"{USING}interface I {{ {method}; }}"))
    assert error.reason.startswith(f"$Gateway.body of m: {reason}")
    assert error.line is not None


@pytest.mark.parametrize(
    ("content_type", "takes"),
    [
        ("image/png", True), ("IMAGE/PNG; q=1", True), ("image/jpeg", False), ("image/*", False), ("", False),
        (None, False),
    ],
)
def test_a_body_is_of_the_type_that_is_said(content_type: str | None, takes: bool) -> None:
    assert RawBody("image/png; a=b", "f", 0, None).takes(content_type) is takes


def test_a_result_is_bytes_however_the_service_sends_it(compile_text: Compile) -> None:
    schema = compile_text(f'{USING}interface I {{ m @0 () -> (image :Data) $Gateway.body("image/png"); }}')
    node = schema.find("I")
    assert isinstance(node, InterfaceNode)
    (bound,) = schema.methods(Type(Kind.INTERFACE, node.id))
    results = RawResults(Codec(schema, form=REFERENCE_FORM).results(bound), "image")
    for wire in (b"png", {"image": b"png"}, {b"image": b"png"}, {0: b"png"}):
        assert results.boxed(wire) == b"png"
    assert results.boxed(None) == b""
    for wrong in ("text", 5, {"other": b"png"}, [1]):
        with pytest.raises(GatewayError, match="expected Data as image") as raised:
            results.boxed(wrong)
        assert raised.value.status is Status.INTERNAL


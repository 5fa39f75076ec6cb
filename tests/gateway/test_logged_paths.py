"""Paths as logs show them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cara_pseud.schema.nodes import Schema, Type
from gateway.logged_paths import shortened, without_stray_secrets, without_token
from gateway.routes import ServiceRoutes
from gateway.sensitive import SecretPaths

SCHEMA = """
using Gateway = import "/gateway.capnp";
interface Lab {
  login @0 (user :Text, password :Text $Gateway.sensitive) -> () $Gateway.http(path = "/lab/login/{user}/{password}");
}
"""
TOKEN = "kR2vX0n3QmZb7cYd9eFgHi"


@pytest.fixture
def secret_paths(compile_text: Callable[[str], Schema], struct_type: Callable[[Schema, str], Type]) -> SecretPaths:
    schema = compile_text(SCHEMA)
    return SecretPaths([ServiceRoutes("lab", schema, struct_type(schema, "Lab"))])


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        # A slash that is escaped, once or twice, a backslash, and what a proxy should have taken away.
        ("/lab%2flogin/ann/HUNTER09", "/lab/login/ann/…"),
        ("/lab%252Flogin/ann/HUNTER09", "/lab/login/ann/…"),
        ("/lab%5clogin/ann/HUNTER09", "/lab/login/ann/…"),
        ("/lab/login/ann%2FHUNTER09", "/lab/login/ann/…"),
        ("/lab/login//HUNTER09", "/lab/login/…"),
        ("/gw/lab//login/ann/HUNTER09/more", "/gw/lab/login/…/…/…"),
        ("/api//handles/short/value", "/api/handles/…/value"),
        ("/api%2Fhandles%2Fshort", "/api/handles/…"),
        ("/API/Handles/short", "/API/Handles/…"),
        ("/api/%68andles/short/a%20b", "/api/%68andles/…/a%20b"),
        ("/api%2Fhandles//short/a%20b", "/api/handles/…/a%20b"),
        ("/gw/api/handles/short/value", "/gw/api/handles/…/value"),
        ("/api/session/short", "/api/session/…"),
        ("/admin/sessions/short", "/admin/sessions/…"),
        (f"/api/handle/{TOKEN}/value", "/api/handle/…/value"),
        (f"/{TOKEN}", "/…"),
        (f"/x%0Ay/{TOKEN}", "/x%0Ay/…"),
        ("/a" * 21, "/a" * 20 + "/…"),
        # What is none of these helps whoever looks for a fault.
        ("/favicon.ico", "/favicon.ico"),
        ("/lab%2flogout", "/lab%2flogout"),
        ("/a-page-with-a-long-name-that-is-gone.html", "/a-page-with-a-long-name-that-is-gone.html"),
        ("/assets/index-B8x9aQ2z.js", "/assets/index-B8x9aQ2z.js"),
        ("/api/handles", "/api/handles"),
        ("", ""),
    ],
)
def test_what_could_be_a_secret_is_left_out(secret_paths: SecretPaths, path: str, logged: str) -> None:
    assert without_stray_secrets(path, secret_paths) == logged


@pytest.mark.parametrize(("path", "logged"), [("/lab" * 16_000, "/lab/lab/"), ("/api/" + "x" * 200_000, "/api/xxx")])
def test_a_long_path_takes_no_long_time(secret_paths: SecretPaths, path: str, logged: str) -> None:
    # What takes the square of the length would not come to an end.
    assert without_stray_secrets(path, secret_paths).startswith(logged)


def test_the_path_of_a_handle_is_known_by_its_form() -> None:
    assert without_token(f"/api/handles/{TOKEN}/value") == "/api/handles/…/value"


def test_a_long_path_is_cut() -> None:
    assert shortened("/" + "a" * 2_000) == "/" + "a" * 999 + "…"
    assert shortened("/" + "a" * 999) == "/" + "a" * 999

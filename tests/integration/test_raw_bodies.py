"""Files and images over REST by `$Gateway.body`: curl sends and fetches them, a page shows them."""

from __future__ import annotations

import base64
import json
import subprocess
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from gateway.describe.description_text import symbol_text
from tests.browser.conftest import CHROMIUM, CHROMIUM_FLAGS
from tests.integration.conftest import Start, Web

SCHEMA = """@0xa4f3bd1c9e8d7b65;
using Gateway = import "/gateway.capnp";
interface Gallery {
  put @0 (name :Text, image :Data, tags :List(Text)) -> (bytes :UInt32) $Gateway.body("image/png");
  get @1 (name :Text) -> (image :Data) $Gateway.body("image/png") $Gateway.readOnly;
  store @2 (name :Text, image :Data) -> () $Gateway.body("image/png")
    $Gateway.http(verb = "put", path = "/images/{name}");
  fetch @3 (name :Text) -> (image :Data) $Gateway.body("image/png") $Gateway.readOnly
    $Gateway.http(verb = "get", path = "/images/{name}");
  upper @4 (text :Data) -> (text :Data) $Gateway.body("text/html; charset=utf-8");
  open @5 () -> (album :Album);
  interface Album { add @0 (image :Data) -> (number :UInt8) $Gateway.body("image/png"); }
}
"""
SERVICE = """import pathlib
import cara_pseud

schema = cara_pseud.load(pathlib.Path(__file__).parent / "gallery.capnp")
images = {}

class Album(schema.Gallery.Album):
    def add(self, image):
        images[str(len(images))] = image
        return len(images)

class Gallery(schema.Gallery):
    def put(self, name, image, tags):
        images[name] = image
        return len(image) + 1000 * len(tags)

    def get(self, name):
        if name not in images:
            raise cara_pseud.RpcError("not_found", f"there is no {name}")
        return images[name]

    def store(self, name, image):
        images[name] = image

    fetch = get

    def upper(self, text):
        return text.upper()

    def open(self):
        return Album()

cara_pseud.run(Gallery())
"""


def png(width: int) -> bytes:
    """A picture of one colour."""
    chunks = [
        (b"IHDR", width.to_bytes(4) + (1).to_bytes(4) + bytes([8, 2, 0, 0, 0])),
        (b"IDAT", zlib.compress(b"\0" + b"\xff\0\0" * width)),
        (b"IEND", b""),
    ]
    packed = [len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4) for kind, data in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


IMAGE = png(7)
PNG = {"Content-Type": "image/png"}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    folder = tmp_path_factory.mktemp("gallery")
    (folder / "gallery.capnp").write_text(SCHEMA)
    (folder / "service.py").write_text(SERVICE)
    (folder / "public").mkdir()
    (folder / "public" / "index.html").write_text('<img src="/images/shown">')
    with ExitStack() as stack:
        process = Start(folder, stack).process(
            "-m", "gateway", "dev", str(folder / "gallery.capnp"), str(folder / "service.py"),
            "--listen", "127.0.0.1:0",
            environment={"CARA_ENDPOINT": "tcp://127.0.0.1:*"},
        )  # fmt: skip
        yield Web(int(process.line().rpartition(":")[2]))


def test_curl_sends_a_file_and_fetches_it(web: Web, tmp_path: Path) -> None:
    (tmp_path / "sent.png").write_bytes(IMAGE)

    def curl(*arguments: str) -> str:
        return subprocess.run(
            ["curl", "-sS", "--max-time", "20", *arguments], check=True, capture_output=True, text=True, cwd=tmp_path
        ).stdout

    file = ("--data-binary", "@sent.png", "-H", "content-type: image/png")
    sent = curl(*file, f"{web.url}/api/gallery/put?name=a&tags=x&tags=y")
    assert sent == json.dumps({"bytes": len(IMAGE) + 2000}, separators=(",", ":"))
    assert curl("-T", "sent.png", "-H", "content-type: image/png", f"{web.url}/images/b") == "{}"
    for path in ("api/gallery/get?name=a", "images/b"):
        curl("-o", "got.png", f"{web.url}/{path}")
        assert (tmp_path / "got.png").read_bytes() == IMAGE


def test_an_answer_is_nothing_that_a_browser_runs_and_has_a_tag(web: Web) -> None:
    web.request("PUT", "/images/tagged", IMAGE, PNG)
    got = web.get("/images/tagged")
    assert (got.status, got.headers["content-type"], got.data) == (200, "image/png", IMAGE)
    assert got.headers["content-security-policy"] == "sandbox"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert web.get("/images/tagged", **{"If-None-Match": got.headers["etag"]}).status == 304
    head = web.request("HEAD", "/images/tagged")
    assert (head.headers["content-length"], head.data) == (str(len(IMAGE)), b"")
    posted = web.post("/api/gallery/upper", b"<p>", {"Content-Type": "text/html"})
    assert (posted.data, posted.headers["content-type"]) == (b"<P>", "text/html; charset=utf-8")
    assert "etag" not in posted.headers


def test_a_page_shows_an_image(web: Web) -> None:
    web.request("PUT", "/images/shown", IMAGE, PNG)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        window = browser.new_page()
        window.goto(web.url)
        expect(window.locator("img")).to_have_js_property("naturalWidth", 7)
        browser.close()


def test_large_bodies_have_the_bound_of_messages_and_none_of_values(web: Web) -> None:
    large = bytes(900_000)
    assert web.request("PUT", "/images/large", large, PNG).status == 200
    assert web.get("/images/large").data == large
    assert web.request("PUT", "/images/large", bytes(1_100_000), PNG).code == "too_large"
    assert web.request("PUT", "/images/empty", b"", PNG).status == 200
    assert web.get("/images/empty").data == b""


def test_what_is_no_body_of_that_type_is_refused(web: Web) -> None:
    for said, words in {
        "application/json": 'not "application/json"', "image/jpeg": 'not "image/jpeg"',
        "": "and its Content-Type has to say so",
    }.items():  # fmt: skip
        refused = web.request("PUT", "/images/x", IMAGE, {"Content-Type": said})
        assert refused.code == "unsupported_media_type"
        assert refused.json["detail"] == f"the body is the parameter image: it must be image/png, {words}"
    packed = web.request("PUT", "/images/x", IMAGE, {**PNG, "Content-Encoding": "gzip"})
    assert packed.code == "unsupported_media_type"
    wrong = {"name=x&image=AAAA": "$.image", "name=x&nothing=1": "$.nothing", "name=x&name=y": "$.name"}
    for query, path in wrong.items():
        refused = web.post(f"/api/gallery/put?{query}", IMAGE, PNG)
        assert (refused.code, refused.json["path"]) == ("invalid_argument", path)
    assert web.get("/images/nowhere").code == "not_found"


def test_an_object_takes_a_body_too(web: Web) -> None:
    opened = web.post("/api/gallery/open")
    session = {"Session-Id": opened.headers["session-id"]}
    handle = opened.json["album"]["$handle"]
    added = web.post(f"/api/handles/{handle}/add", IMAGE, {**session, **PNG})
    assert (added.status, list(added.json)) == (200, ["number"])


def test_over_a_socket_data_is_what_it_always_is(web: Web) -> None:
    text = base64.b64encode(IMAGE).decode()
    with web.socket() as socket:
        assert socket.result("gallery.put", {"name": "c", "image": text}) == {"bytes": len(IMAGE)}
        assert socket.result("gallery.get", {"name": "c"}) == {"image": list(IMAGE)}
    assert web.get("/images/c").data == IMAGE


def test_documents_say_it(web: Web) -> None:
    paths = web.get("/openapi.json").json["paths"]
    binary = {"image/png": {"schema": {"type": "string", "format": "binary"}}}
    for operation in (paths["/api/gallery/put"]["post"], paths["/images/{name}"]["put"]):
        assert operation["requestBody"] == {"description": "The bytes of `image`.", "required": True, "content": binary}
    queried = {told.get("name") for told in paths["/api/gallery/put"]["post"]["parameters"]} - {None}
    assert queried == {"name", "tags"}
    getting = paths["/api/gallery/get"]
    for operation in (getting["get"], getting["post"], paths["/images/{name}"]["get"]):
        assert operation["responses"]["200"]["content"] == binary
    described = web.get("/api/gallery").json["methods"]
    methods = {method["name"]: method for method in described}
    assert methods["put"]["raw_body"] == {"type": "image/png", "param": "image", "result": None}
    assert "raw_body" not in methods["open"]
    text = symbol_text(web.get("/api/gallery").json, "get")
    assert text == 'get(name :Text) -> (image :Data) $readOnly $body("image/png");'

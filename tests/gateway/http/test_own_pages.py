"""A folder of pages of one's own at ``/``, and the console beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.http.page_changes import PageChanges
from gateway.http.proxies import Proxies
from tests.gateway.http.conftest import Built, Edge, problem

pytestmark = pytest.mark.gen_test

CONSOLE = b"<title>Console</title>"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pages, with what is none in it and beside it."""
    outside = tmp_path_factory.mktemp("own")
    folder = outside / "public"
    (folder / "shop" / ".git").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "client").mkdir()
    for name, text in {
        "index.html": "<h1>Mine</h1>", "shop/index.html": "<h1>Shop</h1>", "shop/.git/config": "secret",
        "shop/ä b.js": "export {};", ".env": "SECRET=1", "client/index.js": "mine", "console.css": "mine",
        "api": "mine", "logo.svg": "<svg>mine</svg>", "..well.txt": "dots",
    }.items():  # fmt: skip
        (folder / name).write_text(text)
    (outside / "secret.txt").write_text("not for you")
    (folder / "out.txt").symlink_to(outside / "secret.txt")
    (folder / "out").symlink_to(outside)
    (folder / "env.txt").symlink_to(folder / ".env")
    (folder / "in.html").symlink_to("shop/index.html")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe")
    return folder


@pytest.fixture(autouse=True)
def served(built: Built, own: Path) -> None:
    built.application.site.pages = own


async def test_pages_are_served_as_they_are(edge: Edge) -> None:
    for path, media_type, text in (
        ("/", "text/html; charset=utf-8", "<h1>Mine</h1>"),
        ("/index.html", "text/html; charset=utf-8", "<h1>Mine</h1>"),
        ("/shop/", "text/html; charset=utf-8", "<h1>Shop</h1>"),
        ("/in.html", "text/html; charset=utf-8", "<h1>Shop</h1>"),
        ("/shop/%C3%A4%20b.js", "text/javascript; charset=utf-8", "export {};"),
        ("/logo.svg?v=1", "image/svg+xml", "<svg>mine</svg>"),
    ):
        page = await edge.get(path)
        assert (page.code, page.headers["Content-Type"], page.body.decode()) == (200, media_type, text)
        # What they may load is for their authors to say.
        assert not {"Content-Security-Policy", "Referrer-Policy"} & page.headers.keys()
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert (await edge.get(path, {"If-None-Match": page.headers["ETag"]})).code == 304
        assert (await edge.get(path, {"Range": "bytes=0-1"})).body.decode() == text[:2]
        assert (await edge.request("HEAD", path)).headers["Content-Length"] == str(len(text))


async def test_what_the_gateway_has_is_not_hidden_by_a_page(edge: Edge) -> None:
    assert (await edge.get("/client/index.js")).body == b"export {};\n"
    assert (await edge.get("/console.css")).body == b"body { margin: 0; }\n"
    assert json.loads((await edge.get("/api")).body)
    assert (await edge.get("/healthz")).body == b'{"status":"ok"}'
    # What its console shows beside may have a namesake.
    fallen_back = await edge.get("/data.json")
    assert (fallen_back.body, "Content-Security-Policy" in fallen_back.headers) == (b"{}", True)


async def test_the_console_is_beside_the_pages(edge: Edge) -> None:
    console = await edge.get("/console/")
    assert (console.code, console.body) == (200, CONSOLE)
    assert console.headers["Content-Security-Policy"].startswith("default-src 'self'")
    for path, place in (("/console", "/console/"), ("/console/console.css", "/console.css"), ("/console/a?b", None)):
        moved = await edge.get(path)
        assert (moved.code, moved.headers.get("Location")) == ((404, None) if place is None else (308, place))


async def test_the_console_has_its_place_without_pages_too(edge: Edge, built: Built) -> None:
    built.application.site.pages = None
    assert [(await edge.get(path)).body for path in ("/", "/console/")] == [CONSOLE, CONSOLE]


async def test_a_folder_without_its_slash_leads_to_itself(edge: Edge) -> None:
    moved = await edge.get("/shop?a=1")
    assert (moved.code, moved.headers["Location"]) == (308, "/shop/?a=1")


@pytest.mark.parametrize(
    "path",
    [
        "/.env", "/%2eenv", "/shop/.git/config", "/env.txt", "/..well.txt", "/out.txt", "/out/secret.txt", "/out/",
        "/loop", "/pipe", "/empty", "/empty/", "/nothing", "/index.html/", "/shop//", "//shop/", "//evil.example/..",
        "/shop/../index.html", "/shop/%2e%2e/index.html", "/%2e%2e/secret.txt", "/..%2fsecret.txt",
        "/shop%2findex.html", "/%00", "/./",
        "/" + "a" * 300,
    ],
)  # fmt: skip
async def test_what_is_no_page_is_not_found(edge: Edge, path: str) -> None:
    connection = await edge.connect()
    for method in ("GET", "POST"):
        connection.ask(method, path)
        head = await connection.head()
        found = json.loads(await connection.read(int(head.headers["content-length"])))
        assert (head.status, found["detail"]) == (404, "there is nothing at this path")


async def test_pages_are_only_read_and_refused_with_the_gateways_rules(edge: Edge) -> None:
    refused = await edge.post("/logo.svg")
    assert (problem(refused)["status"], refused.headers["Allow"]) == (405, "GET, HEAD")
    assert "default-src 'none'" in refused.headers["Content-Security-Policy"]


async def test_without_a_page_of_its_own_the_root_has_none(edge: Edge, built: Built, tmp_path: Path) -> None:
    built.application.site.pages = tmp_path
    assert [(await edge.get(path)).code for path in ("/", "/index.html")] == [404, 404]


class TestBelowAPrefix:
    @pytest.fixture
    def proxies(self) -> Proxies:
        return Proxies((), "/gw")

    async def test_folders_and_the_console_lead_below_it(self, edge: Edge) -> None:
        for path, place in (("/gw/shop", "/gw/shop/"), ("/gw/console", "/gw/console/"), ("/gw", "/gw/")):
            moved = await edge.get(path)
            assert (moved.code, moved.headers["Location"]) == (308, place)


class TestWhileTheyAreDeveloped:
    @pytest.fixture(autouse=True)
    def changes(self, built: Built, served: None) -> PageChanges:
        application = built.application
        application.site.page_changes = changes = PageChanges()
        application.serve(application.site.served.catalogue)
        return changes

    async def test_a_page_loads_itself_again_when_one_changes(self, edge: Edge, changes: PageChanges) -> None:
        page = (await edge.get("/")).body.decode()
        _, _, script = page.partition('<h1>Mine</h1><script type="module" src="')
        place = script.removesuffix('"></script>\n')
        assert place == f"/.dev/reload.js?version={changes.version}"
        # The script itself is run by a browser elsewhere.
        waiting = edge.asks("GET", f"/.dev/changes?version={changes.version}")
        assert (await edge.get("/healthz")).code == 200
        assert not waiting.done()
        changes.tell()
        assert json.loads((await waiting).body) == {"version": changes.version}
        assert (await edge.get("/")).body.decode() != page
        assert (await edge.get("/console/")).body == CONSOLE

    async def test_who_left_waits_no_longer(self, edge: Edge, changes: PageChanges) -> None:
        connection = await edge.connect()
        connection.ask("GET", f"/.dev/changes?version={changes.version}")
        assert (await edge.get("/healthz")).code == 200
        await connection.close()  # the fixture waits until no task is left


async def test_what_is_there_for_developers_is_not_there_otherwise(edge: Edge) -> None:
    for path in ("/.dev/changes", "/.dev/reload.js"):
        assert problem(await edge.get(path))["status"] == 404


async def test_faults_that_are_no_connections_are_told(edge: Edge, built: Built) -> None:
    faults: Mapping[str, str] = {"calculator": "service.py:3: SyntaxError: invalid syntax"}
    built.application.site.faults = faults
    found: dict[str, Any] = problem(await edge.get("/readyz"))
    assert (found["status"], found["reasons"]) == (503, dict(faults))

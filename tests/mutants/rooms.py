"""Which modules are made wrong, and which tests are to notice.

The tests mirror the tree: a module's own test file comes first, then the others of its folder, then what is named here
for its room. A test file that does not run the changed line is never started, so a room may name too many. Left out are
`tests/integration/test_openapi.py`, which takes a minute for what others see in a second, and the floods of
`tests/cara_pseud/hostile`, which count calls per second and would fail for want of time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

INTEGRATION = "tests/integration/"


@dataclass(frozen=True, slots=True)
class Room:
    """Modules by globs (`*` also takes slashes), and globs of the tests that concern them beside the mirrored ones."""

    name: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]
    has_folder: bool = True
    """Whether all tests of the mirrored folder concern it."""


ROOMS = (
    Room(
        "gateway/calls.py",
        ("gateway/calls.py", "gateway/calls/*.py"),
        (
            "tests/gateway/protocols/*/test_*.py",
            "tests/gateway/sessions/test_*.py",
            "tests/integration/test_bounds.py",
            "tests/integration/test_replaced_catalogues.py",
            "tests/integration/test_rest.py",
            "tests/integration/test_services.py",
            "tests/integration/test_sessions_as_data.py",
            "tests/integration/test_unreachable_services.py",
            "tests/integration/test_websocket.py",
        ),
    ),
    Room(
        "gateway/catalogue",
        ("gateway/catalogue.py", "gateway/catalogue_loading.py"),
        (
            "tests/gateway/describe/test_*.py",
            "tests/gateway/protocols/jsonrpc/test_*.py",
            "tests/gateway/sessions/test_*.py",
            "tests/integration/test_cli.py",
            "tests/integration/test_replaced_catalogues.py",
        ),
    ),
    Room(
        "gateway/access",
        ("gateway/access/*.py",),
        ("tests/gateway/config/test_*.py",),
    ),
    Room(
        "gateway/sessions",
        ("gateway/sessions/*.py",),
        (
            "tests/gateway/protocols/*/test_*.py",
            "tests/gateway/test_calls.py",
            "tests/gateway/http/test_sse.py",
            "tests/integration/test_bounds.py",
            "tests/integration/test_events.py",
            "tests/integration/test_replaced_catalogues.py",
            "tests/integration/test_restarted_services.py",
            "tests/integration/test_resuming.py",
            "tests/integration/test_services.py",
            "tests/integration/test_sessions_as_data.py",
            "tests/integration/test_websocket.py",
            "tests/integration/test_withdrawn_callbacks.py",
        ),
    ),
    Room(
        "gateway/protocols/jsonrpc",
        ("gateway/protocols/jsonrpc/*.py",),
        (
            "tests/gateway/protocols/sse/test_*.py",
            "tests/gateway/sessions/test_*.py",
            "tests/integration/test_bounds.py",
            "tests/integration/test_events.py",
            "tests/integration/test_hostile_json.py",
            "tests/integration/test_hostile_websocket.py",
            "tests/integration/test_jsonrpc_specification.py",
            "tests/integration/test_resuming.py",
            "tests/integration/test_sessions_as_data.py",
            "tests/integration/test_websocket.py",
            "tests/integration/test_withdrawn_callbacks.py",
        ),
    ),
    Room(
        "gateway/protocols/rest",
        ("gateway/protocols/rest/*.py",),
        (
            "tests/gateway/test_calls.py",
            "tests/gateway/http/test_rest.py",
            "tests/integration/test_documents.py",
            "tests/integration/test_rest.py",
            "tests/integration/test_sessions_as_data.py",
        ),
    ),
    Room(
        "gateway/protocols/sse",
        ("gateway/protocols/sse/*.py",),
        (
            "tests/gateway/sessions/test_*.py",
            "tests/gateway/http/test_sse.py",
            "tests/integration/test_events.py",
            "tests/integration/test_sessions_as_data.py",
        ),
    ),
    Room("gateway/protocols", ("gateway/protocols/*.py",), ("tests/integration/test_websocket.py",)),
    Room(
        "gateway/http/websocket",
        ("gateway/http/websocket/*.py",),
        (
            "tests/gateway/http/test_*.py",
            "tests/conformance/test_rfc6455.py",
            "tests/integration/test_bounds.py",
            "tests/integration/test_hostile_websocket.py",
        ),
    ),
    Room("gateway/http/rest_client.py", ("gateway/http/rest_client.py",), ("tests/integration/test_cli.py",), False),
    Room(
        "gateway/http",
        ("gateway/http/*.py",),
        (
            "tests/gateway/http/websocket/test_*.py",
            "tests/integration/test_bounds.py",
            "tests/integration/test_documents.py",
            "tests/integration/test_events.py",
            "tests/integration/test_odd_requests.py",
            "tests/integration/test_rest.py",
        ),
    ),
    Room(
        "cara_pseud/client.py",
        ("cara_pseud/client.py",),
        (
            "tests/cara_pseud/test_adoption.py",
            "tests/cara_pseud/test_beats.py",
            "tests/cara_pseud/test_churn.py",
            "tests/cara_pseud/test_faults_of_pseud.py",
            "tests/cara_pseud/test_first_calls.py",
            "tests/cara_pseud/test_guessing.py",
            "tests/cara_pseud/test_holders.py",
            "tests/cara_pseud/test_interrupted_handlers.py",
            "tests/cara_pseud/test_misused_clients.py",
            "tests/cara_pseud/test_peer.py",
            "tests/cara_pseud/test_plugins.py",
            "tests/cara_pseud/test_stopping.py",
            "tests/cara_pseud/test_threads.py",
            "tests/integration/test_restarted_services.py",
        ),
        has_folder=False,
    ),
    Room(
        "cara_pseud/transport.py",
        ("cara_pseud/transport.py", "cara_pseud/backlog.py"),
        (
            "tests/cara_pseud/test_transport.py",
            "tests/cara_pseud/test_backlog.py",
            "tests/cara_pseud/test_faults_of_pseud.py",
            "tests/cara_pseud/test_first_calls.py",
            "tests/cara_pseud/test_hostile_frames.py",
            "tests/cara_pseud/test_peer.py",
            "tests/cara_pseud/test_plugins.py",
            "tests/cara_pseud/test_stopping.py",
            "tests/cara_pseud/test_threads.py",
        ),
        has_folder=False,
    ),
    Room(
        "logins",
        ("cara_pseud/logins.py", "cara_pseud/message_logins.py", "cara_pseud/login_desk.py"),
        (
            "tests/cara_pseud/test_logins.py",
            "tests/cara_pseud/test_login_desk.py",
            "tests/cara_pseud/test_message_logins.py",
            "tests/cara_pseud/test_guessing.py",
        ),
        has_folder=False,
    ),
)


def modules(root: Path, only: str = "*") -> list[str]:
    """The modules of all rooms whose path fits the glob `only`, without empty ones."""
    found = {
        path.relative_to(root).as_posix()
        for package in ("gateway", "cara_pseud")
        for path in (root / package).rglob("*.py")
        if path.stat().st_size
    }
    return sorted(file for file in found if room_of(file) is not None and fnmatchcase(file, only))


def room_of(file: str) -> Room | None:
    """The first room that has a module."""
    return next((room for room in ROOMS if any(fnmatchcase(file, glob) for glob in room.modules)), None)


def tests_of(file: str, root: Path) -> list[str]:
    """The test files that concern a module, its own first and those with real processes last."""
    room = room_of(file)
    assert room is not None, file
    path = PurePosixPath(file)
    folder = f"tests/{path.parent}"
    globs = [f"{folder}/test_{path.name}", *([f"{folder}/test_*.py"] if room.has_folder else []), *room.tests]
    found: Sequence[str] = list(dict.fromkeys(name for glob in globs for name in _files(root, glob)))
    return sorted(found, key=is_slow)


def is_slow(test: str) -> bool:
    """Whether a test file starts processes of its own."""
    return test.startswith((INTEGRATION, "tests/conformance/", "tests/cara_pseud/hostile/"))


def _files(root: Path, glob: str) -> Iterator[str]:
    return (path.relative_to(root).as_posix() for path in sorted(root.glob(glob)))

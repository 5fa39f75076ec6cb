"""Which tests concern a module: its own first, and those with processes last."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants import rooms

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("glob", sorted({glob for room in rooms.ROOMS for glob in room.tests}))
def test_every_test_that_a_room_names_exists(glob: str) -> None:
    assert list(ROOT.glob(glob))


def test_a_module_s_own_tests_come_first_and_real_processes_last() -> None:
    tests = rooms.tests_of("gateway/protocols/jsonrpc/messages.py", ROOT)
    assert tests[0] == "tests/gateway/protocols/jsonrpc/test_messages.py"
    assert tests[-1].startswith("tests/integration/")
    assert [rooms.is_slow(test) for test in tests] == sorted(rooms.is_slow(test) for test in tests)
    assert len(tests) == len(set(tests))


def test_a_room_of_one_module_does_not_take_its_whole_folder() -> None:
    tests = rooms.tests_of("cara_pseud/client.py", ROOT)
    assert "tests/cara_pseud/test_client.py" in tests
    assert "tests/cara_pseud/test_structs.py" not in tests


def test_modules_are_found_by_a_glob_and_empty_ones_left_out() -> None:
    assert "gateway/http/websocket/frames.py" in rooms.modules(ROOT, "gateway/http/*")
    assert not [file for file in rooms.modules(ROOT, "gateway/http/*") if not file.startswith("gateway/http/")]
    assert "gateway/http/__init__.py" not in rooms.modules(ROOT)
    assert rooms.modules(ROOT, "gateway/config/*") == []

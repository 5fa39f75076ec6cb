"""The file of keys: what its lines mean, and that a wrong one is named by its place and never shown."""

from __future__ import annotations

import pytest

from gateway.config.key_file import KEY_BYTES, KeyEntry, digest_of, fault_of_name, key_of, read_keys, with_entry

ALICE = KeyEntry("alice", frozenset({"admin", "staff"}), digest_of("the key of alice"))
BOB = KeyEntry("bob", frozenset(), digest_of("the key of bob"))


def test_what_is_written_is_read() -> None:
    text = f"# who may\n\n{ALICE.line()}\n{BOB.line()}\n"
    assert read_keys(text) == ((ALICE, BOB), ())
    assert ALICE.line().startswith("alice:admin,staff:sha256$")


def test_blanks_around_the_parts_are_nothing() -> None:
    digest = BOB.digest.hex()
    assert read_keys(f" bob : a , b :sha256${digest} \r\n") == ((KeyEntry("bob", frozenset("ab"), BOB.digest),), ())


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("cara_QUJDREVGR0hJSktMTU5PUFFSU1RVVldY", "expected name:role,role:sha256$HASH"),
        ("alice:cara_QUJDREVGR0hJSktMTU5PUFFSU1RVVldY", "expected name:role,role:sha256$HASH"),
        (f"alice:{ALICE.digest.hex()}", "expected name:role,role:sha256$HASH"),
        (f"alice::md5${ALICE.digest.hex()}", "expected name:role,role:sha256$HASH"),
        (f"alice::sha256${ALICE.digest.hex()[1:]}", "expected name:role,role:sha256$HASH"),
        (f"alice:a:b:sha256${ALICE.digest.hex()}", "expected name:role,role:sha256$HASH"),
        (f":a:sha256${ALICE.digest.hex()}", "a name must be printable"),
        (f"{'a' * 129}:a:sha256${ALICE.digest.hex()}", "a name may have 128 characters"),
        (f"alice:a,,b:sha256${ALICE.digest.hex()}", "a role must be printable"),
        (f"alice:{'a' * 129}:sha256${ALICE.digest.hex()}", "a role may have 128 characters"),
    ],
)
def test_a_wrong_line_is_told_by_its_number_and_not_shown(line: str, fault: str) -> None:
    entries, ((number, said),) = read_keys(f"{BOB.line()}\n\n{line}\n")
    assert entries == (BOB,)
    assert number == 3
    assert said.startswith(fault)
    assert ALICE.digest.hex() not in said
    assert "QUJD" not in said


def test_a_name_and_a_key_stand_in_the_file_once() -> None:
    text = f"{ALICE.line()}\n{KeyEntry('alice', frozenset(), b'a' * 32).line()}\n{BOB.line()}\n"
    assert read_keys(text)[1] == ((2, "the name alice stands in line 1 already"),)
    text = f"{ALICE.line()}\n{KeyEntry('eve', frozenset(), ALICE.digest).line()}\n"
    assert read_keys(text)[1] == ((2, "the key of eve stands in line 1 already"),)


def test_an_entry_takes_the_place_of_the_one_with_its_name() -> None:
    text = f"# first\n{ALICE.line()}\n{BOB.line()}\n"
    new = KeyEntry("alice", frozenset(), digest_of("another"))
    assert with_entry(text, new) == f"# first\n{new.line()}\n{BOB.line()}\n"
    carol = KeyEntry("carol", frozenset(), digest_of("hers"))
    assert with_entry(text, carol) == f"{text}{carol.line()}\n"


def test_keys_are_long_and_have_no_dot() -> None:
    assert KEY_BYTES * 8 >= 128
    key = key_of(b"\xfb" * KEY_BYTES)
    assert key == "cara_" + "-_v7" * 8
    assert key_of(b"\xfa" + b"\xfb" * (KEY_BYTES - 1)) != key


@pytest.mark.parametrize("name", ["", " a", "a:b", "a,b", "#a", "a\n", "\x00"])
def test_names_that_a_line_cannot_hold_are_refused(name: str) -> None:
    assert fault_of_name(name) is not None


def test_a_repr_shows_no_digest() -> None:
    assert ALICE.digest.hex() not in repr(ALICE)
    assert repr(ALICE.digest) not in repr(ALICE)

"""Lines of a file of passwords, with roles and without; what else is wrong with one stands in test_passwords.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from cara_pseud.password_entries import PasswordFileError, entry_of_nobody, entry_of_password, read_passwords

FILE = Path("passwd.txt")
ANN = entry_of_password(b"hers", b"salt of 16 bytes", frozenset({"staff", "admin"}))
BOB = entry_of_password(b"his", b"another salt too")


def test_what_is_written_is_read() -> None:
    assert ANN.text().endswith(":admin,staff")
    assert ":" not in BOB.text()
    assert read_passwords(FILE, f"# users\n\nann:{ANN.text()}\nbob:{BOB.text()}\n") == {b"ann": ANN, b"bob": BOB}


def test_blanks_and_an_empty_list_of_roles_are_nothing() -> None:
    assert read_passwords(FILE, f"bob:{BOB.text()}:\n") == {b"bob": BOB}
    assert read_passwords(FILE, f"ann: {BOB.text()} : staff , admin ")[b"ann"].roles == {"staff", "admin"}


@pytest.mark.parametrize("roles", ["a,,b", ",", "a:b", ":"])
def test_roles_that_are_none_are_refused_with_their_line(roles: str) -> None:
    with pytest.raises(PasswordFileError, match=r"passwd.txt:2: expected user:scrypt.* or user:scrypt\$…:role,role"):
        read_passwords(FILE, f"\nann:{BOB.text()}:{roles}\n")


def test_a_user_stands_in_the_file_once() -> None:
    with pytest.raises(PasswordFileError, match=r"passwd.txt:2: the user ann stands in a line above already"):
        read_passwords(FILE, f"ann:{ANN.text()}\nann:{BOB.text()}\n")


def test_an_entry_matches_its_password_and_changes_its_state_with_it() -> None:
    assert ANN.matches(b"hers")
    assert not ANN.matches(b"his")
    other_roles = entry_of_password(b"hers", b"salt of 16 bytes")
    assert ANN.state == other_roles.state != entry_of_password(b"new", b"salt of 16 bytes").state
    assert "salt" not in repr(ANN)


def test_nobody_s_entry_costs_the_same_and_matches_nothing() -> None:
    nobody = entry_of_nobody(b"salt of 16 bytes", bytes(32))
    assert (nobody.n, nobody.r, nobody.p) == (ANN.n, ANN.r, ANN.p)
    assert not nobody.matches(b"hers")

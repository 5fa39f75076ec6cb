"""Password files: what is written can be checked, what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from cara_pseud.passwords import PasswordFile, PasswordFileError, checker, hash_password, set_password


def test_a_written_password_is_checked_and_can_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "passwords"
    set_password(path, "ann", "one")
    set_password(path, "bob", "two")
    check = PasswordFile(path)
    assert check(b"ann", b"one")
    assert not check(b"ann", b"two")
    assert not check(b"eve", b"one")
    set_password(path, "ann", "three")
    assert check(b"ann", b"three")
    assert not check(b"ann", b"one")
    assert check(b"bob", b"two")
    assert path.stat().st_mode & 0o777 == 0o600
    assert "three" not in path.read_text()


@pytest.mark.parametrize(
    "line", ["ann", "ann:plain", "ann:scrypt$5$8$1$AAAA$AAAA", ":scrypt$1", "ann:scrypt$32768$8$1$!$!"]
)
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "passwords"
    path.write_text(f"# users\n\n{line}\n")
    with pytest.raises(PasswordFileError, match=r"passwords:3: expected user:scrypt"):
        PasswordFile(path)


@pytest.mark.parametrize("user", ["", "a:b", "#a", " a", "a\nb"])
def test_a_name_that_cannot_stand_in_the_file_is_refused(tmp_path: Path, user: str) -> None:
    with pytest.raises(PasswordFileError, match="cannot be a user"):
        set_password(tmp_path / "passwords", user, "x")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PasswordFileError, match="nowhere"):
        checker(tmp_path / "nowhere")


def test_equal_passwords_have_different_hashes() -> None:
    assert hash_password("x") != hash_password("x")


def test_other_forms_of_passwords_are_refused() -> None:
    with pytest.raises(TypeError, match="must be a mapping, a function"):
        checker(5)  # type: ignore[arg-type]

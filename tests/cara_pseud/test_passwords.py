"""Password files: what is written can be checked, what is wrong is named."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from cara_pseud.password_entries import PasswordFileError
from cara_pseud.passwords import PasswordFile, checker, hash_password, set_password


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


SALT, HASH = base64.b64encode(bytes(16)).decode(), base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "cost",
    [
        f"{2**22}$1$1",  # 512 MiB
        f"{2**18}$8$2",
        "32767$8$1",
        "0$8$1",
        "-32768$8$1",
        "32768$0$1",
        "32768$8$0",
        "32768$-8$-1",
    ],
)
def test_a_cost_that_would_take_the_memory_or_that_is_none_is_no_entry(tmp_path: Path, cost: str) -> None:
    path = tmp_path / "passwords"
    path.write_text(f"ann:scrypt${cost}${SALT}${HASH}\n")
    with pytest.raises(PasswordFileError, match=r"passwords:1: expected user:scrypt"):
        PasswordFile(path)


def test_a_cost_of_256_mib_is_the_most(tmp_path: Path) -> None:
    path = tmp_path / "passwords"
    path.write_text(f"ann:scrypt${2**21}$1$1${SALT}${HASH}\n")
    assert PasswordFile(path).state(b"ann")[0] is True


@pytest.mark.parametrize("length", [16, 31, 33, 64])
def test_a_hash_of_another_length_is_no_entry(tmp_path: Path, length: int) -> None:
    path = tmp_path / "passwords"
    path.write_text(f"ann:scrypt$32768$8$1${SALT}${base64.b64encode(bytes(length)).decode()}\n")
    with pytest.raises(PasswordFileError, match=r"passwords:1: expected user:scrypt"):
        PasswordFile(path)


def test_a_password_costs_what_the_advice_of_today_says() -> None:
    scheme, n, r, p, salt, digest = hash_password("x").split("$")
    assert (scheme, n, r, p) == ("scrypt", "32768", "8", "1")
    assert (len(base64.b64decode(salt)), len(base64.b64decode(digest))) == (16, 32)


def test_a_file_that_cannot_be_used_any_more_lets_nobody_in_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "passwords"
    set_password(path, "ann", "one")
    check = PasswordFile(path)
    assert check.state(b"ann")[0] is True
    before = check.state(b"ann")
    path.write_text("ann:nonsense\n")
    for asked in (lambda: check(b"ann", b"one"), lambda: check.state(b"ann")):
        with pytest.raises(PasswordFileError, match="passwords:1"):
            asked()
    path.unlink()
    with pytest.raises(PasswordFileError, match="No such file"):
        check(b"ann", b"one")
    set_password(path, "ann", "one")
    assert check(b"ann", b"one")
    assert check.state(b"ann") != before, "another salt"


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

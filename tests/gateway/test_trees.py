"""Finding the pages in a checkout and in a wheel."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.trees import static_tree


def test_the_checkout_has_them_beside_the_package() -> None:
    assert (static_tree() / "index.html").is_file()


def test_a_wheel_has_them_inside_and_those_win(tmp_path: Path) -> None:
    package = tmp_path / "gateway"
    (tmp_path / "static" / "client").mkdir(parents=True)
    package.mkdir()
    assert static_tree(package) == tmp_path / "static"
    (package / "static" / "client").mkdir(parents=True)
    assert static_tree(package) == package / "static"


def test_an_incomplete_installation_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="incomplete"):
        static_tree(tmp_path / "gateway")

"""Where the pages and the browser client are: ``static/`` inside of the package in a wheel, beside it in a checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_MARK: Final = "client"


def static_tree(package: Path | None = None) -> Path:
    """Return the directory of the pages.

    Args:
        package: the directory of the package ``gateway``, by default where this module was imported from.

    Raises:
        FileNotFoundError: neither place has it, so the installation is incomplete.
    """
    package = Path(__file__).resolve().parent if package is None else package
    candidates = (package / "static", package.parent / "static")
    for candidate in candidates:
        if (candidate / _MARK).is_dir():
            return candidate
    places = " nor ".join(map(str, candidates))
    raise FileNotFoundError(f"the installation is incomplete: there is no directory {places}")

"""Where the schemas are that every schema may import: our own ``schemas/`` tree and the ones that pycapnp brings.

Knows directories only, neither what is in a schema nor pycapnp itself.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from cara_pseud.errors import SchemaError

_MARK = "gateway.capnp"  # a directory called schemas is ours if it has this file


def schema_tree(package: Path | None = None) -> Path:
    """Return the directory of ``/gateway.capnp``, ``/capnp/cara.capnp`` and ``/capnp/compat/json.capnp``.

    In a wheel it is inside of the package, in a checkout beside it.

    Args:
        package: the directory of the package ``cara_pseud``, by default where this module was imported from.

    Raises:
        SchemaError: neither place has it, so the installation is incomplete.
    """
    package = Path(__file__).resolve().parent.parent if package is None else package
    candidates = (package / "schemas", package.parent / "schemas")
    for candidate in candidates:
        if (candidate / _MARK).is_file():
            return candidate
    places = " nor ".join(str(candidate) for candidate in candidates)
    raise SchemaError(f"the installation is incomplete: {_MARK} is neither in {places}")


def pycapnp_tree() -> Path | None:
    """Return the directory from which ``/capnp/c++.capnp`` and ``/capnp/stream.capnp`` resolve, None without pycapnp.

    The package is found without being imported: it must never be loaded in this process.
    """
    try:
        spec = importlib.util.find_spec("capnp")
    except ValueError:  # already in sys.modules, but with no spec
        return None
    # A directory named capnp on sys.path, such as schemas/capnp, is found as a namespace package, which has no origin.
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).resolve().parent.parent

"""The schemas of the Cap'n Proto project, which come with pycapnp."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import cara_pseud


def names_of(file: str, namespace: dict[str, Any]) -> list[str]:
    """Load ``/capnp/file`` and put its declarations into a module's namespace; gives their names."""
    with tempfile.TemporaryDirectory() as folder:
        # What is loaded is a file; what it imports with a slash is found with pycapnp.
        root = Path(folder, "names.capnp")
        root.write_text(f'@0xaf1b8d4e0c2f3a77;\nusing Names = import "/capnp/{file}";\nstruct Unused {{}}\n')
        schema = cara_pseud.load(root).__schema__
    node = next(each for each in schema.nodes.values() if each.display_name.endswith(f"capnp/{file}"))
    from_schema: Any = cara_pseud.classes.module_from_schema(schema, node.id)
    for name in from_schema.__all__:
        namespace[name] = getattr(from_schema, name)
    return list(from_schema.__all__)

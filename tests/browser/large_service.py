"""A service with a schema of 200 interfaces and 2,000 methods, and with long answers.

Usage: large_service.py FOLDER; writes large.capnp there, prints its endpoint and serves.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import cara_pseud

INTERFACES = 200
METHODS = 10
LEVELS = 8


def schema_text() -> str:
    """The schema: one service that leads to all interfaces, types of eight levels, and one that contains itself."""
    lines = ["@0xc3a1f7d2e4b59680;", "interface Large {"]
    lines += [f"  open{number} @{number} () -> (it :I{number});" for number in range(INTERFACES)]
    lines += [
        f"  rows @{INTERFACES} (count :UInt32) -> (rows :List(Row));",
        f"  deep @{INTERFACES + 1} (deep :Level0, tree :Tree) -> (deep :Level0, tree :Tree);",
        "}",
        "struct Row { id @0 :UInt32; name @1 :Text; score @2 :Float64; tags @3 :List(Text); }",
        "struct Tree { label @0 :Text; children @1 :List(Tree); }",
    ]
    for level in range(LEVELS):
        inner = f"Level{level + 1}" if level + 1 < LEVELS else "Tree"
        lines.append(f"struct Level{level} {{ note @0 :Text; inner @1 :{inner}; many @2 :List({inner}); }}")
    for number in range(INTERFACES):
        lines.append(f"interface I{number} {{")
        lines.append(f"  # What number {number} offers, which nobody needs to know.")
        for method in range(METHODS):
            name = f"does{number}x{method}"
            lines.append(f"  {name} @{method} (first :Text, row :Row, tree :Tree) -> (done :Bool, row :Row);")
            lines.append(f"  # Does the {method}th thing of number {number}.")
        lines.append("}")
    return "\n".join(lines) + "\n"


async def main(folder: Path) -> None:
    path = folder / "large.capnp"
    path.write_text(schema_text(), "utf-8")
    schema = cara_pseud.load(str(path))

    class Large(schema.Large):  # type: ignore[misc, name-defined]
        def rows(self, count: int) -> Any:
            return [
                {"id": number, "name": f"row {number}", "score": number / 7, "tags": ["some", "words"]}
                for number in range(count)
            ]

        def deep(self, deep: Any, tree: Any) -> Any:
            return deep, tree

    server = cara_pseud.Server(b"server")
    server.bind("tcp://127.0.0.1:*")
    cara_pseud.register_interface(server, schema.Large, Large())
    async with server:
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        print(server.endpoint, flush=True)
        await stopped.wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))

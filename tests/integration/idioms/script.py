"""A plain script, which knows no asyncio. The arguments are the service's endpoint, the gateway's address and the
schema."""

from __future__ import annotations

import sys
from typing import Any

import cara_pseud

endpoint, url, path = sys.argv[1:]
schema: Any = cara_pseud.load(path)


def use(counting: Any) -> None:
    told: list[str] = []
    obj = counting.object()
    assert counting.flood(told.append, 3, 2) == 0
    assert told == ["xx"] * 3
    try:
        print("waiting", flush=True)
        counting.slow(60_000)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    assert obj.name() == "object"
    assert counting.flood(told.append, 1, 2) == 0
    assert len(told) == 4


with cara_pseud.connect(endpoint, schema.Counting, peer="counting", timeout=30) as counting:
    use(counting)
with cara_pseud.gateway.connect(url) as gateway:
    use(gateway.service("counting", schema.Counting))
print("done")

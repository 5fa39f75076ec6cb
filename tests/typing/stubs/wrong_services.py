from __future__ import annotations

import every_capnp as schema


class Parameter(schema.Thing):
    def list(self, prefix: int, limit: int = 100) -> list[schema.Every]:  # wrong
        return []


class Result(schema.Thing):
    def base(self) -> int:  # wrong
        return 1


class TooFew(schema.Thing):
    async def list(self) -> list[schema.Every]:  # wrong
        return []


class TooMany(schema.Thing):
    def base(self, more: int) -> str:  # wrong
        return ""


class AsyncResult(schema.Thing.Listener):
    async def told(self, every: schema.Every) -> int:  # wrong
        return 1

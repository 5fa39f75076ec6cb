"""Places in a value, for errors and for what waits in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from gateway.json.codec.scalars import show

Path: TypeAlias = "tuple[Path | None, str | int]"
"""A place as (the place around it, member name or index); None is the root. Rendered only where somebody asks."""

_SHOWN_SEGMENT: Final = 64


Positions: TypeAlias = "Mapping[str, int]"
"""Where the members of the outermost object really stand, if that was made of an array."""


def render(path: Path | None) -> str:
    """The place as a JSON path: ``$.items[1].qty``."""
    return render_steps(steps_of(path))


def steps_of(path: Path | None, origin: Path | None = None) -> list[str | int]:
    """The way from ``origin``, which must be around the place, to it: names and indexes, the innermost first."""
    steps: list[str | int] = []
    while path is not origin:
        assert path is not None  # the origin is around the place
        path, step = path
        steps.append(step)
    return steps


def render_steps(steps: Iterable[str | int]) -> str:
    """The place that these steps lead to, the innermost first, as a JSON path."""
    parts = [_segment(step) for step in steps]
    return "$" + "".join(reversed(parts))


def as_given(steps: list[str | int], positions: Positions | None) -> list[str | int]:
    """The steps to a place, the outermost as the position that the client gave."""
    if positions and steps:
        outermost = steps[-1]
        assert isinstance(outermost, str)  # an object's member
        return [*steps[:-1], positions.get(outermost, outermost)]
    return steps


def _segment(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    if step.isidentifier() and len(step) <= _SHOWN_SEGMENT:
        return f".{step}"
    return f"[{show(step)}]"

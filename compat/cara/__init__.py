"""The names of cara 0.10, on top of cara_pseud."""

from cara import cara, cara_pseud
from cara.cara import *  # noqa: F403

__all__ = [*cara.__all__, "cara", "cara_pseud"]

"""What an operator may choose about JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class CodecOptions:
    """The choices of ``[gateway]`` in the configuration that concern values.

    ``unknown_fields``: what happens to a member that the schema does not have. ``int64``: Int64 and UInt64 in answers;
    "auto" is a number where every reader takes it exactly. ``data``: plain Data in answers. ``max_depth``: levels of
    arrays and objects, both ways. ``max_values``: elements and members of one value that is written.
    """

    unknown_fields: Literal["reject", "ignore"] = "reject"
    int64: Literal["string", "number", "auto"] = "string"
    data: Literal["array", "base64"] = "array"
    max_depth: int = 64
    max_values: int = 100_000

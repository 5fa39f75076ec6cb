"""``match`` on structs with unions."""

from __future__ import annotations

import opcode
from types import FrameType
from typing import Final

_MATCH_CLASS: Final = opcode.opmap["MATCH_CLASS"]


def in_class_pattern(frame: FrameType) -> bool:
    """Whether a frame reads an attribute for a class pattern such as ``case Shape(circle=radius)``.

    Such a pattern must fail for a member that is not the active one, which takes an AttributeError. Everywhere else
    reading such a member gives None, as with the original, where ``shape.circle is not None`` was the only way to ask.
    The interpreter offers no other way to tell the two apart.
    """
    code = frame.f_code.co_code
    return 0 <= frame.f_lasti < len(code) and code[frame.f_lasti] == _MATCH_CLASS

"""Doc comments of a schema, by the compiler's rule: the compiler keeps them, but pycapnp does not hand them out.

The rule (``docComment`` in lexer.c++ of the Cap'n Proto compiler): the ``#`` lines that follow a declaration's ``;`` or
``{``, on the same line or from the next one on, without a blank line before or between. A declaration with a block that
has none behind its ``{`` may have it behind its ``}``. What stands above a declaration belongs to no one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from cara_pseud.schema.places import declarations

_COMMENT = re.compile(r"[ \f\t\v]*+(?:\r?\n|\r)?+((?:[ \f\t\v]*+#[^\n]*(?:\n|\Z))++)")
_LINE = re.compile(r"#[ ]?([^\n]*)")


def doc_comments(text: str) -> Mapping[str, str]:
    """Return the doc comments of a schema file by qualified name.

    Keys are the names of `places.declarations`, "" for the file itself. Lines are joined by newlines, each without its
    ``#`` and one space after it.
    """
    comments: dict[str, str] = {}
    for declared in declarations(text):
        if declared.name not in comments:
            found = _COMMENT.match(text, declared.position)
            if found is not None:
                comments[declared.name] = "\n".join(line.removesuffix("\r") for line in _LINE.findall(found[1]))
    return comments

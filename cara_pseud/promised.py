"""The word for an object in an answer that has not come, as it stands in a call: msgpack's extension type 102. No I/O.

It holds a pair: the uuid of an earlier call of the same peer over the same connection, and the ids of the fields that
lead to the object. These begin at the struct of the method's results, as if results were never unboxed: the first one
of ``-> (person :Person)`` is 0, a field of a person comes behind that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgpack

from cara_pseud.capabilities import Capability, WireValue
from cara_pseud.errors import ProtocolError, RpcError

EXT_PROMISE: Final = 102
MAX_PATH: Final = 64
"""Fields on the way to an object; no schema that people write is so deep."""
_UUID_BYTES: Final = 16
_BUFFER_BYTES: Final = 512
"""Of what one is packed into; see `cara_pseud.batches`."""

NOT_KEPT: Final = "not_kept"
"""The reason in the details of an error: the call was not begun, and may be made again with the object itself."""


class Promised:
    """One of them in a call that came.

    Attributes:
        uid: of the earlier call.
        path: the ids of the fields.
        capability: the object, once it is known.
    """

    __slots__ = ("capability", "path", "uid")

    def __init__(self, uid: bytes, path: tuple[int, ...]) -> None:
        self.uid = uid
        self.path = path
        self.capability: Capability | None = None


def read(payload: bytes) -> Promised:
    """What stands in the extension.

    Raises:
        ProtocolError: it is something else.
    """
    try:
        word: Any = msgpack.unpackb(payload, use_list=False, max_array_len=MAX_PATH)
    except (ValueError, TypeError, RecursionError) as error:
        raise ProtocolError(f"extension type {EXT_PROMISE} holds no uuid and path: {error}") from None
    if type(word) is tuple and len(word) == 2:
        uid, path = word
        is_path = type(path) is tuple and all(type(id) is int and id >= 0 for id in path)
        if type(uid) is bytes and len(uid) == _UUID_BYTES and is_path:
            return Promised(uid, path)
    raise ProtocolError(f"extension type {EXT_PROMISE} must hold {_UUID_BYTES} bytes and an array of ids of fields")


def written(uid: bytes, path: Sequence[int]) -> msgpack.ExtType:
    """The extension for an object in the answer to a call."""
    return msgpack.ExtType(EXT_PROMISE, msgpack.packb((uid, list(path)), buf_size=_BUFFER_BYTES))


def fulfilled(value: WireValue) -> WireValue:
    """A value of a call with the objects in the place of the words; the target of a call is left to who calls it."""
    kind = type(value)
    if kind is Promised:
        return value.capability
    if kind is list:
        return [fulfilled(item) for item in value]
    if kind is dict:
        return {key: fulfilled(item) for key, item in value.items()}
    return value


def not_kept() -> RpcError:
    """The error for a call that names an answer that is not known here, or an object that it does not have."""
    return RpcError("failed_precondition", "there is no such object in the answer to that call", {"reason": NOT_KEPT})


def is_not_kept(error: BaseException | None) -> bool:
    """Whether a call failed for no other reason than that."""
    return isinstance(error, RpcError) and error.details is not None and error.details.get("reason") == NOT_KEPT

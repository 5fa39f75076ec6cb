"""pseud v1 on the wire: frame constants, bodies in and out of msgpack, errors. No I/O, no schema, and never a pickle.

After the routing id a message has the frames ``b""``, ``b"v1"``, uuid (16 bytes), type, body; from a REQ
socket the empty one is missing at neither end (ZeroMQ takes and gives it). Ext types on the wire: 100 and 101 for
capabilities; 123–126 were pickles in the original and are refused like any other.
"""

from __future__ import annotations

import builtins
import gc
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

import msgpack

from cara_pseud import bodies, promised
from cara_pseud.errors import CODES, DeadlineExceeded, ProtocolError, RemoteError, RpcError
from cara_pseud.limits import DEFAULT_MAX_CAPABILITIES, DEFAULT_MAX_VALUES

VERSION: Final = b"v1"
DELIMITER: Final = b""

OK: Final = b"\x01"
HELLO: Final = b"\x02"
WORK: Final = b"\x03"
AUTHENTICATED: Final = b"\x04"
HEARTBEAT: Final = b"\x06"
ERROR: Final = b"\x10"
UNAUTHORIZED: Final = b"\x11"
BATCH: Final = b"\x21"
"""Ours, version 2: several messages in one (`cara_pseud.batches`)."""

EXT_CAPABILITY: Final = 100
EXT_ANY_CAPABILITY: Final = 101
CAPABILITY_TYPES: Final = (b"\x64", b"\x65")
"""The same as they stand in a body."""

CALL: Final = "call"
EXT_HELLO: Final = "cara:hello"
HELLO_BEGINS: Final = b"\x93\xaacara:hello"
"""How the body of a greeting begins."""
EXT_CALL: Final = "cara:call"
EXT_CANCEL: Final = "cara:cancel"
EXT_RELEASE: Final = "cara:release"
EXTENSION_VERSION: Final = 2
INCARNATION_BYTES: Final = 16

_LARGE_BYTES: Final = 65536
"""From here on the collector is told to wait: it would look at everything made so far again and again."""
_TOO_DEEP: Final = "it is nested deeper than 1024 levels, or incomplete"
_KEY_TYPES: Final = frozenset({int, str, bytes})

DETAILS_PREFIX: Final = "cara-error:"
UUID_BYTES: Final = 16
MAX_NAME_CHARS: Final = 100
"""Of an exception's class, as it is sent and read; longer ones tell nobody more."""


class BodyCodec:
    """msgpack with capabilities as extension types, for one peer.

    ``export(obj)`` gives the extension for an object msgpack does not know, or raises TypeError;
    ``resolve(id, user)`` makes a capability of a received one (``user`` is None in the short form).

    Attributes:
        promises: those in what `unpack_work` read last; see `take_promises`.
    """

    def __init__(
        self,
        export: Callable[[Any], msgpack.ExtType],
        resolve: Callable[[int, bytes | None], Any],
        max_values: int = DEFAULT_MAX_VALUES,
        max_capabilities: int = DEFAULT_MAX_CAPABILITIES,
    ) -> None:
        self._export = export
        self._max_values = max_values
        self._max_capabilities = max_capabilities
        # No smaller body can be over a bound, and none is large enough to trouble the collector.
        self._small_bytes = min(max_values, 3 * max_capabilities, _LARGE_BYTES)
        self.promises: list[promised.Promised] = []
        self._hook = _ext_hook(resolve, None)
        self._work_hook = _ext_hook(resolve, self.promises)
        self.packb: Callable[[Any], bytes] = msgpack.Packer(use_bin_type=True, default=self._default).pack
        """Pack a body. Raises TypeError, ValueError or OverflowError for what msgpack cannot carry."""

    def _default(self, obj: Any) -> Any:
        return self._export(obj)

    def unpackb(self, body: bytes) -> Any:
        """Unpack a body. Arrays become lists: unlike tuples those cannot be keys, of which a peer could choose many
        of one hash.

        Raises:
            ProtocolError: it is no msgpack, or has an extension type that is not of the protocol, or an array or a map
                as the key of a map. Other keys than integers, text and bytes are for who reads the value by a schema to
                refuse, or for `with_tuples`: to look at all keys here would cost a fifth of what reading costs.
            TooLarge: it holds more values or capabilities than permitted.
        """
        if len(body) > self._small_bytes:
            return self._unpack_large(body, self._hook)
        try:
            return _unpackb(body, strict_map_key=False, ext_hook=self._hook)
        except _UNPACKING as error:
            raise _translated(error) from None

    def unpack_work(self, body: bytes) -> Any:
        """Unpack the body of a call, which may have `Promised` in it; they are in ``promises`` as well.

        Raises:
            ProtocolError, TooLarge: as `unpackb`.
        """
        try:
            if len(body) > self._small_bytes:
                return self._unpack_large(body, self._work_hook)
            return _unpackb(body, strict_map_key=False, ext_hook=self._work_hook)
        except _UNPACKING as error:
            self.promises.clear()
            raise _translated(error) from None

    def take_promises(self) -> list[promised.Promised]:
        """Those that the last call had, once."""
        taken = self.promises.copy()
        self.promises.clear()
        return taken

    def _unpack_large(self, body: bytes, hook: Callable[[int, bytes], Any]) -> Any:
        bodies.check(body, self._max_values, self._max_capabilities)
        collects = gc.isenabled()
        gc.disable()
        try:
            return _unpackb(body, strict_map_key=False, ext_hook=hook)
        except _UNPACKING as error:
            raise _translated(error) from None
        finally:
            if collects:
                gc.enable()

    def let_go(self, body: bytes) -> None:
        """Release the objects in an answer that nobody waits for: to its sender they are ours."""
        if any(kind in body for kind in CAPABILITY_TYPES):
            try:
                self.unpackb(body)
            except (ProtocolError, RpcError):
                return


def _ext_hook(
    resolve: Callable[[int, bytes | None], Any], promises: list[promised.Promised] | None
) -> Callable[[int, bytes], Any]:
    """What msgpack calls for extension types; with ``promises`` those of calls, which it adds to them."""

    def hook(code: int, payload: bytes) -> Any:
        if code != EXT_CAPABILITY and code != EXT_ANY_CAPABILITY:
            if promises is None or code != promised.EXT_PROMISE:
                raise ProtocolError(f"msgpack extension type {code} is not permitted; only 100 and 101 are")
            word = promised.read(payload)
            promises.append(word)
            return word
        try:
            content = msgpack.unpackb(payload, use_list=False, raw=True)
        except (ValueError, TypeError, RecursionError) as error:
            raise ProtocolError(f"extension type {code} holds no msgpack: {error}") from None
        if type(content) is int:
            return resolve(content, None)
        if type(content) is tuple and len(content) == 2 and type(content[0]) is int:
            user = content[1]
            if user is None or type(user) is bytes:
                return resolve(content[0], user or b"")
        raise ProtocolError(f"extension type {code} must hold an object id or a pair of an id and a user")

    return hook


_unpackb: Final = msgpack.unpackb
_UNPACKING: Final = (ProtocolError, RpcError, ValueError, TypeError, RecursionError, OverflowError)
"""What may come of unpacking: errors of our own hook, and msgpack's, which are ValueErrors."""


def _translated(error: Exception) -> Exception:
    if isinstance(error, ProtocolError | RpcError):
        return error
    # An array or a map as a key is a TypeError.
    reason = _KEYS if isinstance(error, TypeError) and "unhashable" in str(error) else str(error) or _TOO_DEEP
    return ProtocolError(f"the body is no msgpack of the protocol: {reason}")


def with_tuples(value: Any) -> Any:
    """An unpacked value as those see it who call and answer on raw values: with tuples for arrays, as pseud has it.

    Raises:
        ProtocolError: a key of a map is neither an integer nor text nor bytes.
    """
    kind = type(value)
    if kind is list:
        return tuple(map(with_tuples, value))
    if kind is dict:
        for key, item in value.items():
            if type(key) not in _KEY_TYPES:
                raise ProtocolError(f"{_KEYS}, not {type(key).__name__}")
            if type(item) is list or type(item) is dict:
                value[key] = with_tuples(item)
    return value


_PAYLOAD_BYTES: Final = 512
"""The buffer that the payload of an extension is packed into; see `cara_pseud.batches`. It grows as needed."""
_KEYS: Final = "the keys of a map must be integers, text or bytes"


def capability_payload(id: int, pair_with: bytes | None, paired: bool) -> bytes:
    """The payload of ext 100: the bare id (server to client), or the pair (client to server) in the old raw family."""
    payload: bytes = msgpack.packb(
        (id, pair_with) if paired else id, use_bin_type=False, buf_size=_PAYLOAD_BYTES
    )
    return payload


def parse_work(work: Any) -> tuple[str, list[Any], dict[str, Any]]:
    """The name, arguments and keyword arguments of an unpacked WORK body.

    Raises:
        ProtocolError: it has another shape.
    """
    if type(work) is list and len(work) == 3:
        name, args, kwargs = work
        if type(name) is bytes:
            name = name.decode("utf-8", "replace")
        if type(name) is str and type(args) is list and type(kwargs) is dict:
            if not kwargs or all(type(key) is str for key in kwargs):
                return name, args, kwargs
            raise ProtocolError("keyword arguments must have text as names")
    raise ProtocolError("a call must be an array of a name, an array of arguments and a map of keyword arguments")


def error_triple(error: BaseException, traceback_text: str = "", *, with_status: bool = False) -> tuple[str, str, str]:
    """The body of an ERROR: class name, message, and either a status or a traceback.

    Exactly three strings: a fourth kills the reader of a stock client. The name is one that does it no harm, see
    `sent_name`. The status of an RpcError is always sent, that of a RemoteError only ``with_status``: the original
    shows the third string to its user, and what it raises for the name says enough.
    """
    if isinstance(error, RemoteError):
        detail = _status(error) if with_status and error.code != "unknown" else traceback_text
        return sent_name(error.exception_class), _encodable(error.message), _encodable(detail)
    if isinstance(error, RpcError):
        return "RpcError", _encodable(error.message), _status(error)
    try:
        message = str(error)
    except Exception:
        message = ""
    kind = type(error)
    if not message and not _is_harmless(kind):
        message = f"the handler raised {kind.__name__}"
    return _encodable(_name_of(kind)), _encodable(message), _encodable(traceback_text)


def sent_name(name: str) -> str:
    """The name of an exception's class as it may be sent, wherever it came from: itself, or that of a base."""
    if _may_be_sent(name):
        return name
    builtin = getattr(builtins, name, None)
    return _name_of(builtin) if isinstance(builtin, type) else "Exception"


def _name_of(kind: type) -> str:
    """The name of the nearest class of an exception that may be sent."""
    return next((base.__name__ for base in kind.__mro__ if _is_harmless(base)), "Exception")


def _is_harmless(kind: type) -> bool:
    return issubclass(kind, Exception) and _may_be_sent(kind.__name__)


def _may_be_sent(name: str) -> bool:
    """Whether the original makes an exception of a name, and none that stops its reader.

    It calls the builtin of that name with one text, whatever that is, and falls back on Exception if there is none.
    """
    if len(name) > MAX_NAME_CHARS or not name.isidentifier() or name.startswith("_"):
        return False
    return name in _MADE_OF_TEXT or name not in _BUILTINS


def _status(error: RpcError) -> str:
    try:
        return DETAILS_PREFIX + json.dumps({"code": error.code, "details": error.details}, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return DETAILS_PREFIX + json.dumps({"code": error.code, "details": None})


def _made_of_text() -> Iterator[str]:
    # A Future refuses the first; raised in a coroutine, each becomes another error.
    stopping = (StopIteration, StopAsyncIteration)
    for name, builtin in vars(builtins).items():
        if isinstance(builtin, type) and issubclass(builtin, Exception) and not issubclass(builtin, stopping):
            with suppress(TypeError):
                builtin("text")
                yield name


_MADE_OF_TEXT: Final = frozenset(_made_of_text())
# Those of the peer's Python, not of ours, are called: what other versions have, and what site and interactive
# interpreters add.
_BUILTINS: Final = frozenset(dir(builtins)) | frozenset((
    "PythonFinalizationError", "EncodingWarning", "ExceptionGroup", "BaseExceptionGroup", "aiter", "anext",
    "breakpoint", "copyright", "credits", "display", "exit", "get_ipython", "help", "license", "quit", "reveal_locals",
    "reveal_type",
))  # fmt: skip


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def parse_error(body: Any) -> RpcError:
    """The exception for an unpacked ERROR body; whatever its shape, never a type that the peer chose."""
    if not (type(body) in (list, tuple) and len(body) == 3 and all(type(part) is str for part in body)):
        return RemoteError("ProtocolError", "the peer reported an error in a form that is none of the protocol's")
    name, message, detail = body
    if len(name) > MAX_NAME_CHARS or not name.isidentifier():
        name = "Exception"
    if detail.startswith(DETAILS_PREFIX):
        parsed = _parse_status(name, message, detail[len(DETAILS_PREFIX) :])
        if parsed is not None:
            return parsed
    if name == "ServiceNotFoundError":
        return RemoteError(name, f"the service does not implement {message}", code="unimplemented")
    if name == "UnauthorizedError":
        return RemoteError(name, message, code="unauthenticated")
    return _REMOTE.get(name, RemoteError)(name, message)


def _parse_status(name: str, message: str, content: str) -> RpcError | None:
    try:
        status = json.loads(content)
        code, details = status["code"], status["details"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if code not in CODES or not (details is None or isinstance(details, dict)):
        return None
    if name != "RpcError":
        return _REMOTE.get(name, RemoteError)(name, message, code)
    if code == "deadline_exceeded":
        return DeadlineExceeded(message)
    return RpcError(code, message, details)


class _RemoteValueError(RemoteError, ValueError):
    pass


class _RemoteUnicodeError(RemoteError, UnicodeError):
    pass


class _RemoteTypeError(RemoteError, TypeError):
    pass


class _RemoteKeyError(RemoteError, KeyError):
    pass


class _RemoteIndexError(RemoteError, IndexError):
    pass


class _RemoteAttributeError(RemoteError, AttributeError):
    pass


class _RemoteRuntimeError(RemoteError, RuntimeError):
    pass


class _RemoteNotImplementedError(RemoteError, NotImplementedError):
    pass


class _RemoteZeroDivisionError(RemoteError, ZeroDivisionError):
    pass


class _RemotePermissionError(RemoteError, PermissionError):
    pass


class _RemoteTimeoutError(RemoteError, TimeoutError):
    pass


class _RemoteOSError(RemoteError, OSError):
    pass


class _RemoteFileNotFoundError(RemoteError, FileNotFoundError):
    pass


class _RemoteFileExistsError(RemoteError, FileExistsError):
    pass


class _RemoteLookupError(RemoteError, LookupError):
    pass


class _RemoteArithmeticError(RemoteError, ArithmeticError):
    pass


class _RemoteOverflowError(RemoteError, OverflowError):
    pass


class _RemoteAssertionError(RemoteError, AssertionError):
    pass


# ``except ValueError`` around a remote call worked with the original. This closed table keeps it working: the
# peer's name selects one of our own classes and is otherwise only text.
_REMOTE: Final[Mapping[str, type[RemoteError]]] = {
    "ValueError": _RemoteValueError,
    "UnicodeError": _RemoteUnicodeError,
    "TypeError": _RemoteTypeError,
    "KeyError": _RemoteKeyError,
    "IndexError": _RemoteIndexError,
    "AttributeError": _RemoteAttributeError,
    "RuntimeError": _RemoteRuntimeError,
    "NotImplementedError": _RemoteNotImplementedError,
    "ZeroDivisionError": _RemoteZeroDivisionError,
    "PermissionError": _RemotePermissionError,
    "TimeoutError": _RemoteTimeoutError,
    "OSError": _RemoteOSError,
    "FileNotFoundError": _RemoteFileNotFoundError,
    "FileExistsError": _RemoteFileExistsError,
    "LookupError": _RemoteLookupError,
    "ArithmeticError": _RemoteArithmeticError,
    "OverflowError": _RemoteOverflowError,
    "AssertionError": _RemoteAssertionError,
}


def is_uuid(frame: bytes) -> bool:
    """Whether a frame can be a message's uuid."""
    return len(frame) == UUID_BYTES

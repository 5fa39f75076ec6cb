"""The error tree of cara_pseud, split by blame. Knows no schema, no wire and no peer.

    Error
    ├── SchemaError               a schema file does not compile (file, line, message)
    ├── InvalidValue              a value does not fit its type (also a ValueError)
    │   └── WrongType             … because it is of another kind (also a TypeError)
    ├── UnknownField              no such field (also a KeyError and an AttributeError)
    ├── UnknownMethod             no such method (also a KeyError and an AttributeError)
    ├── NoMatch                   a query of a list finds nothing (also a LookupError)
    ├── ArgumentError             a call does not fit its method's signature (also a TypeError)
    ├── RegistrationError         an implementation cannot be registered (also a TypeError)
    ├── ProtocolError             a peer sent what is no message of ours
    └── RpcError                  a call failed, with one of CODES
        ├── Unavailable           the other side cannot be reached
        ├── OutcomeUnknown        the connection was lost while the call was under way
        ├── DeadlineExceeded      no answer within the deadline (also a TimeoutError)
        ├── ResourceExhausted     a bound of ours or theirs is reached
        ├── TooLarge              a message is larger than permitted
        ├── Unauthenticated       the other side refused our credentials
        └── RemoteError           an exception of the other side's handler
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

CODES: Final = (
    "cancelled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
    "permission_denied",
    "resource_exhausted",
    "failed_precondition",
    "aborted",
    "out_of_range",
    "unimplemented",
    "internal",
    "unavailable",
    "unauthenticated",
    "outcome_unknown",
    "too_large",
)
"""The status names a call may fail with (PROTOCOL.md, status table), HTTP-only ones left out."""


class Error(Exception):
    """The root of what is raised for schemas, types, values, calls and peers.

    A value that does not fit is a ValueError or TypeError as well.
    """


class SchemaError(Error):
    """A schema cannot be loaded.

    Attributes:
        file: the file as the user would name it, or None when no file is to blame.
        line: 1-based line, or None when the compiler named none.
        reason: the compiler's or our message without the place.
    """

    def __init__(self, reason: str, file: str | None = None, line: int | None = None) -> None:
        place = "" if file is None else f"{file}: " if line is None else f"{file}:{line}: "
        super().__init__(place + reason)
        self.reason = reason
        self.file = file
        self.line = line

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason, self.file, self.line)


class InvalidValue(Error, ValueError):
    """A value does not fit its schema type.

    Attributes:
        path: where, as a JSON path from the value's root: ``$.items[1].qty``; empty where no place is meant.
        reason: what is wrong and what is permitted, without the path.
    """

    def __init__(self, reason: str, path: str = "$") -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.reason = reason
        self.path = path

    def within(self, step: str) -> InvalidValue:
        """The same error as seen from one level above: ``step`` is ``.name`` or ``[index]``."""
        return type(self)(self.reason, f"${step}{self.path[1:]}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason, self.path)


class WrongType(InvalidValue, TypeError):
    """A value is of another kind than its schema type."""


class UnknownField(Error, KeyError, AttributeError):
    """A struct has no field of that name or id.

    Attributes:
        path: where the struct is, as for `InvalidValue`; shown unless it is the root.
        reason: the message without the path.
    """

    def __init__(self, reason: str, path: str = "$") -> None:
        Exception.__init__(self, reason if path == "$" else f"{path}: {reason}")
        self.reason = reason
        self.path = path

    def __str__(self) -> str:  # KeyError would show the repr
        return str(self.args[0])

    def within(self, step: str) -> UnknownField:
        """The same error as seen from one level above: ``step`` is ``.name`` or ``[index]``."""
        return UnknownField(self.reason, f"${step}{self.path[1:]}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason, self.path)


class UnknownMethod(Error, KeyError, AttributeError):
    """An interface has no method of that name or id."""

    def __init__(self, message: str) -> None:
        Exception.__init__(self, message)

    def __str__(self) -> str:
        return str(self.args[0])


class NoMatch(Error, LookupError):
    """No element of a list matches a query.

    The original raises StopIteration, which a coroutine turns into a RuntimeError that says nothing.
    """


class ArgumentError(Error, TypeError):
    """Arguments do not fit the method's signature, which the message gives.

    Attributes:
        reason: the message without the signature, in the words of Python's own TypeError.
        signature: ``add(first :Int32, second :Int32) -> (result :Int32)``, or empty.
    """

    def __init__(self, reason: str, signature: str = "") -> None:
        super().__init__(f"{reason}; the method is {signature}" if signature else reason)
        self.reason = reason
        self.signature = signature

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason, self.signature)


class RegistrationError(Error, TypeError):
    """An object cannot be registered as the implementation of an interface."""


class ProtocolError(Error):
    """Frames or a body of a peer are no message of the pseud protocol."""


class RpcError(Error):
    """A call failed with a status. Raise it in a handler to choose what the caller sees.

    Attributes:
        code: one of CODES.
        message: for people.
        details: JSON-able object for programs, or None.
        problem: of a call through a gateway, what that said: ``path``, ``request_id`` and so on; else None.
    """

    problem: Mapping[str, Any] | None = None

    def __init__(self, code: str, message: str = "", details: Mapping[str, Any] | None = None) -> None:
        if code not in CODES:
            raise ValueError(f"{code!r} is no status code; permitted: {', '.join(CODES)}")
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = dict(details) if details is not None else None

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_rpc_error, (type(self), self.code, self.message, self.details)

    def __str__(self) -> str:
        return self.message or self.code


def _rebuild_rpc_error(
    cls: type[RpcError], code: str, message: str, details: Mapping[str, Any] | None
) -> RpcError:
    error = cls.__new__(cls)
    RpcError.__init__(error, code, message, details)
    return error


class Unavailable(RpcError):
    """The other side cannot be reached; the call was not delivered and will not be."""

    def __init__(self, message: str = "the service cannot be reached") -> None:
        super().__init__("unavailable", message)


class OutcomeUnknown(RpcError):
    """The connection was lost while the call was under way: it may or may not have run."""

    def __init__(self, message: str = "the connection was lost before the answer came") -> None:
        super().__init__("outcome_unknown", message)


class DeadlineExceeded(RpcError, TimeoutError):
    """No answer came within the deadline."""

    def __init__(self, message: str = "no answer within the deadline") -> None:
        super().__init__("deadline_exceeded", message)


class ResourceExhausted(RpcError):
    """A bound on calls, objects or memory is reached."""

    def __init__(self, message: str) -> None:
        super().__init__("resource_exhausted", message)


class TooLarge(RpcError):
    """A message is larger or deeper than permitted."""

    def __init__(self, message: str) -> None:
        super().__init__("too_large", message)


class Unauthenticated(RpcError):
    """The other side refused our credentials."""

    def __init__(self, message: str = "the server refused the credentials") -> None:
        super().__init__("unauthenticated", message)


class RemoteError(RpcError):
    """An exception of the other side's handler that is no RpcError: status ``unknown``.

    Attributes:
        exception_class: the name of its class over there; a name, never a type chosen by the peer.
    """

    def __init__(self, exception_class: str, message: str, code: str = "unknown") -> None:
        super().__init__(code, message)
        self.exception_class = exception_class

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.exception_class, self.message, self.code)

    def __str__(self) -> str:
        return self.message or self.exception_class


_OF_STATUS: Final = {
    "unavailable": Unavailable,
    "outcome_unknown": OutcomeUnknown,
    "deadline_exceeded": DeadlineExceeded,
    "resource_exhausted": ResourceExhausted,
    "too_large": TooLarge,
    "unauthenticated": Unauthenticated,
}


def error_of_status(code: str, message: str, details: Mapping[str, Any] | None = None) -> RpcError:
    """The error of one of CODES, of the class that stands for it."""
    return _rebuild_rpc_error(_OF_STATUS.get(code, RpcError), code, message, details)

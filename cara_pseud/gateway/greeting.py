"""The first words on a socket: which session and stream this client asks for, and what comes of the gateway's answer.

See PROTOCOL.md, "Hello, sessions and streams". Knows no socket; a token that has to be asked for is its owner's
business.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from cara_pseud.errors import InvalidValue, RpcError
from cara_pseud.gateway.failures import from_answer
from cara_pseud.gateway.messages import JSON, text_of
from cara_pseud.scalars import check_text

HELLO_ID: Final = 0
# The same hello would be refused again.
_FINAL: Final = frozenset({"unauthenticated", "permission_denied", "unimplemented", "invalid_argument"})


class Resumption(NamedTuple):
    """What this side of a stream has to know in order that another process takes it over; plain data."""

    session: str
    stream: str
    received: int

    @classmethod
    def of(cls, value: Any) -> Resumption | None:
        """That of what somebody wrote down, a tuple or the mapping of these names; None if it is none."""
        members = [value.get(name) for name in cls._fields] if isinstance(value, Mapping) else value
        if not isinstance(members, list | tuple) or len(members) != 3:
            return None
        session, stream, received = members
        is_count = isinstance(received, int) and not isinstance(received, bool) and received >= 0
        is_whole = isinstance(session, str) and isinstance(stream, str) and is_count
        return cls(session, stream, received) if is_whole else None


class HelloAnswer(NamedTuple):
    """What the gateway says to hello.

    Attributes:
        accepted: what it said, or None.
        lost: why the stream or session is no more that was asked for, so that another has to be; or None.
    """

    accepted: Mapping[str, Any] | None = None
    lost: str | None = None


class FirstWords:
    """What was asked for and what was said.

    Attributes:
        said: what the gateway said last; with ``stream`` there is one to resume.
        failure: why hello was refused.
        is_final: whether the same hello would be refused again.
    """

    def __init__(self, session: str | None, resume: Resumption | None, renews: bool) -> None:
        """Begin.

        Args:
            session: one that is there already, to open a stream in.
            renews: whether there may be another token than the last.
        """
        self.said: Mapping[str, Any] = {} if resume is None else {"session": resume.session, "stream": resume.stream}
        self.failure: RpcError | None = None
        self.is_final = False
        self.renews = renews
        # The session that was named, as long as there is no stream.
        self._joins = session
        # Whether it is the stream of a process that is no more.
        self._anew = resume is not None

    def hello(self, received: int, token: str | None) -> bytes | None:
        """The message; ``received`` are those of the stream that is asked for.

        None if the token is none that could be sent: that is the `failure` then, and stays it.
        """
        try:
            if token is not None:
                check_text(token)
        except InvalidValue:
            # Not the token itself, which is a secret.
            self.failure = RpcError("invalid_argument", "the token has to be text that UTF-8 can carry")
            self.is_final = True
            return None
        session, stream = self.said.get("session", self._joins), self.said.get("stream")
        asked: dict[str, Any] = {"session": session, "stream": stream, "received": received if stream else None}
        asked |= {"anew": True if stream and self._anew else None, "token": token}
        params = {"protocol": 1, "unbox": True, **{name: value for name, value in asked.items() if value is not None}}
        return text_of({"id": HELLO_ID, "method": "rpc.hello", "params": params})

    def take(self, message: JSON) -> HelloAnswer | None:
        """Take the answer to hello; None if it is no such answer.

        One with neither member says that hello is refused.
        """
        if not isinstance(message, Mapping) or message.get("id") != HELLO_ID:
            return None
        result = message.get("result")
        if message.get("error") is None and isinstance(result, Mapping):
            self._joins, self._anew = None, False
            return HelloAnswer(accepted=result)
        failure = from_answer(message.get("error"))
        session, stream = self.said.get("session"), self.said.get("stream")
        # A stream that somebody wrote down may be anything.
        if session and (failure.code == "not_found" or (stream and failure.code == "invalid_argument")):
            return HelloAnswer(lost=failure.message)
        self.failure = failure
        # The session to join is not there, and will not be there later.
        self.is_final = failure.code in _FINAL or (self._joins is not None and failure.code == "not_found")
        return HelloAnswer()

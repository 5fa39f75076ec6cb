"""A listener's answer to a request, as the body of a request of its own: results, or a problem."""

from __future__ import annotations

from gateway.errors import GatewayError, Status
from gateway.json.text import JSON
from gateway.protocols.jsonrpc import messages


def answer_of_results(key: str, body: JSON) -> messages.Answer:
    """Read results by name, null for none; or the whole answer as a WebSocket's client would give it.

    Raises:
        GatewayError: INVALID_ARGUMENT, it is neither.
    """
    if body is not None and not isinstance(body, dict):
        raise GatewayError.invalid("the results must be an object by name, or null for none")
    if isinstance(body, dict) and messages.is_message(body):
        return _parsed(key, {name: body[name] for name in ("result", "error") if name in body})
    return messages.Answer(key, body, None)


def answer_of_problem(key: str, problem: JSON) -> messages.Answer:
    """Read a problem object (RFC 9457) with a ``code`` of ours.

    Raises:
        GatewayError: INVALID_ARGUMENT, it is no object.
    """
    if not isinstance(problem, dict):
        raise GatewayError.invalid("a problem must be an object")
    return _parsed(key, {"error": {"code": 0, "message": problem.get("detail") or "", "data": problem}})


def _parsed(key: str, outcome: dict[str, JSON]) -> messages.Answer:
    answer = messages.answer(outcome, key)
    if isinstance(answer, messages.Answer):
        return answer
    detail = f"the client's answer is malformed: {answer.error.detail}"
    return messages.Answer(key, None, GatewayError(Status.UNKNOWN, detail))

"""Functions generated per method: the usual call in a few inlined tests, everything else by the signature.

A test that fails is no error: `Signature` converts then, or finds what is wrong and where.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from cara_pseud.answering import in_current_trace
from cara_pseud.capabilities import NO_ARGUMENTS, IncomingCall, WireHandler, WireValue
from cara_pseud.errors import InvalidValue, RpcError, UnknownField
from cara_pseud.signatures import Parameter, Signature

_PROXY: Final = """
def make(bound, no_arguments, outgoing, convert, in_current_trace):
    def method(self, /, *args, **kwargs):
        options = self.__options__
        if options.traceparent is None:
            options = in_current_trace(options)
        if not kwargs and len(args) == {count}:
{unpack}            if {tests}:
                return self.__capability__.invoke(bound, args, no_arguments, options, convert)
        args, kwargs = outgoing(args, kwargs)
        return self.__capability__.invoke(bound, args, kwargs, options, convert)
    return method
"""

_CONVERT: Final = """
def make(receive_result):
    def convert(value):
        if {test}:
            return value
        return receive_result(value)
    return convert
"""

_WIRE_HANDLER: Final = """
def make(handler, enters, receives, argument_errors, refused, convert_and_run, finish):
    def answer(call, args, kwargs):
        try:
            if not kwargs and len(args) == {count}{present}:
{unpack}{convert}                result = handler({names})
            else:
                result = convert_and_run(handler, call, args, kwargs)
        except StopIteration as error:
            # It would end the coroutine or generator above instead of the call.
            raise RuntimeError("generator raised StopIteration") from error
        if {test}:
            return result
        return finish(result)
    return answer
"""

_CONVERT_ARGUMENTS: Final = """\
                try:
{lines}
                except argument_errors as error:
                    raise refused(error) from error
"""


def proxy_method(signature: Signature) -> Callable[..., Any]:
    """The method of a proxy: checks and converts arguments, calls the capability, converts the result."""
    make = _compiled(_PROXY, signature, indent=12)
    convert = _compiled(_CONVERT, signature, indent=0)(signature.receive_result)
    # Says what the objects in a result are before that is there; see `cara_pseud.promises`.
    convert.__dict__["signature"] = signature
    method: Callable[..., Any] = make(
        signature.bound, NO_ARGUMENTS, signature.outgoing, convert, in_current_trace
    )
    method.__name__ = method.__qualname__ = signature.name
    method.__doc__ = f"{signature.text}\n\n{signature.bound.method.doc}".strip()
    return method


def wire_handler_maker(
    signature: Signature,
    refused: Callable[[Exception], RpcError],
    convert_and_run: Callable[[Callable[..., Any], IncomingCall, Sequence[WireValue], Mapping[str, WireValue]], Any],
    finish: Callable[[Any], Any],
) -> Callable[[Callable[..., Any]], WireHandler]:
    """A function that makes the wire handler of a handler of the user.

    Args:
        refused: what to raise for an error of an argument.
        convert_and_run: calls the handler when the arguments are not simply one for each parameter by position.
        finish: converts the handler's result when it is not plainly the wire value.
    """
    struct = signature.parameter_struct
    enters = [parameter.enter for parameter in signature.parameters] if struct is None else [struct.enter]
    receives = [parameter.receive for parameter in signature.parameters] if struct is None else [struct.received]
    make = _compiled(_WIRE_HANDLER, signature, indent=16)
    errors = (InvalidValue, UnknownField, RecursionError)
    return lambda handler: make(handler, enters, receives, errors, refused, convert_and_run, finish)


def _compiled(template: str, signature: Signature, indent: int) -> Callable[..., Any]:
    takes_struct = signature.parameter_struct is not None
    names = ["a0"] if takes_struct else [f"a{index}" for index in range(len(signature.parameters))]
    tests = ["False"] if takes_struct else [
        _test(parameter, name) for parameter, name in zip(signature.parameters, names, strict=True)
    ]
    # A caller with another schema than ours may give what only that has.
    enter = "(enters if call.surplus is None else receives)"
    lines = [
        f"{' ' * 20}{'' if test == 'False' else f'if not ({test}): '}{name} = {enter}[{index}]({name})"
        for index, (name, test) in enumerate(zip(names, tests, strict=True))
    ]
    source = template.format(
        count=len(names),
        names=", ".join(names),
        # A missing struct is not an empty one: the handler may have a default for it.
        present=" and args[0] is not None" if takes_struct else "",
        unpack=f"{' ' * indent}{', '.join(names)}, = args\n" if names else "",
        tests=" and ".join(tests) or "True",
        convert=_CONVERT_ARGUMENTS.format(lines="\n".join(lines)) if names else "",
        test=_result_test(signature, "value" if template is _CONVERT else "result"),
    )
    namespace: dict[str, Any] = {}
    # Only our templates and expressions with numbers of our own are executed, no text of a schema or a peer.
    exec(compile(source, f"<generated for {signature.name}>", "exec"), namespace)  # noqa: S102
    make: Callable[..., Any] = namespace["make"]
    return make


def _test(parameter: Parameter, variable: str) -> str:
    test = parameter.conversion.test
    return "False" if test is None else test.format(variable)


def _result_test(signature: Signature, variable: str) -> str:
    if signature.result_struct is not None or len(signature.results) > 1:
        return "False"
    return _test(signature.results[0], variable) if signature.results else f"{variable} is None"

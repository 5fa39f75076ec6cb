"""Method signatures: arguments and results between callers, wire and handlers. Sends nothing, calls nobody.

Parameters are either a list of names, given by position or by name, or one struct, given as such or by keywords.
Results are one struct, nothing, one bare value, or several by name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from types import GeneratorType
from typing import Any, Final, NoReturn

from cara_pseud.capabilities import NO_ARGUMENTS, TwoForms, WireValue
from cara_pseud.errors import ArgumentError, InvalidValue, UnknownField, WrongType
from cara_pseud.generics import Bindings, Declaration, plain
from cara_pseud.python_names import schema_name
from cara_pseud.scalars import shown
from cara_pseud.schema.nodes import BoundMethod, Field, InterfaceNode, Kind, Method, Schema, Type, describe_type
from cara_pseud.values import MISSING, Annotations, Conversion, Stored, ValueType, conversion_of

_FREE_MAPS: Final = (Kind.ANY_POINTER, Kind.ANY_STRUCT)
"""Kinds whose values may be maps by text, as several results are."""
_LISTS: Final = (Kind.LIST, Kind.ANY_LIST)


class MethodResult(dict[str, Any]):
    """Several results, by name as items and as attributes; a missing one reads as its type's default."""

    def __init__(
        self, values: Mapping[str, Any], method: str = "", absent: Mapping[str, Conversion] = NO_ARGUMENTS
    ) -> None:
        super().__init__(values)
        self.__dict__["_method"] = method
        self.__dict__["_absent"] = absent

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name if name in self else schema_name(name)]

    def __missing__(self, name: object) -> Any:
        conversion = self._absent.get(name)
        if conversion is None:
            listed = ", ".join(self._absent or self)
            raise UnknownField(f"{self._method or 'the method'} has no result {shown(name)}; its results are {listed}")
        return conversion.absent()

    def __repr__(self) -> str:
        return f"MethodResult({super().__repr__()})"

    def __reduce__(self) -> tuple[Any, ...]:
        return MethodResult, (dict(self),)


class Parameter:
    """A parameter or result: ``Calculator.add.parameters["first"]``.

    Attributes:
        name, doc: as in the schema.
        type: the type object.
        has_default: whether the schema gives an explicit default.
    """

    __slots__ = (
        "_declaration", "_node", "_receive", "conversion", "doc", "has_default", "kind", "name", "nullable", "type",
        "wire_default",
    )

    def __init__(self, declaration: Declaration, field: Field, value_type: ValueType) -> None:
        self._declaration = declaration
        self._node = field
        self.name = field.name
        self.doc = field.doc
        self.type = plain(value_type)
        self.conversion = conversion_of(value_type)
        self._receive = self.conversion.received
        self.nullable = self.conversion.nullable
        self.has_default = field.has_explicit_default
        self.kind: Kind = value_type.__type__.kind
        self.wire_default: WireValue = field.default

    def annotations(self) -> Annotations:
        """The annotations applied to the parameter, values by name."""
        return Annotations(self._node.annotations, self._declaration.classes)

    def enter(self, value: Any) -> Stored:
        """Let a value enter; None for a pointer stands for a value that is not there. Errors name the parameter."""
        if value is None and self.nullable:
            return self.absent()
        try:
            return self.conversion.enter(value)
        except (InvalidValue, UnknownField) as error:
            raise error.within(f".{self.name}") from None

    def receive(self, value: WireValue) -> Stored:
        """As `enter`, for what came over the wire: what only a newer schema has there is no error."""
        if value is None and self.nullable:
            return self.absent()
        try:
            return self._receive(value)
        except (InvalidValue, UnknownField) as error:
            raise error.within(f".{self.name}") from None

    def send(self, value: Any) -> WireValue:
        """Convert a value for the wire; None for a pointer stays None. Errors name the parameter."""
        if value is None and self.nullable:
            return None
        try:
            return self.conversion.send(value)
        except (InvalidValue, UnknownField) as error:
            raise error.within(f".{self.name}") from None

    def absent(self) -> Stored:
        """What a value that is not there reads as."""
        return self.conversion.enter(self.wire_default) if self.has_default else self.conversion.absent()


class Signature:
    """A method with all its types known.

    Attributes:
        bound: the method for `Capability.invoke`.
        name: the method's name.
        text: the signature in the schema language's words.
        parameters, results: by position; empty where a struct stands for them.
        parameter_struct, result_struct: the conversion of that struct, else None.
        result_type: the struct's type, else None.
    """

    def __init__(self, owner: Declaration, method: Method, bindings: Bindings = ()) -> None:
        schema = owner.classes.schema
        assert isinstance(owner.node, InterfaceNode)
        self.bound = BoundMethod(owner.type, method)
        self.name: Final = method.name
        self.text: Final = signature_text(owner, method)
        self.parameters: tuple[Parameter, ...] = ()
        self.results: tuple[Parameter, ...] = ()
        self.parameter_struct: Conversion | None = None
        self.result_struct: Conversion | None = None
        self.result_type: ValueType | None = None

        def members(type: Type) -> tuple[Parameter, ...]:
            fields = schema.struct(type.node_id).fields
            types = [owner.resolve(field.type, bindings) for field in fields if field.type is not None]
            return tuple(Parameter(owner, field, value_type) for field, value_type in zip(fields, types, strict=True))

        if method.params_inline:
            self.parameters = members(method.params)
        else:
            self.parameter_struct = conversion_of(owner.resolve(method.params, bindings))
        if method.results_inline:
            self.results = members(method.results)
        elif not method.streaming:
            self.result_type = owner.resolve(method.results, bindings)
            self.result_struct = conversion_of(self.result_type)
        self._index = {parameter.name: index for index, parameter in enumerate(self.parameters)}
        self._result_conversions = {result.name: result.conversion for result in self.results}

    # Arguments.

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
        """Arguments in the order of the parameters, MISSING where there is none.

        Raises:
            ArgumentError: too many, unknown or double ones.
        """
        names = self.parameters
        if len(args) > len(names):
            takes = f"{len(names)} positional argument{'' if len(names) == 1 else 's'}"
            were = "was" if len(args) == 1 else "were"
            raise self._error(f"{self.name}() takes {takes} but {len(args)} {were} given")
        values = [*args, *[MISSING] * (len(names) - len(args))]
        for name, value in kwargs.items():
            index = self._find(name)
            if values[index] is not MISSING:
                raise self._error(f"{self.name}() got multiple values for argument '{names[index].name}'")
            values[index] = value
        return values

    def incoming(self, args: Sequence[Any], kwargs: Mapping[str, Any], evolves: bool = False) -> list[Stored]:
        """Stored values for a handler, MISSING where a value is missing for which the schema has no default.

        Args:
            evolves: whether the caller may have a newer schema, so that what only that has in the values is no error.

        Raises:
            ArgumentError: too many, unknown or double ones.
            InvalidValue, UnknownField: one does not fit.
        """
        enter = Parameter.receive if evolves else Parameter.enter
        try:
            if self.parameter_struct is not None:
                given = self._struct_argument(args, kwargs)
                if given is MISSING:
                    return [MISSING]
                enter_struct = self.parameter_struct.received if evolves else self.parameter_struct.enter
                return [enter_struct({} if given is None else given)]
            return [
                enter(parameter, value) if value is not MISSING
                else parameter.absent() if parameter.has_default
                else MISSING
                for parameter, value in zip(self.parameters, self.bind(args, kwargs), strict=True)
            ]
        except RecursionError:
            raise InvalidValue("is nested too deeply") from None

    def outgoing(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[Sequence[WireValue], Mapping[str, WireValue]]:
        """Wire values for a call: by position what was given so, by name the others.

        Missing ones with a default in the schema are added: the original's servers do not know defaults. Others are
        left out: the handler may have a default of its own, and the server says so if it has none.

        Raises:
            ArgumentError: too many, unknown or double ones.
            InvalidValue, UnknownField: one does not fit.
        """
        try:
            if self.parameter_struct is not None:
                given = self._struct_argument(args, kwargs)
                if given is MISSING:
                    return (), NO_ARGUMENTS
                return (self.parameter_struct.send({} if given is None else given),), NO_ARGUMENTS
            if not kwargs and len(args) == len(self.parameters):
                sent = [parameter.send(value) for parameter, value in zip(self.parameters, args, strict=True)]
                return sent, NO_ARGUMENTS
            wires: dict[str, WireValue] = {}
            given = []
            by_position = len(args)
            for index, (parameter, value) in enumerate(zip(self.parameters, self.bind(args, kwargs), strict=True)):
                if value is not MISSING:
                    wires[parameter.name] = parameter.send(value)
                    given.append(parameter.name)
                elif parameter.has_default:
                    wires[parameter.name] = parameter.wire_default
                    by_position += not kwargs and by_position == index
            # By name in the order of the call, as the original has it, and defaults behind them.
            own = [self.parameters[self._find(name)].name for name in kwargs]
            named = {name: wires[name] for name in (*own, *list(wires)[by_position:])}
            is_complete = len(wires) == len(self.parameters)
            return list(wires.values())[:by_position], TwoForms(named, wires, given, is_complete)
        except RecursionError:
            raise InvalidValue("is nested too deeply") from None

    def raise_missing(self, names: Sequence[str]) -> NoReturn:
        """Raise the ArgumentError for missing arguments, in Python's words."""
        quoted = [f"'{name}'" for name in names]
        listed = f"{', '.join(quoted[:-1])}, and {quoted[-1]}" if len(quoted) > 2 else " and ".join(quoted)
        plural = "" if len(quoted) == 1 else "s"
        raise self._error(f"{self.name}() missing {len(quoted)} required positional argument{plural}: {listed}")

    def _struct_argument(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if kwargs:
            if args:
                raise self._error(f"{self.name}() takes either one struct or its fields as keywords, not both")
            return kwargs
        if len(args) > 1:
            raise self._error(f"{self.name}() takes 1 positional argument but {len(args)} were given")
        return args[0] if args else MISSING

    def _find(self, name: str) -> int:
        index = self._index.get(name)
        if index is None:
            index = self._index.get(schema_name(name))
        if index is None:
            raise self._error(f"Param {name} does not exist for method {self.name}")
        return index

    def _error(self, reason: str) -> ArgumentError:
        return ArgumentError(reason, self.text)

    # Results.

    def receive_result(self, value: WireValue) -> Stored:
        """What a caller gets for a wire value.

        The schema of who sent it may be newer or older: results that only it has are no error, and those that only this
        one has take their defaults. One result alone is a bare value, which is the first of several.

        Raises:
            InvalidValue, UnknownField: it is none of the declared results.
        """
        try:
            if self.result_struct is not None:
                return self.result_struct.absent() if value is None else self.result_struct.received(value)
            if not self.results:
                return None
            if len(self.results) == 1:
                return self.results[0].receive(self._received_unboxed(value))
            received = {result.name: result.receive(item) for result, item in self._received_several(value)}
            return MethodResult(received, self.name, self._result_conversions)
        except RecursionError:
            raise InvalidValue("is nested too deeply") from None

    def no_result(self) -> Stored:
        """What the only result reads as where the other side's schema has none."""
        return self.results[0].absent()

    def _received_unboxed(self, value: WireValue) -> WireValue:
        """The bare value; in a map by names, which several results are, the one of that name."""
        result = self.results[0]
        if _is_by_names(value) and result.name in value and (len(value) == 1 or result.kind not in _FREE_MAPS):
            return value[result.name]
        return value

    def _received_several(self, value: WireValue) -> Iterable[tuple[Parameter, WireValue]]:
        if value is None:
            return ()
        if _is_by_names(value):
            return [(result, value[result.name]) for result in self.results if result.name in value]
        is_list = isinstance(value, list | tuple) and len(value) == len(self.results)
        if is_list and (self.results[0].kind not in _LISTS or isinstance(value[0], list | tuple)):
            return zip(self.results, value, strict=True)
        return [(self.results[0], value)]

    def enter_result(self, value: Any) -> Stored:
        """What a caller in this process gets for what a handler returned.

        Raises:
            InvalidValue, UnknownField: it is none of the declared results.
        """
        try:
            if self.result_struct is not None:
                return self.result_struct.absent() if value is None else self.result_struct.enter(value)
            if not self.results:
                return None
            if len(self.results) == 1:
                return self.results[0].enter(self._unboxed(value))
            entered = {result.name: result.enter(item) for result, item in self._several(value)}
            return MethodResult(entered, self.name, self._result_conversions)
        except RecursionError:
            raise InvalidValue("is nested too deeply") from None

    def send_result(self, value: Any) -> WireValue:
        """The wire value for what a handler returned. A method without results sends None, whatever it was.

        Raises:
            InvalidValue, UnknownField: it is none of the declared results.
        """
        try:
            if self.result_struct is not None:
                return {} if value is None else self.result_struct.send(value)
            if not self.results:
                return None
            if len(self.results) == 1:
                return self.results[0].send(self._unboxed(value))
            return {result.name: result.send(item) for result, item in self._several(value)}
        except RecursionError:
            raise InvalidValue("is nested too deeply") from None

    def _unboxed(self, value: Any) -> Any:
        """The bare value; a map with the result's name as its only key is taken for the value in it."""
        if isinstance(value, dict) and len(value) == 1 and dict.__contains__(value, self.results[0].name):
            return dict.__getitem__(value, self.results[0].name)
        return value

    def _several(self, value: Any) -> Iterable[tuple[Parameter, Any]]:
        if isinstance(value, Mapping):
            by_name = {result.name: result for result in self.results}
            unknown = [name for name in value if name not in by_name]
            if unknown:
                listed = ", ".join(by_name)
                raise UnknownField(f"{self.name} has no result {shown(unknown[0])}; its results are {listed}")
            return [(by_name[name], item) for name, item in value.items()]
        items = list(value) if isinstance(value, list | tuple | GeneratorType) else [value]
        if len(items) != len(self.results) or not isinstance(value, list | tuple | GeneratorType):
            raise WrongType(
                f"Multiple output parameters for {self.name} requires a list, tuple, or dict to be returned with the "
                f"right number of elements ([{len(items)}] given, {len(self.results)} args needed)",
                path="",
            )
        return zip(self.results, items, strict=True)


def _is_by_names(value: WireValue) -> bool:
    return type(value) is dict and bool(value) and all(type(key) is str for key in value)


def default_text(schema: Schema, field: Field) -> str:
    """A parameter's default; structs and lists as they are on the wire."""
    if field.type is not None and field.type.kind is Kind.ENUM:
        return schema.enum(field.type.node_id).enumerants[int(field.default)].name
    return json.dumps(field.default, ensure_ascii=False, default=repr)


def signature_text(owner: Declaration, method: Method) -> str:
    """A method in the schema language's words, without its ordinal."""
    schema = owner.classes.schema

    def members(type: Type, inline: bool) -> str:
        if not inline:
            return describe_type(schema, type)
        listed = []
        for field in schema.struct(type.node_id).fields:
            assert field.type is not None
            text = f"{field.name} :{describe_type(schema, field.type)}"
            if field.has_explicit_default:
                text += f" = {default_text(schema, field)}"
            listed.append(text)
        return f"({', '.join(listed)})"

    type_parameters = f"[{', '.join(method.type_parameters)}] " if method.type_parameters else ""
    params = members(method.params, method.params_inline)
    results = "stream" if method.streaming else members(method.results, method.results_inline)
    return f"{method.name}{type_parameters or ('' if method.params_inline else ' ')}{params} -> {results}"

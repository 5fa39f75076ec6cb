"""The methods of a schema as native calls: arguments and results between cara's wire and Cap'n Proto's messages.

All that depends on the schema alone is made once per method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cara_pseud.errors import ArgumentError, InvalidValue, RemoteError, RpcError
from cara_pseud.scalars import shown
from cara_pseud.schema.nodes import BoundMethod, InterfaceNode, Kind, Schema, Type, substitute
from gateway.bridge.checks import Checks
from gateway.bridge.layouts import Places, StructPlaces
from gateway.bridge.pointers import BeyondBounds, Malformed, ReceivedMessage
from gateway.bridge.rpc_messages import CallForm, content_pointer
from gateway.bridge.value_readers import ValueReaders
from gateway.bridge.value_writers import FAILURES, AnyValueError, NamedStructs, Objects, ValueWriters


class NativeStruct:
    """The parameters or the results of a method, as one struct of the schema.

    Attributes:
        layout: where its values lie.
        pointer: what leads to it in a message, see `content_pointer`.
        words: that it takes.
        names: the fields' names by id, in the order of the ids, for those that have names on cara's wire.
        listed: the names by their ids; None if it is the only parameter or result itself.
        is_inline: whether its fields are the parameters or results, or it is the only one itself.
    """

    def __init__(self, methods: NativeMethods, type: Type, *, is_inline: bool) -> None:
        self._methods = methods
        self.type = type
        self.is_inline = is_inline
        self.layout: StructPlaces = methods.layouts.struct(type)
        self.words = self.layout.node.data_words + self.layout.node.pointers
        self.pointer = content_pointer(self.words, self.layout.sizes)
        self.names = {field.id: field.name for field in self.layout.node.fields}
        self.listed = list(self.names.values()) if is_inline else None
        self._ids = {name: id for id, name in self.names.items()}
        self._read = methods.readers.name(type)
        self._write = methods.writers.name(type)
        # A function is in its place there once it has been called.
        self._readers, self._writers = methods.readers.namespace, methods.writers.namespace

    def read(self, incoming: ReceivedMessage, segment: bytes, place: int, pointer: int) -> dict[int, Any]:
        """Read the struct; null reads as one whose fields are not set.

        Raises:
            Malformed: it is none.
        """
        sections = incoming.struct(segment, place, pointer)
        found: dict[int, Any] = self._readers[self._read](incoming, *sections, 1)
        return found

    def write(self, objects: Objects, b: bytearray, start: int, wire: Any) -> None:
        """Write the struct where room is made for it.

        Raises:
            InvalidValue: the value does not fit; with the path.
        """
        try:
            self._writers[self._write](objects, b, start, wire)
        except InvalidValue:
            raise
        except (*FAILURES, AnyValueError) as error:
            self._methods.checks.check(self.type, wire)
            raise InvalidValue(f"cannot be sent: {type(error).__name__}") from error

    def by_id(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Arguments as the struct.

        Raises:
            ArgumentError: there is no parameter of a name.
        """
        if self.is_inline:
            wire: Any = dict(zip(self.names, args, strict=False))
        else:
            wire = args[0] if args and args[0] is not None else {}
        if kwargs:
            wire = dict(wire)
            for name, value in kwargs.items():
                if name not in self._ids:
                    raise ArgumentError(f"unexpected keyword argument {shown(name)}")
                wire[self._ids[name]] = value
        return wire

    def as_arguments(self, wire: dict[int, Any]) -> list[Any]:
        """The struct as arguments by position."""
        return [wire.get(id) for id in self.names] if self.is_inline else [wire]

    def as_result(self, wire: dict[int, Any]) -> Any:
        """The struct as a method's result: nothing, one bare value, several by name, or itself."""
        if not self.is_inline:
            return wire
        if len(self.names) == 1:
            return wire.get(0)
        return {self.names[id]: value for id, value in wire.items()} if self.names else None

    def of_result(self, result: Any) -> Any:
        """What an object of cara's answered, as the struct; values are not looked at."""
        if not self.is_inline:
            return {} if result is None else result
        if not self.names:
            return {}
        if len(self.names) == 1:
            name = self.names[0]
            if type(result) is dict and len(result) == 1 and name in result:
                result = result[name]  # as some peers box it
            return {} if result is None else {0: result}
        if isinstance(result, Mapping):
            return {self._ids.get(key, key): value for key, value in result.items()}
        if isinstance(result, list | tuple):
            return dict(enumerate(result))
        return {0: result}


class NativeMethod:
    """One method with its two structs.

    Attributes:
        label: ``Interface.method``.
        form: of its calls.
    """

    __slots__ = ("form", "id", "interface_id", "label", "params", "results")

    def __init__(self, methods: NativeMethods, bound: BoundMethod) -> None:
        method, brand = bound.method, bound.interface.brand
        node = methods.schema.nodes[bound.interface.node_id]
        self.interface_id = node.id
        self.id = method.id
        self.label = f"{node.qualified_name or node.name}.{method.name}"
        self.params = NativeStruct(methods, substitute(method.params, brand), is_inline=method.params_inline)
        self.results = NativeStruct(methods, substitute(method.results, brand), is_inline=method.results_inline)
        self.form = CallForm(self.interface_id, self.id, self.params.pointer, self.params.words)


class NativeMethods:
    """The methods of one schema.

    Attributes:
        schema: the schema.
        layouts, readers, writers, checks: what its values are read and written by.
    """

    def __init__(self, schema: Schema, structs: NamedStructs) -> None:
        self.schema = schema
        self.layouts = Places(schema)
        self.readers = ValueReaders(self.layouts)
        self.writers = ValueWriters(self.layouts, structs)
        self.checks = Checks(self.layouts, self.writers)
        self._methods: dict[tuple[Type | None, int, int | str], NativeMethod] = {}

    def bound(self, bound: BoundMethod) -> NativeMethod:
        """A method of an interface."""
        key = (bound.interface, bound.interface.node_id, bound.method.id)
        method = self._methods.get(key)
        if method is None:
            method = self._methods[key] = NativeMethod(self, bound)
        return method

    def unreadable(self, error: Malformed, label: str) -> RpcError:
        """What a caller is told of results that are none, or more than anybody reads."""
        path = self.readers.place(error)
        code = "too_large" if isinstance(error, BeyondBounds) else "internal"
        what = f"what the service sent as the answer to {label} cannot be read"
        if path == "$":
            return RpcError(code, f"{what}: {error}")
        return RpcError(code, f"{what}: {path}: {error}", {"path": path})

    def find(self, types: Sequence[Type], interface_id: int, method: int | str) -> NativeMethod:
        """A method by its interface's id and its own id or name.

        Args:
            types: what the object is known to be, which says what type parameters are bound to.

        Raises:
            RpcError: ``unimplemented``, the schema has none.
        """
        key = (types[-1] if types else None, interface_id, method)
        found = self._methods.get(key)
        if found is None:
            found = self._methods[key] = self._find(types, interface_id, method)
        return found

    def _find(self, types: Sequence[Type], interface_id: int, method: int | str) -> NativeMethod:
        node = self.schema.nodes.get(interface_id)
        if isinstance(node, InterfaceNode):
            declared = [found for type in reversed(types) for found in self.schema.ancestry(type)]
            interface = next((found for found in declared if found.node_id == interface_id), None)
            for one in node.methods:
                if method in (one.id, one.name):
                    return self.bound(BoundMethod(interface or Type(Kind.INTERFACE, interface_id), one))
        # The original answers with this KeyError, so its clients know it.
        raise RemoteError("KeyError", str((interface_id, shown(method))), code="unimplemented")


def refused(error: Exception, method: NativeMethod) -> RpcError:
    """What a caller is told whose arguments do not fit."""
    if isinstance(error, ArgumentError):
        return RemoteError("TypeError", error.reason, code="invalid_argument")
    path = error.path if isinstance(error, InvalidValue) else "$"
    return RpcError("invalid_argument", f"{method.label}: {error}", {"path": path})


NULL_STRUCT: Final = (bytes(8), 0, 0)
"""A pointer to a struct without fields, as `NativeStruct.read` takes it."""



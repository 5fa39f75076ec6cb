"""Services and objects behind a gateway as capabilities, and the calls that are made on them.

Proxies of interface classes use them like those of a peer. A result that has not come can be used already: its members
are attributes of the call, objects among them are proxies, and what is called on these waits at the gateway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from cara_pseud.any_pointer import Reference
from cara_pseud.capabilities import (
    NO_ARGUMENTS,
    NO_OPTIONS,
    CallOptions,
    Capability,
    Drivable,
    TwoForms,
    WireValue,
)
from cara_pseud.errors import RpcError
from cara_pseud.gateway.invocation import Received
from cara_pseud.gateway.members import Forms, StructForm
from cara_pseud.gateway.messages import JSON
from cara_pseud.gateway.references import MessageReferences
from cara_pseud.gateway.targets import AnswerPlace, Callee, ObjectCallee, PendingAnswer, ServiceCallee
from cara_pseud.gateway.typed_values import JsonReader, JsonWriter
from cara_pseud.generics import Classes
from cara_pseud.implementations import Implementation
from cara_pseud.local import Forwarder, LocalCapability
from cara_pseud.proxies import make_proxy
from cara_pseud.python_names import python_name, schema_name
from cara_pseud.schema.nodes import BoundMethod, InterfaceNode, Kind, Type


class Known:
    """A schema that a program has loaded.

    Attributes:
        classes: its classes.
        forms: how their values look in JSON.
    """

    __slots__ = ("_interfaces", "classes", "forms")

    def __init__(self, classes: Classes) -> None:
        self.classes = classes
        self.forms = Forms(classes.schema)
        self._interfaces = {
            node.qualified_name: Type(Kind.INTERFACE, node.id)
            for node in classes.schema.nodes.values()
            if isinstance(node, InterfaceNode)
        }

    def has(self, target: ObjectCallee | AnswerPlace, declared: Type | None, interface_id: int) -> bool:
        """Whether the gateway knows that an object has an interface; what is not of this schema is not asked for."""
        if isinstance(target, ObjectCallee):
            if target.interface is None:
                return False
            # With its type parameters, and behind the file's name where there is another one of that name.
            declared = self._interfaces.get(target.interface.partition("(")[0].rpartition(":")[2])
            if declared is None:
                return True
        if declared is None:
            return False
        return any(each.node_id == interface_id for each in self.forms.schema.ancestry(declared))


class Own(Protocol):
    """What makes callbacks of objects of this process."""

    def typed(self, capability: LocalCapability, interface: Type, known: Known) -> Any:
        """One whose interface is known."""

    def plain(self, value: object) -> Any:
        """One that gets plain values."""


class GatewayClient(Protocol):
    """What capabilities need of the client that they belong to."""

    @property
    def own(self) -> Own:
        """Makes callbacks of objects of this process."""

    @property
    def generation(self) -> int:
        """The session that objects must be of."""

    def known(self, interface_id: int) -> Known:
        """The schema that an interface is of.

        Raises:
            ArgumentError: no service was asked for with an interface of that schema.
        """

    def references(self) -> MessageReferences:
        """For a message that is to be written."""

    def target(self, token: str, interface: str | None) -> ObjectCallee:
        """Take note of a handle that came."""

    def begin(
        self,
        target: Callee,
        method: str,
        references: MessageReferences,
        write: Callable[[], JSON],
        receive: Callable[[JSON, Sequence[str]], Received],
        options: CallOptions,
        shape: ResultShape | None,
    ) -> GatewayCall:
        """Make a call."""

    def call_plain(
        self,
        target: Callee,
        method: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        options: CallOptions = NO_OPTIONS,
    ) -> GatewayCall:
        """Make a call with plain values."""

    def cast(self, target: ObjectCallee | AnswerPlace, interface: str) -> AnswerPlace:
        """Have the gateway take an object for one with another interface."""

    def release(self, target: ObjectCallee) -> None:
        """Give an object back."""

    def cancel(self, answer: PendingAnswer) -> None:
        """Give a call up."""


class GatewayCapability(Capability):
    """A service, an object, or one that will be in an answer.

    Attributes:
        declared: the interface that the schema gives it where it comes from, or None.
    """

    __slots__ = ("_casts", "connection", "declared", "target")

    def __init__(self, connection: GatewayClient, target: Callee, declared: Type | None = None) -> None:
        self.connection = connection
        self.target = target
        self.declared = declared
        self._casts: dict[int, AnswerPlace] = {}
        if isinstance(target, ObjectCallee):
            self.key = ("gateway", id(connection), target.generation, target.token)
        else:
            self.key = ("gateway", id(connection), target)

    @property
    def alive(self) -> bool:
        target = self.target
        if isinstance(target, ObjectCallee):
            return not target.released and target.generation == self.connection.generation
        return True

    def invoke(
        self,
        bound: BoundMethod,
        args: Sequence[WireValue] = (),
        kwargs: Mapping[str, WireValue] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Callable[[WireValue], Any] | None = None,
    ) -> GatewayCall:
        connection = self.connection
        known = connection.known(bound.interface.node_id)
        form = known.forms.method(bound)
        references = connection.references()
        writer = JsonWriter(known.forms, TypedOutgoing(connection, references, known))

        def receive(json: JSON, callbacks: Sequence[str]) -> Received:
            incoming = TypedIncoming(connection)
            wire = JsonReader(known.forms, incoming).result(form, json)
            return Received(wire if convert is None else convert(wire), incoming.objects)

        def write() -> JSON:
            if type(kwargs) is TwoForms:
                # The gateway knows the defaults, but may not know a parameter that has one.
                return writer.params(form, (), kwargs.own)
            return writer.params(form, args, kwargs)

        if form.results is None:
            shape = ResultShape(connection, known, form.result_struct)
        elif len(form.results) == 1:
            shape = ResultShape(connection, known, form.results[0].type, form.results[0].name)
        else:
            several = {result.name: (result.json_name, result.type) for result in form.results}
            shape = ResultShape(connection, known, several)
        target = self._target_for(bound.interface.node_id, known)
        return connection.begin(target, form.name, references, write, receive, options, shape)

    def _target_for(self, interface_id: int, known: Known) -> Callee:
        """What to call a method of that interface on.

        The gateway knows an object by the interface that the schema gives it, or by none; for methods of others it is
        asked first to take the object for one that has them.
        """
        target = self.target
        if isinstance(target, ServiceCallee) or known.has(target, self.declared, interface_id):
            return target
        casts = target.casts if isinstance(target, ObjectCallee) else self._casts
        if interface_id not in casts:
            name = known.forms.schema.interface(interface_id).qualified_name
            casts[interface_id] = self.connection.cast(target, name)
        return casts[interface_id]

    def call(
        self,
        interface_id: int,
        method: int | str,
        args: Sequence[WireValue] = (),
        kwargs: Mapping[str, WireValue] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Callable[[WireValue], Any] | None = None,
    ) -> GatewayCall:
        schema = self.connection.known(interface_id).forms.schema
        declared = schema.interface(interface_id).methods
        found = next((each for each in declared if method in (each.id, each.name)), None)
        if found is None:
            raise RpcError("unimplemented", f"{schema.interface(interface_id).name} has no method {method!r}")
        bound = BoundMethod(Type(Kind.INTERFACE, interface_id), found)
        return self.invoke(bound, args, kwargs, options, convert)

    def release(self) -> None:
        target = self.target
        if isinstance(target, ObjectCallee):
            self.connection.release(target)
        elif isinstance(target, AnswerPlace):
            place, connection = target, self.connection

            def let_go() -> None:
                if place.answer.error is None:
                    connection.release(place.object())

            place.answer.when_settled(let_go)


class GatewayCall(Drivable, asyncio.Future[Any]):
    """The result of a call through a gateway. Cancelling it gives the call up.

    Members of the result are attributes and items before it has come; what a future has itself, such as ``result`` or
    ``cancel``, is reached as an item only.
    """

    __slots__ = ("_connection", "_driven", "_shape", "answer")

    _connection: GatewayClient
    _shape: ResultShape | None
    answer: PendingAnswer

    def cancel(self, msg: Any | None = None) -> bool:
        """Give the call up; the gateway is told."""
        if not super().cancel(msg):
            return False
        self._connection.cancel(self.answer)
        return True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: str | int) -> Any:
        if self._shape is None:
            return PlainPlace(self._connection, AnswerPlace(self.answer))[name]
        return self._shape.member(AnswerPlace(self.answer), name)

    def __str__(self) -> str:
        # In text it stands where its result was meant.
        raise TypeError(f"{self.answer.label} was not awaited")


class TypedIncoming:
    """Makes capabilities of handles, and remembers them. See `cara_pseud.gateway.typed_values.Incoming`."""

    def __init__(self, connection: GatewayClient) -> None:
        self.objects: list[ObjectCallee] = []
        self._connection = connection

    def object(self, token: str, interface: str | None) -> Capability:
        """The object of a handle."""
        target = self._connection.target(token, interface)
        self.objects.append(target)
        return GatewayCapability(self._connection, target)


class TypedOutgoing:
    """Makes references of capabilities. See `cara_pseud.gateway.typed_values.Outgoing`."""

    def __init__(self, connection: GatewayClient, references: MessageReferences, known: Known) -> None:
        self._connection = connection
        self._references = references
        self._known = known

    @property
    def values(self) -> int:
        """Elements and members that were written."""
        return self._references.values

    @values.setter
    def values(self, values: int) -> None:
        self._references.values = values

    def capability(
        self, capability: Capability, interface: Type | None, holder: Any, key: str | int, path: str
    ) -> JSON:
        """The JSON of an object."""
        if isinstance(capability, GatewayCapability):
            return passed(capability, self._references, holder, key, path)
        known = self._known
        if interface is None:
            # The service says by whose methods it calls it.
            own_target = getattr(getattr(capability, "target", None), "own", getattr(capability, "target", None))
            if not isinstance(own_target, Implementation):
                reason = f"{path}: an object at a peer can only be passed where the schema names its interface"
                raise RpcError("invalid_argument", reason, {"path": path})
            declaration = type(own_target.value).__declaration__  # type: ignore[attr-defined]
            interface, known = declaration.type, Known(declaration.classes)
        if not isinstance(capability, LocalCapability):
            # An object at another peer is called through this process.
            capability = LocalCapability(Forwarder(capability), capability.key)
        own, declared = capability, interface
        return self._references.callback(
            (own.key, declared), lambda: self._connection.own.typed(own, declared, known)
        )


def passed(
    capability: GatewayCapability, references: MessageReferences, holder: Any, key: str | int, path: str
) -> JSON:
    """The JSON of what came from a gateway, or will come; the latter is put into its place later.

    Raises:
        RpcError: it cannot be passed on.
    """
    target = capability.target
    if isinstance(target, ServiceCallee):
        raise RpcError("invalid_argument", f"{path}: a service cannot be passed on", {"path": path})
    if isinstance(target, AnswerPlace):
        references.later(target, holder, key, path)
        return None
    return references.handle(target, path)


class ResultShape:
    """What is in a result that has not come, by its type: a struct's type or form, or several results by name."""

    __slots__ = ("_connection", "_known", "_name", "_of")

    def __init__(
        self,
        connection: GatewayClient,
        known: Known,
        of: Type | StructForm | Mapping[str, tuple[str, Type]],
        name: str = "",
    ) -> None:
        """Say what is there.

        Args:
            name: that of a result which is alone; it may be left out, as in the result itself.
        """
        self._connection = connection
        self._known = known
        self._of = of
        self._name = name

    def member(self, place: AnswerPlace, name: str | int) -> Any:
        """A member of what will be at a place: a proxy where that is an object.

        Raises:
            AttributeError: the type has no such member, or nothing can be called in it.
        """
        of = self._of
        if self._name is not None and name in (self._name, python_name(self._name)) and isinstance(of, Type):
            return self._at(place, of)
        if isinstance(of, Type) and of.kind is Kind.INTERFACE:
            return getattr(self._at(place, of), str(name))
        if isinstance(of, Type) and of.kind is Kind.LIST and of.element is not None and isinstance(name, int):
            return self._at(AnswerPlace(place.answer, (*place.path, str(name))), of.element)
        wanted = schema_name(str(name))
        if isinstance(of, Mapping) and wanted in of:
            json_name, type = of[wanted]
            return self._at(AnswerPlace(place.answer, (*place.path, json_name)), type)
        form = self._known.forms.struct(of) if isinstance(of, Type) and of.kind is Kind.STRUCT else of
        if isinstance(form, StructForm):
            for member in (*form.fields, *form.variants):
                if member.field.name == wanted and (member.inner is None or member.prefix is None):
                    is_value = form.value_name is not None and member in form.variants
                    json_name = form.value_name if is_value and form.value_name is not None else member.name
                    inner = member.inner if member.type is None else member.type
                    if inner is not None:
                        return self._at(AnswerPlace(place.answer, (*place.path, json_name)), inner)
        raise AttributeError(f"{place.label} has no member {name!r} that can be used before it has come")

    def _at(self, place: AnswerPlace, of: Type | StructForm) -> Any:
        if isinstance(of, Type) and of.kind is Kind.INTERFACE:
            interface = self._known.classes.resolve(of, (), ())
            return make_proxy(interface.__proxy_class__, GatewayCapability(self._connection, place, of))
        if isinstance(of, Type) and of.kind in (Kind.ANY_POINTER, Kind.CAPABILITY):
            return Reference(GatewayCapability(self._connection, place))
        return TypedPlace(place, ResultShape(self._connection, self._known, of))


class TypedPlace:
    """A struct or list within a result that has not come."""

    __slots__ = ("_place", "_shape")

    def __init__(self, place: AnswerPlace, shape: ResultShape) -> None:
        self._place = place
        self._shape = shape

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._shape.member(self._place, name)

    def __getitem__(self, name: str | int) -> Any:
        return self._shape.member(self._place, name)

    def __repr__(self) -> str:
        return f"<{self._place.label}, which has not come>"


class PlainPlace:
    """A place in a result that has not come, of a service without a schema: to be called, or passed on."""

    __slots__ = ("_connection", "_place")

    def __init__(self, connection: GatewayClient, place: AnswerPlace) -> None:
        self._connection = connection
        self._place = place

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[schema_name(name)]

    def __getitem__(self, name: str | int) -> PlainPlace:
        return PlainPlace(self._connection, AnswerPlace(self._place.answer, (*self._place.path, str(name))))

    def __call__(self, /, *args: Any, **kwargs: Any) -> GatewayCall:
        place = self._place
        owner = AnswerPlace(place.answer, place.path[:-1])
        return self._connection.call_plain(owner, place.path[-1], args, kwargs)

    @property
    def __place__(self) -> AnswerPlace:
        return self._place

    def __repr__(self) -> str:
        return f"<{self._place.label}, which has not come>"

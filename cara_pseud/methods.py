"""Methods of interface classes as attributes: declarations on the class, callables on instances."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from cara_pseud.errors import InvalidValue
from cara_pseud.generated import proxy_method
from cara_pseud.generics import Bindings, Declaration
from cara_pseud.implementations import Invoker, awaitable_of
from cara_pseud.schema.nodes import Method
from cara_pseud.signatures import Parameter, Signature
from cara_pseud.values import Annotations, ValueType, conversion_of


class InterfaceMethod:
    """A method of an interface class: ``Calculator.add``, ``Calculator.__methods__["add"]``.

    Attributes:
        name, id, doc: as in the schema; the id is the index in the declaring interface.
        owner: the declaration of the interface that declares it.
    """

    def __init__(self, owner: Declaration, node: Method) -> None:
        self.owner = owner
        self.node = node
        self.name = node.name
        self.id = node.id
        self.doc = node.doc
        self._signatures: dict[tuple[ValueType, ...], Signature] = {}
        self._invoker: Invoker | None = None
        self._proxy_methods: dict[tuple[ValueType, ...], Callable[..., Any]] = {}

    @property
    def interface_id(self) -> int:
        """The id of the interface that declares it."""
        return self.owner.node.id

    @property
    def parameters(self) -> dict[str, Parameter]:
        """The parameters by name; empty where one struct stands for them."""
        return {parameter.name: parameter for parameter in self.signature().parameters}

    @property
    def params(self) -> Any:
        """The struct class that the method takes, or the types of its parameters by name."""
        return self._types(self.node.params_inline, self.node.params, self.signature().parameters)

    @property
    def results(self) -> Any:
        """The struct class that the method gives, or the types of its results by name."""
        return self._types(self.node.results_inline, self.node.results, self.signature().results)

    def _types(self, inline: bool, type: Any, members: tuple[Parameter, ...]) -> Any:
        if inline:
            return {member.name: member.type for member in members}
        value_type = self.owner.resolve(type)
        return getattr(value_type, "make", value_type)

    def annotations(self) -> Annotations:
        """The annotations applied to the method, values by name."""
        return Annotations(self.node.annotations, self.owner.classes)

    def signature(self, types: tuple[ValueType, ...] = ()) -> Signature:
        """The signature, with the method's own type parameters bound to types; unbound ones are AnyPointer.

        Raises:
            InvalidValue: there are not that many type parameters.
            WrongType: an argument is no type.
        """
        signature = self._signatures.get(types)
        if signature is None:
            permitted = len(self.node.type_parameters)
            if len(types) > permitted:
                raise InvalidValue(
                    f"{self.name} has {permitted} type parameters, {len(types)} types were given", path=""
                )
            for type in types:
                conversion_of(type)
            bindings: Bindings = ((self.node.params.node_id, types),) if types else ()
            signature = self._signatures[types] = Signature(self.owner, self.node, bindings)
        return signature

    def invoker(self) -> Invoker:
        """How a handler of the method is run."""
        if self._invoker is None:
            self._invoker = Invoker(self.signature())
        return self._invoker

    def proxy_method(self, types: tuple[ValueType, ...] = ()) -> Callable[..., Any]:
        """The function that calls the method on a proxy."""
        method = self._proxy_methods.get(types)
        if method is None:
            method = self._proxy_methods[types] = proxy_method(self.signature(types))
        return method

    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else LocalMethod(self, instance.__handler__(self.name))

    def __repr__(self) -> str:
        return f"<method {self.signature().text}>"


class MethodTable:
    """The methods of one or more interfaces: visible ones by name, all by the declaring interface and id or name."""

    def __init__(self, methods: Iterable[InterfaceMethod]) -> None:
        visible: dict[str, InterfaceMethod] = {}
        self.by_id: dict[tuple[int, int | str], InterfaceMethod] = {}
        for method in methods:
            # The nearest declaration comes first and hides those of superclasses.
            visible.setdefault(method.name, method)
            self.by_id.setdefault((method.interface_id, method.id), method)
            self.by_id.setdefault((method.interface_id, method.name), method)
        self.by_name: Mapping[str, InterfaceMethod] = MappingProxyType(visible)


class LocalMethod:
    """A method of an object of ours, called in this process: arguments and results are checked as they are on the wire.

    What the handler gives at once is given at once; for an awaitable there is an awaitable.
    """

    __slots__ = ("_method", "_types", "handler")

    def __init__(
        self, method: InterfaceMethod, handler: Callable[..., Any], types: tuple[ValueType, ...] = ()
    ) -> None:
        self._method = method
        self._types = types
        self.handler = handler

    def __getitem__(self, types: ValueType | tuple[ValueType, ...]) -> LocalMethod:
        """Bind the method's own type parameters: ``iface.m[Text]("x")``."""
        bound = types if isinstance(types, tuple) else (types,)
        self._method.signature(bound)
        return LocalMethod(self._method, self.handler, bound)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        signature = self._method.signature(self._types)
        result = self._method.invoker().run(self.handler, signature.incoming(args, kwargs))
        later = awaitable_of(result, several=len(signature.results) > 1)
        return signature.enter_result(result) if later is None else _finish_later(signature, later)

    def __repr__(self) -> str:
        return f"<local {self._method!r}>"


async def _finish_later(signature: Signature, later: Any) -> Any:
    return signature.enter_result(await later)


class HandlerFunction:
    """What a user's subclass defines for a method: itself on the class, a `LocalMethod` on instances."""

    def __init__(self, method: InterfaceMethod, defined: Any) -> None:
        self._method = method
        self._defined = defined

    def bound_to(self, instance: object, owner: type) -> Any:
        """The user's function as an attribute of an instance, or of the class where that is None."""
        return bound_to(self._defined, instance, owner)

    def __get__(self, instance: Any, owner: type) -> Any:
        defined = self.bound_to(instance, owner)
        return defined if instance is None else LocalMethod(self._method, defined)


def bound_to(defined: Any, instance: object, owner: type) -> Any:
    """What reading an attribute gives for what stands in a class: functions become bound methods."""
    bind = getattr(type(defined), "__get__", None)
    return defined if bind is None else bind(defined, instance, owner)

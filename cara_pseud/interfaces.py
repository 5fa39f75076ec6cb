"""Interface classes.

``Calculator(client)`` is a proxy, ``Calculator({…})`` wraps functions, ``class My(Calculator)`` implements it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MethodType
from typing import TYPE_CHECKING, Any, Final, cast

from cara_pseud.any_pointer import Reference
from cara_pseud.capabilities import Capability, RootedPeer
from cara_pseud.errors import RegistrationError, UnknownMethod, WrongType
from cara_pseud.generics import Declaration, DeclaredType
from cara_pseud.handlers import Unimplemented
from cara_pseud.implementations import Implementation
from cara_pseud.local import LocalCapability
from cara_pseud.methods import (
    HandlerFunction,
    InterfaceMethod,
    LocalMethod,
    MethodTable,
    bound_to,
)
from cara_pseud.proxies import ProxyMethod, Remote, make_proxy
from cara_pseud.python_names import python_name
from cara_pseud.scalars import shown
from cara_pseud.schema.nodes import InterfaceNode, Type
from cara_pseud.values import Conversion

# Objects of these kinds have methods of their own, but are never meant as implementations.
_PLAIN_TYPES: Final = (str, bytes, bytearray, int, float, complex, list, tuple, set, frozenset)


class InterfaceType(DeclaredType):
    """The metaclass of interface classes."""

    # Not annotated: an annotation here would hide the `__annotations__` of the base.
    __own_methods__ = cast("tuple[InterfaceMethod, ...]", ())
    __extends__ = cast("tuple[InterfaceType, ...]", ())

    def __new__(
        mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **arguments: Any
    ) -> InterfaceType:
        if bases and "__declaration__" not in namespace:
            for method in _table_of(bases).by_name.values():
                own = python_name(method.name)
                if own in namespace and not isinstance(namespace[own], ProxyMethod):
                    namespace[own] = HandlerFunction(method, namespace[own])
        return super().__new__(mcs, name, bases, namespace, **arguments)

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **arguments: Any) -> None:
        super().__init__(name, bases, namespace, **arguments)
        if hasattr(cls, "__declaration__"):
            cls.__conversion__ = _conversion(cls)

    def mro(cls) -> list[type]:
        """Python's order of the superclasses, or breadth first where Python has none: Cap'n Proto permits any order."""
        try:
            return super().mro()
        except TypeError:
            ordered: dict[type, None] = {cls: None}
            for base in cls.__bases__:
                ordered.update(dict.fromkeys(base.__mro__))
            last = [base for base in ordered if base in Interface.__mro__]
            return [base for base in ordered if base not in last] + last

    if not TYPE_CHECKING:  # stubs of schemas say what there is

        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            if "__declaration__" not in vars(cls):
                return super().__call__(*args, **kwargs)
            if not args and not kwargs:
                raise TypeError(f"{cls.__name__}() missing 1 required positional argument: 'value'")
            if len(args) != 1 or kwargs:
                taken = "a client, a reference, a dict, an object or a function"
                raise TypeError(f"{cls.__name__}() takes one value: {taken}")
            value = args[0]
            if type(value) is cls:
                return value
            if isinstance(value, RootedPeer):
                return make_proxy(cls.__proxy_class__, value.root)
            if isinstance(value, Capability):
                return make_proxy(cls.__proxy_class__, value)
            if isinstance(value, Remote):
                return make_proxy(cls.__proxy_class__, value.__capability__, value.__options__)
            if isinstance(value, Reference):
                return make_proxy(cls.__proxy_class__, value.__capability__)
            return wrap(cls, value)

    @property
    def __table__(cls) -> MethodTable:
        table = vars(cls).get("_table")
        if table is None:
            table = MethodTable(_methods_of(cls)) if "__declaration__" in vars(cls) else _table_of(cls.__bases__)
            type.__setattr__(cls, "_table", table)
        assert isinstance(table, MethodTable)
        return table

    @property
    def __proxy_class__(cls) -> type:
        proxy_class = vars(cls).get("_proxy_class")
        if proxy_class is None:
            namespace: dict[str, Any] = {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
            for method in cls.__table__.by_name.values():
                for name in {method.name, python_name(method.name)}:
                    namespace[name] = ProxyMethod(method)
            proxy_class = InterfaceType(cls.__name__, (Remote, cls), namespace)
            type.__setattr__(cls, "_proxy_class", proxy_class)
        assert isinstance(proxy_class, type)
        return proxy_class

    @property
    def __methods__(cls) -> Mapping[str, InterfaceMethod]:
        """All methods by name, inherited ones included."""
        return cls.__table__.by_name

    @property
    def __superclasses__(cls) -> tuple[InterfaceType, ...]:
        """The interfaces that the schema says it extends; the original's name for it."""
        return cls.__extends__

    @property
    def __interface_type__(cls) -> Type:
        """The interface as a type of the schema; of a user's subclass, the first interface that it implements."""
        return cls.__declaration__.type


class Interface(metaclass=InterfaceType):
    """The base of all interface classes.

    Methods of the schema are attributes and items: ``iface.add``, ``iface["add"]``, ``iface[0]``,
    ``iface[(interface id, 0)]``. Everything of ours begins with two underscores.
    """

    def __handler__(self, name: str) -> Callable[..., Any]:
        """The user's own function for a method, without checks; one that raises ``unimplemented`` if there is none."""
        attribute = python_name(name)
        own = vars(self)
        if "__wrapped__" in own:
            handler = _handler_in(own["__wrapped__"], name)
        elif attribute in own:
            handler = own[attribute]
        elif isinstance(self, Remote):
            handler = getattr(self, attribute)
        else:
            handler = None
            for base in type(self).__mro__:
                defined = vars(base).get(attribute)
                # A class that comes later in the order may implement what an interface before it only declares.
                if defined is not None and not isinstance(defined, InterfaceMethod):
                    known = isinstance(defined, HandlerFunction)
                    handler = (defined.bound_to if known else _binder(defined))(self, type(self))
                    break
        return Unimplemented(type(self).__name__, name) if handler is None else handler

    def __getitem__(self, key: Any) -> Any:
        table = type(self).__table__
        method = table.by_name.get(key) if isinstance(key, str) else None
        if type(key) is int:
            method = table.by_id.get((type(self).__declaration__.node.id, key))
        elif isinstance(key, tuple) and len(key) == 2:
            method = table.by_id.get(key)
        if method is None:
            raise _unknown_method(type(self), key)
        if table.by_name[method.name] is method:
            return getattr(self, python_name(method.name))
        # Hidden by a redefinition: on the wire another method, in a class of ours the same function.
        if isinstance(self, Remote):
            return bound_to(method.proxy_method(), self, type(self))
        return LocalMethod(method, self.__handler__(method.name))

    if not TYPE_CHECKING:  # stubs of schemas say what there is

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(name)
            if type(self).__declaration__.has_nested(name):
                return getattr(type(self), name)
            raise _unknown_method(type(self), name)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        # A struct's copy refers to the same object: what counts about it is who it is.
        return self

    def __repr__(self) -> str:
        wrapped = vars(self).get("__wrapped__", self)
        return object.__repr__(self) if wrapped is self else f"<{type(self).__name__} of {shown(wrapped)}>"


def make_interface_class(
    name: str,
    extends: tuple[InterfaceType, ...],
    bases: tuple[InterfaceType, ...],
    declaration: Declaration,
    module: str,
) -> InterfaceType:
    """The class of an interface.

    Args:
        extends: the superclasses that the schema names.
        bases: the unbound class for a generic one's variants, else ``(Interface,)``.
    """
    node = declaration.node
    assert isinstance(node, InterfaceNode)
    own_methods = tuple(InterfaceMethod(declaration, method) for method in node.methods)
    visible = MethodTable(_breadth_first(own_methods, extends)).by_name
    namespace: dict[str, Any] = {
        "__declaration__": declaration,
        "__doc__": node.doc or None,
        "__extends__": extends,
        "__module__": module,
        "__own_methods__": own_methods,
        "__qualname__": name,
    }
    for method in visible.values():
        for attribute in {method.name, python_name(method.name)}:
            namespace[attribute] = method
    if len(visible) == 1:
        namespace["__call__"] = _call_only_method
    parents = tuple(dict.fromkeys((*bases, *extends)))
    # A base that another one derives from already would be a conflict to Python.
    needed = tuple(
        base for base in parents if not any(base is not other and issubclass(other, base) for other in parents)
    )
    return InterfaceType(name, needed, namespace)


def wrap(cls: InterfaceType, value: Any) -> Any:
    """An interface object of an object, a dict of functions, or a function.

    Raises:
        WrongType: it cannot be one; says what is missing.
    """
    methods = cls.__table__.by_name
    name = cls.__name__
    if isinstance(value, type):
        raise WrongType(f"{shown(value)} is no {name}; an instance of it may be")
    if value is None or isinstance(value, _PLAIN_TYPES):
        raise WrongType(f"{shown(value)} is no {name}")
    if isinstance(value, Mapping):
        for key, function in value.items():
            if key not in methods:
                raise WrongType(f"{name} has no method {shown(key)}; its methods are {', '.join(methods)}")
            if not callable(function):
                raise WrongType(f"{shown(function)} cannot be the method {key} of {name}")
    elif not any(hasattr(value, python_name(method)) for method in methods):
        if callable(value) and len(methods) > 1:
            raise WrongType(f"Interface {cls!r} has too many methods to be registered with only a function.")
        if methods and not callable(value):
            raise WrongType(f"{shown(value)} is no {name}; it has none of the methods {', '.join(methods)}")
    # Not by calling the class: that is what brought us here.
    wrapper: Any = object.__new__(cls)  # type: ignore[arg-type]
    wrapper.__wrapped__ = value
    return wrapper


def implement(value: Any, interface: InterfaceType | None = None) -> Implementation:
    """What a peer needs to answer calls with an object.

    Args:
        value: an instance of a subclass of an interface, or such a class, which is instantiated without arguments; with
            an interface also any object, class, dict of functions, or a function if the interface has one method.
        interface: the interface class; may be left out where the value's class is derived from one.

    Raises:
        RegistrationError: no interface is given or known, or the value cannot implement it.
    """
    if interface is None:
        if not isinstance(type(value), InterfaceType) and not isinstance(value, InterfaceType):
            if callable(value) and not isinstance(value, type):
                raise RegistrationError("Interface must be specified for registering a single function.")
            raise RegistrationError(f"No interface inferable from {value!r}")
    elif not isinstance(interface, InterfaceType):
        raise RegistrationError(f"{interface!r} is no interface class")
    if isinstance(value, InterfaceType) and "__declaration__" in vars(value):
        raise RegistrationError(f"{value.__name__} is an interface; register a class that implements it")
    instance = value() if isinstance(value, type) else value
    if interface is not None and not isinstance(instance, interface):
        try:
            instance = wrap(interface, instance)
        except WrongType as error:
            raise RegistrationError(error.reason) from None
    return _implementation(instance)


def capability_of(value: Any) -> Any:
    """What stands for an object with an interface where no schema says so (a raw call); other values as they are."""
    if isinstance(value, Reference):
        return value.__capability__
    dump = type(value).__conversion__.dump if isinstance(value, Interface) else None
    return value if dump is None else dump(value)


def _conversion(cls: InterfaceType) -> Conversion:
    node_id = cls.__declaration__.node.id

    def enter(value: Any) -> Any:
        if value is None or isinstance(value, cls):
            return value
        if isinstance(value, Capability):
            return make_proxy(cls.__proxy_class__, value)
        if isinstance(value, Reference):
            return make_proxy(cls.__proxy_class__, value.__capability__)
        if isinstance(value, Interface):
            # The same interface with other type parameters, or from another load of the schema.
            if node_id not in _interface_ids(type(value)):
                raise WrongType(f"a {type(value).__name__} is no {cls.__name__}")
            if isinstance(value, Remote):
                return make_proxy(cls.__proxy_class__, value.__capability__, value.__options__)
            return value
        return wrap(cls, value)

    def dump(value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, Remote):
            return value.__capability__
        return LocalCapability(_implementation(value), _key(value))

    return Conversion(cls.__name__, enter, dump, lambda: None, True)


def _interface_ids(cls: type) -> set[int]:
    """The ids of all interfaces that a class is derived from."""
    declarations = [vars(base).get("__declaration__") for base in cls.__mro__]
    return {declaration.node.id for declaration in declarations if isinstance(declaration, Declaration)}


def _implementation(value: Any) -> Implementation:
    return Implementation(value, type(value).__table__, type(value).__declaration__.node.qualified_name)


def _key(value: Any) -> tuple[object, ...]:
    """Equal for the same object under the same interface, so that a peer sees that it got it before."""
    wrapped = vars(value).get("__wrapped__", value)
    if wrapped is value:
        return ("local", id(value))
    interface = type(value).__declaration__.type
    if isinstance(wrapped, MethodType):
        # A bound method is a new object each time it is read.
        return ("local", id(wrapped.__self__), id(wrapped.__func__), interface)
    return ("local", id(wrapped), interface)


def _handler_in(wrapped: Any, name: str) -> Callable[..., Any] | None:
    if isinstance(wrapped, Mapping):
        return wrapped.get(name)
    if isinstance(wrapped, Interface):
        return wrapped.__handler__(name)
    handler: Callable[..., Any] | None = getattr(wrapped, python_name(name), None)
    return wrapped if handler is None and callable(wrapped) else handler


def _binder(defined: Any) -> Callable[[object, type], Any]:
    return lambda instance, owner: bound_to(defined, instance, owner)


def _table_of(bases: tuple[type, ...]) -> MethodTable:
    return MethodTable(method for base in bases if isinstance(base, InterfaceType) for method in _methods_of(base))


def _methods_of(cls: InterfaceType) -> Iterator[InterfaceMethod]:
    if "__declaration__" in vars(cls):
        yield from _breadth_first(cls.__own_methods__, cls.__extends__)
    else:
        for base in cls.__bases__:
            if isinstance(base, InterfaceType):
                yield from _methods_of(base)


def _breadth_first(own: tuple[InterfaceMethod, ...], extends: tuple[InterfaceType, ...]) -> Iterator[InterfaceMethod]:
    """Own methods, then those of the superclasses, then those of theirs; an interface met twice comes once."""
    yield from own
    waiting = list(extends)
    seen: set[InterfaceType] = set()
    while waiting:
        current = waiting.pop(0)
        if current not in seen:
            seen.add(current)
            yield from current.__own_methods__
            waiting.extend(current.__extends__)


def _unknown_method(cls: InterfaceType, key: object) -> UnknownMethod:
    return UnknownMethod(f"{cls.__name__} has no method {key!r}; its methods are {', '.join(cls.__table__.by_name)}")


def _call_only_method(self: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Call the interface's only method, so that a callback can be called like the function it may be."""
    return getattr(self, python_name(next(iter(type(self).__table__.by_name))))(*args, **kwargs)

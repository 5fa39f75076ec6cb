"""Python source for the usual case: one function per struct and list type and direction, without paths.

A generated function does what `reading` or `writing` would do with a well-formed value and raises on anything else,
be it wrong or merely unusual; the caller then walks the value again the careful way, which finds the path or takes the
value. Functions are compiled when first called, so recursive and endlessly nested types cost what is used of them.

In the source, ``o`` is the object or array read, ``w`` what is made of it, ``v`` one value in it, ``d`` the level of
``o`` (only where the type's depth has no bound of its own) and ``p`` the list of capabilities found in an output.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from cara_pseud.capabilities import Capability
from cara_pseud.schema.nodes import INT_RANGES, Kind, Type
from gateway.errors import GatewayError
from gateway.json.codec import scalars
from gateway.json.codec.layout import JSON_VALUE_ID, FieldLayout, Layouts, StructLayout
from gateway.json.codec.options import CodecOptions
from gateway.json.codec.references import Outgoing
from gateway.json.codec.scalars import Misfit


class Unusual(Exception):
    """The value is wrong, or right in a way that only the careful walk knows."""


FAILURES = (
    Unusual,
    Misfit,
    GatewayError,
    AttributeError,
    IndexError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What a generated function may raise: its own refusal and what wrong types make Python's operations raise."""

Lines = list[str]


class Functions:
    """The generated functions of one direction; a subclass writes the source.

    Every function lives in ``namespace`` under a name of its own; its first occupant compiles the real one.
    """

    def __init__(self, layouts: Layouts, options: CodecOptions) -> None:
        self._layouts = layouts
        self._options = options
        self._names: dict[Any, str] = {}
        self._heights: dict[Any, float] = {}
        self._measuring: list[int] = []
        self._compiled: set[str] = set()
        self.namespace: dict[str, Any] = {
            "Unusual": Unusual,
            "INTS": frozenset({int}).issuperset,
            "STRS": frozenset({str}).issuperset,
            "BOOLS": frozenset({bool}).issuperset,
            "FLOATS": frozenset({float}).issuperset,
            "F32": scalars.round_to_float32,
            "Capability": Capability,
            "Outgoing": Outgoing,
        }

    def constant(self, value: Any) -> str:
        """A name for a value that has no literal."""
        name = f"c{len(self.namespace)}"
        self.namespace[name] = value
        return name

    def name(self, key: Type | StructLayout) -> str:
        """The name of a type's function; a group has no type of its own and is named by its layout."""
        identity = id(key) if isinstance(key, StructLayout) else key
        name = self._names.get(identity)
        if name is None:
            name = self._names[identity] = f"f{len(self._names)}"

            def compile_first(*args: Any) -> Any:
                return self._compile(name, key)(*args)

            self.namespace[name] = compile_first
        return name

    def compiled(self, type: Type) -> Callable[..., Any]:
        """As `entrance`, without its detour at each call; the function is compiled now."""
        name = self.name(type)
        function: Callable[..., Any] = self.namespace[name]
        if name not in self._compiled:
            function = self._compile(name, type)
        if self.is_bottomless(type):
            return lambda value, *rest: function(value, 1, *rest)
        return function

    def entrance(self, type: Type) -> Callable[..., Any]:
        """The function of a STRUCT or LIST type for values at the first level."""
        # By name at each call: the first call puts the compiled function in the place of its maker.
        namespace, name = self.namespace, self.name(type)
        if self.is_bottomless(type):
            return lambda value, *rest: namespace[name](value, 1, *rest)
        return lambda value, *rest: namespace[name](value, *rest)

    def call(self, key: Type | StructLayout, value: str, depth: str) -> str:
        """The expression that applies a type's function to ``value`` at level ``depth``."""
        return f"{self.name(key)}({value}, {depth})" if self.is_bottomless(key) else f"{self.name(key)}({value})"

    def is_bottomless(self, key: Type | StructLayout) -> bool:
        """Whether values of the type may be nested without end, so that their depth must be counted."""
        return self.height(key) > self._options.max_depth

    def height(self, key: Type | StructLayout | None) -> float:
        """The most levels of arrays and objects in a value of that type; infinite where it may contain itself."""
        identity: Any = id(key) if isinstance(key, StructLayout) else key
        known = self._heights.get(identity)
        if known is None:
            known = self._heights[identity] = self._measure(key)
        return known

    def _measure(self, key: Type | StructLayout | None) -> float:
        if isinstance(key, StructLayout):
            return 1 + max((self._height_of(field) for field in [*key.fields, *key.variants]), default=0)
        if key is None or key.kind in (Kind.ANY_POINTER, Kind.VOID) or key.node_id == JSON_VALUE_ID:
            return math.inf
        if key.kind is Kind.LIST:
            return 1 + self.height(key.element)
        if key.kind is not Kind.STRUCT:
            return 1 if key.kind is Kind.DATA else 0
        if key.node_id in self._measuring:  # by node: under growing brands it would never end
            return math.inf
        self._measuring.append(key.node_id)
        try:
            return self.height(self._layouts.struct(key))
        finally:
            self._measuring.pop()

    def _height_of(self, field: FieldLayout) -> float:
        return self.height(field.group if field.group is not None else field.type)

    def _compile(self, name: str, key: Type | StructLayout) -> Callable[..., Any]:
        layout = key if isinstance(key, StructLayout) else None
        if layout is None and isinstance(key, Type) and key.kind is Kind.STRUCT:
            layout = self._layouts.struct(key)
        lines: Lines = []
        parameters = "o"
        if self.is_bottomless(key):
            parameters = "o, d"
            lines.append(f"if d > {self._options.max_depth - self._bounded_below(layout)}: raise Unusual")
        if layout is not None:
            lines += [*self.object(layout), "return w"]
        elif isinstance(key, Type):
            lines += self.array(element_of(key))
        source = "\n".join([f"def {name}({self.parameters(parameters)}):", *indented(lines)])
        exec(compile(source, f"<{type(self).__name__} {name}>", "exec"), self.namespace)  # noqa: S102 (our own source)
        self._compiled.add(name)
        function: Callable[..., Any] = self.namespace[name]
        return function

    def _bounded_below(self, layout: StructLayout | None) -> int:
        """How many levels may be below an object that nothing else counts: those of its bounded members."""
        if layout is None:
            return 1
        heights = [self._height_of(field) for field in [*layout.fields, *layout.variants]]
        return int(max((height for height in heights if height <= self._options.max_depth), default=0))

    def parameters(self, parameters: str) -> str:
        """The parameters of a generated function."""
        return parameters

    def object(self, layout: StructLayout) -> Lines:
        """The statements that turn ``o``, a struct or group, into ``w``.

        What ``o`` is, is asked and not concluded from what can be done with it: nothing is done with an object whose
        members are all Void, and an empty text or array has as many members as it.
        """
        return ["if type(o) is not dict: raise Unusual", *self.members(layout)]

    def members(self, layout: StructLayout) -> Lines:
        """The statements that turn ``o``, which is a dict, into ``w``."""
        raise NotImplementedError

    def array(self, element: Type) -> Lines:
        """The statements that turn ``o``, a list, into what they return."""
        raise NotImplementedError


def indented(lines: Lines) -> Lines:
    """The lines as the body of a statement."""
    return ["    " + line for line in lines]


def in_range(kind: Kind) -> str:
    """The test that the integer ``v`` is in range."""
    low, high = INT_RANGES[kind]
    return f"{low} <= v <= {high}"


def element_of(type: Type) -> Type:
    """The element type of a LIST."""
    assert type.element is not None  # the loader gives every list one
    return type.element


def all_in_range(kind: Kind) -> str:
    """The test that ``o`` holds nothing but integers in range; it runs in C."""
    low, high = INT_RANGES[kind]
    return f"INTS(map(type, o)) and (not o or min(o) >= {low} and max(o) <= {high})"


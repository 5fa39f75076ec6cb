"""Python source for the usual case: one function per struct and list type and direction, without paths.

A generated function does what `reading` or `writing` would do with a well-formed value. Where a value is wrong or
merely unusual, it hands what it was about to do, one member or element, to the careful walk, and goes on if that takes
it; so nothing is walked again that was done. A struct is mended as a whole, for its members are judged in the order of
the input; what was read of it is kept. The `try` that this needs costs nothing until something is raised.

Functions are compiled when first called, so recursive and endlessly nested types cost what is used of them.

In the source, ``o`` is the object or array read, ``w`` what is made of the object and ``x`` of the array, ``v`` one
value in it, ``d`` the level of ``o`` (only where the type's depth has no bound of its own), ``p`` the list of
references or capabilities found and ``h`` the place of ``o`` (only in readers of what may hold references).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, Final

from cara_pseud.capabilities import Capability
from cara_pseud.schema.nodes import Type, describe_type
from gateway.json.codec import scalars
from gateway.json.codec.kinds import BOTTOMLESS, Rules, Shape, Usual, row_of
from gateway.json.codec.layout import FieldLayout, StructLayout
from gateway.json.codec.needless import NeedlessRefusals
from gateway.json.codec.objects import Outgoing
from gateway.json.codec.refusal import FAILURES, Unusual

Lines = list[str]

Key = Type | StructLayout
"""What has a function: a LIST or STRUCT type, or a group, which has no type of its own."""

_FEW = 16
_ENOUGH_TYPES = 50
"""Brands may grow without end (``Tree(Box(T))`` within ``Tree(T)``), and to say yes for no reason costs little."""


class Functions:
    """The generated functions of one direction; a subclass writes the source.

    Every function lives in ``namespace`` under a name of its own; its first occupant compiles the real one.
    """

    title = "function"

    def __init__(self, rules: Rules, needless: NeedlessRefusals) -> None:
        self._rules = rules
        self._layouts, self._options = rules
        self._needless = needless
        self._names: dict[Any, str] = {}
        self._heights: dict[Any, float] = {}
        self._holding: dict[Any, bool] = {}
        self._measuring: list[int] = []
        self._compiled: set[str] = set()
        self.namespace: dict[str, Any] = {
            "Unusual": Unusual,
            "FAILURES": FAILURES,
            "INTS": frozenset({int}).issuperset,
            "STRS": frozenset({str}).issuperset,
            "BOOLS": frozenset({bool}).issuperset,
            "FLOATS": frozenset({float}).issuperset,
            "F32": scalars.nearest_float32,
            "F32OUT": scalars.round_to_float32,
            "FLOAT": scalars.float_out,
            "BASE64": scalars.base64_out,
            "Capability": Capability,
            "Outgoing": Outgoing,
        }

    def constant(self, value: Any) -> str:
        """A name for a value that has no literal."""
        name = f"c{len(self.namespace)}"
        self.namespace[name] = value
        return name

    def name(self, key: Key) -> str:
        """The name of a function."""
        name = self._names.get(_identity(key))
        if name is None:
            name = self._names[_identity(key)] = f"f{len(self._names)}"

            def compile_first(*args: Any) -> Any:
                return self._compile(name, key)(*args)

            self.namespace[name] = compile_first
        return name

    def compiled(self, key: Key) -> Callable[..., Any]:
        """The function itself, compiled now: ``f(value, …)`` with what `arguments` says."""
        name = self.name(key)
        function: Callable[..., Any] = self.namespace[name]
        return function if name in self._compiled else self._compile(name, key)

    def entrance(self, type: Type) -> Callable[..., Any]:
        """The function for values at the first level, compiled now: ``f(value, *rest)``."""
        function = self.compiled(type)
        if self.counts_depth(type):
            return lambda value, *rest: function(value, 1, *rest)
        return function

    def call(self, key: Key, value: str, depth: str, path: str) -> str:
        """The expression that applies a function to ``value`` at level ``depth``, which stands at ``path``."""
        return f"{self.name(key)}({', '.join([value, *self.arguments(key, depth, 'p', path)])})"

    def arguments(self, key: Key, depth: Any, found: Any, path: Any) -> list[Any]:
        """What a function takes besides the value; these have the names ``d``, ``p`` and ``h`` in it."""
        return [depth] if self.counts_depth(key) else []

    def counts_depth(self, key: Key) -> bool:
        """Whether a function is told the level of its value."""
        return self.is_bottomless(key)

    def is_bottomless(self, key: Key) -> bool:
        """Whether values of the type may be nested without end, so that their depth must be counted."""
        return self.height(key) > self._options.max_depth

    def height(self, key: Key | None) -> float:
        """The most levels of arrays and objects in a value of that type; infinite where it may contain itself."""
        known = self._heights.get(_identity(key))
        if known is not None:
            return known
        # Not recursive: types may lead from one to the next farther than Python's stack goes.
        measured: list[tuple[Key | None, Generator[Key | None, float, float]]] = [(key, self._measure(key))]
        height = 0.0
        begun = False
        while measured:
            current, steps = measured[-1]
            try:
                wanted = steps.send(height) if begun else next(steps)
            except StopIteration as done:
                measured.pop()
                height = self._heights[_identity(current)] = done.value
                begun = True
                continue
            known = self._heights.get(_identity(wanted))
            begun = known is not None
            if known is not None:
                height = known
            else:
                measured.append((wanted, self._measure(wanted)))
        return height

    def _measure(self, key: Key | None) -> Generator[Key | None, float, float]:
        """Measures a type; asks for the heights of those in it."""
        if isinstance(key, StructLayout):
            most = 0.0
            for field in (*key.fields, *key.variants):
                most = max(most, (yield _key_of(field)))
            return 1 + most
        if key is None:
            return BOTTOMLESS
        row = row_of(key)
        if row.shape is Shape.LIST:
            return row.levels + (yield key.element)
        if row.shape is not Shape.STRUCT:
            return row.levels
        if key.node_id in self._measuring:  # by node: under growing brands it would never end
            return BOTTOMLESS
        self._measuring.append(key.node_id)
        try:
            return (yield self._layouts.struct(key))
        finally:
            self._measuring.pop()

    def holds_objects(self, key: Key) -> bool:
        """Whether a value can refer to a live object."""
        known = self._holding.get(_identity(key))
        if known is None:
            known = self._holding[_identity(key)] = self._holds_objects(key)
        return known

    def _holds_objects(self, key: Key) -> bool:
        waiting: list[Key | None] = [key]
        seen: set[Type] = set()
        while waiting:
            one = waiting.pop()
            if isinstance(one, Type):
                shape = row_of(one).shape
                if shape is Shape.OBJECT or shape is Shape.ANY:
                    return True
                if shape is Shape.LIST:
                    waiting.append(one.element)
                elif shape is Shape.STRUCT and one not in seen:
                    if len(seen) > _ENOUGH_TYPES:
                        return True
                    seen.add(one)
                    waiting.append(self._layouts.struct(one))
            elif one is not None:
                waiting += [_key_of(field) for field in (*one.fields, *one.variants)]
        return False

    def _compile(self, name: str, key: Key) -> Callable[..., Any]:
        layout = self.layout_of(key)
        if layout is None:
            assert isinstance(key, Type)  # a group has a layout
            lines = self.array(key, element_of(key))
        elif layout.is_plain:
            lines = [*self.object(key, layout), "return w"]
        else:
            lines = [f"return {self._whole(key)}"]  # flattened members, a tag: too many shapes for straight code
        head = f"def {name}({', '.join(['o', *self.arguments(key, 'd', 'p', 'h')])}):"
        source = "\n".join([head, *indented(lines)])
        exec(compile(source, f"<{type(self).__name__} {name}>", "exec"), self.namespace)  # noqa: S102 (our own source)
        self._compiled.add(name)
        function: Callable[..., Any] = self.namespace[name]
        return function

    def layout_of(self, key: Key) -> StructLayout | None:
        """The layout of a struct or group, None for a list."""
        if isinstance(key, StructLayout):
            return key
        return self._layouts.struct(key) if row_of(key).shape is Shape.STRUCT else None

    def object(self, key: Key, layout: StructLayout) -> Lines:
        """The statements that turn ``o``, a struct or group, into ``w``.

        What ``o`` is, is asked and not concluded from what can be done with it: nothing is done with an object whose
        members are all Void, and an empty text or array has as many members as it.
        """
        deep = [f"if d > {self.deepest(key)}: raise Unusual"] if self.is_bottomless(key) else []
        lines = [*deep, _NO_OBJECT, *self.members(layout)]
        return ["w = {}", "try:", *indented(lines), "except FAILURES as e:", f"    {self._mend(key, layout, 'None')}"]

    def _mend(self, key: Key, layout: StructLayout, index: str) -> str:
        mend = self.constant(self.mends_object(key, layout))
        return f"{mend}({', '.join(['o', 'w', 'e', index, *self._here(key)])})"

    def array(self, type: Type, element: Type) -> Lines:
        """The statements that turn ``o``, a list, into what they return."""
        row, layout = row_of(element), self.layout_of(element)
        deep = f" or d > {self.deepest(type)}" if self.is_bottomless(type) else ""
        lines = [f"if {self.no_array}{deep}: return {self._whole(type)}", *self.counted(layout)]
        mend = f"{self.constant(self.mends_element(element))}(x, %s, e, %s, {', '.join(self._here(type))})"
        if row.shape is Shape.OBJECT or row.shape is Shape.ANY:
            body = ["if v is not None:", *indented(self.put(element, "x", "i", "d + 1", "(h, i)"))]
            return [*lines, "x = [None] * len(o)", *_each("i, v", "enumerate(o)", body, mend % ("v", "i"))]
        if layout is not None and layout.is_plain and not self.is_bottomless(element):
            before, first = self.descend(type)
            body = ["w = {}", *first, _NO_OBJECT, *self.members(layout), "x.append(w)"]
            mended = f"{self._mend(element, layout, 'len(x)')}; x.append(w)"
            return [*lines, *before, "x = []", *_each("o", "iter(o)", body, mended)]
        lines += self._all_at_once(element)
        body = self.checked(element, lambda value: f"x.append({value})", "d + 1", "(h, len(x))")
        return [*lines, *_each("v", "iter(o[i:] if i else o)", body, mend % ("v", "len(x)"))]

    def _all_at_once(self, element: Type) -> Lines:
        test = self.uniform(element)
        if test is None:
            value = self.unconditional(element)
            if value is None:
                return ["i = 0", "x = []"]
            return ["try:", f"    return [{value} for v in o]", "except FAILURES:", "    i = 0", "    x = []"]
        fits = eval(f"lambda o: {test}", self.namespace)  # noqa: S307 (our own source)
        first = self.constant(lambda o: first_fitting(fits, o))
        return [f"if {test}: return {self.unchanged}", f"i = {first}(o)", "x = [*o[:i]]"]

    def _whole(self, key: Key) -> str:
        """The careful walk through ``o``."""
        return f"{self.constant(self.walks(key))}({', '.join(['o', *self._here(key)])})"

    def _here(self, key: Key) -> list[str]:
        """Where the code of a function is, for the careful walk: a level, and whatever else it takes."""
        arguments = self.arguments(key, "d", "p", "h")
        return arguments if self.counts_depth(key) else ["1", *arguments]

    def deepest(self, key: Key) -> int:
        """The last level at which a value may be: what is below and does not count must be within the bound too."""
        layout = self.layout_of(key)
        if layout is None:
            heights = [self.height(element_of(key))] if isinstance(key, Type) else []
        else:
            heights = [self.height(_key_of(field)) for field in [*layout.fields, *layout.variants]]
        below = max((height for height in heights if height <= self._options.max_depth), default=0)
        return self._options.max_depth - int(below)

    def title_of(self, key: Key) -> str:
        """A function as it stands in the log."""
        what = key.label if isinstance(key, StructLayout) else describe_type(self._layouts.schema, key)
        return f"{self.title} of {what}"

    no_array = "type(o) is not list"
    unchanged = "o"

    def counted(self, layout: StructLayout | None) -> Lines:
        """The statements that see that ``o``, a list of such structs, is not too much; none where that is known."""
        return []

    def descend(self, type: Type) -> tuple[Lines, Lines]:
        """The statements before a loop whose ``o`` is the element and no more the list, and the first ones in it."""
        return (["d += 1"] if self.counts_depth(type) else []), []

    # What the directions differ in.

    def members(self, layout: StructLayout) -> Lines:
        """The statements that turn ``o``, which is a dict, into ``w``."""
        raise NotImplementedError

    def put(self, type: Type, container: str, key: str, depth: str, path: str) -> Lines:
        """The statements that put ``v``, of shape OBJECT or ANY and not null, into its place."""
        raise NotImplementedError

    def checked(self, type: Type, put: Callable[[str], str], depth: str, path: str) -> Lines:
        """The statements that check ``v``, of any other shape, and put what is made of it."""
        raise NotImplementedError

    def uniform(self, element: Type) -> str | None:
        """The test that all elements of ``o`` stay as they are."""
        raise NotImplementedError

    def unconditional(self, element: Type) -> str | None:
        """What is made of an element ``v``, if that needs no test; None for most types."""
        raise NotImplementedError

    def walks(self, key: Key) -> Callable[..., Any]:
        """The careful walk through a list or struct: ``f(o, d, …)``."""
        raise NotImplementedError

    def mends_object(self, key: Key, layout: StructLayout) -> Callable[..., None]:
        """What completes an object whose function failed: ``f(o, w, failure, index, d, …)``."""
        raise NotImplementedError

    def mends_element(self, element: Type) -> Callable[..., None]:
        """What puts the element of a list whose code failed: ``f(x, v, failure, index, d, …)``."""
        raise NotImplementedError


def _each(names: str, elements: str, body: Lines, mend: str) -> Lines:
    """A loop that goes on behind an element that failed; its `try` is outside, for within it would cost a little."""
    loop = [f"for {names} in each:", *indented(body), "return x"]
    tried = ["try:", *indented(loop), "except FAILURES as e:", f"    {mend}"]
    return [f"each = {elements}", "while True:", *indented(tried)]


OTHERWISE: Final = "else: raise Unusual"
_NO_OBJECT: Final = "if type(o) is not dict: raise Unusual"


def cases(usual: Sequence[Usual], put: Callable[[str], str], otherwise: Lines) -> Lines:
    """The statement that puts ``v`` by the first case that it is."""
    if usual[0].test is None:
        return [put(usual[0].value)]
    if len(usual) == 1 and otherwise == [OTHERWISE]:  # a jump less
        return [f"if not ({usual[0].test}): raise Unusual", put(usual[0].value)]
    tests = [f"{'el' if index else ''}if {case.test}: {put(case.value)}" for index, case in enumerate(usual)]
    return [*tests, *otherwise]


def first_fitting(fits: Callable[[Any], bool], items: Any) -> int:
    """How many elements at the beginning of a list fit, where not all do; by halves, since the test runs in C.

    Where it is few it says 0: to begin with them costs less than to leave them out.
    """
    low, high = 0, len(items)
    if not fits(items[:_FEW]):  # as in a list of floats with whole numbers among them
        return 0
    while high - low > 1:
        middle = (low + high) // 2
        if fits(items[low:middle]):
            low = middle
        else:
            high = middle
    return low


def indented(lines: Lines) -> Lines:
    """The lines as the body of a statement."""
    return ["    " + line for line in lines]


def element_of(type: Type) -> Type:
    """The element type of a LIST."""
    assert type.element is not None  # the loader gives every list one
    return type.element


def _key_of(field: FieldLayout) -> Key | None:
    return field.group if field.group is not None else field.type


def _identity(key: Key | None) -> Any:
    return id(key) if isinstance(key, StructLayout) else key

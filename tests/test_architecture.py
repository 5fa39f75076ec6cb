"""The shape of the source: which module may import which, and what no module may hold.

Everything is read from the syntax trees and nothing is imported, so the rules hold for a broken module too.
The rings from the inside out are words, pure, waiting and edge: a module imports its own ring and inner ones.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("cara_pseud", "gateway")

WORDS, PURE, WAITING, EDGE = range(4)

# What is not named here is PURE: a module that waits or reaches outside has to be entered first. The entry of a
# package inside cara_pseud or gateway holds for its modules as well.
RINGS = {
    "cara_pseud": EDGE,
    "cara_pseud.adoption": EDGE,
    "cara_pseud.announcing": EDGE,
    "cara_pseud.auth": EDGE,
    "cara_pseud.binding": EDGE,
    "cara_pseud.blocking": EDGE,
    "cara_pseud.uninterrupted": EDGE,
    "cara_pseud.running": EDGE,
    "cara_pseud.capabilities": WORDS,
    "cara_pseud.client": EDGE,
    "cara_pseud.connection": WAITING,
    "cara_pseud.cork": WAITING,
    "cara_pseud.deadlines": WAITING,
    "cara_pseud.dependents": WAITING,
    "cara_pseud.local_promises": WAITING,
    "cara_pseud.testing": WAITING,
    "cara_pseud.dispatch": EDGE,
    "cara_pseud.errors": WORDS,
    "cara_pseud.gateway": EDGE,
    "cara_pseud.gateway.acknowledgements": PURE,
    "cara_pseud.gateway.callback_table": PURE,
    "cara_pseud.gateway.callbacks": WAITING,
    "cara_pseud.gateway.calls": PURE,
    "cara_pseud.gateway.clock": PURE,
    "cara_pseud.gateway.close_codes": PURE,
    "cara_pseud.gateway.failures": PURE,
    "cara_pseud.gateway.greeting": PURE,
    "cara_pseud.gateway.heartbeat": PURE,
    "cara_pseud.gateway.invocation": PURE,
    "cara_pseud.gateway.members": PURE,
    "cara_pseud.gateway.messages": PURE,
    "cara_pseud.gateway.objects": WAITING,
    "cara_pseud.gateway.outbox": PURE,
    "cara_pseud.gateway.plain_objects": WAITING,
    "cara_pseud.gateway.plain_values": PURE,
    "cara_pseud.gateway.references": PURE,
    "cara_pseud.gateway.requests": PURE,
    "cara_pseud.gateway.session": PURE,
    "cara_pseud.gateway.session_events": PURE,
    "cara_pseud.gateway.targets": PURE,
    "cara_pseud.gateway.typed_values": PURE,
    "cara_pseud.holders": WAITING,
    "cara_pseud.inbox": WAITING,
    "cara_pseud.loading": EDGE,
    "cara_pseud.login_desk": EDGE,
    "cara_pseud.message_logins": WAITING,
    "cara_pseud.outgoing_calls": WAITING,
    "cara_pseud.passwords": EDGE,
    "cara_pseud.peer": EDGE,
    "cara_pseud.plugins": EDGE,
    "cara_pseud.pseud": EDGE,
    "cara_pseud.promises": WAITING,
    "cara_pseud.references": WAITING,
    "cara_pseud.remote": WAITING,
    "cara_pseud.remote_names": WAITING,
    "cara_pseud.routing": EDGE,
    "cara_pseud.schema.compiled_cache": EDGE,
    "cara_pseud.schema.compiler": EDGE,
    "cara_pseud.schema.compiler_process": EDGE,
    "cara_pseud.schema.hook": EDGE,
    "cara_pseud.schema.loader": EDGE,
    "cara_pseud.schema.nodes": WORDS,
    "cara_pseud.schema.sources": EDGE,
    "cara_pseud.schema.trees": EDGE,
    "cara_pseud.server": EDGE,
    "cara_pseud.stock": EDGE,
    "cara_pseud.threads": WAITING,
    "cara_pseud.transport": EDGE,
    "cara_pseud.typing": WAITING,
    "cara_pseud.zap": EDGE,
    "gateway.__main__": EDGE,
    "gateway.access.rates": WAITING,
    "gateway.access.shared_counts": WAITING,
    "gateway.deferred_calls": WAITING,
    "gateway.development": EDGE,
    "gateway.development.announced": PURE,
    "gateway.development.tracebacks": PURE,
    "gateway.admin_commands": EDGE,
    "gateway.access.authentication": WAITING,
    "gateway.access.issuer_keys": WAITING,
    "gateway.access.outside": EDGE,
    "gateway.access.passwords": WAITING,
    "gateway.access.plugin": WAITING,
    "gateway.access.web_tokens": WAITING,
    "gateway.app": EDGE,
    "gateway.bridge.answers": WAITING,
    "gateway.bridge.objects": WAITING,
    "gateway.bridge.questions": WAITING,
    "gateway.bridge.service_calls": WAITING,
    "gateway.bridge.native_connection": EDGE,
    "gateway.bridge.process": EDGE,
    "gateway.bridge.service": EDGE,
    "gateway.bridge.vat": WAITING,
    "gateway.bridge_command": EDGE,
    "gateway.call_failures": WAITING,
    "gateway.call_targets": WAITING,
    "gateway.calls": WAITING,
    "gateway.cli": EDGE,
    "gateway.config.file": EDGE,
    "gateway.config.lasting": EDGE,
    "gateway.config.limits": WORDS,
    "gateway.credential_commands": EDGE,
    "gateway.demo": EDGE,
    "gateway.errors": WORDS,
    "gateway.config.tracing": EDGE,
    "gateway.http": EDGE,
    "gateway.http.byte_ranges": PURE,
    "gateway.http.chunks": PURE,
    "gateway.http.page_changes": WAITING,
    "gateway.http.proxies": PURE,
    "gateway.http.request_head": PURE,
    "gateway.catalogue_loading": EDGE,
    "gateway.log_drain": EDGE,
    "gateway.reclaiming": EDGE,
    "gateway.logs": EDGE,
    "gateway.loop": EDGE,
    "gateway.protocols.jsonrpc.channel": WAITING,
    "gateway.protocols.jsonrpc.conversation": WAITING,
    "gateway.protocols.jsonrpc.following": WAITING,
    "gateway.protocols.jsonrpc.single_conversation": WAITING,
    "gateway.protocols.jsonrpc.single_references": WAITING,
    "gateway.protocols.rest.request_session": WAITING,
    "gateway.protocols.jsonrpc.farewell": WAITING,
    "gateway.protocols.admission": WAITING,
    "gateway.protocols.jsonrpc.entrance": WAITING,
    "gateway.protocols.jsonrpc.resuming": WAITING,
    "gateway.protocols.jsonrpc.held_calls": WAITING,
    "gateway.protocols.jsonrpc.waiting_calls": WAITING,
    "gateway.protocols.jsonrpc.call_pace": WAITING,
    "gateway.protocols.jsonrpc.acknowledgements": WAITING,
    "gateway.protocols.jsonrpc.slow_client": WAITING,
    "gateway.protocols.jsonrpc.stream_references": WAITING,
    "gateway.protocols.progress_watch": WAITING,
    "gateway.reloads": WAITING,
    "gateway.protocols.rest.rest_references": WAITING,
    "gateway.protocols.sse.listener": WAITING,
    "gateway.sessions.away": WAITING,
    "gateway.protocols.jsonrpc.intake": WAITING,
    "gateway.sessions.callbacks": WAITING,
    "gateway.sessions.holder_references": WAITING,
    "gateway.sessions.overview": WAITING,
    "gateway.sessions.passed_objects": WAITING,
    "gateway.sessions.session": WAITING,
    "gateway.sessions.sessions": WAITING,
    "gateway.otlp_traces": EDGE,
    "gateway.rates_in_force": EDGE,
    "gateway.redis_counts": EDGE,
    "gateway.remote_commands": EDGE,
    "gateway.repeats": WAITING,
    "gateway.stalls": WAITING,
    "gateway.systemd": EDGE,
    "gateway.trees": EDGE,
    "gateway.turns": WAITING,
    "gateway.upstream.balancer": WAITING,
    "gateway.upstream.bridge_process": EDGE,
    "gateway.upstream.bridged": EDGE,
    "gateway.upstream.pool": EDGE,
    "gateway.upstream.pseud": EDGE,
    "gateway.life": EDGE,
    "gateway.watched_files": EDGE,
    "gateway.own_folders": EDGE,
}

# The rooms of the gateway from the ground up: a module imports its own room and lower ones.
ROOMS = (
    {
        "errors", "admin_paths", "annotations", "fixed_paths", "path_prefix", "host_names", "trees", "log_drain",
        "logs", "own_folders", "stalls", "watched_files", "metric_text", "reload_counts", "trace_context", "traces",
    },
    {"config.limits", "turns", "loop", "reclaiming", "reloads"},
    {"json", "access.rules", "interface_names"},
    {"raw_bodies", "routes", "reference_form"},
    {"sensitive", "redaction", "logged_paths", "describe", "config"},
    {"upstream.base"},
    {"call_counts", "catalogue", "access"},
    {"client"},
    {"sessions"},
    {"call_failures", "call_targets", "calls", "casts", "deferred_calls", "repeats"},
    {"protocols"},
    {"http"},
    {
        "bridge", "catalogue_loading", "redis_counts", "rates_in_force", "upstream", "demo", "otlp_traces",
        "connection_reports",
    },
    {"app"},
    {"development", "life", "systemd"},
    {"remote_commands", "credential_commands", "admin_commands", "bridge_command"},
    {"cli", "__main__"},
)
# What a protocol writes stands in its own room, so that another door may write it otherwise.
LITERALS = {
    r"\brpc\.|\bjsonrpc\b": "gateway.protocols.jsonrpc",
    r"(^|\n)(event|data|id): ": "gateway.protocols.sse",
}

# What is another protocol's word all the same: names of attributes in OpenTelemetry's conventions.
OTHER_WORDS = {"gateway.otlp_traces": {"rpc.method", "rpc.response.status_code", "rpc.system.name"}}

# Standard and foreign modules by what they bring in. Files and paths count as reading the outside too, but pathlib
# is also a vocabulary, so it is left to the eye.
WAITS = {"asyncio", "concurrent", "sched", "threading"}
IMPURE = {"random", "secrets", "time", "uuid"}
REACHES_OUT = {
    "capnp", "click", "http.client", "http.server", "importlib", "limits", "logging.config", "multiprocessing",
    "opentelemetry", "os", "pseud", "redis", "select", "selectors", "shutil", "socket", "sqlite3", "ssl", "subprocess",
    "tempfile", "tornado",
    "urllib.request", "zmq",
}  # fmt: skip
BANNED = {WORDS: WAITS | IMPURE | REACHES_OUT, PURE: WAITS | IMPURE | REACHES_OUT, WAITING: REACHES_OUT, EDGE: set()}

# What inner rings may use of such modules all the same. A call gives a Future, so what calls and what is called has to
# know that class; and interfaces make capabilities of objects, whose calls run in the loop.
ALLOWED = {
    ("cara_pseud.capabilities", "asyncio"): {"Future"},
    ("cara_pseud.implementations", "asyncio"): {"wrap_future"},
    ("cara_pseud.implementations", "concurrent.futures"): {"Future"},
    ("cara_pseud.local", "asyncio"): {"Future", "Task", "get_running_loop", "timeout"},
}

# Banned everywhere: unpickling runs code that a peer chose.
NOWHERE = {"pickle", "_pickle", "dill", "marshal", "shelve"}

# What a program needs to be a peer. The gateway takes these names from one place, so that another kind of service can
# be added beside it.
PEER = {
    "cara_pseud",
    *(f"cara_pseud.{name}" for name in ("auth", "binding", "client", "peer", "pseud", "server", "transport", "zap")),
}
PYCAPNP_CHILD = "cara_pseud.schema.compiler_process"
PRINTS = {"gateway.cli"}

FORBIDDEN_NAMES = {"util", "utils", "common", "manager", "helper", "helpers", "context", "data", "info"}
LONGEST_FILE = 500
# Tables and transcripts of tests grow longer without a second concept in them.
LONGEST_TEST_FILE = 700


@dataclass(frozen=True)
class Module:
    name: str
    path: Path
    tree: ast.Module
    is_package: bool


@dataclass(frozen=True)
class Import:
    """One import: `of` is the module by its full name, `place` reads `module:line`."""

    by: str
    of: str
    place: str
    in_function: bool


@cache
def modules() -> dict[str, Module]:
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            is_package = parts[-1] == "__init__"
            name = ".".join(parts[:-1] if is_package else parts)
            found[name] = Module(name, path, ast.parse(path.read_text("utf-8"), str(path)), is_package)
    return found


@cache
def imports() -> tuple[Import, ...]:
    return tuple(found for module in modules().values() for found in _imports(module, module.tree, in_function=False))


def _imports(module: Module, node: ast.AST, in_function: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        place = f"{module.name}:{getattr(child, 'lineno', 0)}"
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(module.name, alias.name, place, in_function)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"{place}: imports are absolute"
            for alias in child.names:
                # `from package import module` means that module, `from module import name` the one that has the name.
                full = f"{child.module}.{alias.name}"
                yield Import(module.name, full if full in modules() else str(child.module), place, in_function)
        else:
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(module, child, in_function or is_function)


def ring(name: str) -> int:
    while name not in RINGS:
        name = name.rpartition(".")[0]
        if "." not in name:
            return PURE
    return RINGS[name]


def is_own(name: str) -> bool:
    return name.partition(".")[0] in PACKAGES


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def assert_none(found: Sequence[str]) -> None:
    assert not found, "\n".join(found)


def test_every_entry_of_the_rings_is_a_module() -> None:
    assert_none([name for name in (*RINGS, *PEER) if name not in modules()])


def test_cara_pseud_never_imports_the_gateway() -> None:
    assert_none([i.place for i in imports() if within(i.by, "cara_pseud") and within(i.of, "gateway")])


def test_a_module_imports_only_its_own_ring_and_inner_ones() -> None:
    # A package's __init__ gathers the names of its modules, so it stands as far out as the outermost of them.
    assert_none([f"{i.place} imports {i.of}" for i in imports() if is_own(i.of) and ring(i.of) > ring(i.by)])


def test_foreign_modules_stay_in_their_rings() -> None:
    wrong = [
        f"{i.place} imports {i.of}"
        for i in imports()
        if (i.by, i.of) not in ALLOWED and any(within(i.of, banned) for banned in BANNED[ring(i.by)])
    ]
    assert_none(wrong)


def test_inner_rings_use_no_more_of_foreign_modules_than_they_must() -> None:
    used = {(name, foreign): set(_used(modules()[name].tree, foreign)) for name, foreign in ALLOWED}
    assert used == ALLOWED


def _used(tree: ast.Module, foreign: str) -> Iterator[str]:
    """What a module takes of another one, however it does it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == foreign:
            yield node.attr
        elif isinstance(node, ast.ImportFrom) and str(node.module) == foreign:
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (f"as {alias.asname}" for alias in node.names if alias.name == foreign and alias.asname)


def floor(name: str) -> int:
    """The place of a gateway's module in `ROOMS`."""
    room = name.partition(".")[2]
    while room:
        for place, rooms in enumerate(ROOMS):
            if room in rooms:
                return place
        room = room.rpartition(".")[0]
    raise AssertionError(f"{name} is in no room")


def test_no_import_goes_up_between_the_rooms_of_the_gateway() -> None:
    found = [i for i in imports() if all(name.startswith("gateway.") for name in (i.by, i.of))]
    assert_none([f"{i.place} imports {i.of}" for i in found if floor(i.of) > floor(i.by)])


def test_every_room_has_a_module() -> None:
    rooms = {room for rooms in ROOMS for room in rooms}
    assert_none([room for room in rooms if not any(within(name, f"gateway.{room}") for name in modules())])


def test_what_a_protocol_writes_stands_in_its_room() -> None:
    wrong = [
        f"{module.name}:{line}: {text!r}"
        for module in modules().values()
        if within(module.name, "gateway")
        for line, text in _texts(module.tree)
        for pattern, room in LITERALS.items()
        if re.search(pattern, text) and not within(module.name, room)
        and text not in OTHER_WORDS.get(module.name, ())
    ]
    assert_none(wrong)


def _texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The texts in a module that are no documentation."""
    bodies = [node.body for node in ast.walk(tree) if isinstance(getattr(node, "body", None), list)]
    statements = [statement for body in bodies for statement in body if isinstance(statement, ast.Expr)]
    documentation = {id(statement.value) for statement in statements}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in documentation:
            if isinstance(node.value, str):
                yield node.lineno, node.value
            elif isinstance(node.value, bytes):
                yield node.lineno, node.value.decode("latin-1")


def test_only_app_joins_the_doors_and_the_upstreams() -> None:
    joined = [
        f"{i.place} imports {i.of}"
        for i in imports()
        if (within(i.by, "gateway.http") and within(i.of, "gateway.upstream") and ring(i.of) == EDGE)
        or (within(i.by, "gateway.upstream") and within(i.of, "gateway.http"))
    ]
    assert_none(joined)


def test_only_upstreams_and_the_demo_know_the_peers_of_cara_pseud() -> None:
    # A bridge is a peer of its own.
    may = ("gateway.upstream", "gateway.demo", "gateway.bridge")
    wrong = [
        f"{i.place} imports {i.of}"
        for i in imports()
        if within(i.by, "gateway") and i.of in PEER and not any(within(i.by, package) for package in may)
    ]
    assert_none(wrong)


def test_only_the_schema_compiler_s_child_meets_pycapnp() -> None:
    assert {i.by for i in imports() if within(i.of, "capnp")} <= {PYCAPNP_CHILD}


def test_there_is_no_import_cycle() -> None:
    graph: dict[str, set[str]] = {name: set() for name in modules()}
    for found in imports():
        if found.of in graph and found.of != found.by:
            graph[found.by].add(found.of)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" imports ".join(reversed(error.args[1]))) from None


def test_our_own_modules_are_imported_at_the_top() -> None:
    # An import inside a function hides a cycle: a concept that has no home yet.
    assert_none([i.place for i in imports() if i.in_function and is_own(i.of)])


def test_nothing_unpickles() -> None:
    assert_none([i.place for i in imports() if i.of.partition(".")[0] in NOWHERE])


def test_every_module_says_what_it_is_for() -> None:
    silent = [m.name for m in modules().values() if m.path.stat().st_size and not ast.get_docstring(m.tree)]
    assert_none(silent)


def test_no_module_is_named_by_what_it_is_not() -> None:
    assert_none([name for name in modules() if FORBIDDEN_NAMES & set(name.split("."))])


# The gateway's `Client` is whoever is at the other end of a session; the library's is what its users know by that name.
TWICE = {"Client"}


def test_no_two_classes_have_one_name() -> None:
    """One thing per word, so that a search finds it."""
    found: dict[str, list[str]] = {}
    for module in modules().values():
        for name in _public_names(module.tree):
            found.setdefault(name, []).append(module.name)
    assert_none([f"{name}: {', '.join(of)}" for name, of in found.items() if len(of) > 1 and name not in TWICE])


def _public_names(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name
        elif isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias":
            name = ast.unparse(node.target)
            if not name.startswith("_"):
                yield name


def test_no_file_is_longer_than_two_concepts() -> None:
    files = [path for folder in (*PACKAGES, "bench", "static", "tests") for path in sources(ROOT / folder)]
    long = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in files}
    assert_none(
        [
            f"{name}: {lines} lines"
            for name, lines in long.items()
            if lines > (LONGEST_TEST_FILE if name.startswith("tests/") else LONGEST_FILE)
        ]
    )


def sources(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".py", ".js", ".mjs"} and "node_modules" not in path.parts:
            yield path


def test_only_the_command_line_prints() -> None:
    wrong = [
        f"{module.name}:{node.lineno}"
        for module in modules().values()
        if module.name not in PRINTS
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert_none(wrong)


REFERENCE_FORM = "gateway.reference_form"
# The demo prints a shell command for people, in which a handle is cut out of an answer.
SHOWS_REFERENCES = ("gateway.demo",)
TELLING_MEMBERS = ("$handle", "$callback", "$result")


def test_how_references_look_stands_in_one_module() -> None:
    wrong = [
        f"{module.name}:{line}: {text!r}"
        for module in modules().values()
        if within(module.name, "gateway")
        and module.name != REFERENCE_FORM
        and not any(within(module.name, package) for package in SHOWS_REFERENCES)
        for line, text in _literals(module.tree)
        if any(member in text for member in TELLING_MEMBERS)
    ]
    assert_none(wrong)


def _literals(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of every string, parts of longer ones and bytes among them, that is no docstring."""
    # A string that is a statement of its own is a docstring, whatever it stands under.
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and id(node) not in documents:
            value = node.value
            yield node.lineno, value if isinstance(value, str) else value.decode("latin-1")


def test_nothing_is_global() -> None:
    wrong = [
        f"{module.name}:{node.lineno}"
        for module in modules().values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Global)
    ]
    assert_none(wrong)


MUTABLE_DISPLAYS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
MUTABLE_CLASSES = {
    "list", "dict", "set", "bytearray", "defaultdict", "deque", "Counter", "OrderedDict",
    "WeakKeyDictionary", "WeakValueDictionary", "WeakSet",
}  # fmt: skip
MUTATORS = {
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft",
    "remove", "setdefault", "update",
}  # fmt: skip


def test_modules_hold_no_mutable_state() -> None:
    """A table at module level is a constant: its name is in capitals or its type reads Final, and nobody changes it."""
    wrong = []
    for module in modules().values():
        tables = dict(_tables(module.tree))
        wrong += [f"{module.name}:{n.lineno}: {name}" for name, n in tables.items() if not _is_constant(name, n)]
        wrong += [f"{module.name}:{line}: {name} is changed" for name, line in _changes(module.tree, set(tables))]
    assert_none(wrong)


def _tables(tree: ast.Module) -> Iterator[tuple[str, ast.Assign | ast.AnnAssign]]:
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and _is_mutable(node.value):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    yield target.id, node


def _is_mutable(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call):
        function = value.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        return name in MUTABLE_CLASSES
    return isinstance(value, MUTABLE_DISPLAYS)


def _is_constant(name: str, node: ast.Assign | ast.AnnAssign) -> bool:
    is_final = isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation).startswith("Final")
    return is_final or name.strip("_").isupper() or (name.startswith("__") and name.endswith("__"))


def _changes(tree: ast.Module, names: set[str]) -> Iterator[tuple[str, int]]:
    """Yield (name, line) wherever a function of the module changes one of its tables."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for node in (node for function in functions for node in ast.walk(function)):
        if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            changed = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
            changed = node.func.value
        else:
            continue
        if isinstance(changed, ast.Name) and changed.id in names:
            yield changed.id, node.lineno

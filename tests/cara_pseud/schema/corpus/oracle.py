"""Run as a script: what pycapnp makes of schema files, in a process of its own with a large stack.

Lines on stdin: ``[path of the root file, [directories of imports]]``. For each a line on stdout: null if pycapnp does
not load it, else ``{"constants": {name: value}, "defaults": {"Struct.field": value}}`` with the values of the root
file. Each is done by a copy of the process, as pycapnp ends it at most errors. A struct is an object of the fields that
are set, by their index; what is not finite or no JSON is a text.
"""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
import threading
from typing import Any

import capnp

_FLOATS = ("float32", "float64")


def main() -> None:
    for line in sys.stdin:
        path, directories = json.loads(line)
        with tempfile.TemporaryFile() as answer:
            pid = os.fork()
            if not pid:
                try:
                    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
                    answer.write(json.dumps(loaded(path, directories)).encode())
                    answer.flush()
                    os._exit(0)
                finally:
                    os._exit(1)
            ended = os.waitpid(pid, 0)[1]
            answer.seek(0)
            print("null" if ended else answer.read().decode(), flush=True)


def loaded(path: str, directories: list[str]) -> Any:
    parser = capnp.SchemaParser()
    module = parser.load(path, imports=directories)
    found: dict[str, dict[str, Any]] = {"constants": {}, "defaults": {}}
    waiting = [("", module.schema)]
    while waiting:
        scope, schema = waiting.pop()
        for nested in schema.node.nestedNodes:
            inner, name = schema.get_nested(nested.name), f"{scope}{nested.name}"
            kind = inner.node.which()
            if kind == "const":
                found["constants"][name] = value_of(inner.node.const.type, inner.as_const_value())
            elif kind == "struct":
                add_defaults(found["defaults"], name, inner.as_struct())
            waiting.append((f"{name}.", inner))
    return found


def add_defaults(found: dict[str, Any], name: str, struct: Any) -> None:
    builder = capnp._MallocMessageBuilder().init_root(struct)
    add_defaults_of(found, name, struct, builder.as_reader())


def add_defaults_of(found: dict[str, Any], name: str, struct: Any, reader: Any) -> None:
    for field in struct.fields_list:
        proto = field.proto
        if proto.which() == "group":
            if proto.discriminantValue in (65535, 0):  # else it is not active, and pycapnp does not read it
                add_defaults_of(found, f"{name}.{proto.name}", field.schema, getattr(reader, proto.name))
        elif proto.slot.hadExplicitDefault and proto.discriminantValue in (65535, 0):
            found[f"{name}.{proto.name}"] = value_of(proto.slot.type, getattr(reader, proto.name))


def value_of(type: Any, value: Any) -> Any:
    kind = type.which()
    if kind == "void" or value is None:
        return None
    if kind in _FLOATS:
        return value if math.isfinite(value) else str(value)
    if kind == "data":
        return bytes(value).hex()
    if kind == "enum":
        return value.raw if hasattr(value, "raw") else int(value)
    if kind == "list":
        return [value_of(type.list.elementType, item) for item in value]
    if kind == "struct":
        return struct_of(value)
    if kind in ("interface", "anyPointer"):
        return None
    return value


def struct_of(reader: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for index, field in enumerate(reader.schema.fields_list):
        proto = field.proto
        if proto.discriminantValue != 65535 and str(reader.which()) != proto.name:
            continue
        if proto.which() == "group":
            found[str(index)] = struct_of(getattr(reader, proto.name))
            continue
        kind = proto.slot.type.which()
        is_pointer = kind in ("text", "data", "list", "struct", "interface", "anyPointer")
        if not is_pointer or (kind not in ("interface", "anyPointer") and reader._has(proto.name)):
            found[str(index)] = value_of(proto.slot.type, getattr(reader, proto.name))
    return found


if __name__ == "__main__":
    threading.stack_size(1 << 28)
    thread = threading.Thread(target=main)
    thread.start()
    thread.join()

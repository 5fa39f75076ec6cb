"""Run by `compiler` in a child process: compile schema files and hand out their nodes as plain bytes.

The compiler inside of pycapnp ends its process at most schema errors and can overflow the stack, so nothing of it may
run where it can do harm. This file is a script, never imported, and imports as little as possible: its start-up is most
of the time that compiling takes. So it is started once and stays for a while: each request is done by a copy of it, and
whatever becomes of that, this process goes on.

Protocol: lines on stdin, the first of which is a JSON list of what is to be added to ``sys.path``; a line on stdout
with the process's id says that it is there. Each further one is a JSON request: ``root``, the directory with the files;
``files``, their names in it; ``timeout_s``. It is answered by a line with how the copy ended: its exit status, or the
negative number of the signal. By then its answer stands in two files of that directory: `ERRORS`, what it wrote to
stderr, a compiler error being its last words, and `ANSWER`, frames: one byte of kind, four of length, the payload.
``F`` names the file that is being compiled, ``N`` is a node as a single-segment ``schema.capnp:Node`` message, ``E`` is
an error that came as an exception, ``.`` is the end. The files' order is that of the request: those that matter first,
importing ones before imported ones. All but the first are tried by a copy of the copy, which hands them out if all is
well.

The process ends when its stdin does, or when nobody has asked for something for a while.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

ANSWER = ".answer"
ERRORS = ".errors"
_IDLE_S = 10.0
_STACK_BYTES = (1 << 30, 1 << 28, 1 << 26)
_HARD_LIMIT_WORDS = 1 << 29  # what a pointer can address; above, the message could not have one segment


def main() -> None:
    """Answer the requests on stdin."""
    # Whatever else prints in this process goes to stderr, where it cannot be taken for an answer.
    out = os.dup(1)
    os.dup2(2, 1)
    _forbid_core_dump()
    os.chdir(os.sep)  # nobody's directory is held by a process that nobody sees
    lines = _lines(0)
    # Our own paths first: a file of the user's directory must not shadow the standard library's modules here.
    sys.path.extend(path for path in json.loads(next(lines)) if path not in sys.path)
    complaint, new_parser = "", None
    try:
        import capnp

        new_parser = capnp.SchemaParser
    except Exception as error:  # whatever a broken installation raises
        complaint = f"pycapnp cannot be imported: {error}"
    os.write(out, b"%d\n" % os.getpid())
    for line in lines:
        request = json.loads(line)
        pid = os.fork()
        if not pid:
            _be_the_copy(request, new_parser, complaint)
        os.write(out, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def _lines(descriptor: int) -> Iterator[bytes]:
    """Yield the lines that are read there, until its end or until there is none for a while."""
    received = b""
    while True:
        line, end, rest = received.partition(b"\n")
        if end:
            received = rest
            yield line
        elif not select.select([descriptor], [], [], _IDLE_S)[0] or not (more := os.read(descriptor, 1 << 16)):
            return
        else:
            received += more


def _be_the_copy(request: Any, new_parser: Callable[[], Any] | None, complaint: str) -> None:
    """Answer a request, and end."""
    status = 1
    try:
        os.chdir(request["root"])
        os.dup2(os.open(ERRORS, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), 2)
        os.dup2(2, 1)
        signal.setitimer(signal.ITIMER_REAL, request["timeout_s"])
        with open(ANSWER, "xb") as out:

            def send(kind: bytes, payload: bytes = b"") -> None:
                out.write(kind + len(payload).to_bytes(4, "little") + payload)

            try:
                if new_parser is None:
                    send(b"E", complaint.encode())
                else:
                    _compile(_Compiler(new_parser, request["root"]), request, send, out.flush)
            except Exception as error:
                send(b"E", f"{type(error).__name__}: {error}".encode(errors="replace"))
        if sys.stdout is not None:
            sys.stdout.flush()
        status = 0
    finally:
        os._exit(status)


def _compile(
    compiler: _Compiler, request: Any, send: Callable[..., None], flush: Callable[[], None]
) -> None:
    first, *others = request["files"]
    send(b"F", first.encode())
    flush()  # the next call may be this process's last
    for message in compiler.messages(first):
        send(b"N", message)
    flush()

    def all_others() -> None:
        messages = [message for name in others for message in compiler.messages(name)]
        for message in messages:
            send(b"N", message)
        send(b".")
        flush()

    if not others:
        send(b".")
    elif not _survives(all_others, request["timeout_s"]):
        for name in others:
            send(b"F", name.encode())
            flush()
            if not _survives(partial(compiler.messages, name), request["timeout_s"]):
                compiler.begin_anew()
            for message in compiler.messages(name):
                send(b"N", message)
        send(b".")


class _Compiler:
    """The compiler with what it remembers of the files before.

    It remembers a struct that an earlier file used without its groups: a constant of a later file that sets a group's
    member is refused ("Struct has no field named"). Then that file is compiled by one that remembers nothing, which
    takes the time to read all of the file's imports again.
    """

    def __init__(self, new_parser: Callable[[], Any], directory: str) -> None:
        self._new_parser = new_parser
        self._directory = directory
        self._parser = new_parser()
        self._sent: set[int] = set()
        self._kept: list[Any] = [self._parser]  # pycapnp crashes where something outlives its parser

    def begin_anew(self) -> None:
        self._parser = self._new_parser()
        self._kept.append(self._parser)

    def messages(self, name: str) -> list[bytes]:
        """The nodes of a file that were not given before. If there is an error, the process does not survive it."""
        path = os.path.join(self._directory, name)
        schema = self._parser._parse_disk_file(name, path, [self._directory])
        return list(_messages(schema, self._sent))


def _survives(run: Callable[[], object], timeout_s: float) -> bool:
    """Whether something can be done without the end of the process: done by a copy of it."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1] == 0
    try:
        # Its last words would be taken for ours, and timers are not inherited.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os.dup2(2, 1)
        signal.setitimer(signal.ITIMER_REAL, timeout_s)
        run()
    except BaseException:
        os._exit(1)
    os._exit(0)


def _messages(file_schema: Any, seen: set[int]) -> Iterator[bytes]:
    """Yield the message of every node in a file, anonymous ones included, that is not yet in ``seen``."""
    waiting = [file_schema]
    while waiting:
        schema = waiting.pop()
        node = schema.node
        if node.id in seen:
            continue
        seen.add(node.id)
        words = node.total_size.word_count + 2
        if words > _HARD_LIMIT_WORDS:
            raise ValueError(f"{node.displayName} is too large")
        yield node.as_builder(words).to_bytes()
        kind = node.which()
        if kind == "struct":
            # Groups are no nested nodes, only their fields lead to them.
            for field, proto in zip(schema.as_struct().fields_list, node.struct.fields, strict=True):
                if proto.which() == "group":
                    waiting.append(field.schema)
        elif kind == "interface":
            # Inline parameter and result lists are structs that no scope names.
            for method in schema.as_interface().methods.values():
                for struct in (method.param_type, method.result_type):
                    if struct.node.scopeId == 0:
                        waiting.append(struct)
        if hasattr(schema, "get_nested"):  # groups, parameter and result lists have nothing nested
            waiting.extend(schema.get_nested(nested.name) for nested in node.nestedNodes)


def _forbid_core_dump() -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError):
        pass


def _with_large_stack(run: Callable[[], object]) -> None:
    """Run in a thread, as the main one's stack is as large as the system permits: 8 MiB overflow at 1,500 structs that
    lead from one to the next. The memory is taken as it is used."""
    for size in _STACK_BYTES:
        try:
            threading.stack_size(size)
            thread = threading.Thread(target=run)
            thread.start()
        except (RuntimeError, ValueError):  # more than the process may have
            continue
        thread.join()
        return
    run()


if __name__ == "__main__":
    if os.fork():  # so that whoever started this need not wait for its end
        os._exit(0)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, it would take the end of our own children from us
    _with_large_stack(main)

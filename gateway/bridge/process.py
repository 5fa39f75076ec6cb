"""The process of a bridge that a gateway started: what it is to do comes as one line of JSON on its standard input.

It ends when that input does, with its parent at the latest. On standard output it has a beat, so that its parent sees
that it does not hang, and says what is wrong with the service; see `gateway.bridge.reports`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, Final

from cara_pseud.errors import SchemaError
from cara_pseud.schema.loader import compile_schema
from cara_pseud.schema.nodes import InterfaceNode, Kind, Schema, Type
from gateway import logs
from gateway.bridge.reports import BEAT, report_of
from gateway.bridge.service import Bridge, ServedAs
from gateway.config.limits import Limits
from gateway.loop import give_back_large_blocks, settle_collector
from gateway.stalls import Stalls

BEAT_S: Final = 0.5
"""How often it says that its loop goes round."""
_LOG: Final = logging.getLogger(__name__)
_PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """Serve until standard input ends, or SIGTERM comes."""
    _end_with_parent()
    said = json.loads(sys.stdin.buffer.readline() or b"null")
    if said is None:
        return
    log = logs.set_up(Limits().max_log_bytes)
    try:
        schema, interface = compiled(said["schema"], said["import_path"], said["interface"])
        served_as = ServedAs(bind=said["bind"], peer=said["peer"])
        bridge = Bridge(schema, interface, said["endpoint"], served_as, lambda _: None, _report)
        asyncio.run(_until_told(bridge))
    except SchemaError as error:
        # The gateway has compiled the same schema, so somebody has just changed it; the next bridge may have more luck.
        _LOG.error("%s", error)
        sys.exit(1)
    finally:
        log.close()


def compiled(schema: str, import_path: list[str], interface: str) -> tuple[Schema, Type]:
    """A schema and the interface of a service's first object.

    Raises:
        SchemaError: it does not compile, or has no such interface.
    """
    made = compile_schema([schema], import_path)
    node = made.find(interface)
    if not isinstance(node, InterfaceNode):
        raise SchemaError(f"there is no interface {interface!r}", schema)
    return made, Type(Kind.INTERFACE, node.id)


def _end_with_parent() -> None:
    """Have the kernel end this process with its parent, where it can (Linux), also if it hangs then."""
    parent = os.getppid()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(0)


async def _until_told(bridge: Bridge) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    loop.add_reader(sys.stdin.fileno(), lambda: None if os.read(sys.stdin.fileno(), 4096) else stopped.set())
    give_back_large_blocks()
    settle_collector(Stalls())
    await serve_until(bridge, stopped, _beat)


async def serve_until(bridge: Bridge, stopped: asyncio.Event, beat: Callable[[], Any] | None = None) -> None:
    """Serve until an event is set.

    Args:
        beat: called twice a second; what it raises of an OSError ends the serving.
    """
    serving = asyncio.create_task(bridge.run())
    waiting = asyncio.create_task(stopped.wait())
    try:
        while not waiting.done() and not serving.done():
            if beat is not None:
                beat()
            await asyncio.wait((serving, waiting), timeout=BEAT_S, return_when=asyncio.FIRST_COMPLETED)
    except OSError:
        pass  # nobody listens to the beat any more
    finally:
        waiting.cancel()
        if serving.done():
            serving.result()
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving


def _beat() -> None:
    os.write(sys.stdout.fileno(), BEAT)


def _report(trouble: str) -> None:
    # Who does not listen any more is noticed by the next beat.
    with contextlib.suppress(OSError):
        os.write(sys.stdout.fileno(), report_of(trouble))


if __name__ == "__main__":
    main()

"""A notebook: cells that IPython runs in a loop that runs already, as its kernels do."""

from __future__ import annotations

import asyncio
import sys

from IPython.core.interactiveshell import InteractiveShell

endpoint, url, path = sys.argv[1:]
USED = """\
told = []
obj = counting.object()
failed = counting.flood(told.append, 3, 2)
"""
WAITING = """\
print("waiting", flush=True)
counting.slow(60_000)
"""
AFTER = """\
assert (obj.name(), failed, told) == ("object", 0, ["xx"] * 3)
"""
BLOCKING = [
    f"import cara_pseud; schema = cara_pseud.load({path!r})",
    f'counting = cara_pseud.connect({endpoint!r}, schema.Counting, peer="counting", timeout=30)',
    USED, WAITING, AFTER,
    "cara_pseud.release(counting)",
    f'gateway = cara_pseud.gateway.connect({url!r}).wait(); counting = gateway.service("counting", schema.Counting)',
    USED, WAITING, AFTER,
    "gateway.close()",
]  # fmt: skip
AWAITED = [
    f'client = cara_pseud.Client("counting", timeout=30); client.connect({endpoint!r}); await client.start()',
    "counting = schema.Counting(client); told = []; obj = await counting.object()",
    "assert await counting.flood(told.append, 3, 2) == 0",
    'assert (await obj.name(), told) == ("object", ["xx"] * 3)',
    "await client.stop()",
    f"gateway = await cara_pseud.gateway.connect({url!r}); counting = gateway.service('counting', schema.Counting)",
    "assert await counting.flood(told.append, 3, 2) == 0",
    "assert (await counting.object().name(), len(told)) == ('object', 6)",
    "await gateway.close()",
]


async def run(shell: InteractiveShell) -> None:
    for cell in [*BLOCKING, *AWAITED]:
        result = await shell.run_cell_async(cell, transformed_cell=shell.transform_cell(cell))
        error = result.error_in_exec or result.error_before_exec
        if isinstance(error, KeyboardInterrupt):
            print("interrupted", flush=True)
        elif error is not None:
            raise error


# Not asyncio.run, which turns Ctrl-C into a cancellation: kernels do not.
asyncio.new_event_loop().run_until_complete(run(InteractiveShell.instance(history_manager=None)))
print("done")

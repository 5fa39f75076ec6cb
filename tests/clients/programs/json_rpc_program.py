"""jsonrpclib-pelix, a JSON-RPC client that knows nothing of the gateway, over HTTP."""

from __future__ import annotations

import os
from typing import Any

import jsonrpclib

url = f"{os.environ['GATEWAY_URL']}/rpc"
server: Any = jsonrpclib.ServerProxy(url)
assert server.calculator.add(2, 5) == {"result": 7}
assert server.calculator.add(first=2, second=5) == {"result": 7}
code = None
try:
    server.calculator.divide(1, 0)
except jsonrpclib.ProtocolError as error:
    code = error.args[0][0]
assert code == -32602, code
# No notification: this client takes any status but 200 for a fault, 204 included, which has nothing to read.
batch: Any = jsonrpclib.MultiCall(server)
for number in (1, 2, 3):
    batch.calculator.add(number, number)
assert list(batch()) == [{"result": 2}, {"result": 4}, {"result": 6}]
assert any(method["name"] == "calculator.add" for method in server.rpc.discover()["methods"])

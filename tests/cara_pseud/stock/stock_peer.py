"""A server or a client of pseud 1.0.1, run by the tests in the environment that has it.

``stock_peer.py server PLUGIN`` prints its endpoint. ``stock_peer.py client PLUGIN ENDPOINT`` and ``stock_peer.py
sync_client ENDPOINT`` read one list of calls per line of JSON, make the calls of a list at the same time, and print
their outcomes.
"""

import asyncio
import datetime
import json
import sys
import warnings

warnings.simplefilter("ignore")

import pseud  # noqa: E402 (it warns while it is imported)
import zmq.auth.asyncio  # noqa: E402
import zope.component  # noqa: E402
import zope.interface  # noqa: E402
from pseud.auth import NoOpAuthenticationBackendForClient  # noqa: E402
from pseud.interfaces import IAuthenticationBackend, IClient, IServer  # noqa: E402
from pseud.utils import register_auth_backend  # noqa: E402


@register_auth_backend
@zope.interface.implementer(IAuthenticationBackend)
@zope.component.adapter(IClient)
class PlainClient(NoOpAuthenticationBackendForClient):
    """ZeroMQ PLAIN at the client's side, by pseud's own way to add plugins."""

    name = "plain"

    def configure(self):
        self.rpc.socket.plain_username = self.rpc.user_id
        self.rpc.socket.plain_password = self.rpc.password


@register_auth_backend
@zope.interface.implementer(IAuthenticationBackend)
@zope.component.adapter(IServer)
class PlainServer(NoOpAuthenticationBackendForClient):
    """The same at the server's side, for one user, who can be called by name."""

    name = "plain"

    def __init__(self, rpc):
        super().__init__(rpc)
        self.routing_ids = {}
        self.authenticator = None

    def configure(self):
        self.rpc.socket.plain_server = True
        self.authenticator = zmq.auth.asyncio.AsyncioAuthenticator(self.rpc.context)
        self.authenticator.configure_plain(passwords={"ann": "secret"})
        self.authenticator.start()

    async def stop(self):
        self.authenticator.stop()

    def register_routing_id(self, user_id, routing_id):
        self.routing_ids[user_id] = routing_id

    def get_routing_id(self, user_id):
        return self.routing_ids[user_id]


async def serve(plugin):
    server = pseud.Server(b"server", security_plugin=plugin, loop=asyncio.get_running_loop())
    server.bind("tcp://127.0.0.1:*")
    calls_back = []

    @server.register_rpc
    def add(a, b):
        return a + b

    @server.register_rpc
    def same(value):
        return value

    @server.register_rpc(name="space.name")
    def named(*args, **kwargs):
        return list(args), kwargs

    @server.register_rpc
    def fail(text):
        raise ValueError(text)

    @server.register_rpc
    def pickled():
        return datetime.date(2020, 1, 2)

    @server.register_rpc
    async def slow(seconds):
        await asyncio.sleep(seconds)
        return "slept"

    @server.register_rpc(with_identity=True)
    def who(user):
        return user

    @server.register_rpc(with_identity=True)
    def call_me_back(user, text):
        # Not awaited: the reader of this pseud waits for its handlers.
        calls_back.append(asyncio.ensure_future(server.send_to(user).shout(text)))

    @server.register_rpc
    def called_back():
        return [call.result() for call in calls_back if call.done()]

    await server.start()
    print(server.socket.getsockopt(zmq.LAST_ENDPOINT).decode().rstrip("\0"), flush=True)
    await server.reader


async def outcome(awaitable):
    try:
        return ["ok", repr(await awaitable)]
    except Exception as error:
        return [type(error).__name__, str(error).splitlines()[-1:]]


def argument(value):
    return datetime.date(2020, 1, 2) if value == "a date" else value


async def call(plugin, endpoint):
    loop = asyncio.get_running_loop()
    client = pseud.Client(
        b"server", user_id=b"ann", password=b"secret", security_plugin=plugin, timeout=5, loop=loop
    )
    client.connect(endpoint)
    client.register_rpc(lambda text: text.upper(), name="shout")
    await client.start()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        calls = [
            client.send_work(b"server", name, *map(argument, args), **kwargs) for name, args, kwargs in json.loads(line)
        ]
        print(json.dumps(await asyncio.gather(*map(outcome, calls))), flush=True)
    await client.stop()


def call_one_by_one(endpoint):
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    client = pseud.SyncClient()
    client.connect(endpoint)
    for line in sys.stdin:
        results = [getattr(client, name)(*args, **kwargs) for name, args, kwargs in json.loads(line)]
        print(json.dumps([["ok", repr(result)] for result in results]), flush=True)
    client.stop()


if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    if role == "sync_client":
        call_one_by_one(*arguments)
    else:
        asyncio.run({"server": serve, "client": call}[role](*arguments))

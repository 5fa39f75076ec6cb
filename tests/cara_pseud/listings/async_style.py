"""The documentation's two listings with async/await: ``python async_style.py server|client ENDPOINT``."""

import asyncio
import sys

import cara_pseud
from cara_pseud import pseud

cara_pseud.install_import_hook()

from calculator_capnp import Calculator  # noqa: E402


class Adder(Calculator):
    def __init__(self, offset):
        self.offset = offset

    async def add(self, first, second):
        await asyncio.sleep(0)
        return first + second + self.offset


async def create_server(endpoint, io_loop):
    server = pseud.Server(b"server", loop=io_loop, security_plugin="trusted_peer")
    server.bind(endpoint)
    server = cara_pseud.setup_server(server)
    await server.start()
    cara_pseud.register_interface(server, Adder(0))
    return server


async def create_client(endpoint, io_loop):
    client = pseud.Client(b"server", loop=io_loop, security_plugin="plain", user_id=b"test", password=b"_")
    client.connect(endpoint)
    client = cara_pseud.setup_client(client)
    await client.start()
    result = await Calculator(client).add(2, 5)
    print(result, flush=True)
    await client.stop()


async def main():
    loop = asyncio.get_running_loop()
    if sys.argv[1] == "server":
        await create_server(sys.argv[2], loop)
        print("serving", flush=True)
        await asyncio.Event().wait()
    else:
        await create_client(sys.argv[2], loop)


if __name__ == "__main__":
    asyncio.run(main())

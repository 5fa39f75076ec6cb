"""The documentation's listings, unchanged below their imports: ``coroutine_style.py server|client ENDPOINT``."""

import sys

import tornado.gen
import tornado.ioloop

import cara_pseud
from cara_pseud import pseud

cara_pseud.install_import_hook()

from calculator_capnp import Calculator  # noqa: E402


@tornado.gen.coroutine
def create_server(endpoint, io_loop):
  server = pseud.Server(
      b'server', io_loop=io_loop, security_plugin='trusted_peer')
  server.bind(endpoint)
  server = cara_pseud.setup_server(server)
  yield server.start()

  @cara_pseud.register_interface(server)
  class MyCalculator(Calculator):
    def add(self, first, second):
      return first + second


@tornado.gen.coroutine
def create_client(endpoint, io_loop):
  client = pseud.Client(
      b'server', io_loop=io_loop,
      security_plugin='plain', user_id=b'test', password=b'_')
  client.connect(endpoint)
  client = cara_pseud.setup_client(client)
  yield client.start()
  result = yield Calculator(client).add(2, 5)
  # result == 7
  print(result, flush=True)


if __name__ == "__main__":
    loop = tornado.ioloop.IOLoop()
    if sys.argv[1] == "server":
        loop.run_sync(lambda: create_server(sys.argv[2], loop))
        print("serving", flush=True)
        loop.start()
    else:
        loop.run_sync(lambda: create_client(sys.argv[2], loop))
